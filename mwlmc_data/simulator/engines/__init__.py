"""Engines that move stars: SIMD lanes of the processor, a GPU, or agama; `registry` finds them by name."""
