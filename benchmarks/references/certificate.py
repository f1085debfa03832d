"""The tests that a posterior must pass to count as a reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from benchmarks.references.agreement import Agreement
from benchmarks.references.gaussianity import TESTS
from benchmarks.references.importance import ImportanceCheck

#: Difference of the posteriors from the two halves of a design. A half has root two times the error of the full design,
#: so that two halves differ by twice that error.
MAX_HALVES = Agreement(distance=0.15, shift=0.3, spread=1.4)
#: Difference of the posteriors from two designs, and of the reference from a fit to many more simulations near it.
MAX_RERUN = Agreement(distance=0.1, shift=0.2, spread=1.25)
#: Accuracy of a classifier between samples from two designs.
MAX_C2ST = 0.55
#: p-value of each test of Gaussianity, and of the marginals against importance sampling; some thousand are made.
MIN_P = 1e-4
#: Root mean square error of the log density due to the grid.
MAX_INTERPOLATION = 0.15
#: Sigmas of the observation from the nearest predicted mean: beyond it, a posterior rests on untested tails.
MAX_DISTANCE = 3.0
#: Effective sample size from which importance sampling counts as a check.
MIN_EFFECTIVE = 100.0
#: Sigmas by which a mean may differ from importance sampling's, plus this many standard errors.
MAX_SHIFT, SHIFT_ERRORS = 0.15, 3.0
#: The same for the log evidence.
MAX_EVIDENCE = 0.15
#: Range of the noise's variance over that of the reflex fits, and of its kurtosis over that of a Gaussian.
NOISE_SCALE, NOISE_KURTOSIS = (0.93, 1.07), (0.9, 1.15)


@dataclasses.dataclass(frozen=True)
class Certificate:
    """The tests of one reference.

    Attributes
    ----------
    n_simulations, n_failed : int
        Simulations of its design, and those that failed.
    n_near : int
        Simulations near the observation, on which Gaussianity is tested.
    log_likelihood : float
        Mean log density of simulations left out of the fit [nats].
    log_evidence : float
        Log density of the observation, averaged over the prior [per (km/s)^3].
    nearest : float
        Whitened distance of the observation from the nearest predicted mean of the design.
    interpolation : float
        Root mean square error of the log density due to the grid.
    halves : Agreement
        Between the posteriors from the two halves of the design.
    tests : dict of str to float
        p-values by `gaussianity.TESTS`.
    rerun : Agreement, optional
        With the posterior from another design.
    c2st : float, optional
        Accuracy of a classifier between samples from both.
    importance : ImportanceCheck, optional
        Agreement with importance sampling.
    refit : Agreement, optional
        With the posterior from all simulations, including those of the importance sampling.
    """

    n_simulations: int
    n_failed: int
    n_near: int
    log_likelihood: float
    log_evidence: float
    nearest: float
    interpolation: float
    halves: Agreement
    tests: dict[str, float]
    rerun: Agreement | None = None
    c2st: float | None = None
    importance: ImportanceCheck | None = None
    refit: Agreement | None = None

    @property
    def certified(self) -> bool:
        """Whether it passes every test that was made."""
        return not self.list_failures()

    def list_failures(self) -> list[str]:
        """List the failed tests, each with its number and the limit."""
        return list(self._find_failures())

    def _find_failures(self) -> Iterator[str]:
        yield from find_excess("halves", self.halves, MAX_HALVES)
        for name in TESTS:
            if self.tests[name] < MIN_P:
                yield f"Gaussianity ({name}): p = {self.tests[name]:.1e}, at least {MIN_P:g}"
        if self.interpolation > MAX_INTERPOLATION:
            yield f"interpolation error {self.interpolation:.3f}, at most {MAX_INTERPOLATION}"
        if self.nearest > MAX_DISTANCE:
            yield f"observation {self.nearest:.1f} sigmas from all predictions of the model, at most {MAX_DISTANCE}"
        if self.rerun is not None:
            yield from find_excess("rerun", self.rerun, MAX_RERUN)
        if self.c2st is not None and self.c2st > MAX_C2ST:
            yield f"rerun: C2ST {self.c2st:.3f}, at most {MAX_C2ST}"
        if self.refit is not None:
            yield from find_excess("refit", self.refit, MAX_RERUN)
        if self.importance is not None:
            yield from _importance(self.importance)


def find_excess(name: str, found: Agreement, most: Agreement) -> Iterator[str]:
    """Yield what exceeds the allowed difference of two computations."""
    for field in dataclasses.fields(Agreement):
        value, allowed = getattr(found, field.name), getattr(most, field.name)
        if value > allowed:
            yield f"{name}: {field.name} {value:.3f}, at most {allowed}"


def _importance(found: ImportanceCheck) -> Iterator[str]:
    if found.effective < MIN_EFFECTIVE:
        yield f"importance: effective sample size {found.effective:.0f}, at least {MIN_EFFECTIVE:.0f}"
        return
    for shift, error in zip(found.shift, found.shift_error, strict=True):
        allowed = MAX_SHIFT + SHIFT_ERRORS * error
        if abs(shift) > allowed:
            yield f"importance: shift {shift:.3f}, at most {allowed:.3f}"
    allowed = MAX_EVIDENCE + SHIFT_ERRORS * found.evidence_error
    if abs(found.evidence) > allowed:
        yield f"importance: log evidence off by {found.evidence:.3f}, at most {allowed:.3f}"
    if min(found.distribution) < MIN_P:
        yield f"importance: p of a marginal {min(found.distribution):.1e}, at least {MIN_P:g}"
    ranges = (("scale", found.noise_scale, NOISE_SCALE), ("kurtosis", found.noise_kurtosis, NOISE_KURTOSIS))
    for name, value, (low, high) in ranges:
        if not low <= value <= high:
            yield f"noise {name} {value:.3f}, allowed {low} to {high}"
