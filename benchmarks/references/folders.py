"""Where the references given stars and given 24 numbers lie, for the studies that compare them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mwlmc_data.scoring.references import OF_24, OF_STARS


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
