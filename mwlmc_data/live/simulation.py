"""A live simulation that was run: its haloes, tables and field, and the file that keeps it."""

from __future__ import annotations

import dataclasses
import functools
import io
import itertools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.arguments.arrays import as_float, as_floats, as_whole, check_names
from mwlmc_data.arguments.messages import shorten
from mwlmc_data.array_types import Float32Array, Float64Array
from mwlmc_data.display import Displayed, fixed, number
from mwlmc_data.live.compression import COARSEST, QUANTUM, compress, expand_again
from mwlmc_data.live.field import LiveField
from mwlmc_data.live.replay import move_stars
from mwlmc_data.live.running import describe_settings, read_arrays
from mwlmc_data.live.settings import LiveSettings, find_body, read_settings
from mwlmc_data.live.state import State
from mwlmc_data.live.track import RunRow, stack_rows
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.equilibrium import draw_stars, equilibrium
from mwlmc_data.simulator.limits import CARTESIAN_NAMES, in_range
from mwlmc_data.simulator.orbit import Orbit
from mwlmc_data.simulator.parameters import Parameters, place_lmc
from mwlmc_data.simulator.reflex_fit import fit_reflex
from mwlmc_data.simulator.stars import Halo
from mwlmc_data.simulator.streams import halo_stream
from mwlmc_data.storage import embedded
from mwlmc_data.storage.homes import expand_home
from mwlmc_data.storage.npz import NpzError
from mwlmc_data.storage.writing import write_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: Folder of the runs that come with the package, within that of its data.
FOLDER = "live"
#: Columns of `masses` of :class:`~mwlmc_data.LiveSimulation` after the time.
MASS_NAMES = ("m_lmc_bound", "m_lmc_8p7", "m_lmc_50", "m_mw_50")
#: Largest size of a stored run [bytes].
MAX_SIZE = 200_000
#: Fields of the parameters that are stored.
_PARAMETERS = ("m200_mw", "m_lmc", "log10_lambda_df", "beta0", "r_dehnen", "c200", "a_lmc", *CARTESIAN_NAMES)


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class LiveSimulation(Displayed):
    """A finished live run of the Milky Way and the LMC.

    Attributes
    ----------
    parameters : Parameters
        The galaxies before they meet, and the LMC's present day as it was reached. `log10_lambda_df` was the friction
        of the first guess of the start; in a live run friction is real.
    wanted : ndarray, shape (6,)
        The present day that was asked for [kpc, km/s]; NaN if a start was.
    settings : LiveSettings
        Particles, seed, steps and cuts.
    field : LiveField
        The field in time, in which any star can be moved.
    """

    parameters: Parameters
    wanted: Float64Array
    settings: LiveSettings
    field: LiveField
    _table: dict[str, NDArray]

    def _summary(self) -> str:
        p = self.parameters
        return (
            f"{self.settings.particles:,} particles, seed {self.settings.seed}; m200_mw {number(p.m200_mw)}, "
            f"m_lmc {number(p.m_lmc)} Msun, of which {number(float(self._table['masses'][-1, 0]))} are bound today; "
            f"pericentre {fixed(self.orbit.pericentre, 1)} kpc"
        )

    def _rows(self) -> list[tuple[str, str]]:
        return [
            ("parameters", self.parameters.brief()),
            ("particles, seed", f"{self.settings.particles:,}, {self.settings.seed}"),
            ("orbit", self.orbit._summary()),
            ("field", self.field._summary()),
            ("bound LMC today", f"{number(float(self._table['masses'][-1, 0]))} Msun"),
        ]

    @functools.cached_property
    def orbit(self) -> Orbit:
        """The past of bulge and disc and of the LMC's centre, in the frame of :class:`~mwlmc_data.Orbit`."""
        time = self.field.time - self.field.time[-1]
        today = self.field.body_path[-1]
        drift = np.concatenate([today[:3] + time[:, None] * today[3:], np.tile(today[3:], (len(time), 1))], axis=1)
        return Orbit(time * const.GYR_PER_TIME_UNIT, self.field.body_path - drift, self.field.lmc_path - drift)

    @functools.cached_property
    def masses(self) -> pd.DataFrame:
        """Masses in time: `time` [Gyr] and, in Msun, `m_lmc_bound`, `m_lmc_8p7`, `m_lmc_50` and `m_mw_50`.

        Bound is what has negative energy in the potential of all that was the LMC, in the frame of its centre; the
        Milky Way's mass is that of its live halo, bulge and disc.
        """
        import pandas as pd

        columns = dict(zip(MASS_NAMES, self._table["masses"].astype(float).T, strict=True))
        return pd.DataFrame({"time": self.orbit.time, **columns})

    @functools.cached_property
    def conserved(self) -> pd.DataFrame:
        """Checks every 200 Myr: change of energy over the kinetic energy, of momentum over the mass [km/s]."""
        import pandas as pd

        checks = self._table["checks"].astype(float)
        rows = np.flatnonzero(np.isfinite(checks[:, 0]))
        checks = checks[rows]
        moved = np.linalg.norm(checks[:, 2:] - checks[0, 2:], axis=1) / float(self._table["total_mass"][0])
        energy = (checks[:, 0] - checks[0, 0]) / checks[0, 1]
        return pd.DataFrame({"time": self.orbit.time[rows], "energy": energy, "momentum": moved})

    def halo(
        self,
        beta0: float | None = None,
        r_dehnen: float | None = None,
        seed: int = 0,
        n_stars: int = const.N_STARS,
    ) -> Halo:
        """Draw a stellar halo and move it through the run's field.

        The stars begin as a rigid simulation's do: in equilibrium in the NFW halo alone, so that live minus rigid is
        what the galaxies' deformation and orbit do, and nothing else.

        Parameters
        ----------
        beta0 : float, optional
            Velocity anisotropy, 0 to 0.9; by default that of `parameters`.
        r_dehnen : float, optional
            Scale radius of the stars' profile [kpc], 5 to 30; by default that of `parameters`.
        seed : int
            Of the stars' random stream.
        n_stars : int
            Number of stars.

        Returns
        -------
        Halo

        Raises
        ------
        ValueError
            If a value is not allowed.
        """
        p = self.parameters
        beta0 = in_range("beta0", p.beta0 if beta0 is None else beta0)
        r_dehnen = in_range("r_dehnen", p.r_dehnen if r_dehnen is None else r_dehnen)
        tables = equilibrium(p.m200_mw, p.c200, beta0, r_dehnen)
        stars = draw_stars(tables, as_whole("n_stars", n_stars, minimum=1), halo_stream(seed, 0))
        moved: Float32Array = move_stars(self.field, stars).astype(np.float32)
        return Halo(moved[:, :3], moved[:, 3:], "live", p.replace(beta0=beta0, r_dehnen=r_dehnen))

    def reflex_by_radius(
        self, edges: Sequence[float] = (50.0, 100.0, 300.0), n_stars: int = 20_000, **options: Any
    ) -> pd.DataFrame:
        """Fit the reflex motion in shells.

        Parameters
        ----------
        edges : sequence of float
            Radii [kpc] between which stars are fitted; all beyond the first are fitted too.
        n_stars : int
            Number of stars of the halo.
        **options
            `beta0`, `r_dehnen` and `seed` of :meth:`halo`.

        Returns
        -------
        pandas.DataFrame
            `r_min`, `r_max` [kpc], `n_stars_fit`, `v_travel` [km/s], `l_apex`, `b_apex` [deg], `vx_travel`,
            `vy_travel`, `vz_travel` [km/s] and their errors `err_vx_travel` ... of the fit, which do not know of the
            disc's own noise.
        """
        import pandas as pd

        radii = as_floats("edges", edges, unit="kpc", shape=("n",), minimum=0.0)
        if len(radii) < 1 or (np.diff(radii) <= 0).any():
            raise ValueError(f"edges = {shorten(edges)}: allowed are growing radii [kpc], at least one")
        check_names("options", options, ("beta0", "r_dehnen", "seed"))
        halo = self.halo(n_stars=n_stars, **options)
        rows = []
        for low, high in [(radii[0], np.inf), *itertools.pairwise(radii)]:
            reflex = fit_reflex(halo.positions, halo.velocities, r_min=float(low), r_max=float(high))
            row = {"r_min": low, "r_max": high, "n_stars_fit": reflex.n_stars, "v_travel": reflex.v_travel}
            row |= {"l_apex": reflex.l_apex, "b_apex": reflex.b_apex}
            row |= {f"v{a}_travel": v for a, v in zip("xyz", reflex.vector.tolist(), strict=True)}
            errors = np.sqrt(np.diag(reflex.covariance)[:3])
            rows.append(row | {f"err_v{a}_travel": e for a, e in zip("xyz", errors.tolist(), strict=True)})
        return pd.DataFrame(rows)

    def plot(self, times: Sequence[float] = (-0.6, -0.3, -0.1, 0.0), width: float = 150.0) -> Figure:
        """Draw pictures of the passage: how the halo's density has changed, and where the LMC and the disc went.

        Needs matplotlib (extra ``plot``). The pictures show a plane through the place where the disc was at the start,
        in the inertial frame of ``field``: it holds the disc's axis z, and is as near to the LMC's orbit as one
        that does.

        Parameters
        ----------
        times : sequence of float
            Times [Gyr] of the pictures, 0 is today; each is that of the nearest row.
        width : float
            Half the width of a picture [kpc].

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            If a time is not one of the run, or the width is not allowed.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> load_live("gc19-lmc3").plot().savefig("passage.png", dpi=150)  # doctest: +SKIP
        """
        from mwlmc_data.plotting.passage import plot_passage

        first = float(self.orbit.time[0])
        chosen = as_floats("times", times, unit="Gyr", shape=("n",), minimum=first, maximum=0.0)
        if len(chosen) < 1:
            raise ValueError(f"times = {shorten(times)}: allowed is at least one [Gyr]")
        half = as_float("width", width, unit="kpc", minimum=10.0, maximum=1000.0)
        return plot_passage(self, chosen.tolist(), half)

    def save(self, path: str | os.PathLike[str], max_size: int = MAX_SIZE) -> None:
        """Write the run to a small file, from which :func:`~mwlmc_data.load_live` reads it.

        Parameters
        ----------
        path : path
            The file.
        max_size : int
            Largest size of the file [bytes]. Where it does not suffice, amplitudes are stored in coarser steps, of at
            most ``COARSEST`` of a galaxy's own pull, as the noise of few particles needs.

        Raises
        ------
        ValueError
            If the run does not fit into `max_size` bytes. Nothing is written then.
        """
        target, allowed = expand_home("path", path), as_whole("max_size", max_size, minimum=1)
        arrays: dict[str, Any] = {
            "parameters": np.array([getattr(self.parameters, name) for name in _PARAMETERS]),
            "wanted": self.wanted,
            "body_path": self.field.body_path.astype(np.float32),
            "lmc_path": self.field.lmc_path.astype(np.float32),
            **self._table,
            **describe_settings(self.settings),
        }
        quantum, size = QUANTUM, 0
        while quantum <= COARSEST:
            for g in range(len(self.field.potential)):
                parts = compress(self.field.potential[g], self.field.slope[g], quantum)
                arrays |= {f"galaxy_{g}_{name}": array for name, array in parts.items()}
            content = io.BytesIO()
            np.savez_compressed(content, **arrays)
            size = content.tell()
            if size <= allowed:
                write_bytes(target, content.getvalue())
                return
            quantum *= 2.0
        raise ValueError(
            f"max_size = {max_size}: allowed is at least {size} for {self.settings.particles} particles and "
            f"{self.settings.rows} rows, whose amplitudes are then in steps of {quantum / 2:.2g} of a galaxy's pull"
        )


def finish(
    parameters: Parameters,
    settings: LiveSettings,
    rows: list[RunRow],
    state: State,
    wanted: Float64Array | None = None,
) -> LiveSimulation:
    """Make a finished run's :class:`~mwlmc_data.LiveSimulation` of its rows and its last state."""
    table = stack_rows(rows)
    field = LiveField(
        table["time"], table["body"], table["lmc"], np.moveaxis(table["potential"], 1, 0),
        np.moveaxis(table["slope"], 1, 0), find_body(settings),
    )  # fmt: skip
    total = float(state.masses.sum(dtype=float)) + field.body.mass
    kept = {name: table[name].astype(np.float32) for name in ("masses", "lagrange")}
    kept |= {"checks": table["checks"], "total_mass": np.array([total])}
    present = table["lmc"][-1] - table["body"][-1]
    reached = place_lmc(parameters, present)
    return LiveSimulation(reached, np.full(6, np.nan) if wanted is None else wanted, settings, field, kept)


def list_live() -> tuple[str, ...]:
    """Names of the live runs that come with the package."""
    entries = embedded.load_registry()
    return tuple(sorted(name for name, entry in entries.items() if entry["file"].startswith(f"{FOLDER}/")))


def load_live(name: str | os.PathLike[str]) -> LiveSimulation:
    """Load a stored live run.

    Parameters
    ----------
    name : str or path
        Name of a run that comes with the package, or a file that :meth:`~mwlmc_data.LiveSimulation.save` wrote.
        ``gc19-lmc1`` to ``gc19-lmc4`` are the models of Garavito-Camargo et al. 2019 (LMCs of 0.8, 1.0, 1.8 and
        2.5e11 Msun, of which the third is the fiducial), run again with two million particles each
        (:mod:`mwlmc_data.live.garavito`).

    Returns
    -------
    LiveSimulation

    Raises
    ------
    ValueError
        If there is no such run, or the file is damaged, holds no finished live run, or one of another version.
    DamagedFileError
        If a run of the package does not match its hash.

    Examples
    --------
    >>> live = load_live("gc19-lmc3")
    >>> round(live.orbit.pericentre, 1)
    47.5
    >>> live.halo(beta0=0.5, r_dehnen=12, seed=1).positions.shape      # about a second
    (4500, 3)
    """
    stored = list_live()
    path = embedded.verify_file(str(name)) if str(name) in stored else expand_home("name", name)
    if path is None or not path.is_file():
        known = f"one of {', '.join(stored)}, or " if stored else ""
        raise ValueError(f"name = {shorten(str(name))}: allowed is {known}a file that LiveSimulation.save wrote")
    arrays = read_arrays(path)
    needed = {"parameters", "wanted", "body_path", "lmc_path", "masses", "lagrange", "checks", "total_mass"}
    if missing := sorted(needed - arrays.keys()):
        raise NpzError(path, [f"it lacks {', '.join(missing)}: allowed is a file that LiveSimulation.save wrote"])
    settings = read_settings(arrays["settings"])
    galaxies = sorted({key.split("_")[1] for key in arrays if key.startswith("galaxy_")})
    parts = [
        expand_again({k.removeprefix(f"galaxy_{g}_"): v for k, v in arrays.items() if k.startswith(f"galaxy_{g}_")})
        for g in galaxies
    ]
    time: Float64Array = np.linspace(0.0, settings.step * settings.steps * settings.rows, settings.rows + 1)
    field = LiveField(
        time, arrays["body_path"].astype(float), arrays["lmc_path"].astype(float), np.array([p for p, _ in parts]),
        np.array([s for _, s in parts]), find_body(settings),
    )  # fmt: skip
    parameters = Parameters(**dict(zip(_PARAMETERS, arrays["parameters"].tolist(), strict=True)))
    table = {name: arrays[name] for name in ("masses", "lagrange", "checks", "total_mass")}
    return LiveSimulation(parameters, arrays["wanted"], settings, field, table)
