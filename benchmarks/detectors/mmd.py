"""Maximum mean discrepancy between one observation and the training set."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist, pdist

from benchmarks.baselines.base import Effort
from benchmarks.detectors.base import Detector
from mwlmc_data.array_types import Float64Array

#: Training rows that stand for the set, and those among which distances give the width of the kernel.
_N_ROWS, _N_PAIRS = 4000, 1000
#: Widths of the Gaussians of the kernel, in units of the median distance.
_WIDTHS = (0.25, 0.5, 1.0, 2.0)
_BLOCK = 512


class MeanDiscrepancy(Detector):
    """Squared distance of an observation's kernel embedding from the training set's mean, less a constant.

    For one observation it is 2 less twice the mean kernel between it and the training set. The kernel is a sum of
    Gaussians whose widths follow from the median distance.

    Parameters
    ----------
    effort : Effort
        A fast run keeps a fifth of the rows.
    """

    name = "mmd"
    title = "MMD"
    source = "Gretton et al. 2012, JMLR 13, 723; Schmitt et al. 2021, arXiv:2112.08866"

    def __init__(self, effort: Effort | None = None) -> None:
        super().__init__(effort)
        self._rows: Float64Array = np.empty((0, 0))
        self._median = 1.0

    def fit(self, train: Float64Array, validation: Float64Array, seed: int = 0) -> None:
        """Keep rows of the training set."""
        n = _N_ROWS // 5 if self.effort.fast else _N_ROWS
        self._rows = np.random.default_rng(seed).permutation(train)[:n]
        self._median = float(np.median(pdist(self._rows[:_N_PAIRS])))

    def compute_statistic(self, features: Float64Array) -> Float64Array:
        """Compute the distances."""
        if not len(self._rows):
            raise RuntimeError("the detector is not trained; call fit first")
        found = []
        for block in np.array_split(features, max(1, len(features) // _BLOCK)):
            squared = cdist(block, self._rows, "sqeuclidean")
            kernels = [np.exp(-0.5 * squared / (width * self._median) ** 2).mean(axis=1) for width in _WIDTHS]
            found.append(2.0 - 2.0 * np.mean(kernels, axis=0))
        return np.concatenate(found)
