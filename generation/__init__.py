"""Programs that make the data of a release: `python -m generation --help` lists them."""
