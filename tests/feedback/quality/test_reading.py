from __future__ import annotations

from collections.abc import Callable

from heedful.feedback import lineage
from heedful.feedback.quality.reading import evidence
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
