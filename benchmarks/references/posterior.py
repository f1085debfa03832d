"""The posterior of theta on a fine grid, from the likelihood at some thousands of nodes.

``log p(theta | y) = log p(theta) + log p(y | theta) + constant``. The likelihood is computed on a lattice of nodes,
where the orbits are integrated. Averaged over the nuisances its logarithm is smooth, and cubic splines interpolate it
to the fine grid. Box and spacing of the lattice are refined until the error of the splines is small. Theta and
densities are in units of `benchmarks.common.features.SCALE`.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator, make_interp_spline

from benchmarks.common.features import SCALE
from benchmarks.references.conditional import Conditional
from benchmarks.references.design import CONFIG, THETA
from benchmarks.references.marginal_likelihood import FINE, QUADRATURE, ROUGH, Histories, Nodes, log_prior
from mwlmc_data.array_types import Float64Array
from mwlmc_data.inference.grid import Grid
from mwlmc_data.priors import MARGINALS, Prior

#: Points of the fine grid on each side.
N_GRID = 72
#: Error of the log density that the splines may have at the lattice's spacing along each axis, by their own estimate.
TOLERANCE = 0.03
_SHAPE, _ROUGH_SHAPE = (12, 14, 12), (12, 10, 12)
_MAX_SIDE, _MAX_NODES = 30, 12_000
_ROUNDS = 4
#: Log density below the maximum at which a point of the design is outside the first box.
_DEPTH = 12.0
#: Probability of the prior beyond the ends of the widest box, where these are not walls.
_FAR = 1e-6
#: A box is replaced when the posterior needs less than this part of a side.
_SHRINKS = 0.85
#: Marginal density over its maximum at an end that is not a wall, above which a side is made longer.
_CUT = 1e-3
#: Draws at which the grid is compared with the likelihood itself.
_N_PROBES = 128
#: Powers of theta in which points are equidistant: the likelihood is rougher at small masses.
_POWERS = (0.5, 0.5, 1.0)


@dataclasses.dataclass(frozen=True)
class Lattice:
    """Nodes on a lattice.

    Attributes
    ----------
    axes : tuple of three ndarray
    nodes : Nodes
        Its points, the last coordinate running fastest.
    """

    axes: tuple[NDArray, ...]
    nodes: Nodes

    @classmethod
    def lay(
        cls, box: NDArray, shape: tuple[int, ...], quadrature: tuple[int, int, int], histories: Histories
    ) -> Lattice:
        """Lay a lattice in a box (3, 2), its ends included, and integrate the orbits."""
        axes = _axes(box, shape)
        theta = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)
        return cls(axes, Nodes.at(theta, quadrature, histories))

    def infer(self, model: Conditional, travel: NDArray) -> tuple[Grid, NDArray]:
        """Compute the posterior of a travel vector (3,), and the splines' error of its logarithm per axis, (3,)."""
        values = self.log_density(model, travel)
        box = np.array([[axis[0], axis[-1]] for axis in self.axes])
        fine = _axes(box, (N_GRID,) * 3)
        spline = values
        for i in range(3):
            spline = make_interp_spline(_warp(i, self.axes[i]), spline, k=3, axis=i)(_warp(i, fine[i]))
        grid = Grid.from_log(fine, spline + _log_prior(fine))
        return grid, _missed(values, self.axes, _weight(values, self.axes)) / 16.0

    def log_density(self, model: Conditional, travel: NDArray) -> Float64Array:
        """Compute the log density of a travel vector (3,) at the points, an axis for each of the lattice's."""
        return self.nodes.log_likelihood(model, travel).reshape([len(axis) for axis in self.axes])


@dataclasses.dataclass(frozen=True)
class Inference:
    """A posterior and how it was computed.

    Attributes
    ----------
    grid : Grid
    lattice : Lattice
        For computing others in comparison.
    missed : ndarray, shape (3,)
        Error of the log density by the splines' own estimate, along each axis.
    """

    grid: Grid
    lattice: Lattice
    missed: NDArray


def infer(model: Conditional, travel: NDArray, histories: Histories, box: NDArray) -> Inference:
    """Compute a posterior.

    Parameters
    ----------
    model : Conditional
    travel : ndarray, shape (3,)
        The observation [km/s].
    histories : callable
        Integrates orbits.
    box : ndarray, shape (3, 2)
        Contains the posterior.

    Returns
    -------
    Inference
    """
    shape, quadrature = np.array(_ROUGH_SHAPE), ROUGH
    for _ in range(_ROUNDS):
        lattice = Lattice.lay(box, tuple(shape.tolist()), quadrature, histories)
        grid, missed = lattice.infer(model, travel)
        better = _better_box(grid, box)
        part = np.array([np.ptp(_warp(i, better[i])) / np.ptp(_warp(i, box[i])) for i in range(3)])
        if (part >= _SHRINKS).all() and (part <= 1.0).all():
            better, part = box, np.ones(3)
            if (missed < TOLERANCE).all() and quadrature == QUADRATURE:
                break
        # the error falls with the fourth power of the spacing, here to half the tolerance
        wanted = shape * part * np.maximum(missed / (0.5 * TOLERANCE), 1e-3) ** 0.25
        shape = np.ceil(np.where(missed * part**4 > TOLERANCE, wanted, shape))
        shape = np.clip(shape, _SHAPE, _MAX_SIDE)
        excess = shape.prod() / _MAX_NODES
        shape = np.maximum(shape / max(excess, 1.0) ** (1 / 3), _SHAPE).astype(int)
        box, quadrature = better, QUADRATURE
    return Inference(grid, lattice, missed)


def measure_interpolation_error(
    found: Inference, model: Conditional, travel: NDArray, histories: Histories, seed: tuple[int, ...]
) -> float:
    """Measure the root mean square error of the log density due to lattice and grid, at draws of the posterior."""
    grid = found.grid
    probes = grid.sample(_N_PROBES, seed)
    direct = log_probability(model, travel, probes, histories, grid.log_evidence)
    on_grid = np.log(RegularGridInterpolator(grid.axes, grid.density)(probes))
    return float(np.sqrt(np.mean(np.square(on_grid - direct))))


def refine(
    found: Inference, model: Conditional, travel: NDArray, histories: Histories, seed: tuple[int, ...]
) -> Inference:
    """Replace a lattice by one with more nodes where its error is largest.

    Either three times as many in the average over m_lmc_8p7, or twice as many cells along the axis with the largest
    error of the splines. Their own estimate leaves out every other node but the last, and so misses what lies between
    the last two. Here the estimate leaves out the other half of the nodes as well.
    """
    axes, quadrature = found.lattice.axes, found.lattice.nodes.quadrature
    values = found.lattice.log_density(model, travel)
    missed = np.maximum(*(_missed(values, axes, _weight(values, axes), start) for start in (0, 1))) / 16.0
    probes = found.grid.sample(_N_PROBES, seed)
    more = (FINE[0], *quadrature[1:])
    few, many = (Nodes.at(probes, q, histories).log_likelihood(model, travel) for q in (quadrature, more))
    shape = [len(axis) for axis in axes]
    if np.sqrt(np.mean(np.square(few - many))) > missed.max():
        quadrature = (min(3 * quadrature[0], FINE[0]), *quadrature[1:])
    else:
        worst = int(np.argmax(missed))
        shape[worst] = 2 * shape[worst] - 1
    box = np.array([[axis[0], axis[-1]] for axis in axes])
    lattice = Lattice.lay(box, tuple(shape), quadrature, histories)
    grid, missed = lattice.infer(model, travel)
    return Inference(grid, lattice, missed)


def _better_box(grid: Grid, box: NDArray) -> Float64Array:
    """Fit the box more closely to the posterior, or extend it on a side where it cuts the posterior."""
    better, widest = grid.zoom(), widest_box()
    for i in range(3):
        marginal = grid.marginal(i)
        for end, outwards in ((0, -1.0), (-1, 1.0)):
            if marginal[end] > _CUT * marginal.max() and abs(box[i, end] - widest[i, end]) > 1e-6:
                better[i, end] = box[i, end] + outwards * 0.25 * np.ptp(box[i])
    return np.clip(better, widest[:, :1], widest[:, 1:])


def first_box(log_density: NDArray, theta: NDArray) -> Float64Array:
    """Find a box around the posterior from the simulations of a design.

    Parameters
    ----------
    log_density : ndarray, shape (n,)
        Log density of the observation, given each simulation's parameters and nuisances.
    theta : ndarray, shape (n, 3)
        Their parameters, in units of `SCALE`.

    Returns
    -------
    ndarray, shape (3, 2)
        Inside the prior, without its far tails.
    """
    widest = widest_box()
    inside = np.clip(theta, widest[:, 0], widest[:, 1])
    total = log_density + sum(log_prior(i, inside[:, i]) for i in range(3))
    held = inside[total > total.max() - _DEPTH]
    margin = 0.1 * np.ptp(held, axis=0)
    box = np.stack([held.min(axis=0) - margin, held.max(axis=0) + margin], axis=1)
    # where the posterior comes near a wall, the grid ends there
    near = 0.02 * np.ptp(widest, axis=1)
    box[:, 0] = np.where(box[:, 0] < widest[:, 0] + near, widest[:, 0], box[:, 0])
    box[:, 1] = np.where(box[:, 1] > widest[:, 1] - near, widest[:, 1], box[:, 1])
    return box


def widest_box() -> Float64Array:
    """Return the range of the prior without its far tails, shape (3, 2)."""
    ends = []
    for name, scale in zip(THETA, SCALE, strict=True):
        marginal = MARGINALS[CONFIG][name]
        top = float(marginal.quantile(np.array(1.0 - _FAR)))
        high = marginal.high if top > 0.9 * marginal.high else top
        ends.append((marginal.low / scale, high / scale))
    return np.array(ends)


def log_probability(
    model: Conditional, travel: NDArray, theta: NDArray, histories: Histories, log_evidence: float
) -> Float64Array:
    """Compute the log posterior density at theta (k, 3) with finer quadrature; only the evidence is from the grid."""
    prior = Prior(CONFIG, THETA).log_prob(theta * SCALE) + np.log(SCALE).sum()
    return prior + Nodes.at(theta, FINE, histories).log_likelihood(model, travel) - log_evidence


def _axes(box: NDArray, shape: tuple[int, ...]) -> tuple[NDArray, ...]:
    axes = []
    for i, n in enumerate(shape):
        low, high = _warp(i, box[i]).tolist()
        axis = np.linspace(low, high, n) ** (1.0 / _POWERS[i]) if _POWERS[i] != 1.0 else np.linspace(low, high, n)
        axis[[0, -1]] = box[i]
        axes.append(axis)
    return tuple(axes)


def _warp(i: int, values: NDArray) -> Float64Array:
    return values ** _POWERS[i] if _POWERS[i] != 1.0 else values


def _log_prior(axes: tuple[NDArray, ...]) -> Float64Array:
    parts = [log_prior(i, axis) for i, axis in enumerate(axes)]
    return parts[0][:, None, None] + parts[1][None, :, None] + parts[2]


def _weight(values: NDArray, axes: tuple[NDArray, ...]) -> Float64Array:
    """Return the posterior density at the points, over its maximum."""
    total = values + _log_prior(axes)
    return np.exp(total - total.max())


def _missed(values: NDArray, axes: tuple[NDArray, ...], weight: NDArray, start: int = 0) -> Float64Array:
    """Measure the weighted root mean square error (3,) of splines through every other node of each axis."""
    found = np.zeros(3)
    for i, axis in enumerate(axes):
        kept = np.unique(np.r_[0, start : len(axis) : 2, len(axis) - 1])
        spline = make_interp_spline(_warp(i, axis[kept]), np.take(values, kept, axis=i), k=3, axis=i)
        square = np.delete(np.square(spline(_warp(i, axis)) - values), kept, axis=i)
        w = np.delete(weight, kept, axis=i)
        found[i] = np.sqrt((square * w).sum() / w.sum())
    return found
