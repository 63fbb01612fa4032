from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.feedback.steering import desk, ledger
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.steering.ledger import LedgerLine, spent, totals
from heedful.feedback.store import Store
from heedful.records import Judgement, Question

Fill = Callable[..., list[Question]]
Give = Callable[..., desk.Task]
Hand = Callable[..., desk.Outcome]
Work = Callable[..., str]
Rule = Callable[..., None]


def test_the_total_is_the_sum_of_price_times_count(
    store: Store, fill: Fill, rule: Rule, work: Work, give: Give
) -> None:
    fill(20, overlap=2)
    fill(5, name="r", kind="rating", completions=1, metadata={"scale": [1, 5]})
    prices = {"comparison": 0.1, "rating": 0.07}
    rule(overlap=1, prices=prices)
    for _ in range(20):
        work("ann", choice="a")
    for _ in range(5):
        work("ann", ratings={"helpful": 3})
    lines = {line.kind: line for line in totals(store)}
    assert {kind: line.count for kind, line in lines.items()} == {"comparison": 20, "rating": 5}
    assert sum(line.cost for line in lines.values()) == pytest.approx(20 * 0.1 + 5 * 0.07, abs=0)
    assert spent(store, "default") == 2.35
    assert spent(store, "other") == 0.0


def test_an_answer_is_paid_once_however_often_it_is_changed(
    store: Store, fill: Fill, rule: Rule, give: Give, hand: Hand
) -> None:
    fill(1)
    rule(prices={"comparison": 0.5})
    give("ann")
    hand("ann", "q0", choice="a", as_id="one", seconds=3600)
    hand("ann", "q0", choice="a", as_id="one", seconds=3600)
    hand("ann", "q0", choice="b", as_id="two", supersedes="one", seconds=1800)
    desk.undo(store, "ann", "two", "gone", 1e6)
    hand("ann", "q0", choice="a", as_id="three", supersedes="gone")
    assert totals(store, "default") == [
        LedgerLine("default", "comparison", 1, 0.5, 1.0),
        LedgerLine("default", "revised", 2, 0.0, 0.5),
    ]


def test_a_skip_costs_nothing_and_an_answer_after_it_is_paid(
    store: Store, fill: Fill, rule: Rule, give: Give, hand: Hand
) -> None:
    fill(1)
    rule(prices={"comparison": 0.5})
    give("ann")
    hand("ann", "q0", choice="skip", as_id="one", seconds=360)
    assert totals(store) == [LedgerLine("default", "skipped", 1, 0.0, 0.1)]
    hand("ann", "q0", choice="a", as_id="two", supersedes="one")
    hand("ann", "q0", choice="b", as_id="three", supersedes="two")
    assert [(line.kind, line.count, line.cost) for line in totals(store)] == [
        ("comparison", 1, 0.5),
        ("revised", 1, 0.0),
        ("skipped", 1, 0.0),
    ]


@pytest.mark.parametrize(
    ("use", "prices", "cost"),
    [
        ("gold", {"comparison": 0.5}, 0.5),
        ("training", {"comparison": 0.5}, 0.0),
        ("exam", {"comparison": 0.5}, 0.0),
        ("training", {"comparison": 0.5, "training": 0.1}, 0.1),
        ("exam", {"comparison": 0.5, "exam": 0.2}, 0.2),
    ],
)
def test_gold_is_paid_as_work_and_a_qualification_as_the_settings_say(
    store: Store, fill: Fill, rule: Rule, work: Work, use: str, prices: dict[str, float], cost: float
) -> None:
    fill(2)
    set_gold(store, "q0", use, {"choice": "a"})  # type: ignore[arg-type]  # a word of `Use`
    rule(prices=prices, qualification=use != "gold", gold_share=1.0)
    assert work("ann") == "q0"
    assert spent(store, "default") == cost


def test_the_budget_is_never_exceeded_and_leases_are_counted(
    store: Store, fill: Fill, rule: Rule, give: Give, refuse: Callable[..., str], hand: Hand, work: Work
) -> None:
    fill(10)
    rule(prices={"comparison": 0.4}, budget=1.0)
    give("ann", now=1e6)
    give("bob", now=1e6)
    assert refuse("cem", now=1e6) == "budget"
    hand("ann", "q0", choice="a", now=1e6)
    assert refuse("ann", now=1e6) == "budget"
    assert give("bob", now=1e6).assignment.question.id == "q1"  # what is held is finished
    later = 1e6 + 1801
    assert give("cem", now=later).assignment.question.id == "q1"  # bob's lease ran out
    hand("cem", "q1", choice="a", now=later)
    assert refuse("ann", now=later) == "budget"
    assert spent(store, "default") == 0.8
    rule(prices={"comparison": 0.4}, budget=2.0)
    give("ann", now=later)


def test_free_kinds_are_given_out_when_the_budget_is_gone(
    store: Store, fill: Fill, rule: Rule, work: Work, refuse: Callable[..., str]
) -> None:
    fill(1)
    fill(1, name="t")
    rule(prices={"comparison": 1.0}, budget=1.0)
    work("ann")
    assert refuse("ann") == "budget"
    rule(prices={}, budget=1.0)
    work("ann")


def test_answers_that_do_not_come_over_the_desk_are_not_paid(store: Store, fill: Fill, rule: Rule) -> None:
    fill(1)
    rule(prices={"comparison": 1.0})
    store.submit(Judgement("one", "q0", "ann", {"choice": "a"}))
    assert totals(store) == []
    assert ledger.spent(store, "default") == 0.0
