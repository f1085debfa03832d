"""Classifier two-sample test of posterior draws against a reference posterior (C2ST; Lopez-Paz & Oquab 2017).

A classifier learns to tell the two sets of draws apart; its accuracy on held-out draws is 0.5 if they have the same
distribution and 1 if they do not overlap. It is not part of the package's scores, because the number changes with the
classifier and with the release of the library that trains it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.utils.parallel import Parallel, delayed

from mwlmc_data.array_types import Float64Array
from mwlmc_data.scoring.checks import checked_pair, varying_std

#: One hidden layer, its penalty, and steps of L-BFGS. For 2 x 1,000 draws of Gaussians in 3 dimensions with a width
#: times 1.5 or 0.9, a mean off by 0.3 sigma or no correlation it finds 0.68, 0.53, 0.61 and 0.64 in 0.15 s, where 0.68,
#: 0.55, 0.61 and 0.64 are optimal. A smaller penalty overfits; stochastic descent is slower and less accurate.
HIDDEN, WEIGHT_DECAY, ITERATIONS = 32, 3.0, 60


@dataclass(frozen=True)
class C2st:
    """Accuracies, and those expected from equal distributions.

    Attributes
    ----------
    accuracy : ndarray, shape (n,)
        Cross-validated accuracy for each observation; 0.5 is indistinguishable.
    null : ndarray, shape (n, permutations)
        The same with the labels permuted.
    n_draws : int
        Number of draws used of each kind.
    """

    accuracy: Float64Array
    null: Float64Array
    n_draws: int

    @property
    def null_mean(self) -> float:
        """Mean accuracy with permuted labels: 0.5 within its error."""
        return float(self.null.mean())

    @property
    def null_spread(self) -> float:
        """Standard deviation of the accuracy of one observation with permuted labels.

        About 1.35 times the binomial one, because the predictions of a fold share one network.
        """
        return float(self.null.std(ddof=1))

    @property
    def mean(self) -> float:
        """Mean accuracy over observations."""
        return float(self.accuracy.mean())

    @property
    def z(self) -> float:
        """Mean accuracy minus that of permuted labels, in standard errors of the difference under the null."""
        error = self.null_spread * np.sqrt(1.0 / self.accuracy.size + 1.0 / self.null.size)
        return (self.mean - self.null_mean) / float(error)


def c2st(
    samples: ArrayLike,
    reference: ArrayLike,
    seed: int = 0,
    folds: int = 5,
    permutations: int = 1,
    n_jobs: int = 1,
) -> C2st:
    """Accuracy of a small network that separates posterior and reference draws (Lopez-Paz & Oquab 2017, sec. 3).

    Both kinds are cut to the smaller number of draws, so that chance is 0.5, and standardised with the moments of the
    reference. A network of one hidden layer is trained on all folds but one and tested on that one.

    Parameters
    ----------
    samples : array_like, shape (n, m, d)
        Posterior draws.
    reference : array_like, shape (n, k, d)
        Draws of the reference posteriors of the same observations.
    seed : int
        Seed of folds, weights and permutations: the same inputs give the same numbers.
    folds : int
        Folds of the cross-validation, 2 or more.
    permutations : int
        Trainings with permuted labels for each observation, 1 or more; at least 2 over all observations.
    n_jobs : int
        Processes.

    Returns
    -------
    C2st

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite, there are fewer draws than folds, or a number is out of range.
    """
    if folds < 2:
        raise ValueError(f"folds = {folds}: allowed is 2 or more")
    draws, exact = checked_pair(samples, reference, minimum=folds)
    if permutations < 1 or permutations * len(draws) < 2:
        raise ValueError(
            f"permutations = {permutations} for {len(draws)} observations: allowed is 1 or more, and 2 or more in all"
        )
    varying_std(exact, "reference")
    size = min(draws.shape[1], exact.shape[1])
    jobs = (
        delayed(_observation)(own[:size], right[:size], np.random.SeedSequence([seed, i]), folds, permutations)
        for i, (own, right) in enumerate(zip(draws, exact, strict=True))
    )
    found = np.array(Parallel(n_jobs=n_jobs)(jobs))
    return C2st(found[:, 0], found[:, 1:], size)


def _observation(
    own: NDArray, right: NDArray, seed: np.random.SeedSequence, folds: int, permutations: int
) -> Float64Array:
    """Return the accuracy of one observation, followed by those with permuted labels."""
    rng = np.random.default_rng(seed)
    points = (np.concatenate([own, right]) - right.mean(axis=0)) / right.std(axis=0)
    labels = np.repeat([1, 0], [len(own), len(right)])
    state = int(rng.integers(2**31))
    kinds = [labels, *(rng.permutation(labels) for _ in range(permutations))]
    return np.array([_accuracy(points, kind, folds, state) for kind in kinds])


def _accuracy(points: NDArray, labels: NDArray, folds: int, state: int) -> float:
    """Cross-validate the accuracy on points (k, d) with labels (k,)."""
    right = 0
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=state).split(points, labels):
        network = MLPClassifier((HIDDEN,), solver="lbfgs", alpha=WEIGHT_DECAY, max_iter=ITERATIONS, random_state=state)
        with warnings.catch_warnings():
            # few steps on purpose: more change the third digit of the accuracy and double the time
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(points[train], labels[train])
        right += int((network.predict(points[test]) == labels[test]).sum())
    return right / len(labels)
