"""Posterior predictive check: whether the inferred parameters reproduce the observed reflex motion.

Posterior draws are simulated with the LMC's present day fixed at the case's observation (Fig. 6 of Brooks et al. 2025).
What the estimator does not infer (the anisotropy and scale of the stellar halo, and the LMC's enclosed mass given its
total mass) is drawn from the prior.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.features import THETA, tabulate_theta
from mwlmc_data import scoring
from mwlmc_data.dataset.schema import LMC_VECTOR, REFLEX
from mwlmc_data.priors import ENCLOSED_MASS, Prior

if TYPE_CHECKING:
    import pandas as pd

    from mwlmc_data.plotting.skymap import SkyMap
    from mwlmc_data.validation import Case

Simulator = Callable[..., "pd.DataFrame"]
#: What a case may quote besides theta.
EXTRA = ("beta0", "r_dehnen", "m_lmc_8p7", "c200", "a_lmc")
PERCENTS = (2.5, 16.0, 50.0, 84.0, 97.5)


@dataclass(frozen=True)
class Prediction:
    """Predictive distribution of one datum beside the observation.

    Attributes
    ----------
    draws : ndarray, shape (n,)
        Simulated values [km/s or deg].
    observed : float
        The observation.
    percentiles : ndarray, shape (5,)
        Percentiles at `PERCENTS`.
    tail : float
        Two-sided tail probability of the observation.
    """

    draws: NDArray
    observed: float
    percentiles: NDArray
    tail: float


def draw_nuisances(config: str, m_lmc: NDArray, seed: int) -> dict[str, NDArray]:
    """Draw nuisances from the prior, one value for each mass of the LMC.

    Parameters
    ----------
    config : str
        Set of simulations whose prior is used.
    m_lmc : ndarray, shape (n,)
        Total mass of the LMC [Msun].
    seed : int
        Of the draws.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        beta0, r_dehnen [kpc] and m_lmc_8p7 [Msun].
    """
    table = Prior(config, ["beta0", "r_dehnen"]).sample(len(m_lmc), seed=seed)
    u = np.random.default_rng([seed, 2]).uniform(size=len(m_lmc))
    enclosed = ENCLOSED_MASS.quantile(u, np.asarray(m_lmc, dtype=np.float64))
    return {
        "beta0": table["beta0"].to_numpy(),
        "r_dehnen": table["r_dehnen"].to_numpy(),
        "m_lmc_8p7": enclosed,
    }


def tabulate_draws(draws: NDArray, observation: Mapping[str, float], config: str, seed: int) -> pd.DataFrame:
    """Make a table of parameters for `simulate_many`, a row for each posterior draw.

    Parameters
    ----------
    draws : ndarray, shape (n, 3)
        Posterior draws in scaled units.
    observation : mapping
        Has the LMC's phase-space coordinates [kpc, km/s].
    config : str
        Set of simulations whose prior gives the nuisances.
    seed : int
        Seed of the nuisances.

    Returns
    -------
    DataFrame
    """
    table = tabulate_theta(draws)
    for name in LMC_VECTOR:
        table[name] = float(observation[name])
    for name, values in draw_nuisances(config, table["m_lmc"].to_numpy(), seed).items():
        table[name] = values
    return table


def tabulate_quoted(case: Case, n: int, config: str = "gaussian", seed: int = 0) -> pd.DataFrame:
    """Make a table of n rows with the parameters that a case quotes; others are drawn from the prior.

    Parameters
    ----------
    case : Case
        Its `truth` holds at least m_lmc and m200_mw.
    n : int
        Number of rows.
    config : str
        Set of simulations whose prior gives the nuisances.
    seed : int
        Seed of the nuisances.

    Returns
    -------
    DataFrame

    Raises
    ------
    ValueError
        If a mass is not quoted.
    """
    import pandas as pd

    missing = [name for name in ("m_lmc", "m200_mw") if name not in case.truth]
    if missing:
        raise ValueError(f"case {case.name!r} does not quote {missing}: required are m_lmc and m200_mw")
    table = pd.DataFrame({name: np.full(n, float(case.observation[name])) for name in LMC_VECTOR})
    open_theta = Prior(config, list(THETA)).sample(n, seed=seed)
    for name in THETA:
        table[name] = float(case.truth[name]) if name in case.truth else open_theta[name].to_numpy()
    for name, values in draw_nuisances(config, table["m_lmc"].to_numpy(), seed).items():
        table[name] = values
    for name in EXTRA:
        if name in case.truth:
            table[name] = float(case.truth[name])
    # the mass within 8.7 kpc is that of the quoted profile
    return table.drop(columns="m_lmc_8p7") if "a_lmc" in case.truth and "m_lmc_8p7" not in case.truth else table


def check_predictions(
    parameters: pd.DataFrame,
    observation: Mapping[str, float],
    seed: int = 0,
    simulate_many: Simulator | None = None,
    **options: Any,
) -> dict[str, Prediction]:
    """Simulate and compare the reflex motion with the observed one.

    Parameters
    ----------
    parameters : DataFrame
        From `tabulate_draws`, a row for each posterior draw, or from `tabulate_quoted`, to test whether the simulator
        reproduces the observation at the quoted truth.
    observation : mapping
        Has the columns of `schema.REFLEX`.
    seed : int
        Seed of the stars.
    simulate_many : callable, optional
        The simulator; by default the package's.
    **options
        Its options: workers, n_stars, progress.

    Returns
    -------
    dict of str to Prediction
        For v_travel [km/s], l_apex and b_apex [deg].
    """
    checked = check_all_predictions({"": parameters}, {"": observation}, seed, simulate_many, **options)
    return checked[""]


def check_all_predictions(
    parameters: Mapping[str, pd.DataFrame],
    observations: Mapping[str, Mapping[str, float]],
    seed: int = 0,
    simulate_many: Simulator | None = None,
    **options: Any,
) -> dict[str, dict[str, Prediction]]:
    """Check several cases like `check_predictions`.

    Parameters
    ----------
    parameters : dict of str to DataFrame
        A table for each case.
    observations : dict of str to mapping
        The observation of each.
    seed, simulate_many, **options
        As for `check_predictions`.

    Returns
    -------
    dict of str to dict
        Predictions of each case, in the order of the tables.
    """
    simulated = simulate_together(parameters, REFLEX, seed, simulate_many, **options)
    return {name: compare_predictions(table, observations[name]) for name, table in simulated.items()}


def compare_predictions(simulated: pd.DataFrame, observation: Mapping[str, float]) -> dict[str, Prediction]:
    """Compare simulated columns of `schema.REFLEX` with an observation, datum by datum."""
    return {
        datum: summarise_predictions(simulated[datum].to_numpy(), float(observation[datum]), datum == "l_apex")
        for datum in REFLEX
    }


def simulate_together(
    parameters: Mapping[str, pd.DataFrame],
    columns: Sequence[str],
    seed: int = 0,
    simulate_many: Simulator | None = None,
    **options: Any,
) -> dict[str, pd.DataFrame]:
    """Simulate several tables of parameters, those with the same columns in one run of the simulator.

    One run, because its processes take seconds to start.

    Parameters
    ----------
    parameters : dict of str to DataFrame
        A table for each case.
    columns : sequence of str
        Columns of the simulations to keep.
    seed, simulate_many, **options
        As for `check_predictions`.

    Returns
    -------
    dict of str to DataFrame
        In the order of the tables.
    """
    import pandas as pd

    if simulate_many is None:
        from mwlmc_data import simulate_many as package_simulator

        simulate_many = package_simulator
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, table in parameters.items():
        alike.setdefault(tuple(sorted(table.columns)), []).append(name)
    found = {}
    for names in alike.values():
        together = pd.concat([parameters[name] for name in names], ignore_index=True)
        simulated = simulate_many(together, seed=seed, **options)[list(columns)]
        start = 0
        for name in names:
            found[name] = simulated.iloc[start : start + len(parameters[name])]
            start += len(parameters[name])
    return {name: found[name] for name in parameters}


def summarise_predictions(values: NDArray, observed: float, circular: bool) -> Prediction:
    """Summarise simulated values of one datum; a longitude is measured from its mean direction.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Simulated values.
    observed : float
        The observation.
    circular : bool
        Whether the datum is an angle that wraps.

    Returns
    -------
    Prediction
        An angle's draws and observation are shifted by whole turns to lie within 180 deg of the draws' mean.
    """
    values = np.asarray(values, dtype=np.float64)
    tail = scoring.predictive_tail(values, observed, circular)
    if circular:
        centre = scoring.circular_mean(values)
        values = centre + scoring.wrap_degrees(values - centre)
        observed = centre + float(scoring.wrap_degrees(observed - centre))
    return Prediction(values, observed, np.percentile(values, PERCENTS), tail)


def map_sky(case: Case, haloes: int, config: str, seed: int) -> tuple[SkyMap, tuple[float, float]]:
    """Map the pooled haloes of a case at its quoted parameters.

    Parameters
    ----------
    case : Case
        Quotes its parameters.
    haloes : int
        Number of haloes.
    config : str
        Set whose prior gives the other parameters.
    seed : int
        Seed of the stars.

    Returns
    -------
    sky : SkyMap
    apex : (float, float)
        Galactic longitude and latitude [deg] fitted to all their stars.
    """
    from mwlmc_data import Parameters, fit_reflex, simulate
    from mwlmc_data.plotting.skymap import smooth_map

    row = tabulate_quoted(case, 1, config, seed).to_dict("records")[0]
    stars = [simulate(Parameters(**row), seed=seed, sim_id=i).halo for i in range(haloes)]
    positions = np.concatenate([s.positions for s in stars])
    velocities = np.concatenate([s.velocities for s in stars])
    reflex = fit_reflex(positions, velocities)
    return smooth_map(positions, velocities), (float(reflex.l_apex), float(reflex.b_apex))
