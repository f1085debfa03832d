"""`infer`: the posterior of a measured reflex motion, without torch and without training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from mwlmc_data.arguments.arrays import as_choice, as_seed, as_whole
from mwlmc_data.dataset.schema import LMC_VECTOR, REFLEX
from mwlmc_data.inference.deconvolved import DeconvolvedLikelihood
from mwlmc_data.inference.joint_draws import PosteriorDraws, draw_posterior
from mwlmc_data.inference.measurement import Measurement, read_measurement
from mwlmc_data.inference.networks import CONFIGS, choose_config, list_configs, load_network
from mwlmc_data.inference.predictive import (
    N_PLACES,
    N_PREDICTIVE,
    marginal_distances,
    p_value,
    predictive_distance,
)
from mwlmc_data.inference.reflex_posterior import ReflexPosterior
from mwlmc_data.inference.targets import TARGETS, TOTAL, Targets
from mwlmc_data.observations.observation import Observation
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.reflex import Reflex
from mwlmc_data.validation import Case, beyond_prior, support


@overload
def infer(
    observation: Reflex,
    errors: None = None,
    *,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    n: int = 10_000,
    seed: int = 0,
    config: Literal["gaussian", "wide"] | None = None,
    targets: Targets = "total",
) -> ReflexPosterior: ...
@overload
def infer(
    observation: Case,
    errors: Mapping[str, Any] | ArrayLike | None = None,
    *,
    n: int = 10_000,
    seed: int = 0,
    config: Literal["gaussian", "wide"] | None = None,
    targets: Targets = "total",
) -> ReflexPosterior: ...
@overload
def infer(
    observation: Observation,
    errors: Mapping[str, Any] | ArrayLike | None = None,
    *,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    n: int = 10_000,
    seed: int = 0,
    config: Literal["gaussian", "wide"] | None = None,
    targets: Targets = "total",
) -> ReflexPosterior: ...
@overload
def infer(
    observation: Mapping[str, Any],
    errors: Mapping[str, Any] | ArrayLike | None = None,
    *,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    shell: Sequence[float] | None = None,
    n: int = 10_000,
    seed: int = 0,
    config: Literal["gaussian", "wide"] | None = None,
    targets: Targets = "total",
) -> ReflexPosterior: ...
def infer(
    observation: Reflex | Observation | Case | Mapping[str, Any],
    errors: Mapping[str, Any] | ArrayLike | None = None,
    *,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    shell: Sequence[float] | None = None,
    n: int = 10_000,
    seed: int = 0,
    config: str | None = None,
    targets: str = TOTAL,
) -> ReflexPosterior:
    """Draw the posterior of the LMC's mass, the Milky Way's mass and the friction, given a measured reflex motion.

    Parameters
    ----------
    observation : Reflex, Observation, Case or mapping
        A fit to stars (`fit_reflex`, `fit_reflex_observed`), whose robust covariance is used; a published measurement
        (`mwlmc_data.observations`), with the mean of its errors upwards and downwards; a case with its own LMC
        (`validation_cases`, `snapshots.measure`), by its fit if it has one; or a mapping of v_travel [km/s], l_apex,
        b_apex [deg], or vx_travel, vy_travel, vz_travel [km/s]. A mapping may also hold the LMC's present day, like
        `lmc`. Numbers may be astropy quantities. There are networks for stars beyond 50 kpc, at 50 to 100 kpc and at 50
        to 300 kpc; the shell of the stars chooses, and another one is refused.
    errors : mapping or array_like, shape (3, 3), optional
        For a mapping: standard errors of v_travel, l_apex (along l, not times cos b) and b_apex, taken as independent
        and propagated to a covariance of the vector; or of vx_travel, vy_travel, vz_travel; or the covariance of the
        vector [km^2/s^2]. A fit has its own, and takes none; a published measurement takes them only if its own could
        not be read. The default for a mapping is the mean covariance, over
        the training set, of a fit to the stars of the shell in a halo of 4,500 without measurement errors (about 2, 2
        and 4 km/s along x, y, z beyond 50 kpc; 4, 4 and 8 km/s at 50 to 100 kpc), which is right for simulated haloes
        of that size and too small for observed stars.
    lmc : Parameters, Observation or mapping, optional
        The LMC's present day: that of a simulation's parameters, one of `observations.load_lmc`, or a mapping or row of
        a table, either on the sky (ra_lmc ... pm_dec_lmc) or as x_lmc ... vz_lmc [kpc, km/s]. If neither this nor the
        observation gives it, it is the observed one (`Parameters`), exact. An Observation with errors is taken with
        them, and so is a mapping with err_ra_lmc ... err_pm_dec_lmc: independent and Gaussian, under a flat prior.
    shell : (float, float), optional
        For a mapping: the shell of Galactocentric radii of its stars [kpc], (50, inf) by default, (50, 100) or (50,
        300). The other kinds of observation know theirs.
    n : int
        Number of draws.
    seed : int
        Seed of the draws.
    config : str, optional
        Training set of the network: "gaussian" (by default, where there is one for the shell), whose LMC scatters about
        the observed one by several times the measurement errors (5 kpc in distance, where the error is 0.5 kpc), or
        "wide", which contains every validation case. The prior of masses and friction is the same.
    targets : {"total", "within-50"}
        What is inferred: m_lmc, m200_mw and log10_lambda_df; or the masses within 50 kpc of each galaxy's centre,
        m_mw_50 and m_lmc_50, and the anisotropy beta0, by networks of their own. Draws of the total masses do not give
        the LMC's mass within 50 kpc, which needs its scale.

    Returns
    -------
    ReflexPosterior

    Warns
    -----
    UserWarning
        For each of `Posterior.warnings`: the model does not produce such data (p-value below 0.01), the LMC is outside
        the training set, the networks of the two sets disagree, or the stars end at a radius while the shell does not.

    Raises
    ------
    TypeError
        If the observation is neither a fit, nor a published one, nor a case, nor a mapping.
    ValueError
        If a name is unknown; a value is missing, given twice, masked, not finite, has an incompatible unit or is
        impossible (a speed below 0 or above 1,000 km/s, b_apex outside -90 to 90 deg, l_apex outside -180 to 360 deg,
        an LMC beyond the limits of `Parameters`); errors are not a covariance, are below 0.1 km/s, or above 45 deg
        along l (times cos b) or b, where the covariance of the vector is needed instead; the stars are of another
        shell; a published measurement lacks the apex, errors or a shell; `n` or `seed` is not an integer; or there is
        no network for this set, shell and targets.
    DamagedFileError
        If an embedded file is not the released one.

    Notes
    -----
    The answer holds for a Milky Way and an LMC that do not deform; the dataset card says what a deforming halo changes.
    The network is trained on fitted vectors with their
    covariances removed, so that the errors given here are counted once.

    Examples
    --------
    >>> posterior = infer({"v_travel": 35.0, "l_apex": 60.0, "b_apex": -70.0}, n=1000)
    >>> posterior.samples.shape, posterior.outside, posterior.p_value > 0.01
    ((1000, 3), (), True)
    """
    n, seed = as_whole("n", n, minimum=1), as_seed("seed", seed)
    if config is not None:
        as_choice("config", config, CONFIGS)
    as_choice("targets", targets, tuple(TARGETS))
    measured = read_measurement(observation, errors, lmc, shell)
    config = choose_config(config, measured.shell, targets)
    likelihood = load_network(config, measured.shell, targets).likelihood
    covariance = likelihood.halo_covariance if measured.covariance is None else measured.covariance
    place = measured.lmc
    drawn = draw_posterior(likelihood, measured.vector, covariance, place, n, seed)
    places = place.vector if place.is_exact else place.draw(N_PLACES, np.random.default_rng((seed, 6)))
    strange = p_value(likelihood, measured.vector, covariance, places, seed=(seed,))
    sigmas, outside = support(measured.data, config, measured.shell)
    import pandas as pd

    theta = likelihood.scores.inverse(drawn.scores)
    found = ReflexPosterior(
        samples=pd.DataFrame(theta, columns=list(likelihood.scores.prior.parameters)),
        observation=MappingProxyType(measured.data),
        covariance=covariance,
        errors_given=measured.covariance is not None,
        p_value=strange,
        n_predictive=N_PREDICTIVE,
        distance=predictive_distance(likelihood, drawn.predicted[0], measured.vector, covariance, drawn.predicted[1]),
        in_support=MappingProxyType(sigmas),
        outside=outside + (REFLEX if strange == 0.0 else ()),
        config=config,
        log_evidence=drawn.log_evidence,
        log_evidence_error=drawn.log_evidence_error,
        disagreement=MappingProxyType(_disagreement(config, targets, measured, likelihood, drawn)),
        r_min=measured.shell[0],
        r_max=measured.shell[1],
        reach=measured.reach,
        lmc_samples=None if place.is_exact else pd.DataFrame(drawn.lmc, columns=list(LMC_VECTOR)),
        n_effective=drawn.n_effective,
        _likelihood=likelihood,
        _vector=measured.vector,
        _drawn=drawn,
    )
    for text in found.warnings:
        warnings.warn(text, stacklevel=2)
    return found


def _disagreement(
    config: str, targets: str, measured: Measurement, likelihood: DeconvolvedLikelihood, drawn: PosteriorDraws
) -> dict[str, float]:
    """Distance of each marginal from that of the other set's network, if there is one and it contains such an LMC.

    Both are on a grid at the observed LMC; its errors widen the measurement's.
    """
    (other,) = (name for name in CONFIGS if name != config)
    if beyond_prior(measured.data, other) or other not in list_configs(measured.shell, targets):
        return {}
    second = load_network(other, measured.shell, targets).likelihood
    other_grid = second.grid(measured.vector, drawn.covariance, measured.lmc.vector)
    return marginal_distances(drawn.grid, likelihood.scores, other_grid, second.scores)
