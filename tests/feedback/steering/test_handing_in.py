from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.errors import Problem
from heedful.feedback.steering import desk
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.steering.settings import set_state
from heedful.feedback.store import Store
from heedful.records import Judgement, Question

Fill = Callable[..., list[Question]]
Give = Callable[..., desk.Task]
Hand = Callable[..., desk.Outcome]
Work = Callable[..., str]
Rule = Callable[..., None]
Told = Callable[..., list[dict[str, object]]]


def test_an_answer_sent_twice_is_stored_once_with_one_event(
    store: Store, fill: Fill, give: Give, hand: Hand, told: Told
) -> None:
    fill(2)
    give("ann")
    assert hand("ann", "q0", choice="a").new
    assert not hand("ann", "q0", choice="a").new
    assert told("judgement.stored") == [
        {"judgement": "ann-q0", "question": "q0", "annotator": "ann", "campaign": "default"}
    ]
    with pytest.raises(Problem, match="another judgement is stored under this id"):
        hand("ann", "q0", choice="b")


def test_only_what_was_given_can_be_answered(store: Store, fill: Fill, give: Give, hand: Hand) -> None:
    fill(2)
    give("ann")
    for person, question in (("ann", "q1"), ("bob", "q0"), ("ann", "q9")):
        with pytest.raises(Problem, match="not given to you"):
            hand(person, question, choice="a")
    with pytest.raises(Problem, match='no annotator "eve"'):
        hand("eve", "q0", choice="a")
    assert store.judgements() == []


def test_an_answer_that_comes_too_late_is_kept(store: Store, fill: Fill, give: Give, hand: Hand) -> None:
    fill(1)
    give("ann", now=1e6)
    give("bob", now=2e6)
    hand("bob", "q0", choice="a", now=2e6)
    assert hand("ann", "q0", choice="b", now=3e6).new
    assert len(store.judgements()) == 2


def test_the_order_drawn_is_kept_when_the_answer_names_none(store: Store, fill: Fill, give: Give, hand: Hand) -> None:
    fill(8)
    orders = []
    for _ in range(8):
        task = give("ann")
        hand("ann", task.assignment.question.id, choice="a")
        orders.append(task.assignment.shown)
    assert [each.shown for each in store.judgements()] == orders
    assert len(set(orders)) == 2


def test_editing_and_withdrawing_are_further_events(
    store: Store, fill: Fill, give: Give, hand: Hand, told: Told
) -> None:
    fill(1)
    give("ann")
    hand("ann", "q0", choice="a", as_id="one")
    hand("ann", "q0", choice="b", as_id="two", supersedes="one")
    hand("ann", "q0", withdrawn=True, as_id="three", supersedes="two")
    assert [each["judgement"] for each in told("judgement.stored")] == ["one", "two"]
    [gone] = told("judgement.withdrawn")
    assert (gone["judgement"], gone["supersedes"]) == ("three", "two")
    assert len(store.judgements(current=False)) == 3


def test_nothing_is_changed_in_a_closed_campaign_but_what_is_held_is_taken(
    store: Store, fill: Fill, give: Give, hand: Hand
) -> None:
    fill(2)
    give("ann")
    hand("ann", "q0", choice="a", as_id="one")
    give("ann")
    hand("ann", "q0", choice="b", as_id="two", supersedes="one")
    set_state(store, "default", "closed")
    hand("ann", "q1", choice="a")
    assert not hand("ann", "q0", choice="b", as_id="two", supersedes="one").new
    with pytest.raises(Problem, match="the campaign is closed"):
        hand("ann", "q0", choice="a", as_id="three", supersedes="two")


def test_a_campaign_is_finished_once(store: Store, fill: Fill, work: Work, told: Told, hand: Hand) -> None:
    fill(2, overlap=2)
    fill(1, name="t", campaign="two")
    for person in ("ann", "bob"):
        work(person, choice="a")
    assert told("campaign.finished") == []
    work("ann")
    assert told("campaign.finished") == []
    last = work("bob")
    assert told("campaign.finished") == [{"campaign": "default"}]
    newest = [each for each in store.judgements() if each.annotator_id == "bob"][-1]
    hand("bob", last, choice="b", as_id="edit", supersedes=newest.id)
    assert len(told("campaign.finished")) == 1
    work("cem", "two")
    assert told("campaign.finished")[-1] == {"campaign": "two"}


def test_an_invalid_answer_leaves_nothing_behind(
    store: Store, fill: Fill, give: Give, hand: Hand, told: Told, rule: Rule
) -> None:
    fill(1)
    rule(prices={"comparison": 1.0})
    give("ann")
    with pytest.raises(Problem, match="is no choice"):
        hand("ann", "q0", choice="c")
    assert told("judgement.stored") == []
    assert give("ann").assignment.question.id == "q0"


def test_the_explanation_comes_with_a_resent_training_answer_too(
    store: Store, fill: Fill, rule: Rule, give: Give, hand: Hand
) -> None:
    fill(2)
    set_gold(store, "q0", "training", {"choice": "a"}, "Shorter is better.")
    rule(qualification=True)
    give("ann")
    first = hand("ann", "q0", choice="a")
    again = hand("ann", "q0", choice="a")
    assert (first.feedback, first.right) == (again.feedback, again.right) == ("Shorter is better.", True)
    assert (first.new, again.new) == (True, False)
    with pytest.raises(Problem, match="answered once"):
        hand("ann", "q0", choice="b", as_id="edit", supersedes="ann-q0")


def test_the_judgement_may_carry_its_own_order(store: Store, fill: Fill, give: Give) -> None:
    fill(1)
    give("ann")
    desk.submit(store, Judgement("one", "q0", "ann", {"choice": "a"}, shown=(1, 0)))
    assert store.judgements()[0].shown == (1, 0)
