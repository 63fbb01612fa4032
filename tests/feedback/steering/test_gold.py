from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.feedback.accounts import audit
from heedful.feedback.campaigns import Progress, progress
from heedful.feedback.steering.gold import Gold, GoldRecord, accuracy, agrees, gold_of, set_gold, unset_gold
from heedful.feedback.store import Store
from heedful.feedback.views import comparisons
from heedful.records import Judgement, Model, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]
Work = Callable[..., str]


def test_a_gold_item_is_an_evaluate_question_that_wants_nothing(store: Store, fill: Fill) -> None:
    fill(2, overlap=2)
    made = set_gold(store, "q0", "exam", {"choice": "a"}, "Because.", by="owner")
    assert made == Gold(store.questions(ids=["q0"])[0], "exam", {"choice": "a"}, "Because.")
    assert made.question.purpose == "evaluate"
    assert progress(store, "default") == Progress(1, 2, 0, 0)
    assert gold_of(store, "default") == [made]
    assert gold_of(store, "default", "gold") == []
    assert gold_of(store, "other") == []
    again = set_gold(store, "q0", "gold", {"choice": "b"})
    assert (again.use, again.answer, again.explanation) == ("gold", {"choice": "b"}, "")
    assert {entry.action for entry in audit.entries(store)} == {"gold.set"}


def test_a_question_answered_for_training_cannot_be_gold(store: Store, fill: Fill, says: Says) -> None:
    fill(2)
    says("ann", "q0", choice="a")
    with pytest.raises(Problem, match="trained on and examined with"):
        set_gold(store, "q0", "gold", {"choice": "a"})
    assert store.questions(ids=["q0"])[0].purpose == "train"
    fill(1, name="t", purpose="evaluate")
    says("ann", "t0", choice="a")
    set_gold(store, "t0", "gold", {"choice": "a"})


def test_what_is_no_right_answer_is_refused(store: Store, fill: Fill) -> None:
    fill(1)
    for answer in ({"choice": "c"}, {"choice": "skip"}, {"withdrawn": True}, {}):
        with pytest.raises(Problem):
            set_gold(store, "q0", "gold", answer)
    with pytest.raises(Problem, match='no question "q9"'):
        set_gold(store, "q9", "gold", {"choice": "a"})
    with pytest.raises(Problem, match="'trap' is no use"):
        set_gold(store, "q0", "trap", {"choice": "a"})  # type: ignore[arg-type]  # on purpose


def test_answers_to_gold_items_never_reach_training(store: Store, fill: Fill, work: Work) -> None:
    fill(2)
    set_gold(store, "q0", "training", {"choice": "a"})
    from heedful.feedback.steering.settings import CampaignSettings, save_campaign

    save_campaign(store, "default", "", CampaignSettings(qualification=True, gold_share=0.0))
    assert [work("ann"), work("ann")] == ["q0", "q1"]
    assert [pair.question_id for pair in comparisons(store)] == ["q1"]
    unset_gold(store, "q0")
    assert [pair.question_id for pair in comparisons(store)] == ["q1"]
    everything = [judgement.id for judgement in store.judgements()]
    frozen = lineage.snapshot(store, everything)
    with pytest.raises(Problem, match="evaluate question"):
        store.add_model(Model("r1", "reward", "r1", snapshot=frozen.hash))


def test_an_item_can_be_made_work_again(store: Store, fill: Fill, work: Work) -> None:
    fill(1)
    set_gold(store, "q0", "gold", {"choice": "a"})
    unset_gold(store, "q0", by="owner")
    unset_gold(store, "q0")
    assert gold_of(store, "default") == []
    assert work("ann") == "q0"


def test_accuracy_counts_the_items_in_the_stream(store: Store, fill: Fill, says: Says) -> None:
    fill(5)
    for i, use in enumerate(("gold", "gold", "gold", "exam")):
        set_gold(store, f"q{i}", use, {"choice": "a"})  # type: ignore[arg-type]  # the words of `Use`
    assert accuracy(store, "default", "ann") == GoldRecord(0, 0)
    says("ann", "q0", choice="a")
    says("ann", "q1", choice="b", as_id="wrong")
    says("ann", "q2", choice="skip")
    says("ann", "q3", choice="a")
    says("bob", "q0", choice="b")
    assert accuracy(store, "default", "ann") == GoldRecord(1, 3)
    says("ann", "q1", choice="a", as_id="mended", supersedes="wrong")
    assert accuracy(store, "default", "ann") == GoldRecord(2, 3)
    says("ann", "q1", withdrawn=True, as_id="gone", supersedes="mended")
    assert accuracy(store, "default", "ann") == GoldRecord(1, 2)


AGREE: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"choice": "a"}, {"choice": "a", "strength": 3, "reason": "x"}, True),
    ({"choice": "a", "strength": 2}, {"choice": "a"}, True),
    ({"choice": "a"}, {"choice": "tie"}, False),
    ({"choice": "bad"}, {"choice": "bad"}, True),
    ({"choice": "a"}, {"choice": "skip"}, False),
    ({"choice": "a"}, {"withdrawn": True}, False),
    ({"thumb": True}, {"thumb": True}, True),
    ({"thumb": True}, {"thumb": False}, False),
    ({"ranks": [1, 2, 3]}, {"ranks": [1, 2, 3]}, True),
    ({"ranks": [1, 2, 3]}, {"ranks": [1, 3, 2]}, False),
    ({"ranks": [1, 2, 3]}, {"ranks": [1, 1, 2]}, False),
    ({"ranks": [1, 2, 2]}, {"ranks": [1, 3, 2]}, True),
    ({"ranks": [1, 1, 1]}, {"ranks": [1, 2, 1]}, False),
    ({"ranks": [1, 1, 1]}, {"ranks": [2, 2, 2]}, True),
    ({"ratings": {"helpful": 4}, "scale": [1, 5]}, {"ratings": {"helpful": 5, "kind": 1}}, True),
    ({"ratings": {"helpful": 4}, "scale": [1, 5]}, {"ratings": {"helpful": 2}}, False),
    ({"ratings": {"helpful": 4}, "scale": [1, 5]}, {"ratings": {"kind": 4}}, False),
    ({"flags": []}, {"flags": []}, True),
    ({"flags": [{"name": "unsafe"}]}, {"flags": [{"name": "unsafe", "start": 1, "end": 3}]}, True),
    ({"flags": [{"name": "unsafe"}]}, {"flags": []}, False),
    ({"text": "The  Answer"}, {"text": " the answer\n"}, True),
    ({"text": "The answer"}, {"text": "Another"}, False),
    ({"moment": 3.0}, {"moment": 3.0}, True),
    ({"moment": 3.0}, {"moment": 4.0}, False),
]


@pytest.mark.parametrize(("expected", "given", "right"), AGREE)
def test_what_agrees(expected: dict[str, Any], given: dict[str, Any], right: bool) -> None:
    assert agrees(Question("q", "comparison", "p"), expected, given) is right


def test_the_questions_scale_is_used() -> None:
    question = Question("q", "rating", "p", ("c",), metadata={"scale": [0, 100]})
    assert agrees(question, {"ratings": {"helpful": 50}}, {"ratings": {"helpful": 75}})
    assert not agrees(question, {"ratings": {"helpful": 50}}, {"ratings": {"helpful": 76}})
