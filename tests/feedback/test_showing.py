from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback import showing
from heedful.feedback.campaigns import claim
from heedful.feedback.questions import KINDS
from heedful.feedback.store import Store
from heedful.records import Judgement, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]


def asked(kind: str, count: int) -> Question:
    return Question("q", kind, "p", tuple(f"c{i}" for i in range(count)))


def test_sides_are_turned_by_the_order_shown() -> None:
    question = asked("comparison", 2)
    assert showing.stored(question, {"choice": "a", "strength": 2}, (1, 0)) == {"choice": "b", "strength": 2}
    assert showing.stored(question, {"choice": "a"}, (0, 1)) == {"choice": "a"}
    for outcome in ("tie", "bad", "skip"):
        assert showing.stored(question, {"choice": outcome}, (1, 0)) == {"choice": outcome}


def test_ranks_are_turned_by_the_order_shown() -> None:
    # The third completion is shown first and ranked best; the first is shown second and ranked last.
    assert showing.stored(asked("ranking", 3), {"ranks": [1, 3, 2]}, (2, 0, 1)) == {"ranks": [3, 2, 1]}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_turning_back_gives_what_was_turned(order: tuple[int, ...]) -> None:
    question = asked("ranking", 3)
    for ranks in ([1, 2, 3], [2, 1, 2], [None, 1, None]):
        assert showing.shown(question, showing.stored(question, {"ranks": ranks}, order), order) == {"ranks": ranks}


@pytest.mark.parametrize("answer", [{"choice": 7}, {"choice": None}, {"ranks": "x"}, {}])
def test_what_is_malformed_stays_as_it_is(answer: dict[str, Any]) -> None:
    assert showing.stored(asked("comparison", 2), answer, (1, 0)) == answer


def test_other_kinds_do_not_depend_on_the_order() -> None:
    answer = {"ratings": {"helpful": 2}, "scale": [1, 5], "reason": "a", "metadata": {"choice": "a"}}
    assert showing.stored(asked("rating", 1), answer, (0,)) == answer


def test_a_question_is_shown_as_it_was_given(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    assignment = claim(store, "ann", seed=1)
    assert assignment is not None
    found = showing.given(store, "ann", "q0")
    assert found.order == assignment.shown
    assert [text.id for text in found.completions] == [f"q0-{position}" for position in assignment.shown]
    assert (found.prompt.text, found.last) == ("q0 prompt", None)
    assert not showing.holds(found)
    says("ann", "q0", choice="a")
    again = showing.given(store, "ann", "q0")
    assert again.last is not None
    assert again.last.id == "ann-q0"
    assert showing.holds(again)
    says("ann", "q0", as_id="back", supersedes="ann-q0", withdrawn=True)
    assert not showing.holds(showing.given(store, "ann", "q0"))


def test_what_was_just_given_out_is_shown_the_same(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    for supersedes in (None, "gone"):
        task = claim(store, "ann", seed=1)
        assert task is not None
        assert task.supersedes == supersedes
        shown = showing.held(store, task)
        assert shown == showing.given(store, "ann", "q0")
        assert showing.placed(store, "ann", "q0") == showing.Placed(shown.question, shown.order, shown.last)
        if supersedes is None:
            says("ann", "q0", choice="a")
            says("ann", "q0", as_id="gone", withdrawn=True, supersedes="ann-q0")


def test_what_was_not_given_is_not_shown(store: Store, fill: Fill) -> None:
    fill(1)
    with pytest.raises(Problem, match="not given to you"):
        showing.given(store, "bob", "q0")
    with pytest.raises(Problem, match="not given to you"):
        showing.given(store, "bob", "nothing")


def test_every_kind_has_a_form() -> None:
    for name, kind in KINDS.items():
        form = showing.drawn(asked(name, kind.completions[0]))
        assert form
        assert {control.field for control, _ in form} <= set(kind.fields)


def test_a_kind_without_controls_has_no_form(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setitem(KINDS, "label", replace(KINDS["label"], controls=()))
    with pytest.raises(Problem, match="no form"):
        showing.drawn(asked("label", 1))
