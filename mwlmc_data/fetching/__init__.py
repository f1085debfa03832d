"""Files of the release, from mirrors into the local store."""

from .errors import FetchError
from .files import fetch

__all__ = ["FetchError", "fetch"]
