"""What a halo's numbers lose of what its stars say, per parameter, and what that gain rests on.

Three posteriors of the same test rows are compared: given the nine numbers (the embedded references), given 24 numbers
and given the first 1,024 stars beyond 50 kpc (the folders of their references, as far as they are made, or else the
embedded ones). They differ in the data alone.

The gain rests on the model. One halo is inferred again with distances that are wrong, which are taken as right.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.references import from_stars, simulations
from benchmarks.references.folders import ReferenceFolders
from benchmarks.star_references.rows import StarRow, list_rows
from mwlmc_data import Prior, Selection, load_halo
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.free_parameters import FREE
from mwlmc_data.inference.posterior import get_unit
from mwlmc_data.rewinding.rewind import take_table
from mwlmc_data.scoring.observations import CONFIG
from mwlmc_data.scoring.reference_columns import THETA
from mwlmc_data.scoring.references import ReferenceSet, load_references
from mwlmc_data.simulator import constants as const

#: Seed of the posteriors of this study.
SEED = 20250901
#: Draws of each.
N_DRAWS = 1_000
#: Raised when the same stars give another file.
VERSION = 2
_OF_24 = "24 numbers"
#: Number of rows up to which each is printed.
_FEW = 10
#: Limits of the anisotropies whose rows are averaged where there are more.
_ANISOTROPIES = (0.0, 0.3, 0.6, 0.8, 1.0)
#: Relative errors of all distances with which a halo is inferred again.
DISTANCES = (0.0, 0.01, 0.03)


@dataclasses.dataclass(frozen=True)
class Widths:
    """Posteriors of the same rows given different data.

    Attributes
    ----------
    names : tuple of str
        Rows for which all of them are at hand, by increasing anisotropy, on which the widths depend most.
    beta0 : ndarray, shape (n,)
        Their anisotropy.
    sigmas : dict of str to ndarray, shape (n, 3)
        Data -> standard deviation of the posterior of each of `THETA`, over that of the prior.
    gains : dict of str to ndarray, shape (n,)
        Data -> log density of the truth above the prior's [nats].
    """

    names: tuple[str, ...]
    beta0: Float64Array
    sigmas: dict[str, Float64Array]
    gains: dict[str, Float64Array]


def compare_widths(found: dict[str, ReferenceSet]) -> Widths:
    """Compare references of the same rows.

    Parameters
    ----------
    found : dict of str to ReferenceSet
        Data -> references.

    Returns
    -------
    Widths

    Raises
    ------
    ValueError
        If they have no row in common.
    """
    common = set.intersection(*({int(i) for i in each.sim_id if i >= 0} for each in found.values()))
    if not common:
        raise ValueError("the references have no row in common: allowed are files with references of the same rows")
    wanted = sorted((row for row in list_rows() if row.sim_id in common), key=lambda row: row.truth["beta0"])
    prior = Prior(CONFIG, THETA)
    width = np.array([marginal.std for marginal in prior.marginals.values()])
    of_prior = prior.log_prob(np.array([[row.truth[name] for name in THETA] for row in wanted]))
    sigmas, gains = {}, {}
    for data, each in found.items():
        places = [int(np.flatnonzero(each.sim_id == row.sim_id)[0]) for row in wanted]
        sigmas[data] = each.samples[places].astype(float).std(axis=1) / width
        gains[data] = each.log_prob_truth[places] - of_prior
    beta0 = np.array([row.truth["beta0"] for row in wanted])
    return Widths(tuple(row.name for row in wanted), beta0, sigmas, gains)


def describe_widths(found: Widths) -> str:
    """Table of the widths, as text: medians, and each row where they are few, or medians by anisotropy."""
    lines = [
        f"{len(found.names)} rows; standard deviation of the posterior over the prior's (median), and gain (mean)",
        f"{'':<28}" + "".join(f"{name:>17}" for name in THETA) + f"{'gain [nats]':>14}",
    ]
    for data, sigma in found.sigmas.items():
        lines.append(_format_widths(data, np.median(sigma, axis=0), float(found.gains[data].mean())))
    if len(found.names) > _FEW:
        for low, high in itertools.pairwise(_ANISOTROPIES):
            inside = (found.beta0 >= low) & (found.beta0 < high)
            if inside.any():
                lines.append(f"{inside.sum()} rows at beta0 {low:g} to {high:g}")
                for data, sigma in found.sigmas.items():
                    gain = float(found.gains[data][inside].mean())
                    lines.append(_format_widths(f"  {data}", np.median(sigma[inside], axis=0), gain))
    else:
        for i, name in enumerate(found.names):
            lines.append(f"{name}, beta0 {found.beta0[i]:.2f}")
            for data, sigma in found.sigmas.items():
                lines.append(_format_widths(f"  {data}", sigma[i], float(found.gains[data][i])))
    return "\n".join(lines)


def _format_widths(words: str, sigma: Float64Array, gain: float) -> str:
    return f"{words:<28}" + "".join(f"{value:17.3f}" for value in sigma) + f"{gain:14.2f}"


@dataclasses.dataclass(frozen=True)
class Disturbed:
    """A halo inferred with wrong distances.

    Attributes
    ----------
    error : float
        Relative error of all distances.
    mean, sigma : ndarray, shape (6,)
        Of the posterior.
    p_value : float
        Of the stars.
    """

    error: float
    mean: Float64Array
    sigma: Float64Array
    p_value: float


def disturb(out: Path, row: StarRow, errors: Sequence[float] = DISTANCES) -> Iterator[Disturbed]:
    """Infer the stars of a row beyond 50 kpc with distances that are all wrong by the same part, and taken as right.

    What is measured besides, the direction, the line-of-sight velocity and the proper motion, stays.
    """
    halo = take_table("halo", load_halo(row.sim_id))
    for error in errors:
        about = {**from_stars.settings(row, SEED, N_DRAWS, VERSION), "error": error}
        path = out / "disturbed" / f"{row.name}-{error:g}.npz"
        if path.exists():
            simulations.check(path, about)
            with np.load(path) as file:
                samples, p_value = file["samples"], float(file["p_value"])
        else:
            again = from_stars.infer(row, scale_distances(halo, 1.0 + error), Selection(), SEED + row.number, N_DRAWS)
            samples, p_value = again.samples[list(FREE)].to_numpy(), again.p_value
            simulations.save(path, about, samples=samples, p_value=np.array(p_value))
        yield Disturbed(error, samples.mean(axis=0), samples.std(axis=0), p_value)


def scale_distances(stars: NDArray, factor: float) -> Float64Array:
    """Stars (n, 6) as they seem with heliocentric distances times a factor, at the same proper motions."""
    x, v = stars[:, :3] - const.SUN_POSITION, stars[:, 3:] - const.SUN_VELOCITY
    direction = x / np.linalg.norm(x, axis=1, keepdims=True)
    along = np.einsum("ni,ni->n", v, direction)[:, None] * direction
    moved = along + factor * (v - along)
    return np.hstack([factor * x + const.SUN_POSITION, moved + const.SUN_VELOCITY])


def describe_disturbed(row: StarRow, found: Sequence[Disturbed]) -> str:
    """Table of a halo with wrong distances, as text."""
    lines = [f"{row.name}, all stars beyond 50 kpc, distances wrong by the same part: mean ± standard deviation"]
    units = [get_unit(name) for name in FREE]
    lines.append(f"{'':<10}" + "".join(f"{name:>18}" for name in FREE) + f"{'p-value':>10}")
    truth = "".join(f"{row.truth[name] / scale:18.3f}" for name, (scale, _) in zip(FREE, units, strict=True))
    lines.append(f"{'truth':<10}{truth}")
    for each in found:
        cells = zip(each.mean, each.sigma, units, strict=True)
        numbers = "".join(f"{f'{mean / scale:.3f} ± {sigma / scale:.3f}':>18}" for mean, sigma, (scale, _) in cells)
        lines.append(f"{each.error:<+10.0%}{numbers}{each.p_value:10.3f}")
    return "\n".join(lines)


def main(out: Path, folders: ReferenceFolders, disturbed: int) -> None:
    """Print the tables for which posteriors are at hand; compute those of the study itself.

    Parameters
    ----------
    out : Path
        Folder of the study's own posteriors.
    folders : ReferenceFolders
    disturbed : int
        Number of rows that are inferred again with wrong distances.
    """
    known = {
        "nine numbers": load_references(),
        _OF_24: folders.read_of_numbers(),
        "1,024 stars": folders.read_of_stars(),
    }
    found = {data: references for data, references in known.items() if references is not None}
    if len(found) < 2:
        raise ValueError(
            f"stars = {str(folders.stars)!r}, numbers = {str(folders.numbers)!r}: allowed are folders with collected "
            "references"
        )
    if len(found) > 2:  # the rows given 24 numbers may be fewer
        print(describe_widths(compare_widths({k: v for k, v in found.items() if k != _OF_24})) + "\n")
    print(describe_widths(compare_widths(found)), flush=True)
    for row in list_rows()[:disturbed]:
        print("\n" + describe_disturbed(row, list(disturb(out, row))), flush=True)
