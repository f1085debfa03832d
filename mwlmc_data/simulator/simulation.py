"""One simulation from parameters to reflex motion, and many."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import as_flag, as_seed, as_whole, refuse_misaligned, shorten
from ..tabular import as_vectors, index_of
from ..workers import processes_for, start_pool
from . import constants as const
from . import engines
from .interaction import Orbit, integrate_orbit
from .limits import CARTESIAN_NAMES, LIMITS, rounded_limits
from .parameters import Parameters
from .reflex import MOTION_NAMES, POSITION_NAMES, REFLEX_NAMES, Reflex, fit_reflex, fit_shells
from .rows import read_table
from .streams import halo_stream

if TYPE_CHECKING:
    import astropy.coordinates
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure

#: A simulation to be made: its parameters with its sim_id, seed, n_stars, engine.
Job = tuple[dict[str, Any], int, int, str]

#: Outer radii [kpc] of the shells that are fitted beside the open one.
SHELLS = (100.0, 300.0)
#: Stars that a process takes at a time, in whole simulations: 64 of a catalogue, enough to fill a GPU.
_BATCH = 64 * const.N_STARS


@dataclasses.dataclass(frozen=True)
class Halo:
    """A stellar halo today.

    Attributes
    ----------
    positions, velocities : ndarray, shape (n, 3), float32
        Galactocentric positions [kpc] and velocities [km/s] relative to the Milky Way's centre; finite, and converted
        where they are given in other units.
    source : str
        Where the stars come from: ``"simulation"`` or ``"store"``.
    parameters : Parameters or None
        Of the simulation whose stars they are, where it is known.
    """

    positions: NDArray[np.float32]
    velocities: NDArray[np.float32]
    source: str = "simulation"
    parameters: Parameters | None = None

    def __post_init__(self) -> None:
        refuse_misaligned({"positions": self.positions, "velocities": self.velocities})
        x = as_vectors("positions", self.positions, POSITION_NAMES, "kpc")
        v = as_vectors("velocities", self.velocities, MOTION_NAMES, "km/s", len(x))
        object.__setattr__(self, "positions", x.astype(np.float32))
        object.__setattr__(self, "velocities", v.astype(np.float32))

    def to_astropy(self) -> astropy.coordinates.SkyCoord:
        """The stars as an astropy coordinate in the Galactocentric frame, with units.

        Returns
        -------
        astropy.coordinates.SkyCoord
            ``.x``, ``.y``, ``.z`` [kpc] and ``.v_x``, ``.v_y``, ``.v_z`` [km/s] are `positions` and `velocities`; the
            frame is :func:`mwlmc_data.galactocentric_frame`. ``.galactic`` and ``.icrs`` give the sky as the Sun of
            this package sees it: l, b, distance, line-of-sight velocity and proper motions.

        Examples
        --------
        >>> stars = load_halo(0).to_astropy()                              # doctest: +SKIP
        >>> stars.galactic.l, stars.icrs.radial_velocity                   # doctest: +SKIP
        """
        from .astropy_frame import galactocentric_frame

        frame = galactocentric_frame()
        import astropy.units as u
        from astropy.coordinates import CartesianDifferential, CartesianRepresentation, SkyCoord

        motion = CartesianDifferential(*(self.velocities.T.astype(float) * u.km / u.s))
        place = CartesianRepresentation(*(self.positions.T.astype(float) * u.kpc), differentials={"s": motion})
        return SkyCoord(frame.realize_frame(place))

    def plot(
        self,
        r_min: float = const.FIT_R_MIN,
        orbit: Orbit | None = None,
        reflex: Reflex | None = None,
        kernel: float = 20.0,
        title: str | None = None,
        figure: Figure | SubFigure | None = None,
    ) -> Figure:
        """Draw the sky map of v_GSR with the apex of the reflex motion and the LMC's orbit, and the profiles by radius.

        Needs matplotlib (extra ``plot``). The figure is none of pyplot's: nothing opens a window and nothing has to
        be closed; a notebook shows it, and ``.savefig(path)`` writes it.

        Parameters
        ----------
        r_min : float
            Galactocentric radius [kpc] beyond which stars are mapped and fitted.
        orbit : Orbit, optional
            Past of the pair, of which the LMC's part is drawn on the sky; by default that of `parameters`, none
            without them.
        reflex : Reflex, optional
            The fitted reflex motion; fitted to the stars beyond `r_min` if not given.
        kernel : float
            Width of the map's Gaussian smoothing [deg].
        title : str, optional
            Heading.
        figure : matplotlib.figure.Figure or SubFigure, optional
            An empty one to draw in; a new one by default.

        Returns
        -------
        matplotlib.figure.Figure
            Of a SubFigure that which holds it.

        Raises
        ------
        ValueError
            If fewer than 20 stars lie beyond `r_min`, or `kernel` is not positive.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> figure = load_halo(7).plot()                                   # doctest: +SKIP
        >>> figure.savefig("halo.png", dpi=200)                            # doctest: +SKIP
        """
        from ..plotting.halo import plot_halo

        if orbit is None and self.parameters is not None:
            orbit = integrate_orbit(self.parameters)
        return plot_halo(self, r_min, orbit, reflex, kernel, title, figure)


@dataclasses.dataclass(frozen=True)
class Simulation:
    """A simulation and all that came of it.

    Attributes
    ----------
    parameters : Parameters
    seed, sim_id : int
        Key of the random stream of the stars.
    orbit : Orbit
        The past of the Milky Way and the LMC.
    halo : Halo
        The stars today.
    """

    parameters: Parameters
    seed: int
    sim_id: int
    orbit: Orbit
    halo: Halo

    @functools.cached_property
    def reflex(self) -> Reflex:
        """Reflex motion fitted to the stars beyond 50 kpc."""
        return fit_reflex(self.halo.positions, self.halo.velocities)

    def plot(self, **options: Any) -> Figure:
        """Draw the halo with the LMC's orbit: :meth:`Halo.plot`, whose other options it takes."""
        return self.halo.plot(orbit=self.orbit, **options)

    def row(self, n_stars: int | None = None) -> dict[str, Any]:
        """The simulation's row of a catalogue: every column of the schema but `split`.

        Parameters
        ----------
        n_stars : int, optional
            Stars that were asked for, where `halo` lacks some of those that end within 50 kpc; errors give it.

        Raises
        ------
        ValueError
            If a shell holds too few stars to be fitted.
        """
        reflex, shells = fit_shells(self.halo.positions, self.halo.velocities, const.FIT_R_MIN, SHELLS, n_stars)
        errors = reflex.errors
        row: dict[str, Any] = {"sim_id": self.sim_id, "simulator_version": const.SIMULATOR_VERSION}
        row |= self.parameters.to_dict()
        row |= {"coulomb_log": self.parameters.coulomb_log}
        row |= {"v_travel": reflex.v_travel, "l_apex": reflex.l_apex, "b_apex": reflex.b_apex}
        row |= dict(zip(REFLEX_NAMES, reflex.values.tolist(), strict=True))
        for i, first in enumerate("xyz"):
            row |= {f"cov_v{first}_v{'xyz'[j]}": float(reflex.covariance[i, j]) for j in range(i, 3)}
        row |= {f"err_{name}": errors[name] for name in REFLEX_NAMES[3:]}
        row["n_stars_fit"] = reflex.n_stars
        for r_max, (vector, n_stars) in zip(SHELLS, shells, strict=True):
            name = f"{const.FIT_R_MIN:.0f}_{r_max:.0f}"
            row |= {f"v{a}_travel_{name}": float(v) for a, v in zip("xyz", vector, strict=True)}
            row[f"n_stars_fit_{name}"] = n_stars
        row["pericentre_lmc"], row["t_pericentre_lmc"] = self.orbit.pericentre, self.orbit.t_pericentre
        row["distance_lmc_start"] = float(self.orbit.distance[0])
        return row


def simulate(
    parameters: Parameters, seed: int = 0, n_stars: int = const.N_STARS, engine: str = "auto", sim_id: int = 0
) -> Simulation:
    """Simulate the Milky Way, the LMC and a stellar halo (sec. 2 of the paper).

    Rewinds both galaxies by 2.2 Gyr, draws a halo in equilibrium in the NFW potential, and moves its stars to today in
    that of bulge, disc, NFW halo and LMC.

    Parameters
    ----------
    parameters : Parameters
        The simulation's parameters.
    seed, sim_id : int
        Key of the stars' random stream. A catalogue uses its own seed, and its rows' `sim_id`.
    n_stars : int
        Stars of the halo, 1 or more; the stars before the m-th are the same for every n >= m.
    engine : {"auto", "numba", "numba-float64", "cuda", "agama"}
        What draws and moves the stars; ``"auto"`` is ``"numba"``. ``"numba-float64"`` moves the same stars twenty
        times slower and to 1e-9. ``"cuda"`` moves them on a GPU, as exactly as ``"numba"`` but not to the same bits;
        it is made for the many of :func:`simulate_many`. ``"agama"`` needs that package, and draws other stars of the
        same distribution.

    Returns
    -------
    Simulation

    Raises
    ------
    ValueError
        If `seed`, `sim_id`, `n_stars` or `engine` is not allowed.
    ImportError
        If `engine` is ``"agama"`` or ``"cuda"`` and what it needs is not installed.
    RuntimeError
        If orbit or stars cannot be computed, the message names the parameters; or if `engine` is ``"cuda"`` and there
        is no device.

    Examples
    --------
    >>> simulation = simulate(Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7))
    >>> simulation.halo.positions.shape
    (4500, 3)
    """
    return _simulate(parameters, seed, n_stars, engine, sim_id, outskirts=False)


def _simulate(parameters: Parameters, seed: int, n_stars: int, engine: str, sim_id: int, outskirts: bool) -> Simulation:
    """A simulation; with `outskirts` its halo may lack stars that end within 50 kpc."""
    if not isinstance(parameters, Parameters):
        raise ValueError(
            f"parameters = {shorten(parameters)}: allowed is a mwlmc_data.Parameters (Parameters.from_row of a row)"
        )
    n_stars = as_whole("n_stars", n_stars, minimum=1)
    run, stream = engines.get(engine, outskirts), halo_stream(seed, sim_id)
    try:
        orbit, stars = run(parameters, n_stars, stream)
    except RuntimeError as error:
        raise RuntimeError(f"simulation {sim_id} of seed {seed}: {error}; {parameters}") from error
    return finished(parameters, seed, sim_id, orbit, stars)


def finished(parameters: Parameters, seed: int, sim_id: int, orbit: Orbit, stars: NDArray[np.floating]) -> Simulation:
    """The simulation of which an engine gave orbit and stars."""
    # the catalogue's fit sees the stars as they are released
    halo = Halo(stars[:, :3].astype(np.float32), stars[:, 3:].astype(np.float32), parameters=parameters)
    return Simulation(parameters, int(seed), int(sim_id), orbit, halo)


def simulate_many(
    parameters_table: Any,
    seed: int = 0,
    n_stars: int = const.N_STARS,
    engine: str = "auto",
    workers: int | None = None,
    progress: bool = True,
    derived: str = "checked",
) -> pd.DataFrame:
    """Simulate every row of a table of parameters.

    Parameters
    ----------
    parameters_table : table
        One simulation a row, columns as the fields of :class:`Parameters` (a draw of ``Prior``, a catalogue, or with
        the LMC as x_lmc ... vz_lmc); those that are not there take their default. A pandas.DataFrame, a table of
        arrow, polars, astropy or datasets, a structured array, a mapping of names to columns or a list of rows;
        units are converted. A column `sim_id`, or a level of a pandas index, keys each row's random stream; without one
        it is 0, 1, 2 ...
        The other columns of a catalogue, which are results, are passed over. Parameters are rounded to float32, as a
        catalogue stores them.
    seed : int
        The catalogue's seed.
    n_stars, engine
        As for :func:`simulate`.
    workers : int, optional
        Processes; by default all cores for more than a few rows, but none in a worker of somebody else's (a pool,
        Dask, a torch loader). 1 stays in this process.
    progress : bool
        Show a progress bar on standard error.
    derived : {"checked", "given"}
        What counts where `c200` or `a_lmc` does not follow from the masses beside it. ``"checked"``: in a table that
        has results of a simulation, as a catalogue has, a mass was changed, and they are made anew, with a warning;
        in a table without, a `c200` counts as it is given, as in :class:`Parameters`, and an `a_lmc` that contradicts
        an m_lmc_8p7 is an error. ``"given"``: both count as they are given, and m_lmc_8p7 is made anew from a_lmc.

    Returns
    -------
    pandas.DataFrame
        One row a simulation in the order of the table and with the index of a pandas table, every column of the schema
        but `split`; real numbers float32, `sim_id` int64 where one is greater than int32 holds.

    Raises
    ------
    ValueError
        If a column is unknown or missing, a cell is empty, masked or no number, the LMC's present day is given twice
        and it does not tell which was changed, a row's parameters are not allowed, `sim_id` repeats or a shell
        holds too few stars; the message names the column and the row, or the row's sim_id. All but the last are
        found before the first simulation.
    RuntimeError
        If a simulation cannot be computed; the message names its sim_id and parameters.

    Warns
    -----
    UserWarning
        If a derived value, or the LMC's present day given twice, does not follow from the changed columns of its row.

    Examples
    --------
    >>> table = {"m200_mw": [9.1e11, 1.2e12], "m_lmc": [2.3e11, 1.5e11], "log10_lambda_df": [0.7, 0.0]}
    >>> made = simulate_many(table, n_stars=1000, workers=1, progress=False)
    >>> made["sim_id"].tolist(), round(float(made["a_lmc"][0]), 1)
    ([0, 1], 23.3)
    """
    from tqdm import tqdm

    if workers is not None:
        workers = as_whole("workers", workers, minimum=1)
    n_stars, seed = as_whole("n_stars", n_stars, minimum=1), as_seed("seed", seed)
    progress = bool(as_flag("progress", progress))
    engines.get(engine)
    rows, ids = read_table("parameters_table", parameters_table, derived)
    ids = np.arange(len(rows)) if ids is None else ids
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"sim_id = {values[counts > 1][0]} repeats: allowed is each once")
    jobs: list[Job] = [
        ({"sim_id": sim_id, **row}, seed, n_stars, engine) for sim_id, row in zip(ids.tolist(), rows, strict=True)
    ]
    _refuse_beyond_limits(jobs)
    count = processes_for(workers, len(rows) // 8 if workers is None else len(rows))
    results = tqdm(_map(jobs, count, n_stars), total=len(jobs), disable=not progress, unit="sim", desc="simulate")
    table = _as_table(list(results))
    index = index_of(parameters_table)
    return table if index is None else table.set_index(index)


def _refuse_beyond_limits(jobs: list[Job]) -> None:
    """Raise the error that the first simulation which is not allowed would raise, before any is begun."""
    for row, *_ in jobs:
        allowed = all(low <= row[name] <= high for name in row.keys() & LIMITS for low, high in [rounded_limits(name)])
        if not allowed or row.get("m_lmc_8p7", 0.0) >= row["m_lmc"]:
            with naming(row):
                job_parameters(row)


def compile_kernels() -> None:
    """Compile the kernels, or load them: processes started afterwards find them compiled.

    Otherwise each process of a pool would compile them for itself at its start.
    """
    simulate(Parameters(m200_mw=1e12, m_lmc=1e11, log10_lambda_df=0.0), n_stars=1)


def _map(jobs: list[Job], workers: int, n_stars: int) -> Iterator[dict[str, Any]]:
    """Rows of the jobs in order, on so many processes."""
    size = max(1, min(_BATCH // n_stars, len(jobs) // (4 * max(workers, 1))))
    batches = [jobs[i : i + size] for i in range(0, len(jobs), size)]
    if workers <= 1:
        yield from itertools.chain.from_iterable(map(simulate_rows, batches))
        return
    compile_kernels()
    with start_pool(workers) as pool:
        try:
            yield from itertools.chain.from_iterable(pool.map(simulate_rows, batches))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def simulate_rows(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Catalogue rows of jobs that have the engine and the number of stars in common; errors name the sim_id."""
    if jobs[0][3] == "cuda":
        from . import cuda_engine

        return cuda_engine.simulate_rows(jobs)
    return [simulate_row(job) for job in jobs]


def simulate_row(job: Job) -> dict[str, Any]:
    """Catalogue row of one job; errors name the sim_id."""
    row, seed, n_stars, engine = job
    with naming(row):
        return _simulate(job_parameters(row), seed, n_stars, engine, row["sim_id"], outskirts=True).row(n_stars)


@contextlib.contextmanager
def naming(row: Mapping[str, Any]) -> Iterator[None]:
    """Within this context errors name the sim_id of the row, and its parameters."""
    try:
        yield
    except (ValueError, RuntimeError, FloatingPointError) as error:
        drawn = {name: value for name, value in row.items() if name != "sim_id"}
        raise type(error)(f"sim_id = {row['sim_id']} cannot be simulated: {error}; its row is {drawn}") from error


def job_parameters(row: Mapping[str, Any]) -> Parameters:
    """Parameters of a job, as a catalogue stores them."""
    return stored_precision(Parameters(**{name: value for name, value in row.items() if name != "sim_id"}))


def stored_precision(parameters: Parameters) -> Parameters:
    """The same parameters as a catalogue stores them, in float32 (what is simulated is what is stored)."""
    values = {k: float(np.float32(v)) for k, v in parameters.to_dict().items() if k not in CARTESIAN_NAMES}
    return Parameters(**values)  # type: ignore[arg-type]


def _as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Columns in the schema's order and types."""
    import pandas as pd

    from .. import schema

    columns = [c for c in schema.COLUMNS if c.name != "split"]
    table = pd.DataFrame(rows, columns=[c.name for c in columns])
    types = {c.name: c.dtype for c in columns if c.dtype != "string"}
    if len(table) and table["sim_id"].max() > np.iinfo(types["sim_id"]).max:
        types["sim_id"] = "int64"
    return table.astype(types)
