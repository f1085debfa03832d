"""One simulation, from parameters to the reflex motion."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from mwlmc_data.arguments.arrays import as_whole
from mwlmc_data.array_types import FloatArray
from mwlmc_data.display import Displayed, fixed
from mwlmc_data.simulator import constants as const
from mwlmc_data.simulator.engines import registry
from mwlmc_data.simulator.masses import compute_masses
from mwlmc_data.simulator.orbit import Orbit
from mwlmc_data.simulator.parameters import Parameters, take_parameters
from mwlmc_data.simulator.physics import require_standard
from mwlmc_data.simulator.reflex import REFLEX_NAMES, Reflex, name_shell
from mwlmc_data.simulator.reflex_fit import fit_reflex, fit_shells
from mwlmc_data.simulator.stars import Halo
from mwlmc_data.simulator.streams import halo_stream

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Outer radii [kpc] of the shells that are fitted besides the one without an outer radius.
SHELLS = (100.0, 300.0)


@dataclasses.dataclass(frozen=True, repr=False)
class Simulation(Displayed):
    """A simulation and its results.

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

    def _summary(self) -> str:
        return (
            f"{self.parameters.brief()}; seed {self.seed}, sim_id {self.sim_id}; {len(self.halo.positions):,} stars; "
            f"LMC's pericentre {fixed(self.orbit.pericentre, 1)} kpc"
        )

    def _rows(self) -> list[tuple[str, str]]:
        rows = [
            ("parameters", self.parameters.brief()),
            ("seed, sim_id", f"{self.seed}, {self.sim_id}"),
            ("orbit", self.orbit._summary()),
            ("halo", dataclasses.replace(self.halo, parameters=None)._summary()),
        ]
        try:
            return [*rows, ("reflex", self.reflex._summary())]
        except ValueError as error:
            return [*rows, ("reflex", f"not fitted: {error}")]

    def plot(self, **options: Any) -> Figure:
        """Draw the halo with the LMC's orbit: :meth:`Halo.plot`, whose other options it takes."""
        return self.halo.plot(orbit=self.orbit, **options)

    def row(self, n_stars: int | None = None) -> dict[str, Any]:
        """The simulation's row of a catalogue: every column of the schema except `split`.

        Parameters
        ----------
        n_stars : int, optional
            Number of stars requested, if `halo` lacks some that end within 50 kpc; used in error messages.

        Raises
        ------
        ValueError
            If a shell holds too few stars to be fitted, or the physics is not the standard one of a catalogue.
        """
        require_standard("a row of a catalogue", self.parameters.physics)
        reflex, shells = fit_shells(self.halo.positions, self.halo.velocities, const.FIT_R_MIN, SHELLS, n_stars)
        errors = reflex.errors
        row: dict[str, Any] = {"sim_id": self.sim_id, "simulator_version": const.SIMULATOR_VERSION}
        p = self.parameters
        row |= p.to_numbers()
        row |= {"coulomb_log": p.coulomb_log}
        masses = compute_masses(const.ENCLOSED_RADIUS, p.m200_mw, p.c200, p.m_lmc, p.a_lmc)
        row |= {name: float(mass) for name, mass in masses.items()}
        row |= {"v_travel": reflex.v_travel, "l_apex": reflex.l_apex, "b_apex": reflex.b_apex}
        row |= dict(zip(REFLEX_NAMES, reflex.values.tolist(), strict=True))
        row |= _covariance_of(reflex)
        row |= {f"err_{name}": errors[name] for name in REFLEX_NAMES[3:]}
        row["n_stars_fit"] = reflex.n_stars
        for shell in shells:
            name = name_shell(shell.r_min, shell.r_max)
            row |= {f"v{a}_travel{name}": float(v) for a, v in zip("xyz", shell.vector, strict=True)}
            row |= _covariance_of(shell, name)
            row[f"n_stars_fit{name}"] = shell.n_stars
        row["pericentre_lmc"], row["t_pericentre_lmc"] = self.orbit.pericentre, self.orbit.t_pericentre
        row["distance_lmc_start"] = float(self.orbit.distance[0])
        return row


def _covariance_of(reflex: Reflex, shell: str = "") -> dict[str, float]:
    """The travel velocity's covariance by column: the upper triangle."""
    pairs = ((i, j) for i in range(3) for j in range(i, 3))
    return {f"cov_v{'xyz'[i]}_v{'xyz'[j]}{shell}": float(reflex.covariance[i, j]) for i, j in pairs}


def simulate(
    parameters: Parameters, seed: int = 0, n_stars: int = const.N_STARS, engine: str = "auto", sim_id: int = 0
) -> Simulation:
    """Simulate the Milky Way, the LMC and a stellar halo (sec. 2 of the paper).

    Rewinds both galaxies by 2.2 Gyr, draws a stellar halo in equilibrium in the NFW potential, and moves its stars to
    today in the potential of bulge, disc, NFW halo and LMC.

    Parameters
    ----------
    parameters : Parameters
        The simulation's parameters, among them its `physics`.
    seed, sim_id : int
        Key of the stars' random stream. A catalogue uses its own seed and the `sim_id` of each row.
    n_stars : int
        Number of stars, 1 or more; the first m stars are the same for every n_stars >= m.
    engine : {"auto", "numba", "numba-float64", "cuda", "agama"}
        What draws and moves the stars; ``"auto"`` is ``"numba"``. ``"numba-float64"`` moves the same stars to a
        tolerance of 1e-9, twenty times slower. ``"cuda"`` moves them on a GPU, as accurately as ``"numba"`` but not to
        the same bits; it is made for many simulations (:func:`simulate_many`). ``"agama"`` needs the package agama and
        draws different stars from the same distribution.

    Returns
    -------
    Simulation

    Raises
    ------
    ValueError
        If `seed`, `sim_id`, `n_stars` or `engine` is not allowed; ``"cuda"`` and ``"agama"`` have the standard physics
        alone.
    ImportError
        If `engine` is ``"agama"`` or ``"cuda"`` and its package is not installed.
    RuntimeError
        If the orbit or the stars cannot be computed (the message names the parameters), or if `engine` is ``"cuda"``
        and there is no device.

    Examples
    --------
    >>> simulation = simulate(Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7))
    >>> simulation.halo.positions.shape
    (4500, 3)
    """
    return run_simulation(parameters, seed, n_stars, engine, sim_id, outskirts=False)


def run_simulation(
    parameters: Parameters, seed: int, n_stars: int, engine: str, sim_id: int, outskirts: bool
) -> Simulation:
    """Run a simulation; with `outskirts` its halo may lack stars that end within 50 kpc."""
    parameters = take_parameters(parameters)
    n_stars = as_whole("n_stars", n_stars, minimum=1)
    run, stream = registry.get(engine, outskirts), halo_stream(seed, sim_id)
    try:
        orbit, stars = run(parameters, n_stars, stream)
    except RuntimeError as error:
        what = f"simulation {sim_id} of seed {seed}: {error}; parameters = {parameters.to_dict()}"
        raise RuntimeError(what) from error
    return build_simulation(parameters, seed, sim_id, orbit, stars)


def build_simulation(
    parameters: Parameters, seed: int, sim_id: int, orbit: Orbit, stars: FloatArray
) -> Simulation:
    """Build a simulation from the orbit and the stars of an engine."""
    # the catalogue's fit sees the stars as they are released
    halo = Halo(stars[:, :3].astype(np.float32), stars[:, 3:].astype(np.float32), parameters=parameters)
    return Simulation(parameters, int(seed), int(sim_id), orbit, halo)


def compile_kernels() -> None:
    """Compile the kernels, or load them: processes started afterwards find them compiled.

    Otherwise each process of a pool would compile them for itself at its start.
    """
    simulate(Parameters(m200_mw=1e12, m_lmc=1e11, log10_lambda_df=0.0), n_stars=1)
