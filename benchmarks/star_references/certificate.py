"""The tests that a posterior given stars must pass to count as a reference."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.references.certificate import MAX_EVIDENCE, MAX_RERUN, SHIFT_ERRORS, find_excess
from benchmarks.star_references.checks import StarChecks
from benchmarks.star_references.posterior import StarReference

#: Effective draws.
MIN_EFFECTIVE = 1_000.0
#: Error of the sum of ln P over the stars, over the posterior, and that of the log density of the truth [nats]. The
#: first moves a mean by up to as many standard deviations, and two runs apart by root two times that.
MAX_SELECTION, MAX_DENSITY = 0.1, 0.15
#: Part of the posterior near the edge of the region in which ln P was computed.
MAX_EDGE = 0.05
#: p-value of the stars at the posterior's mean: below it none of 1,000 simulated sets was as unusual.
MIN_P = 1e-3


def list_failures(found: StarReference, checks: StarChecks | None) -> list[str]:
    """List the failed tests of a reference, each with its number and the limit."""
    return list(_find_failures(found, checks))


def _find_failures(found: StarReference, checks: StarChecks | None) -> Iterator[str]:
    numbers = found.numbers
    least = {"n_effective": MIN_EFFECTIVE, "p_value": MIN_P}
    most = {"error_selection": MAX_SELECTION, "error_density": MAX_DENSITY, "edge": MAX_EDGE}
    for name, allowed in least.items():
        if numbers[name] < allowed:
            yield f"{name} {numbers[name]:.3g}, at least {allowed:g}"
    for name, allowed in most.items():
        if numbers[name] > allowed:
            yield f"{name} {numbers[name]:.3g}, at most {allowed:g}"
    if checks is None:
        return
    yield from find_excess("rerun", checks.rerun, MAX_RERUN)
    yield from find_excess("sampler", checks.sampler, MAX_RERUN)
    most_evidence = MAX_EVIDENCE + SHIFT_ERRORS * checks.sampler_error
    if abs(checks.sampler_evidence) > most_evidence:
        yield f"sampler: log evidence off by {checks.sampler_evidence:.3f}, at most {most_evidence:.3f}"
