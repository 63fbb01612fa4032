from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from heedful.web.remembered import LONGEST_REST_S, NotYet, Remembered


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counted(clock: Clock) -> Callable[..., int]:
    """A value that takes some time: how often it was computed."""
    made = 0

    def make(cost_s: float = 1.0) -> int:
        nonlocal made
        made += 1
        clock.now += cost_s
        return made

    return make


def test_a_value_is_computed_once_while_nothing_moves(clock: Clock, counted: Callable[..., int]) -> None:
    memory = Remembered(clock)
    assert [memory.of("a", 1, "", counted) for _ in range(3)] == [1, 1, 1]
    clock.now += 1e6
    assert memory.of("a", 1, "", counted) == 1
    assert memory.of("b", 1, "", counted) == 2


def test_work_is_seen_after_a_rest_in_proportion_to_the_cost(clock: Clock, counted: Callable[..., int]) -> None:
    memory = Remembered(clock)
    memory.of("a", 1, "", counted)
    clock.now += 9.9
    assert memory.of("a", 2, "", counted) == 1
    memory.settle()
    assert memory.made == 1
    clock.now += 0.2
    assert memory.of("a", 2, "", counted) == 1  # and the next one is on its way
    memory.settle()
    assert (memory.of("a", 2, "", counted), memory.made) == (2, 2)


def test_the_rest_has_an_end(clock: Clock, counted: Callable[..., int]) -> None:
    memory = Remembered(clock)
    memory.of("a", 1, "", lambda: counted(100.0))
    clock.now += LONGEST_REST_S
    memory.of("a", 2, "", counted)
    memory.settle()
    assert memory.of("a", 2, "", counted) == 2


def test_what_an_owner_does_is_waited_for(clock: Clock, counted: Callable[..., int]) -> None:
    memory = Remembered(clock)
    memory.of("a", 1, "before", counted)
    assert memory.of("a", 1, "after", counted) == 2


def test_a_failure_reaches_who_waits_and_is_not_remembered(clock: Clock) -> None:
    memory = Remembered(clock)
    with pytest.raises(ZeroDivisionError):
        memory.of("a", 1, "", lambda: 1 // 0)
    assert memory.of("a", 1, "", lambda: 7) == 7


class Slow:
    """A value that is made when it is let go."""

    def __init__(self, value: str) -> None:
        self.value, self.begun, self.go = value, 0, threading.Event()

    def __call__(self) -> str:
        self.begun += 1
        self.go.wait(10)
        return self.value


def test_patience_runs_out_and_the_value_comes_later(clock: Clock) -> None:
    memory, slow = Remembered(clock), Slow("new")
    for _ in range(3):
        with pytest.raises(NotYet):
            memory.of("a", 1, "", slow, 0.01)
    slow.go.set()
    memory.settle()
    assert memory.of("a", 1, "", slow, 0.01) == "new"
    assert slow.begun == 1


def test_an_earlier_value_will_do_for_the_impatient(clock: Clock) -> None:
    memory, slow = Remembered(clock), Slow("new")
    memory.of("a", 1, "before", lambda: "old")
    assert memory.of("a", 1, "after", slow, 0.01) == "old"
    slow.go.set()
    assert memory.of("a", 1, "after", slow) == "new"


def test_many_who_ask_at_once_have_one_computed(clock: Clock) -> None:
    memory, slow = Remembered(clock), Slow("new")
    found: list[str] = []
    askers = [threading.Thread(target=lambda: found.append(memory.of("a", 1, "", slow))) for _ in range(8)]
    for asker in askers:
        asker.start()
    slow.go.set()
    for asker in askers:
        asker.join()
    assert (found, slow.begun) == (["new"] * 8, 1)
