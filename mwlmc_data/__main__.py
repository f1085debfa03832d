"""``python -m mwlmc_data``: the command `mwlmc`."""

import sys

from mwlmc_data.cli import main

if __name__ == "__main__":
    sys.exit(main())
