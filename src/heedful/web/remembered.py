"""Values that are dear to compute, kept while the store stands still, and for a while when it does not.

What an owner does (a pause, a new campaign) asks for a new value at once. What people's answers move is computed anew
when the last time lies at least `REST` times as far back as the computation took, so that a busy store costs a page a
tenth of one core at most. A value is computed once, in a thread of its own; whoever asks gets the last one meanwhile,
or waits as long as they are patient.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

Value = TypeVar("Value")

REST = 10.0
LONGEST_REST_S = 60.0

log = logging.getLogger("heedful.web")


class NotYet(Exception):  # a state, not an error that people see
    """The value is being computed, and there is no earlier one."""


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Any
    work: Hashable
    acts: Hashable
    made: float
    cost_s: float


@dataclass(slots=True)
class _Job:
    """A value in the making."""

    acts: Hashable
    done: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    error: BaseException | None = None


class Remembered:
    """The kept values of one server, by name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none; `clock` gives seconds."""
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._jobs: dict[str, _Job] = {}
        self._guard = threading.Lock()
        self.made = 0
        """How many values have been computed: it moves when there is something new to show."""

    def of(
        self, name: str, work: Hashable, acts: Hashable, make: Callable[[], Value], patience_s: float | None = None
    ) -> Value:
        """The value called `name`, computed by `make` when it has to be.

        Args:
            name: what it is.
            work: what people's work moves: the newest judgement.
            acts: what owners move.
            make: computes it.
            patience_s: how long to wait for a new value; then an earlier one will do. None: until it is there.

        Raises:
            NotYet: patience ran out, and there is no earlier value.
        """
        while True:
            with self._guard:
                kept = self._kept.get(name)
                if kept is not None and self._fresh(kept, work, acts):
                    return cast(Value, kept.value)
                job = self._jobs.get(name) or self._begin(name, work, acts, make)
            if kept is not None and kept.acts == acts:
                return cast(Value, kept.value)
            if not job.done.wait(patience_s):
                if kept is None:
                    raise NotYet(name)
                return cast(Value, kept.value)
            if job.error is not None:
                raise job.error
            if job.acts == acts:
                return cast(Value, job.value)

    def settle(self) -> None:
        """Wait until nothing is being computed."""
        for job in list(self._jobs.values()):
            job.done.wait()

    def _begin(self, name: str, work: Hashable, acts: Hashable, make: Callable[[], Any]) -> _Job:
        job = self._jobs[name] = _Job(acts)
        threading.Thread(target=self._make, args=(job, name, work, make), name=name, daemon=True).start()
        return job

    def _make(self, job: _Job, name: str, work: Hashable, make: Callable[[], Any]) -> None:
        began = self._clock()
        try:
            job.value = make()
        except BaseException as error:  # whoever waits gets it
            job.error = error
            log.debug("%s could not be computed", name, exc_info=True)
        ended = self._clock()
        with self._guard:
            if job.error is None:
                self._kept[name] = _Kept(job.value, work, job.acts, ended, ended - began)
                self.made += 1
            del self._jobs[name]
        job.done.set()

    def _fresh(self, kept: _Kept, work: Hashable, acts: Hashable) -> bool:
        if kept.acts != acts:
            return False
        rest = min(REST * kept.cost_s, LONGEST_REST_S)
        return kept.work == work or self._clock() - kept.made < rest
