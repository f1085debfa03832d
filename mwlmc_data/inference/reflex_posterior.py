"""The posterior of a measured reflex motion from an embedded network: what `infer` returns.

The network gives the density of the true travel velocity of stars in a shell (`mwlmc_data.inference.deconvolved`), and
there is one for each shell of `mwlmc_data.inference.shells`. It is convolved with the measurement's errors and
multiplied by the prior of the masses and the friction, and the posterior is computed on a grid
(`mwlmc_data.inference.joint_draws`). The result also says whether the model produces such a measurement at all
(`mwlmc_data.inference.predictive`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mwlmc_data.arguments.arrays import as_flag, as_floats, as_seed
from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import REFLEX
from mwlmc_data.inference.deconvolved import TRAVEL, DeconvolvedLikelihood
from mwlmc_data.inference.joint_draws import PosteriorDraws
from mwlmc_data.inference.networks import CONFIGS
from mwlmc_data.inference.posterior import MIN_P_VALUE, Posterior
from mwlmc_data.inference.predictive import draw_vectors
from mwlmc_data.priors import standard_normal_log_density
from mwlmc_data.simulator.frames import spherical_angles
from mwlmc_data.simulator.reflex import describe_shell

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: A total variation distance between the networks' marginals above this raises a warning.
MAX_DISAGREEMENT = 0.1
#: Fewer effective draws than this raise a warning.
_MIN_EFFECTIVE = 400


@dataclass(frozen=True, eq=False, repr=False)
class ReflexPosterior(Posterior):
    """A posterior of masses and friction, or anisotropy, given a measured travel velocity, from an embedded network.

    Attributes
    ----------
    samples : DataFrame
        Posterior draws: m_lmc, m200_mw [Msun], log10_lambda_df; or m_mw_50, m_lmc_50 [Msun], beta0.
    config : str
        Training set of the network.
    log_evidence : float
        Logarithm of the density of the measured vector [(km/s)^-3] given the LMC.
    log_evidence_error : float
        Its standard error: 0 for an exact LMC, where the evidence is computed on a grid.
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
        Total variation distance of each parameter's marginal from that of the network trained on the other set and the
        same shell; empty if there is none, or the LMC is outside the prior of that set.
    r_min, r_max : float
        Shell of the network and of the measured stars [kpc].
    reach : float
        Outermost radius of the measured stars [kpc], where it is less than `r_max`; infinity if it is not known.
    lmc_samples : DataFrame or None
        x_lmc ... vz_lmc [kpc, km/s] of each draw of `samples`, if the LMC was given with errors: draws from the errors,
        weighted by the density of the data.
    n_effective : float
        Number of independent draws that the computation is worth; that of `samples` for an exact LMC.
    """

    observation: Mapping[str, float]
    covariance: Float64Array
    errors_given: bool
    distance: float
    in_support: Mapping[str, float]
    outside: tuple[str, ...]
    disagreement: Mapping[str, float]
    r_min: float
    r_max: float
    reach: float
    lmc_samples: pd.DataFrame | None
    n_effective: float
    _likelihood: DeconvolvedLikelihood
    _vector: Float64Array
    _drawn: PosteriorDraws

    def log_prob(self, theta: pd.DataFrame | NDArray) -> Float64Array:
        """Log density of parameters.

        Parameters
        ----------
        theta : DataFrame or ndarray, shape (n, 3)
            The columns of `samples`, in their order if an array.

        Returns
        -------
        ndarray, shape (n,)
            Per unit of theta [nats]; -inf outside the prior.
        """
        names = list(self.samples.columns)
        values = as_floats("theta", theta if isinstance(theta, np.ndarray) else theta[names], shape=("n", len(names)))
        scores = self._likelihood.scores
        u = scores.forward(values)
        given = [self._likelihood.log_likelihood(u, self._vector, self.covariance, at) for at in self._drawn.nodes]
        log_likelihood = logsumexp(given, axis=0) - math.log(len(given))
        return scores.log_density(log_likelihood + standard_normal_log_density(u) - self.log_evidence, values)

    def predict(self, with_errors: bool = True, seed: int = 0) -> pd.DataFrame:
        """Draw the posterior predictive: the motion that the model makes at the draws of `samples`.

        Parameters
        ----------
        with_errors : bool
            Whether to add the errors of the measurement, as for another measurement like it.
        seed : int
            Seed of the draws.

        Returns
        -------
        DataFrame
            vx_travel, vy_travel, vz_travel, v_travel [km/s], l_apex, b_apex [deg], one row for each draw.
        """
        import pandas as pd

        drawn = self._drawn
        vectors = draw_vectors(
            self._likelihood,
            drawn.scores,
            self.covariance if as_flag("with_errors", with_errors) else None,
            drawn.lmc,
            np.random.default_rng((as_seed("seed", seed), 11)),
        )
        longitude, latitude = spherical_angles(vectors)
        reflex = (np.linalg.norm(vectors, axis=1), longitude, latitude)
        return pd.DataFrame(dict(zip((*TRAVEL, *REFLEX), (*vectors.T, *reflex), strict=True)))

    def plot_predictive(self, title: str | None = None) -> Figure:
        """Draw the measured speed and apex beside those that the model makes at the draws.

        Parameters
        ----------
        title : str, optional
            Heading.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed (extra ``plot``).
        """
        from mwlmc_data.plotting.predictive import plot_motions

        rng = np.random.default_rng((0, 12))
        measured = rng.multivariate_normal(self._vector, self.covariance, size=len(self.samples))
        return plot_motions(self.predict(with_errors=False), measured, self._vector, title)

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
        if self.lmc_samples is not None and self.n_effective < _MIN_EFFECTIVE:
            found.append(
                f"The draws are worth {self.n_effective:.0f} independent ones: the errors of the LMC move the vector "
                "by far more than the measurement's own."
            )
        apart = {name: value for name, value in self.disagreement.items() if value > MAX_DISAGREEMENT}
        if apart:
            far = ", ".join(f"{name} ({value:.2f})" for name, value in apart.items())
            found.append(
                f"The networks trained on {' and '.join(CONFIGS)} disagree in {far}: total variation between their "
                f"marginals, above {MAX_DISAGREEMENT:g}."
            )
        if math.isfinite(self.reach):
            limit = f"reach {self.r_max:g} kpc" if math.isfinite(self.r_max) else "have no outer limit"
            found.append(
                f"The measured stars reach {self.reach:g} kpc at most, and those of the network's training set "
                f"{limit}: the apex depends on it, and the errors do not contain that."
            )
        return tuple(found)

    def _lines(self) -> tuple[str, str]:
        """The measurement, and how unusual it is."""
        data = self.observation
        sigma = np.sqrt(np.diag(self.covariance))
        whose = "as given" if self.errors_given else "none given: those of 4,500 simulated stars"
        return (
            f"v_travel {data['v_travel']:.1f} km/s towards l {data['l_apex']:.1f}, b {data['b_apex']:.1f} deg; "
            f"errors of x, y, z {sigma[0]:.1f}, {sigma[1]:.1f}, {sigma[2]:.1f} km/s ({whose})"
            f"{'' if self.lmc_samples is None else '; LMC with its errors'}",
            f"{self._p_text()}, {self.distance:.1f} sigma from its posterior predictive; "
            f"{len(self.samples):,} draws, network trained on {self.config!r}, stars"
            f"{describe_shell(self.r_min, self.r_max)}",
        )
