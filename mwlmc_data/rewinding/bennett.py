"""Ratios of normalisations from draws of several densities: the multistate Bennett acceptance ratio.

Of K unnormalised densities f_k, and N_k draws from each, the ratios of the integrals P_k of f_k follow from

    P_i = sum_j f_i(w_j) / sum_k N_k f_k(w_j) / P_k

over all draws w_j (Shirts & Chodera 2008, J. Chem. Phys. 129, 124105, eq. 11). This is the estimate of smallest
variance from these draws (Tan 2004). No weight is larger than P_i / N_i, whereas f_i / f_0 of draws from f_0 alone has
an infinite variance where f_0 may vanish and f_i does not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mwlmc_data.array_types import Float64Array
from mwlmc_data.display import describe_tuple

#: The equations count as solved when no ln P changes by more than this; the most iterations.
_TOLERANCE, _MAX_ITERATIONS = 1e-9, 10_000


class Ratios(NamedTuple):
    """Solution of the equations."""

    log_p: Float64Array  # (K,): ln P_k, up to a constant; of mean zero
    effective: Float64Array  # (K,): effective number of draws for each P_k
    largest: float  # largest share of one draw in any P_k

    def __repr__(self) -> str:
        return describe_tuple(self)


def solve_ratios(log_f: Float64Array, counts: Float64Array) -> Ratios:
    """Solve for the ratios of normalisations.

    Parameters
    ----------
    log_f : ndarray, shape (K, J)
        ln f_k(w_j), or -inf; each w_j is possible in the density that it was drawn from.
    counts : ndarray, shape (K,)
        N_k, whose sum is J.

    Returns
    -------
    Ratios

    Raises
    ------
    RuntimeError
        If the equations are not solved after 10,000 iterations, or no draw is possible in one of the densities: they do
        not overlap.
    """
    f = np.exp(log_f - log_f.max(axis=0))
    log_p = np.zeros(len(counts))
    for _ in range(_MAX_ITERATIONS):
        mixture = (counts * np.exp(-log_p)) @ f
        sums = f @ (1.0 / mixture)
        if not sums.min() > 0.0:
            break
        updated = np.log(sums)
        updated -= updated.mean()
        change = float(np.abs(updated - log_p).max())
        log_p = updated
        if change < _TOLERANCE:
            shares = f / mixture * np.exp(-log_p)[:, None]
            shares /= shares.sum(axis=1, keepdims=True)
            return Ratios(log_p, 1.0 / np.einsum("kj,kj->k", shares, shares), float(shares.max()))
    raise RuntimeError("the ratios of the selection's probabilities are not determined: the densities do not overlap")
