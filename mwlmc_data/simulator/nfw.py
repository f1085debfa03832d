"""The NFW halo in its own units, for kernels: radius x = r / r_s, potential Psi = ln(1 + x) / x."""

from __future__ import annotations

import math

from mwlmc_data.simulator.compiling import inline

#: Radius below which closed forms cancel, and series of eleven terms are exact to rounding.
_SMALL = 0.03


@inline
def depth(x):
    """``1 - Psi = 1 - ln(1 + x) / x`` without cancellation at small x."""
    if x > _SMALL:
        return 1.0 - math.log1p(x) / x
    series = 1.0 / 12.0
    for k in range(11, 1, -1):
        series = 1.0 / k - x * series
    return x * series


@inline
def mass(x):
    """Mass ``ln(1 + x) - x / (1 + x)`` within x, in units of 4 pi rho_s r_s^3, without cancellation at small x."""
    if x > _SMALL:
        return math.log1p(x) - x / (1.0 + x)
    series = 10.0 / 11.0
    for k in range(10, 1, -1):
        series = (k - 1.0) / k - x * series
    return x * x * series
