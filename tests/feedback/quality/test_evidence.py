from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.feedback import lineage
from heedful.feedback.quality.evidence import (
    PairVote,
    evidence,
    flags_of,
    form_of,
    numbered,
    pair_votes_of,
)
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.store import Store
from heedful.records import Judgement, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]


def test_what_holds_is_read_with_skips_and_in_order(store: Store, fill: Fill, says: Says) -> None:
    fill(2, campaign="one", overlap=3)
    fill(1, name="t", campaign="two")
    first = says("ann", "q0", choice="a")
    says("ann", "q0", as_id="again", supersedes=first.id, choice="b")
    says("bob", "q0", choice="skip")
    taken = says("bob", "q1", choice="a")
    says("bob", "q1", as_id="back", supersedes=taken.id, withdrawn=True)
    says("cem", "q1", choice="a")
    says("ann", "t0", choice="tie")
    lineage.retract(store, "cem", "for the test")
    found = evidence(store, "one")
    assert [(each.annotator_id, each.question_id, each.answer["choice"]) for each in found.answers] == [
        ("ann", "q0", "b"),
        ("bob", "q0", "skip"),
    ]
    assert found.forms == ["comparison", "skip"]
    assert list(found.questions) == ["q0"]
    assert found.questions["q0"].completion_ids == ("q0-0", "q0-1")
    assert found.characters == {"q0": 2 * len("q0 text 0")}
    assert found.names["ann"] == ""
    assert len(evidence(store).answers) == 3
    assert len(evidence(store, ["one", "two"]).answers) == 3
    assert evidence(store, "three").answers == []


def test_training_items_are_left_out_and_gold_items_are_known(store: Store, fill: Fill, says: Says) -> None:
    fill(4, purpose="evaluate", overlap=3)
    set_gold(store, "q0", "training", {"choice": "a"})
    set_gold(store, "q1", "exam", {"choice": "b"})
    set_gold(store, "q2", "gold", {"choice": "a"})
    for i in range(4):
        says("ann", f"q{i}", choice="a")
    found = evidence(store)
    assert [each.question_id for each in found.answers] == ["q1", "q2", "q3"]
    assert found.known == {"q1": {"choice": "b"}, "q2": {"choice": "a"}}
    assert found.hidden == {"q2"}


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ({"choice": "tie"}, "comparison"),
        ({"choice": "skip"}, "skip"),
        ({"ranks": [1, 2]}, "ranking"),
        ({"thumb": False}, "label"),
        ({"flags": []}, "flags"),
        ({"ratings": {"good": 1}, "scale": [1, 5]}, "rating"),
        ({"text": "x"}, "text"),
    ],
)
def test_an_answer_s_form_is_told_by_its_fields(answer: dict[str, object], form: str) -> None:
    assert form_of(answer) == form


def test_verdicts_are_turned_to_the_order_of_the_ids() -> None:
    answer = {"choice": "a"}
    assert pair_votes_of(answer, ("c1", "c2"), (0, 1)) == [PairVote("c1", "c2", 1, 1)]
    assert pair_votes_of(answer, ("c2", "c1"), (0, 1)) == [PairVote("c1", "c2", 0, -1)]
    assert pair_votes_of(answer, ("c2", "c1"), (1, 0)) == [PairVote("c1", "c2", 0, 1)]
    assert pair_votes_of({"choice": "bad"}, ("c2", "c1"), ()) == [PairVote("c1", "c2", 0.5, 0)]
    assert pair_votes_of({"choice": "b"}, (), (1, 0)) == [PairVote("0", "1", 0, -1)]


def test_a_ranking_is_all_its_pairs() -> None:
    found = pair_votes_of({"ranks": [2, 1, 2]}, ("x", "y", "z"), (2, 0, 1))
    assert found == [PairVote("x", "y", 0, 1), PairVote("x", "z", 0.5, -1), PairVote("y", "z", 1, -1)]


def test_flags_and_numbers() -> None:
    assert flags_of({"flags": [{"name": "x"}, {"name": "x", "start": 0, "end": 1}, {"name": "y"}]}) == {"x", "y"}
    assert numbered(["b", "a", "b"]) == {"b": 0, "a": 1}
