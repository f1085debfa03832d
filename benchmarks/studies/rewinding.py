"""How exact the density of rewound stars is: forward, back, and compared with where the stars were drawn.

Haloes are simulated with draws of the prior, and their stars rewound with the same parameters. The sum over the rewound
stars of the terms of ln L, less that over the stars as they were drawn, is the error of ln L. The same of f itself,
without the mean over errors of L (:mod:`mwlmc_data.rewinding.density`), shows what that mean is for. The stars are also
taken back in the field of other parameters: the mean of f_a / f_b over the stars of b is 1.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from benchmarks.common.parallel import measure_draws
from mwlmc_data import Parameters
from mwlmc_data.array_types import Float64Array
from mwlmc_data.rewinding.density import ERROR, draw_errors, log_start_density
from mwlmc_data.rewinding.likelihood import log_density_stars
from mwlmc_data.rewinding.rewind import rewind_stars
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.engines.lanes import integrate_lanes
from mwlmc_data.simulator.engines.start import TOLERANCE, start_stars
from mwlmc_data.simulator.equilibrium import Equilibrium, equilibrium
from mwlmc_data.simulator.streams import halo_stream

#: Anisotropies at which every draw is simulated, in place of its own.
ANISOTROPIES = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9)
#: Relative change of the masses and absolute change of r_dehnen [kpc] and beta0 between the parameters a and b.
_MASS, _RADIUS, _ANISOTROPY = 0.02, 0.3, -0.02


@dataclasses.dataclass(frozen=True)
class Errors:
    """Errors of ln L of one halo.

    Attributes
    ----------
    beta0 : float
    n_stars : int
        Stars beyond 50 kpc today.
    outer, inner : float
        Sum of ln f of rewound stars less that of the same stars as they were drawn: beyond 50 kpc today, and within.
    pointwise : float
        The same beyond 50 kpc for f itself.
    radial : float
        Part of the stars beyond 50 kpc whose L was less than the error that it is given.
    ratio, ratio_error : float
        Mean of f_a / f_b over the stars of b, rewound in the field of a, and its standard error.
    """

    beta0: float
    n_stars: int
    outer: float
    inner: float
    pointwise: float
    radial: float
    ratio: float
    ratio_error: float


def measure_errors(job: tuple[dict, int, int]) -> list[Errors]:
    """Measure the errors of one draw at every anisotropy, given (row of parameters, seed, sim_id)."""
    row, seed, sim_id = job
    return [_measure(Parameters.from_row(row | {"beta0": beta0}), seed, sim_id) for beta0 in ANISOTROPIES]


def _measure(p: Parameters, seed: int, sim_id: int) -> Errors:
    _, field, start = start_stars(p, const.N_STARS, halo_stream(seed, sim_id))
    today = integrate_lanes(start, field, TOLERANCE)[0].astype(float)
    outer = np.linalg.norm(today[:, :3], axis=1) > const.FIT_R_MIN
    back, tables = rewind_stars(today, p), _tables_of(p)
    errors = draw_errors(today)
    drawn = log_start_density(start, tables, errors)
    error = log_start_density(back, tables, errors) - drawn
    # an exactly radial star has no f
    with np.errstate(invalid="ignore"):
        pointwise = log_start_density(back, tables) - log_start_density(start, tables)
    ratio = np.exp(log_density_stars(today, _change(p)) - drawn)
    return Errors(
        beta0=p.beta0,
        n_stars=int(outer.sum()),
        outer=float(error[outer].sum()),
        inner=float(error[~outer].sum()),
        pointwise=float(pointwise[outer].sum()),
        radial=float((compute_sines(start[outer]) < ERROR).mean()),
        ratio=float(ratio.mean()),
        ratio_error=float(ratio.std() / math.sqrt(len(ratio))),
    )


def compute_sines(stars: Float64Array) -> Float64Array:
    """L / (r v) of stars (n, 6)."""
    x, v = stars[:, :3], stars[:, 3:]
    size = np.linalg.norm(x, axis=1) * np.linalg.norm(v, axis=1)
    return np.linalg.norm(np.cross(x, v), axis=1) / size


def _change(p: Parameters) -> Parameters:
    """Other parameters, a few standard deviations of a posterior away."""
    names = ("log10_lambda_df", "x_lmc", "y_lmc", "z_lmc", "vx_lmc", "vy_lmc", "vz_lmc", "a_lmc")
    given = {name: getattr(p, name) for name in names}
    return Parameters(
        m200_mw=p.m200_mw * (1 + _MASS),
        m_lmc=p.m_lmc * (1 + _MASS),
        beta0=max(p.beta0 + _ANISOTROPY, 0.0),
        r_dehnen=p.r_dehnen + _RADIUS,
        **given,
    )


def _tables_of(p: Parameters) -> Equilibrium:
    return equilibrium(p.m200_mw, p.c200, p.beta0, p.r_dehnen)


def measure(config: str, simulations: int, seed: int, workers: int | None) -> list[list[Errors]]:
    """Measure the errors of draws of the prior, each at every anisotropy."""
    return measure_draws(measure_errors, config, simulations, seed, workers)


def describe(found: Sequence[Sequence[Errors]]) -> str:
    """Format the errors as a table, one line for each anisotropy."""
    lines = [
        f"ERROR OF ln L of the stars beyond 50 kpc, moved forward and back: {len(found)} haloes at every beta0",
        "|sum| of rewound stars less that of the drawn ones; radial: part of them with L below the error given to it;",
        "f itself: without the mean over such errors; within 50 kpc: the sum over the other stars",
        "",
        f"{'':>5}{'':>8}{'ln L':^18}{'':>9}{'f itself':^27}{'within 50 kpc':^18}",
        f"{'beta0':>5}{'median':>8}{'90%':>9}{'largest':>9}{'radial':>9}"
        f"{'median':>9}{'90%':>9}{'largest':>9}{'median':>9}{'90%':>9}{'mean f_a / f_b':>24}",
    ]
    for errors in zip(*found, strict=True):
        outer, pointwise, inner = (
            np.abs([getattr(e, name) for e in errors]) for name in ("outer", "pointwise", "inner")
        )
        ratios = np.array([e.ratio for e in errors])
        numbers = [*np.quantile(outer, [0.5, 0.9]), outer.max(), np.mean([e.radial for e in errors])]
        line = f"{errors[0].beta0:>5.2f}{numbers[0]:>8.3f}" + "".join(f"{x:>9.3f}" for x in numbers[1:])
        line += "".join(f"{x:>9.2f}" for x in (*np.quantile(pointwise, [0.5, 0.9]), pointwise.max()))
        line += "".join(f"{x:>9.1f}" for x in np.quantile(inner, [0.5, 0.9]))
        lines.append(f"{line}{ratios.mean():>14.5f} ± {ratios.std(ddof=1) / math.sqrt(len(ratios)):.5f}")
    return "\n".join(lines)
