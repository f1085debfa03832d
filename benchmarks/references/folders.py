"""Where the references given stars and given 24 numbers lie, for the studies that compare them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mwlmc_data.scoring.references import OF_24, OF_STARS, ReferenceSet, load_references, read_references


@dataclasses.dataclass(frozen=True)
class ReferenceFolders:
    """Folders of the runs that make them.

    Attributes
    ----------
    stars : Path
        Of ``python -m benchmarks star-references``.
    numbers : Path
        Of ``python -m benchmarks references --task summary-24``.
    """

    stars: Path
    numbers: Path

    @property
    def of_stars(self) -> Path:
        """Table of the references given stars, which may not exist."""
        return self.stars / f"{OF_STARS}.parquet"

    @property
    def of_numbers(self) -> Path:
        """Table of the references given 24 numbers, which may not exist."""
        return self.numbers / f"{OF_24}.parquet"

    def read_of_stars(self) -> ReferenceSet | None:
        """Read the references given stars: the folder's, else the package's; None if there are neither."""
        return _read_or_load(self.of_stars, OF_STARS)

    def read_of_numbers(self) -> ReferenceSet | None:
        """Read the references given 24 numbers: the folder's, else the package's; None if there are neither."""
        return _read_or_load(self.of_numbers, OF_24)


def _read_or_load(path: Path, name: str) -> ReferenceSet | None:
    return read_references(path) if path.exists() else load_references(name=name)
