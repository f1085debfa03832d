"""Retrying mirrors where that may help, and stopping on request.

A mirror that is busy or breaks off is asked again after a pause that doubles, and not before the time it asks for. A
mirror that lacks a file, or has another, gives way to the next one; so does, for a while, one that asks for a long
pause or sends too slowly.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from mwlmc_data.fetching.mirrors import Mirror

if TYPE_CHECKING:
    import requests

Result = TypeVar("Result")
#: Separate generator, so that a user's seeded random numbers do not change.
_JITTER = random.Random()


@dataclass(frozen=True)
class Patience:
    """How long to wait and how often to retry.

    Attributes
    ----------
    tries : int
        Requests to one mirror for one file if it is busy, fails or breaks off.
    few_tries : int
        Requests if another try seldom helps: no connection, a wrong file.
    first, longest : float
        Pause after the first try, doubled each time, and longest pause [s].
    longest_asked : float
        Longest pause on a server's request (Retry-After) [s].
    connect, read : float
        Time for a connection, and between two parts of a response; their sum for the head of a response [s].
    window : float
        Time over which rates are averaged [s].
    min_rate, last_min_rate : float
        Lowest rate [bytes/s] at which a file may arrive while other mirrors are left, and when none is.
    """

    tries: int = 5
    few_tries: int = 2
    first: float = 1.0
    longest: float = 30.0
    longest_asked: float = 120.0
    connect: float = 10.0
    read: float = 60.0
    window: float = 30.0
    min_rate: float = 10_000.0
    last_min_rate: float = 1_000.0

    def pause(self, tried: int, asked: float | None) -> float:
        """Seconds before the next try, at least what the server asks for; random, so that clients spread out."""
        backoff = min(self.first * 2.0 ** (tried - 1), self.longest) * _JITTER.uniform(0.5, 1.0)
        return backoff if asked is None else min(asked, self.longest_asked) + 0.1 * backoff


PATIENCE = Patience()


class MirrorError(Exception):
    """A mirror does not provide a file.

    Parameters
    ----------
    reason : str
        What went wrong, in words.
    tries : int
        Total number of requests to a mirror that fails like this.
    asked : float, optional
        Pause that the server asks for [s].
    is_unreachable : bool
        Whether there was no connection at all.
    """

    def __init__(self, reason: str, tries: int = 1, asked: float | None = None, is_unreachable: bool = False) -> None:
        super().__init__(reason)
        self.tries, self.asked, self.is_unreachable = tries, asked, is_unreachable


class SlowError(MirrorError):
    """A mirror sends a file so slowly that others are asked first."""


class NoMirrorHelpsError(Exception):
    """No mirror provides a file; the message lists each mirror and what went wrong.

    Parameters
    ----------
    failures : sequence of (Mirror, MirrorError)
        The last failure of each.
    """

    def __init__(self, failures: Sequence[tuple[Mirror, MirrorError]]) -> None:
        super().__init__("; ".join(f"{mirror}: {error}" for mirror, error in failures))
        self.is_offline = all(error.is_unreachable for _, error in failures)


class StoppedError(Exception):
    """Another thread stopped the download."""


class Halt:
    """Stops all threads of a download at once, including those that wait for a server."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._answers: list[requests.Response] = []

    def set(self) -> None:
        """Stop all threads."""
        self._event.set()
        with self._lock:
            for answer in self._answers:
                # Wakes its reader; urllib3 before 2.3 cannot, and the reader waits for the next bytes.
                with suppress(AttributeError, ValueError, RuntimeError, OSError):
                    answer.raw.shutdown()

    def is_set(self) -> bool:
        """Whether all threads are to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise StoppedError if all threads are to stop."""
        if self._event.is_set():
            raise StoppedError

    def wait(self, seconds: float) -> None:
        """Wait, or raise StoppedError as soon as all threads are to stop."""
        if self._event.wait(seconds):
            raise StoppedError

    @contextmanager
    def watch(self, answer: requests.Response) -> Iterator[None]:
        """Let `set` wake the reader of a response."""
        with self._lock:
            self._answers.append(answer)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._answers.remove(answer)


def ask(mirrors: Sequence[Mirror], attempt: Callable[[Mirror, float], Result], halt: Halt) -> Result:
    """Try mirrors in order, each as often as its kind of failure warrants.

    A mirror that asks for a pause longer than `Patience.longest`, or sends more slowly than `Patience.min_rate`, is
    asked again after the others.

    Parameters
    ----------
    mirrors : sequence of Mirror
        At least one.
    attempt : callable
        Called with a mirror and a lowest rate [bytes/s]; returns the result or raises MirrorError.
    halt : Halt
        Stops the attempts.

    Returns
    -------
    object
        The result of the first attempt that succeeds.

    Raises
    ------
    NoMirrorHelpsError
        If none succeeds.
    StoppedError
        If another thread stopped the download.
    """
    failures = []
    waiting, deferred = deque(mirrors), set()
    while waiting:
        mirror = waiting.popleft()
        is_patient = not waiting or mirror in deferred
        try:
            return _ask_one(mirror, attempt, halt, is_patient)
        except _LaterError:
            deferred.add(mirror)
            waiting.append(mirror)
        except MirrorError as failure:
            failures.append((mirror, failure))
    raise NoMirrorHelpsError(failures)


class _LaterError(Exception):
    """A mirror asks for a long pause or is slow, so that others come first."""


def _ask_one(mirror: Mirror, attempt: Callable[[Mirror, float], Result], halt: Halt, is_patient: bool) -> Result:
    """Try one mirror as often as its failures warrant; unless `is_patient`, others come before a long wait."""
    tried: Counter[int] = Counter()
    longest = PATIENCE.longest_asked if is_patient else PATIENCE.longest
    while True:
        halt.check()
        try:
            return attempt(mirror, PATIENCE.last_min_rate if is_patient else PATIENCE.min_rate)
        except SlowError:
            if is_patient:
                raise
            raise _LaterError from None
        except MirrorError as error:
            failure = error
        # Counted by kind: a wrong file after a broken connection is the first wrong file.
        tried[failure.tries] += 1
        if tried[failure.tries] >= failure.tries or tried.total() >= PATIENCE.tries:
            raise failure
        if min(failure.asked or 0.0, PATIENCE.longest_asked) > longest:
            raise _LaterError
        halt.wait(PATIENCE.pause(tried.total(), failure.asked))
