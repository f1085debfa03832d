"""A figure of a live galaxy beside what is allowed."""

from __future__ import annotations

import math
from typing import NamedTuple


class LiveFigure(NamedTuple):
    """A measured figure and what is allowed."""

    what: str
    found: float
    allowed: float
    unit: str = ""

    def __str__(self) -> str:
        verdict = "" if math.isnan(self.allowed) else f"{self.allowed:>8.3g} {'met' if self.is_met else 'NOT met'}"
        return f"{self.what:<66} {self.found:>10.4g} {self.unit:<8} {verdict}".rstrip()

    @property
    def is_met(self) -> bool:
        """Whether the figure is at most what is allowed."""
        return self.found <= self.allowed
