"""Files of the release, from mirrors into the local store."""

from mwlmc_data.fetching.errors import FetchError
from mwlmc_data.fetching.files import fetch, fetch_files

__all__ = ["FetchError", "fetch", "fetch_files"]
