"""The tests that a posterior given stars must pass to count as a reference."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.references.certificate import MAX_EVIDENCE, MAX_RERUN, SHIFT_ERRORS, find_excess
from benchmarks.references.from_stars import MAX_SELECTION, find_failures
from benchmarks.star_references.checks import StarChecks
from benchmarks.star_references.posterior import StarReference

#: Error of the log density of the truth [nats].
MAX_DENSITY = 0.15


def list_failures(found: StarReference, checks: StarChecks | None) -> list[str]:
    """List the failed tests of a reference, each with its number and the limit."""
    return list(_find_failures(found, checks))


def _find_failures(found: StarReference, checks: StarChecks | None) -> Iterator[str]:
    yield from find_failures(found.numbers, {"error_selection": MAX_SELECTION, "error_density": MAX_DENSITY})
    if checks is None:
        return
    yield from find_excess("rerun", checks.rerun, MAX_RERUN)
    yield from find_excess("sampler", checks.sampler, MAX_RERUN)
    most_evidence = MAX_EVIDENCE + SHIFT_ERRORS * checks.sampler_error
    if abs(checks.sampler_evidence) > most_evidence:
        yield f"sampler: log evidence off by {checks.sampler_evidence:.3f}, at most {most_evidence:.3f}"
