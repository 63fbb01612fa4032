from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from heedful.errors import Unavailable
from heedful.feedback import database
from heedful.feedback.store import Store
from heedful.feedback.turns import Turns
from heedful.records import Prompt

LONG_S = 60.0


def test_everybody_gets_a_turn_alone_and_in_the_order_of_arrival() -> None:
    turns, order, inside = Turns(), list[int](), list[int]()

    def work(number: int) -> None:
        with turns.mine(LONG_S) as came:
            assert came
            inside.append(number)
            assert len(inside) == 1
            order.append(number)
            inside.remove(number)

    threads = []
    with turns.mine(LONG_S):
        for number in range(8):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            while len(turns._waiting) <= number:
                time.sleep(0.001)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == list(range(8))
    with turns.mine(0) as came:
        assert came, "the last one left"


def test_who_waits_too_long_goes_and_holds_nobody_up() -> None:
    turns = Turns()
    with turns.mine(LONG_S), turns.mine(0.01) as came:
        assert not came
    with turns.mine(0) as came:
        assert came


def test_a_failure_ends_the_turn() -> None:
    turns = Turns()

    def fail() -> None:
        with turns.mine(LONG_S):
            raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            fail()


def test_a_write_within_a_write_is_refused_rather_than_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    with Store.open(tmp_path / "store.db") as store:
        with store.writing(), pytest.raises(Unavailable, match="busy"):
            store.add_prompts([Prompt("p", "Why?")])
        assert store.add_prompts([Prompt("p", "Why?")]) == 1


def test_many_threads_write_to_one_store(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:

        def write(first: int) -> None:
            for number in range(first, first + 10):
                store.add_prompts([Prompt(f"p{number}", "Why?")])

        threads = [threading.Thread(target=write, args=(10 * k,)) for k in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.prompts()) == 120
