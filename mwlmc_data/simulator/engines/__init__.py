"""How stars are moved: the lanes of the processor, a GPU, or agama; `registry` knows them by name."""
