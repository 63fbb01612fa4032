from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from heedful.feedback import offers, tables
from heedful.feedback.campaigns import claim
from heedful.feedback.store import Store
from heedful.records import Judgement, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]

NOON = 1_000_000.0


def found(store: Store, person: str, furthest: int = 0, campaign: str = "default") -> str | None:
    with store.writing() as connection:
        row = offers.next_open(connection, person, campaign, NOON, furthest)
        return None if row is None else row.id


def left(store: Store, person: str, furthest: int = 0, limit: int = 100) -> int:
    with store.reading() as connection:
        return offers.left(connection, person, "default", furthest, limit)


def test_a_second_look_under_the_lock_passes_over_what_filled_up_meanwhile(
    store: Store, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL the search may offer a question that another process has just taken."""
    fill(2)
    claim(store, "ann", now=NOON)
    honest = offers._next
    offered: list[str] = []

    def stale(connection: object, person: str, campaign: str, now: float, passed: list[str], furthest: int) -> object:
        row = connection.execute(select(tables.questions).where(tables.questions.c.id == "q0")).one()  # type: ignore[attr-defined]  # a Connection
        found = row if not passed else honest(connection, person, campaign, now, passed, furthest)  # type: ignore[arg-type]  # likewise
        offered.append("none" if found is None else found.id)
        return found

    monkeypatch.setattr(offers, "_next", stale)
    assert found(store, "bob") == "q1"
    assert offered == ["q0", "q1"]


def test_the_front_is_offered_in_order_of_arrival_wherever_somebody_is(
    store: Store, fill: Fill, says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "FRONT", 3)
    numbers = {name: number for number, name in enumerate((q.id for q in fill(12, overlap=2)), 1)}
    assert found(store, "ann", furthest=numbers["q9"]) == "q0"


def test_behind_the_front_the_search_goes_on_where_somebody_is_and_comes_back(
    store: Store, fill: Fill, says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "FRONT", 3)
    numbers = {name: number for number, name in enumerate((q.id for q in fill(12, overlap=2)), 1)}
    for name in ("q0", "q1", "q2"):
        says("ann", name, choice="a")
    assert found(store, "ann", furthest=numbers["q7"]) == "q8"
    for name in ("q8", "q9", "q10", "q11"):
        says("ann", name, choice="a")
    assert found(store, "ann", furthest=numbers["q11"]) == "q3"


@pytest.mark.parametrize("front", [3, 12, 200])
def test_everything_is_offered_once_whatever_the_front(
    store: Store, fill: Fill, says: Says, monkeypatch: pytest.MonkeyPatch, front: int
) -> None:
    monkeypatch.setattr(offers, "FRONT", front)
    fill(12, overlap=2)
    given: list[str] = []
    while (name := found(store, "ann", furthest=len(given))) is not None:
        given.append(name)
        says("ann", name, choice="a")
    assert sorted(given) == sorted(f"q{i}" for i in range(12))


def test_finished_questions_are_not_looked_at(store: Store, fill: Fill, says: Says) -> None:
    fill(3)
    says("ann", "q0", choice="a")
    assert found(store, "bob") == "q1"
    assert left(store, "bob") == 2


def test_what_is_left_is_counted_to_the_limit(store: Store, fill: Fill, says: Says) -> None:
    fill(5, overlap=2)
    says("ann", "q0", choice="a")
    says("ann", "q1", choice="skip")
    assert left(store, "ann") == 3
    assert left(store, "ann", limit=2) == 2
    assert left(store, "bob") == 5


def test_what_is_left_passes_over_the_middle(store: Store, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "FRONT", 3)
    fill(12, overlap=2)
    assert left(store, "ann", furthest=8) == 3 + 4
    assert left(store, "ann", furthest=8, limit=2) == 2


def test_the_searches_use_the_indices(location: str, store: Store, fill: Fill) -> None:
    if "://" in location:
        pytest.skip("PostgreSQL scans small tables whatever their indices")
    fill(50)
    with store.writing() as connection:
        statements: list[str] = []
        for query in (
            offers._offered("front", anywhere=False, locking=False),
            offers._offered("all", anywhere=True, locking=False),
            offers._offered("lapsed", anywhere=False, locking=False),
            offers._counting("ahead"),
        ):
            text = str(query.compile(connection))
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", (None,) * text.count("?")).all()
            statements.append(" ".join(row[-1] for row in steps))
    assert "ix_questions_open " in statements[0]
    assert "ix_questions_open_anywhere" in statements[1]
    assert "ix_questions_open " in statements[3]
    for plan in statements:
        assert "SCAN assignments" not in plan
        assert "SCAN questions USING" in plan or "SCAN questions" not in plan
