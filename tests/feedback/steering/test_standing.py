from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.errors import Problem
from heedful.feedback.accounts import audit
from heedful.feedback.campaigns import progress
from heedful.feedback.steering import desk
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.steering.standing import Standing, pause, reinstate, standing, standings
from heedful.feedback.store import Store
from heedful.records import Question

Fill = Callable[..., list[Question]]
Give = Callable[..., desk.Task]
Refuse = Callable[..., str]
Hand = Callable[..., desk.Outcome]
Work = Callable[..., str]
Rule = Callable[..., None]
Told = Callable[..., list[dict[str, object]]]


def test_without_a_qualification_everybody_works(store: Store, fill: Fill, give: Give) -> None:
    fill(1)
    assert standing(store, "default", "ann") == Standing("working")
    assert give("ann").use == "work"
    assert standings(store, "default") == {}


def prepare(store: Store, fill: Fill, rule: Rule, training: int = 1, exam: int = 2) -> None:
    fill(3)
    fill(training, name="t")
    fill(exam, name="e")
    for i in range(training):
        set_gold(store, f"t{i}", "training", {"choice": "a"}, "It is shorter.")
    for i in range(exam):
        set_gold(store, f"e{i}", "exam", {"choice": "a"})
    rule(qualification=True, exam_pass=0.7)


def test_training_then_exam_then_work(store: Store, fill: Fill, rule: Rule, give: Give, hand: Hand, told: Told) -> None:
    prepare(store, fill, rule)
    assert standing(store, "default", "ann").state == "training"
    first = give("ann")
    assert (first.assignment.question.id, first.use) == ("t0", "training")
    outcome = hand("ann", "t0", choice="b")
    assert (outcome.feedback, outcome.right, outcome.standing.state) == ("It is shorter.", False, "exam")
    second = give("ann")
    assert (second.assignment.question.id, second.use) == ("e0", "exam")
    outcome = hand("ann", "e0", choice="a")
    assert (outcome.feedback, outcome.right, outcome.standing.state) == (None, None, "exam")
    give("ann")
    outcome = hand("ann", "e1", choice="a")
    assert outcome.standing.state == "working"
    assert outcome.standing.reason == "2 of 2 exam items were right"
    assert give("ann").use == "work"
    assert [each["state"] for each in told("annotator.standing")] == ["working"]
    assert standings(store, "default")["ann"].state == "working"


def test_who_fails_the_exam_gets_nothing_until_reinstated(
    store: Store, fill: Fill, rule: Rule, work: Work, refuse: Refuse, give: Give
) -> None:
    prepare(store, fill, rule)
    assert [work("ann", choice="a"), work("ann", choice="a"), work("ann", choice="b")] == ["t0", "e0", "e1"]
    assert standing(store, "default", "ann").state == "failed"
    assert refuse("ann") == "failed"
    assert reinstate(store, "default", "ann", by="owner").state == "working"
    assert give("ann").use == "work"


def test_a_skipped_exam_item_is_not_right(store: Store, fill: Fill, rule: Rule, work: Work, refuse: Refuse) -> None:
    prepare(store, fill, rule, training=0)
    work("ann", choice="skip")
    work("ann", choice="a")
    assert refuse("ann") == "failed"


def test_an_exam_cannot_be_written_twice(store: Store, fill: Fill, rule: Rule, work: Work, hand: Hand) -> None:
    prepare(store, fill, rule, training=0)
    work("ann", choice="b")
    work("ann", choice="b")
    first = desk.history(store, "ann")[-1].judgement
    assert not desk.history(store, "ann")[-1].editable
    with pytest.raises(Problem, match="cannot be changed"):
        hand("ann", first.question_id, choice="a", as_id="mended", supersedes=first.id)
    with pytest.raises(Problem, match="did not pass"):
        desk.undo(store, "ann", first.id, "gone")
    assert standing(store, "default", "ann").state == "failed"


def test_a_training_item_whose_lease_ran_out_comes_again(store: Store, fill: Fill, rule: Rule, give: Give) -> None:
    prepare(store, fill, rule)
    assert give("ann", now=1e6).assignment.question.id == "t0"
    assert give("ann", now=2e6).assignment.question.id == "t0"


def test_training_alone_qualifies(store: Store, fill: Fill, rule: Rule, work: Work, give: Give) -> None:
    prepare(store, fill, rule, exam=0)
    assert work("ann", choice="b") == "t0"
    assert give("ann").use == "work"


def test_without_items_nobody_is_let_in(store: Store, fill: Fill, rule: Rule, refuse: Refuse, work: Work) -> None:
    prepare(store, fill, rule, training=0, exam=0)
    assert refuse("ann") == "no_exam"
    assert standings(store, "default") == {}


def test_nobody_unqualified_ever_holds_work(
    store: Store, fill: Fill, rule: Rule, give: Give, refuse: Refuse, hand: Hand
) -> None:
    fill(3)
    fill(1, name="e")
    give("ann")
    set_gold(store, "e0", "exam", {"choice": "a"})
    rule(qualification=True)
    task = give("ann")
    assert (task.assignment.question.id, task.use) == ("e0", "exam")
    hand("ann", "e0", choice="b")
    assert refuse("ann") == "failed"
    with pytest.raises(Problem, match="not given to you"):
        hand("ann", "q1", choice="a")
    rule(qualification=False)
    assert give("ann").assignment.question.id == "q0"


def test_pausing_with_its_work_asked_again_and_back(
    store: Store, fill: Fill, work: Work, give: Give, refuse: Refuse, hand: Hand, told: Told
) -> None:
    fill(3)
    work("ann")
    give("ann")
    assert give("bob").assignment.question.id == "q2"
    paused = pause(store, "default", "ann", "too fast", reask=True, by="owner")
    assert (paused.state, paused.reason) == ("paused", "too fast")
    assert refuse("ann") == "paused"
    assert store.judgements() == []
    assert progress(store, "default").given == 0
    assert give("cem").assignment.question.id == "q0"
    hand("cem", "q0", choice="b")
    hand("ann", "q1", choice="a")  # what was begun is taken, and set aside like the rest
    assert [each.annotator_id for each in store.judgements()] == ["cem"]
    assert reinstate(store, "default", "ann", by="owner").state == "working"
    assert [each.annotator_id for each in store.judgements()] == ["ann", "cem", "ann"]
    assert progress(store, "default").given == 3
    assert [each["state"] for each in told("annotator.standing")] == ["paused", "working"]
    assert [each.action for each in audit.entries(store)] == ["annotator.reinstate", "annotator.pause"]
    assert audit.entries(store)[1].detail == {"campaign": "default"}  # the log is for ever: no free text goes into it


def test_pausing_leaves_other_campaigns_and_without_reask_the_answers(
    store: Store, fill: Fill, work: Work, refuse: Refuse, give: Give
) -> None:
    fill(2)
    fill(2, name="t", campaign="two")
    work("ann")
    work("ann", "two")
    pause(store, "default", "ann", "a rest", reask=False)
    assert len(store.judgements()) == 2
    assert refuse("ann") == "paused"
    assert give("ann", "two").assignment.question.id == "t1"


def test_only_who_was_stopped_can_be_reinstated(store: Store, fill: Fill) -> None:
    fill(1)
    with pytest.raises(Problem, match="neither paused nor failed"):
        reinstate(store, "default", "ann")
    with pytest.raises(Problem, match='no annotator "eve"'):
        pause(store, "default", "eve", "", reask=False)


def golden(store: Store, fill: Fill, rule: Rule, window: int = 4, share: float = 1.0) -> None:
    fill(10)
    fill(8, name="g")
    for i in range(8):
        set_gold(store, f"g{i}", "gold", {"choice": "a"})
    rule(gold_share=share, gold_pass=0.6, gold_window=window)


def test_wrong_gold_pauses_as_soon_as_the_window_cannot_be_passed(
    store: Store, fill: Fill, rule: Rule, work: Work, refuse: Refuse, give: Give, hand: Hand
) -> None:
    golden(store, fill, rule, share=0.0)
    assert work("ann") == "q0"
    rule(gold_share=1.0, gold_pass=0.6, gold_window=4)
    task = give("ann")
    assert task.assignment.question.id.startswith("g")
    assert hand("ann", task.assignment.question.id, choice="b").standing.state == "working"
    task = give("ann")
    outcome = hand("ann", task.assignment.question.id, choice="b")  # two of four wrong: 0.6 is out of reach
    assert outcome.standing.state == "paused"
    assert outcome.standing.reason == "0 of the last 2 questions with a known answer were right"
    assert refuse("ann") == "paused"
    assert [each.question_id[0] for each in store.judgements()] == []
    assert progress(store, "default").given == 0


def test_one_wrong_item_in_a_window_of_four_is_forgiven_and_old_ones_fall_out(
    store: Store, fill: Fill, rule: Rule, work: Work
) -> None:
    golden(store, fill, rule)
    for choice in ("b", "a", "a", "a", "b", "a", "a", "a"):
        work("ann", choice=choice)
    assert standing(store, "default", "ann").state == "working"


def test_after_reinstating_the_window_begins_anew(store: Store, fill: Fill, rule: Rule, work: Work) -> None:
    golden(store, fill, rule)
    work("ann", choice="b")
    work("ann", choice="b")
    assert standing(store, "default", "ann").state == "paused"
    reinstate(store, "default", "ann")
    work("ann", choice="b")
    assert standing(store, "default", "ann").state == "working"
    work("ann", choice="b")
    assert standing(store, "default", "ann").state == "paused"
