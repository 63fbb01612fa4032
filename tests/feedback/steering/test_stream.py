from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from sqlalchemy import delete

from heedful.feedback import account_tables
from heedful.feedback.steering import desk
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.store import Store
from heedful.records import Annotator, Question

Fill = Callable[..., list[Question]]
Give = Callable[..., desk.Task]
Hand = Callable[..., desk.Outcome]
Work = Callable[..., str]
Rule = Callable[..., None]


def golden(store: Store, fill: Fill, rule: Rule, work: int, items: int, share: float) -> None:
    fill(work, overlap=1000)
    fill(items, name="g")
    for i in range(items):
        set_gold(store, f"g{i}", "gold", {"choice": "a"})
    rule(overlap=1000, gold_share=share, gold_pass=0.0)


def uses(give: Give, hand: Hand, person: str, count: int, seed: int = 0) -> list[str]:
    found: list[str] = []
    for _ in range(count):
        task = give(person, seed=seed)
        hand(person, task.assignment.question.id, choice="a")
        assert (task.use == "gold") == task.assignment.question.id.startswith("g")
        found.append(task.use)
    return found


def test_gold_comes_at_its_share_and_never_twice(store: Store, fill: Fill, rule: Rule, give: Give, hand: Hand) -> None:
    golden(store, fill, rule, work=60, items=60, share=0.3)
    names = [f"w{i}" for i in range(10)]
    store.add_annotators(Annotator(name) for name in names)
    counts = Counter(use for name in names for use in uses(give, hand, name, 40))
    assert 85 < counts["gold"] < 155  # 120 expected of 400, standard deviation 9
    assert len(store.judgements()) == 400  # a second answer of one person to an item would have been refused


def test_gold_stands_elsewhere_for_everybody_and_every_seed(
    store: Store, fill: Fill, rule: Rule, give: Give, hand: Hand
) -> None:
    golden(store, fill, rule, work=30, items=30, share=0.5)
    store.add_annotators([Annotator("dan")])
    patterns = {tuple(uses(give, hand, name, 16, seed)) for name, seed in (("ann", 0), ("bob", 0), ("cem", 1))}
    assert len(patterns) == 3


def test_without_the_databases_secret_nobody_can_tell_where_it_stands(
    store: Store, fill: Fill, rule: Rule, give: Give, hand: Hand
) -> None:
    golden(store, fill, rule, work=40, items=40, share=0.5)
    first = uses(give, hand, "ann", 16)
    with store.writing() as connection:
        connection.execute(delete(account_tables.secrets))
    second = uses(give, hand, "ann", 16)
    assert first != second
    with store.reading() as connection:
        secrets = connection.execute(account_tables.secrets.select()).all()
    assert [(row.name, len(row.value)) for row in secrets] == [("steering.gold", 64)]


def test_no_gold_when_no_work_waits(store: Store, fill: Fill, rule: Rule, refuse: Callable[..., str]) -> None:
    fill(3, name="g")
    for i in range(3):
        set_gold(store, f"g{i}", "gold", {"choice": "a"})
    rule(gold_share=1.0)
    store.add_annotators([Annotator("ann")])
    assert refuse("ann") == "nothing_left"


def test_when_all_gold_was_seen_there_is_only_work(
    store: Store, fill: Fill, rule: Rule, give: Give, hand: Hand
) -> None:
    golden(store, fill, rule, work=10, items=2, share=1.0)
    assert uses(give, hand, "ann", 5) == ["gold", "gold", "work", "work", "work"]


def test_a_gold_item_whose_lease_ran_out_is_not_given_again(store: Store, fill: Fill, rule: Rule, give: Give) -> None:
    golden(store, fill, rule, work=3, items=1, share=1.0)
    assert give("ann", now=1e6).use == "gold"
    assert give("ann", now=1e6 + 5).use == "gold"
    assert give("ann", now=2e6).use == "work"
