"""The posterior of a measured reflex motion from an embedded network, without torch and without training.

The network gives the density of the true travel velocity (`mwlmc_data.inference.deconvolved`). It is convolved with the
measurement's errors and multiplied by the prior of the masses and the friction, and the posterior is computed on a
grid. The result also says whether the model produces such a measurement at all (`mwlmc_data.inference.predictive`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mwlmc_data.arguments.arrays import as_floats, as_seed, as_whole
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import REFLEX
from mwlmc_data.inference.deconvolved import DeconvolvedLikelihood
from mwlmc_data.inference.grid import Grid
from mwlmc_data.inference.measurement import read_measurement
from mwlmc_data.inference.networks import NETWORKS, load_network
from mwlmc_data.inference.posterior import MIN_P_VALUE, Posterior
from mwlmc_data.inference.predictive import N_PREDICTIVE, marginal_distances, p_value, predictive_distance
from mwlmc_data.observations.observation import Observation
from mwlmc_data.priors import standard_normal_log_density
from mwlmc_data.simulator.parameters import Parameters
from mwlmc_data.simulator.reflex import Reflex
from mwlmc_data.validation import Case, beyond_prior, support

if TYPE_CHECKING:
    import pandas as pd

#: A total variation distance between the networks' marginals above this raises a warning.
MAX_DISAGREEMENT = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class ReflexPosterior(Posterior):
    """A posterior of the masses and the friction given a measured travel velocity, from an embedded network.

    Attributes
    ----------
    samples : DataFrame
        Posterior draws: m_lmc, m200_mw [Msun], log10_lambda_df.
    config : str
        Training set of the network.
    log_evidence : float
        Logarithm of the density of the measured vector [(km/s)^-3] given the LMC.
    log_evidence_error : float
        0, as the evidence is computed on a grid.
    p_value : float
        Fraction of the data drawn from the prior predictive, for this LMC and covariance, whose evidence is not
        greater. Uniformly distributed for data drawn from the model. 0 means less than 1 / `n_predictive`. If the LMC
        is in `outside`, the network extrapolates the p-value too.
    n_predictive : int
        Number of data drawn for `p_value`.
    observation : mapping
        The data that the posterior is conditioned on: x_lmc ... vz_lmc [kpc, km/s], v_travel [km/s], l_apex, b_apex
        [deg].
    covariance : ndarray, shape (3, 3)
        Covariance of the errors of the Cartesian travel velocity [km^2/s^2].
    errors_given : bool
        Whether the covariance is that of the measurement. Otherwise it is the mean covariance, over the training set,
        of a fit to 4,500 stars without measurement errors.
    distance : float
        Distance of the measured vector from the posterior predictive, including errors, joint in three dimensions
        [sigma].
    in_support : mapping
        Sigmas of each datum from the training set (`mwlmc_data.validation.support`).
    outside : tuple of str
        Data to which the network extrapolates, so that the answer is a guess: those of the LMC beyond the prior of its
        position and motion; v_travel, l_apex and b_apex if `p_value` is 0.
    disagreement : mapping
        Total variation distance of each parameter's marginal from that of the network trained on the other set; empty
        if the LMC is outside the prior of that set.
    reach : float
        Outermost radius of the measured stars [kpc]; infinity if it is not known.
    """

    observation: Mapping[str, float]
    covariance: Float64Array
    errors_given: bool
    distance: float
    in_support: Mapping[str, float]
    outside: tuple[str, ...]
    disagreement: Mapping[str, float]
    reach: float
    _grid: Grid
    _likelihood: DeconvolvedLikelihood
    _vector: Float64Array
    _lmc: Float64Array

    def log_prob(self, theta: pd.DataFrame | NDArray) -> Float64Array:
        """Log density of parameters.

        Parameters
        ----------
        theta : DataFrame or ndarray, shape (n, 3)
            m_lmc, m200_mw [Msun], log10_lambda_df, in this order if an array.

        Returns
        -------
        ndarray, shape (n,)
            Per unit of theta [nats]; -inf outside the prior.
        """
        names = list(self.samples.columns)
        values = as_floats("theta", theta if isinstance(theta, np.ndarray) else theta[names], shape=("n", len(names)))
        scores = self._likelihood.scores
        u = scores.forward(values)
        log_likelihood = self._likelihood.log_likelihood(u, self._vector, self.covariance, self._lmc)
        return scores.log_density(log_likelihood + standard_normal_log_density(u) - self._grid.log_evidence, values)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons not to trust this answer, one sentence each; empty if there are none."""
        found = []
        if self.p_value < MIN_P_VALUE:
            found.append(
                f"The model does not make this motion at this LMC: {self._p_text()}, {self.distance:.1f} sigma from "
                "the posterior predictive; the draws are the least unlikely parameters, not a measurement of them."
            )
        beyond = [name for name in self.outside if name not in REFLEX]
        if beyond:
            far = ", ".join(f"{name} ({self.in_support[name]:+.0f} sigma)" for name in beyond)
            found.append(
                f"The LMC is outside the network's training set {self.config!r} in {far}: draws and p-value are "
                "extrapolated, and may be wrong."
            )
        apart = {name: value for name, value in self.disagreement.items() if value > MAX_DISAGREEMENT}
        if apart:
            far = ", ".join(f"{name} ({value:.2f})" for name, value in apart.items())
            found.append(
                f"The networks trained on {' and '.join(NETWORKS)} disagree in {far}: total variation between their "
                f"marginals, above {MAX_DISAGREEMENT:g}."
            )
        if math.isfinite(self.reach):
            found.append(
                f"The measured stars reach {self.reach:g} kpc at most, and those of the network's training set have no "
                "outer limit: the apex depends on it, and the errors do not contain that."
            )
        return tuple(found)

    def _lines(self) -> tuple[str, str]:
        """The measurement, and how unusual it is."""
        data = self.observation
        sigma = np.sqrt(np.diag(self.covariance))
        whose = "as given" if self.errors_given else "none given: those of 4,500 simulated stars"
        return (
            f"v_travel {data['v_travel']:.1f} km/s towards l {data['l_apex']:.1f}, b {data['b_apex']:.1f} deg; "
            f"errors of x, y, z {sigma[0]:.1f}, {sigma[1]:.1f}, {sigma[2]:.1f} km/s ({whose})",
            f"{self._p_text()}, {self.distance:.1f} sigma from its posterior predictive; "
            f"{len(self.samples):,} draws, network trained on {self.config!r}",
        )


@overload
def infer(
    observation: Reflex,
    errors: None = None,
    *,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    n: int = 10_000,
    seed: int = 0,
    config: Literal["gaussian", "wide"] = "gaussian",
) -> ReflexPosterior: ...
@overload
def infer(
    observation: Case,
    errors: Mapping[str, Any] | ArrayLike | None = None,
    *,
    n: int = 10_000,
    seed: int = 0,
    config: Literal["gaussian", "wide"] = "gaussian",
) -> ReflexPosterior: ...
@overload
def infer(
    observation: Observation,
    errors: Mapping[str, Any] | ArrayLike | None = None,
    *,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    n: int = 10_000,
    seed: int = 0,
    config: Literal["gaussian", "wide"] = "gaussian",
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
    config: Literal["gaussian", "wide"] = "gaussian",
) -> ReflexPosterior: ...
def infer(
    observation: Reflex | Observation | Case | Mapping[str, Any],
    errors: Mapping[str, Any] | ArrayLike | None = None,
    *,
    lmc: Parameters | Observation | Mapping[str, Any] | None = None,
    shell: Sequence[float] | None = None,
    n: int = 10_000,
    seed: int = 0,
    config: str = "gaussian",
) -> ReflexPosterior:
    """Draw the posterior of the LMC's mass, the Milky Way's mass and the friction, given a measured reflex motion.

    Parameters
    ----------
    observation : Reflex, Observation, Case or mapping
        A fit to stars beyond 50 kpc (`fit_reflex`, `fit_reflex_observed`), whose robust covariance is used; a published
        measurement of such stars (`mwlmc_data.observations`), with the mean of its errors upwards and downwards; a case
        of such stars with its own LMC (`validation_cases`, `snapshots.measure`), by its fit if it has one; or
        v_travel [km/s], l_apex, b_apex [deg] of such stars, or vx_travel, vy_travel, vz_travel [km/s]. A mapping may
        also hold the LMC's present day, like `lmc`. Numbers may be astropy quantities.
    errors : mapping or array_like, shape (3, 3), optional
        For a mapping: standard errors of v_travel, l_apex (along l, not times cos b) and b_apex, taken as independent
        and propagated to a covariance of the vector; or of vx_travel, vy_travel, vz_travel; or the covariance of the
        vector [km^2/s^2]. A fit has its own, and takes none; a published measurement takes them only if its own could
        not be read. The default for a mapping is the mean covariance, over
        the training set, of a fit to 4,500 stars without measurement errors (about 2, 2 and 4 km/s along x, y, z),
        which is right for simulated haloes of that size and too small for observed stars.
    lmc : Parameters, Observation or mapping, optional
        The LMC's present day: that of a simulation's parameters, one of `observations.load_lmc`, or a mapping or row of
        a table, either on the sky (ra_lmc ... pm_dec_lmc) or as x_lmc ... vz_lmc [kpc, km/s]. If neither this nor the
        observation gives it, it is the observed one (`Parameters`).
    shell : (float, float), optional
        For a mapping: the shell of Galactocentric radii of its stars [kpc], (50, inf) by default. The other kinds of
        observation know theirs.
    n : int
        Number of draws.
    seed : int
        Seed of the draws.
    config : str
        Training set of the network: "gaussian", whose LMC scatters about the observed one by several times the
        measurement errors (5 kpc in distance, where the error is 0.5 kpc), or "wide", which contains every validation
        case.

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
        no network for this set.
    DamagedFileError
        If an embedded file is not the released one.

    Notes
    -----
    The answer holds for a Milky Way and an LMC that do not deform and for a fit without an outer radius; the dataset
    card says what an outer radius or a deforming halo changes. The network is trained on fitted vectors with their
    covariances removed, so that the errors given here are counted once.

    Examples
    --------
    >>> posterior = infer({"v_travel": 35.0, "l_apex": 60.0, "b_apex": -70.0}, n=1000)
    >>> posterior.samples.shape, posterior.outside, posterior.p_value > 0.01
    ((1000, 3), (), True)
    """
    n, seed = as_whole("n", n, minimum=1), as_seed("seed", seed)
    likelihood, measured = load_network(config).likelihood, read_measurement(observation, errors, lmc, shell)
    covariance = likelihood.halo_covariance if measured.covariance is None else measured.covariance
    place = np.array(list(measured.lmc.values()))
    given = measured.vector, covariance, place
    grid = likelihood.grid(*given)
    strange = p_value(likelihood, *given, seed=(seed,))
    sigmas, outside = support(measured.data, config)
    import pandas as pd

    theta = likelihood.scores.inverse(grid.sample(n, (seed,)))
    found = ReflexPosterior(
        samples=pd.DataFrame(theta, columns=list(likelihood.scores.prior.parameters)),
        observation=MappingProxyType(measured.data),
        covariance=covariance,
        errors_given=measured.covariance is not None,
        p_value=strange,
        n_predictive=N_PREDICTIVE,
        distance=predictive_distance(likelihood, grid, *given, seed=(seed,)),
        in_support=MappingProxyType(sigmas),
        outside=outside + (REFLEX if strange == 0.0 else ()),
        config=config,
        log_evidence=grid.log_evidence,
        log_evidence_error=0.0,
        disagreement=MappingProxyType(_disagreement(config, measured.data, likelihood, grid, *given)),
        reach=measured.reach,
        _grid=grid,
        _likelihood=likelihood,
        _vector=measured.vector,
        _lmc=place,
    )
    for text in found.warnings:
        warnings.warn(text, stacklevel=2)
    return found


def _disagreement(
    config: str,
    data: Mapping[str, float],
    likelihood: DeconvolvedLikelihood,
    grid: Grid,
    vector: NDArray,
    covariance: NDArray,
    lmc: NDArray,
) -> dict[str, float]:
    """Distance of each marginal from that of the other set's network, if that set contains such an LMC."""
    (other,) = (name for name in NETWORKS if name != config)
    if beyond_prior(data, other):
        return {}
    second = load_network(other).likelihood
    return marginal_distances(grid, likelihood.scores, second.grid(vector, covariance, lmc), second.scores)
