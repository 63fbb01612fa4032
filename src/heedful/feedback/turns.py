"""Whose turn it is to write: the threads of one process go one after the other, in the order in which they came.

SQLite has one writer at a time, and who finds it busy sleeps and tries again, longer and longer: with many threads
most of the time is slept away, and some sleep past everybody else. Here each waits to be woken instead. Other
processes are still met by SQLite's own lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """The queue of one database."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    @contextmanager
    def mine(self, timeout_s: float) -> Iterator[bool]:
        """Wait for one's turn, at most `timeout_s`; whether it came. It ends with the block."""
        came = self._wait(timeout_s)
        try:
            yield came
        finally:
            if came:
                self._pass_on()

    def _wait(self, timeout_s: float) -> bool:
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            called = threading.Event()
            self._waiting.append(called)
        if called.wait(timeout_s):
            return True
        with self._guard:
            if called.is_set():  # at the last moment
                return True
            self._waiting.remove(called)
            return False

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
