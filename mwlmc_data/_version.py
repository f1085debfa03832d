"""The version of the package, in the one place from which everything else reads it."""

__version__ = "1.0.0"
