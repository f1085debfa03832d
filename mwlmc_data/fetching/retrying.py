"""Asking mirrors again, where that may help, and stopping when asked to.

A mirror that is busy or breaks off is asked again after a pause that doubles, and not before the time that it names.
One that does not hold a file, or holds another, gives way to the next mirror; so does, for a while, one that asks for a
long pause, and one that sends too slowly.
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
#: Of its own, so that a user's seeded random numbers stay what they are.
_JITTER = random.Random()


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to try again.

    Attributes
    ----------
    tries : int
        Requests to one mirror for one file while it is busy, fails or breaks off.
    few_tries : int
        Requests where another try seldom helps: no connection, a wrong file.
    first, longest : float
        Pauses between tries [s]: the first, doubled each time, and the longest.
    longest_asked : float
        Longest pause that a server can ask for (Retry-After) [s].
    connect, read : float
        Time for a connection, and between two parts of an answer; together for the head of an answer [s].
    window : float
        Time over which a rate is measured [s].
    min_rate, last_min_rate : float
        Least rate at which a file has to come while there are other mirrors, and when there are none [bytes/s].
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
        """Seconds before the next try, at least what the server asked for; random, so that clients come apart."""
        backoff = min(self.first * 2.0 ** (tried - 1), self.longest) * _JITTER.uniform(0.5, 1.0)
        return backoff if asked is None else min(asked, self.longest_asked) + 0.1 * backoff


PATIENCE = Patience()


class MirrorError(Exception):
    """A mirror does not give a file.

    Parameters
    ----------
    reason : str
        What went wrong, in words.
    tries : int
        How often a mirror is asked in all if it fails like this.
    asked : float, optional
        Pause that the server asked for [s].
    is_unreachable : bool
        Whether there was no connection at all.
    """

    def __init__(self, reason: str, tries: int = 1, asked: float | None = None, is_unreachable: bool = False) -> None:
        super().__init__(reason)
        self.tries, self.asked, self.is_unreachable = tries, asked, is_unreachable


class SlowError(MirrorError):
    """A mirror gives a file so slowly that others are asked first."""


class NoMirrorHelpsError(Exception):
    """No mirror gives a file; the text lists each with what went wrong.

    Parameters
    ----------
    failures : sequence of (Mirror, MirrorError)
        The last failure of each.
    """

    def __init__(self, failures: Sequence[tuple[Mirror, MirrorError]]) -> None:
        super().__init__("; ".join(f"{mirror}: {error}" for mirror, error in failures))
        self.is_offline = all(error.is_unreachable for _, error in failures)


class StoppedError(Exception):
    """Another thread asked to stop."""


class Halt:
    """Stops all threads of a download at once, also those that wait for a server."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._answers: list[requests.Response] = []

    def set(self) -> None:
        """Ask everyone to stop."""
        self._event.set()
        with self._lock:
            for answer in self._answers:
                # Wakes who reads from it; urllib3 before 2.3 cannot, and the reader waits for the next bytes.
                with suppress(AttributeError, ValueError, RuntimeError, OSError):
                    answer.raw.shutdown()

    def is_set(self) -> bool:
        """Whether everyone shall stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise StoppedError if everyone shall stop."""
        if self._event.is_set():
            raise StoppedError

    def wait(self, seconds: float) -> None:
        """Wait, or raise StoppedError as soon as everyone shall stop."""
        if self._event.wait(seconds):
            raise StoppedError

    @contextmanager
    def watch(self, answer: requests.Response) -> Iterator[None]:
        """Let `set` wake the reader of an answer."""
        with self._lock:
            self._answers.append(answer)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._answers.remove(answer)


def ask(mirrors: Sequence[Mirror], attempt: Callable[[Mirror, float], Result], halt: Halt) -> Result:
    """Try mirrors in their order, each as often as its failure deserves.

    One that asks for a pause longer than `Patience.longest`, or sends more slowly than `Patience.min_rate`, is asked
    again after the others.

    Parameters
    ----------
    mirrors : sequence of Mirror
        At least one.
    attempt : callable
        Gives the result from a mirror at this least rate [bytes/s] or more, or raises MirrorError.
    halt : Halt
        Ends it.

    Returns
    -------
    object
        The result of the first attempt that succeeds.

    Raises
    ------
    NoMirrorHelpsError
        If none did.
    StoppedError
        If another thread asked to stop.
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
    """A mirror wants to be left alone, or takes, for longer than others are to wait for it."""


def _ask_one(mirror: Mirror, attempt: Callable[[Mirror, float], Result], halt: Halt, is_patient: bool) -> Result:
    """Try one mirror as often as its failures deserve; without patience others come before long waits for it."""
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
        # Failures of one kind: a wrong file after a cut connection is the first wrong file.
        tried[failure.tries] += 1
        if tried[failure.tries] >= failure.tries or tried.total() >= PATIENCE.tries:
            raise failure
        if min(failure.asked or 0.0, PATIENCE.longest_asked) > longest:
            raise _LaterError
        halt.wait(PATIENCE.pause(tried.total(), failure.asked))
