"""The prior as a torch distribution, for sbi and others; `mwlmc_data.priors.Prior.to_torch` makes it.

A module of its own, so that torch is imported only on demand; the class is at the top level, so that estimators that
hold it can be pickled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, biject_to, constraints
from torch.distributions.transforms import ComposeTransform, Transform

from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset.schema import DRAWN
from mwlmc_data.priors.marginals import (
    CONDITIONAL,
    ENCLOSED_MASS,
    GIVEN,
    MARGINALS,
    Marginal,
    Normal,
    NormalBelowFraction,
)

if TYPE_CHECKING:
    from mwlmc_data.priors.prior import Prior


class TorchPrior(Distribution):
    """Prior over a vector of parameters.

    Parameters
    ----------
    prior : Prior
        Prior to represent, with its parameters in order.
    scale : ndarray, shape (d,)
        Divisor of each parameter: 1 for its own unit.
    validate_args : bool, optional
        As for every torch distribution.

    Raises
    ------
    ValueError
        If m_lmc_8p7 is among the parameters without m_lmc.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (as torch declares it)

    def __init__(self, prior: Prior, scale: Float64Array, validate_args: bool | None = None) -> None:
        prior.require_joint_density()
        self.prior, self._scale = prior, scale
        names = prior.parameters
        bounds = np.array([prior.support[name] for name in names]) / scale[:, None]
        self._low = torch.tensor(bounds[:, 0], dtype=torch.float32)
        self._high = torch.tensor(bounds[:, 1], dtype=torch.float32)
        gaussians = [_find_gaussian(prior, name) for name in names]
        # A uniform marginal is a Gaussian without curvature here: its inverse width is zero.
        loc = np.array([g.loc if g else 0.0 for g in gaussians]) / scale
        inverse_width = np.array([1.0 / g.scale if g else 0.0 for g in gaussians]) * scale
        self._loc = torch.tensor(loc, dtype=torch.float32)
        self._inverse_scale = torch.tensor(inverse_width, dtype=torch.float32)
        self._log_norm = sum(_compute_log_peak(m) for m in prior.marginals.values()) + float(np.log(scale).sum())
        self._link = (names.index(CONDITIONAL), names.index(GIVEN)) if CONDITIONAL in names else None
        # largest m_lmc_8p7 per m_lmc, in the units of both
        self._fraction = ENCLOSED_MASS.fraction
        if self._link is not None:
            self._fraction *= float(scale[self._link[1]] / scale[self._link[0]])
        super().__init__(event_shape=torch.Size([len(names)]), validate_args=validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """Where the density is not zero."""
        box = _make_box(self._low, self._high)
        if self._link is None:
            return box
        inner_high = self._high.clone()
        inner_high[self._link[0]] = 1.0
        inner_low = self._low.clone()
        inner_low[self._link[0]] = 0.0
        low = float(ENCLOSED_MASS.low / self._scale[self._link[0]])
        return _BelowFraction(box, _make_box(inner_low, inner_high), *self._link, low, self._fraction)

    @property
    def mean(self) -> Tensor:
        """Means of the parameters; not known in closed form for m_lmc_8p7."""
        return self._collect(lambda m: m.mean, 1)

    @property
    def variance(self) -> Tensor:
        """Variances of the parameters; not known in closed form for m_lmc_8p7."""
        return self._collect(lambda m: m.std**2, 2)

    def _collect(self, function: Callable[[Marginal], float], power: int) -> Tensor:
        if self._link is not None:
            raise NotImplementedError(f"the moments of {CONDITIONAL!r} have no closed form")
        values = np.array([function(m) for m in self.prior.marginals.values()]) / self._scale**power
        return torch.tensor(values, dtype=torch.float32, device=self._loc.device)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Draw with torch's global generator.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape of the batch of draws.

        Returns
        -------
        Tensor, shape sample_shape + (d,)
            float32 values inside the support.
        """
        shape = torch.Size(sample_shape)
        uniforms = torch.rand((shape.numel(), len(DRAWN)), dtype=torch.float64)
        # torch.rand may return 0, where a quantile is infinite.
        columns = self.prior.from_uniforms(uniforms.clamp(min=2.0**-54).numpy())
        values = np.stack([columns[name] for name in self.prior.parameters], axis=-1) / self._scale
        theta = torch.from_numpy(values.astype(np.float32))
        if self._link is not None:
            # division may round a value out of the support
            index, given = self._link
            theta[:, index] = torch.minimum(theta[:, index], self._fraction * theta[:, given])
        return theta.to(self._loc.device).reshape(shape + self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of the normalised density, as `Prior.log_prob`.

        Parameters
        ----------
        value : Tensor, shape (..., d)
            Parameters in units of the scale.

        Returns
        -------
        Tensor, shape (...)
            -inf outside the support.
        """
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self._loc) * self._inverse_scale
        log_pdf = -0.5 * (z * z).sum(-1) + self._log_norm
        if self._link is not None:
            given = self._link[1]
            log_pdf = log_pdf + _compute_log_peak_enclosed(value[..., given] * float(self._scale[given]))
        return torch.where(self.support.check(value), log_pdf, -math.inf)


class _BelowFraction(constraints.Constraint):
    """A box in which one parameter is at most a fraction of another."""

    event_dim = 1

    def __init__(
        self,
        box: constraints.Constraint,
        unit_box: constraints.Constraint,
        index: int,
        given: int,
        low: float,
        fraction: float,
    ) -> None:
        self.box, self.unit_box = box, unit_box
        self.index, self.given, self.low, self.fraction = index, given, low, fraction
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        """Whether each vector satisfies the constraint, shape (...)."""
        return self.box.check(value) & (value[..., self.index] <= self.fraction * value[..., self.given])


class _Stretch(Transform):
    """Stretches one component from (0, 1) to (low, fraction times another component)."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, index: int, given: int, low: float, fraction: float) -> None:
        super().__init__()
        self._settings = (index, given, low, fraction)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Stretch) and other._settings == self._settings

    __hash__ = None  # type: ignore[assignment]

    def _width(self, x: Tensor) -> Tensor:
        _, given, low, fraction = self._settings
        return fraction * x[..., given] - low

    def _replace(self, x: Tensor, component: Tensor) -> Tensor:
        index = self._settings[0]
        return torch.cat([x[..., :index], component.unsqueeze(-1), x[..., index + 1 :]], dim=-1)

    def _call(self, x: Tensor) -> Tensor:
        index, _, low, _ = self._settings
        return self._replace(x, low + self._width(x) * x[..., index])

    def _inverse(self, y: Tensor) -> Tensor:
        index, _, low, _ = self._settings
        return self._replace(y, (y[..., index] - low) / self._width(y))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.log(self._width(x))


@biject_to.register(_BelowFraction)
def _biject_to_below_fraction(constraint: _BelowFraction) -> Transform:
    stretch = _Stretch(constraint.index, constraint.given, constraint.low, constraint.fraction)
    return ComposeTransform([biject_to(constraint.unit_box), stretch])


def _make_box(low: Tensor, high: Tensor) -> constraints.Constraint:
    bounded = torch.isfinite(low)
    if bounded.all():
        return constraints.independent(constraints.interval(low, high), 1)
    if not bounded.any():
        return constraints.real_vector
    each = [
        constraints.interval(low[i], high[i]) if bounded[i] else constraints.real for i in range(len(low))
    ]
    return constraints.independent(constraints.cat(each, dim=-1, lengths=[1] * len(each)), 1)


def _find_gaussian(prior: Prior, name: str) -> Normal | NormalBelowFraction | None:
    """Return the distribution of a parameter if it is Gaussian, None if it is uniform."""
    if name == CONDITIONAL:
        return ENCLOSED_MASS
    marginal = MARGINALS[prior.config][name]
    return marginal if isinstance(marginal, Normal) else None


def _compute_log_peak(marginal: Marginal) -> float:
    """Logarithm of the density where its exponent is zero."""
    at = marginal.loc if isinstance(marginal, Normal) else marginal.mean
    return float(marginal.log_pdf(np.asarray(at)))


def _compute_log_peak_enclosed(given: Tensor) -> Tensor:
    """Logarithm of the density of m_lmc_8p7 where its exponent is zero, at each m_lmc."""
    law = ENCLOSED_MASS
    # Outside the support of m_lmc the result is masked, but must not be NaN, which gradients would spread.
    upper = (
        torch.clamp((law.fraction * given - law.low) / law.scale, min=1e-3) + (law.low - law.loc) / law.scale
    )
    mass = torch.special.ndtr(upper) - float(
        torch.special.ndtr(torch.tensor((law.low - law.loc) / law.scale))
    )
    return -math.log(law.scale * math.sqrt(2.0 * math.pi)) - torch.log(mass)
