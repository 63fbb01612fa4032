from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.errors import Problem
from heedful.feedback.campaigns import progress
from heedful.feedback.steering import batches, desk
from heedful.feedback.steering.batches import cancel, open_batch, partial, status, statuses
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.store import Store
from heedful.records import Annotator, Question

Fill = Callable[..., list[Question]]
Hand = Callable[..., desk.Outcome]
Work = Callable[..., str]
Refuse = Callable[..., str]
Told = Callable[..., list[dict[str, object]]]

NOON = 1_000_000.0


def test_a_batch_becomes_usable_and_full(store: Store, fill: Fill, work: Work, refuse: Refuse, told: Told) -> None:
    fill(3, overlap=3)
    made = open_batch(store, "default", ["q0", "q1", "q0"], 2, 4, metadata={"round": 1}, now=NOON)
    assert made.question_ids == ("q0", "q1")
    states = []
    for person in ("ann", "bob", "cem", "ann"):
        states.append(status(store, made.id, NOON).state)
        work(person)
    assert states == ["running", "running", "usable", "usable"]
    found = status(store, made.id, NOON)
    assert (found.state, found.judgements, found.waiting, found.usable, found.over) == ("full", 4, 0, True, True)
    assert [each.question_id for each in partial(store, made.id)] == ["q0", "q0", "q0", "q1"]
    assert work("bob") == "q2"
    assert told("batch.opened") == [{"batch": made.id, "campaign": "default"}]
    assert told("batch.usable") == [{"batch": made.id, "campaign": "default", "judgements": 2}]
    assert told("batch.full") == [{"batch": made.id, "campaign": "default", "judgements": 4}]


def test_partial_results_are_what_holds_now(store: Store, fill: Fill, work: Work, hand: Hand) -> None:
    fill(1, overlap=3)
    made = open_batch(store, "default", ["q0"], 1, 3, now=NOON)
    assert partial(store, made.id) == []
    work("ann", choice="a")
    work("bob", choice="skip")
    work("cem", choice="b")
    [first, last] = partial(store, made.id)
    assert (first.annotator_id, last.annotator_id) == ("ann", "cem")
    hand("ann", "q0", withdrawn=True, as_id="gone", supersedes=first.id)
    assert partial(store, made.id) == [last]
    assert status(store, made.id).judgements == 1


def test_after_its_time_to_live_a_batch_asks_nobody(
    store: Store, fill: Fill, work: Work, refuse: Refuse, told: Told, give: Callable[..., desk.Task], hand: Hand
) -> None:
    fill(2)
    made = open_batch(store, "default", ["q0", "q1"], 1, 2, ttl_s=60, now=NOON)
    assert made.expires == NOON + 60
    give("ann", now=NOON)
    assert status(store, made.id, NOON + 59).state == "running"
    assert status(store, made.id, NOON + 60).state == "expired"
    assert refuse("bob", now=NOON + 60) == "nothing_left"
    hand("ann", "q0", choice="a", now=NOON + 70)  # what was begun is taken
    found = status(store, made.id, NOON + 80)
    assert (found.state, found.judgements, found.usable) == ("expired", 1, True)
    assert told("batch.expired") == [{"batch": made.id, "campaign": "default"}]
    assert progress(store, "default").wanted == progress(store, "default").given == 1


def test_a_cancelled_batch_keeps_what_came_in(store: Store, fill: Fill, work: Work, refuse: Refuse, told: Told) -> None:
    fill(2)
    made = open_batch(store, "default", ["q0", "q1"], 1, 2, now=NOON)
    work("ann")
    cancel(store, made.id, by="owner")
    cancel(store, made.id)
    assert status(store, made.id).state == "cancelled"
    assert len(partial(store, made.id)) == 1
    assert refuse("bob") == "nothing_left"
    assert len(told("batch.cancelled")) == 1


def test_a_question_of_two_batches_is_asked_until_both_are_over(
    store: Store, fill: Fill, work: Work, refuse: Refuse
) -> None:
    fill(2, overlap=3)
    first = open_batch(store, "default", ["q0"], 1, 1, now=NOON)
    second = open_batch(store, "default", ["q0", "q1"], 1, 2, now=NOON)
    assert work("ann") == "q0"
    assert status(store, first.id).state == "full"
    assert work("bob") == "q0"
    assert status(store, second.id).state == "full"
    assert refuse("cem") == "nothing_left"


def test_a_question_can_be_asked_again_in_a_further_batch(store: Store, fill: Fill, work: Work) -> None:
    fill(1, overlap=2)
    open_batch(store, "default", ["q0"], 1, 1, now=NOON)
    work("ann")
    made = open_batch(store, "default", ["q0"], 1, 2, now=NOON)
    assert status(store, made.id).judgements == 1
    assert work("bob") == "q0"
    assert status(store, made.id).state == "full"


def test_a_batch_without_anything_left_to_ask_is_full_from_the_first(store: Store, fill: Fill, work: Work) -> None:
    fill(1)
    work("ann")
    made = open_batch(store, "default", ["q0"], 1, 5, now=NOON)
    assert status(store, made.id).state == "full"


def test_batches_are_listed_newest_first(store: Store, fill: Fill) -> None:
    fill(2)
    fill(1, name="t", campaign="two")
    ids = [open_batch(store, "default", [name], 0, 1).id for name in ("q0", "q1")]
    other = open_batch(store, "two", ["t0"], 0, 1).id
    assert [each.id for each in statuses(store, "default")] == ids[::-1]
    assert [each.id for each in statuses(store)] == [other, *ids[::-1]]
    assert statuses(store)[0].state == "usable"


def test_what_is_no_batch_is_refused(store: Store, fill: Fill) -> None:
    fill(2)
    fill(1, name="t", campaign="two")
    set_gold(store, "q1", "gold", {"choice": "a"})
    for ids, minimum, maximum, ttl_s, match in (
        ([], 0, 1, None, "one question or more"),
        (["q0"], 2, 1, None, "cannot be"),
        (["q0"], 0, 0, None, "cannot be"),
        (["q0"], -1, 1, None, "cannot be"),
        (["q0"], 0, 1, 0.0, "cannot be"),
        (["q9"], 0, 1, None, 'no question "q9"'),
        (["t0"], 0, 1, None, 'of the campaign "two"'),
        (["q1"], 0, 1, None, "gold item"),
    ):
        with pytest.raises(Problem, match=match):
            open_batch(store, "default", ids, minimum, maximum, ttl_s)
    for function in (status, partial, cancel):
        with pytest.raises(Problem, match="no batch"):
            function(store, "nothing")
    assert batches.statuses(store) == []


def test_a_new_batch_does_not_touch_other_questions(store: Store, fill: Fill, work: Work) -> None:
    fill(2)
    store.add_annotators([Annotator("dan")])
    made = open_batch(store, "default", ["q0"], 1, 1, now=NOON)
    cancel(store, made.id)
    assert work("ann") == "q1"
