"""Files of the release, from mirrors into the local store."""

from .errors import FetchError
from .files import fetch, fetch_files

__all__ = ["FetchError", "fetch", "fetch_files"]
