"""What answers say of several completions at once: the best of them, and their order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.feedback import ballots, views
from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Prompt, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]


def shares_of(store: Store) -> list[tuple[dict[str, float], float]]:
    """Of each pick: the share of every text, by its last character, and the number of votes."""
    return [
        ({text[-1]: share for text, share in zip(pick.texts, pick.shares, strict=True)}, pick.weight)
        for pick in ballots.picks(store)
    ]


def test_of_a_ranking_only_the_first_counts(store: Store, fill: Fill, says: Says) -> None:
    fill(2, kind="ranking", completions=4, overlap=3)
    says("ann", "q0", ranks=[2, 1, 2, 4])
    says("bob", "q0", ranks=[1, 2, 3, 4])
    says("cem", "q0", ranks=[1, 1, 2, 2])
    says("ann", "q1", choice="skip")
    # ann picks 1, bob 0, cem either of them.
    [(shares, weight)] = shares_of(store)
    assert shares == pytest.approx({"0": 0.5, "1": 0.5, "2": 0.0, "3": 0.0})
    assert weight == 3
    [pick] = ballots.picks(store)
    assert pick.judgement_ids == ("ann-q0", "bob-q0", "cem-q0")
    assert pick.metadata == {"group": "q0", "campaign": "default", "kind": "ranking"}
    assert ballots.picks(store, judgement_ids=["bob-q0"])[0].shares == (1, 0, 0, 0)


def test_a_comparison_is_a_choice_of_two(store: Store, fill: Fill, says: Says) -> None:
    """With the target and the weight of `comparisons`, so that both losses are the same."""
    fill(2, overlap=3)
    for person, choice in (("ann", "a"), ("bob", "b"), ("cem", "tie")):
        says(person, "q0", choice=choice)
    says("ann", "q1", choice="bad")
    says("bob", "q1", choice="a")
    for pick, pair in zip(ballots.picks(store), views.comparisons(store), strict=True):
        assert pick.texts == (pair.a, pair.b)
        assert pick.shares == pytest.approx((pair.target, 1 - pair.target))
        assert pick.weight == pair.weight


def grouped(store: Store, won: dict[tuple[int, int], str]) -> None:
    """Comparisons that came with one group: (first, second) -> ann's choice."""
    texts = sorted({number for pair in won for number in pair})
    store.add_everything(
        prompts=[Prompt("p", "x")],
        completions=[Completion(f"c{number}", "p", f"text {number}") for number in texts],
        annotators=[Annotator("ann")],
        questions=[
            Question(f"{a}{b}", "comparison", "p", (f"c{a}", f"c{b}"), metadata={"group": "together"}) for a, b in won
        ],
        judgements=[Judgement(f"v{a}{b}", f"{a}{b}", "ann", {"choice": choice}) for (a, b), choice in won.items()],
    )


def test_what_came_as_one_choice_of_the_best_is_one(store: Store) -> None:
    grouped(store, {(2, 0): "a", (2, 1): "a", (2, 3): "a"})
    assert shares_of(store) == [({"2": 1.0, "0": 0.0, "1": 0.0, "3": 0.0}, 1.0)]


def test_a_column_called_group_does_not_bring_prompts_together(store: Store) -> None:
    store.add_everything(
        prompts=[Prompt("p", "x"), Prompt("q", "y")],
        completions=[Completion(f"{name}{n}", name, f"{name} {n}") for name in "pq" for n in range(2)],
        annotators=[Annotator("ann")],
        questions=[
            Question(name, "comparison", name, (f"{name}0", f"{name}1"), metadata={"group": "1"}) for name in "pq"
        ],
        judgements=[Judgement(f"v{name}", name, "ann", {"choice": "a"}) for name in "pq"],
    )
    for found in (ballots.picks(store), ballots.rankings(store)):
        assert [(row.prompt.id, row.texts) for row in found] == [("p", ("p 0", "p 1")), ("q", ("q 0", "q 1"))]


@pytest.mark.parametrize(
    "won",
    [{(0, 1): "a", (1, 2): "a", (2, 0): "a"}, {(0, 1): "a", (2, 3): "b"}],
    ids=["a circle", "pairs that never met"],
)
def test_where_nothing_is_the_best_each_pair_is_a_choice_of_two(store: Store, won: dict[tuple[int, int], str]) -> None:
    grouped(store, won)
    assert shares_of(store) == [
        ({str(a): float(choice == "a"), str(b): float(choice == "b")}, 1.0) for (a, b), choice in won.items()
    ]


def orders_of(store: Store) -> list[dict[str, int]]:
    """Of each ranking: the rank of every text, by its last character."""
    return [
        {text[-1]: rank for text, rank in zip(ranking.texts, ranking.ranks, strict=True)}
        for ranking in ballots.rankings(store)
    ]


def test_a_ranking_is_one_order_by_each_annotator(store: Store, fill: Fill, says: Says) -> None:
    fill(2, kind="ranking", completions=4, overlap=2)
    says("ann", "q0", ranks=[2, 1, 2, 4])
    says("bob", "q0", ranks=[1, 2, 3, 4])
    says("ann", "q1", choice="skip")
    assert orders_of(store) == [{"0": 2, "1": 1, "2": 2, "3": 4}, {"0": 1, "1": 2, "2": 3, "3": 4}]
    first, second = ballots.rankings(store)
    assert (first.annotator_ids, first.judgement_ids) == (("ann",), ("ann-q0",))
    assert second.metadata == {"group": "q0", "campaign": "default", "kind": "ranking"}
    assert ballots.rankings(store, judgement_ids=["bob-q0"]) == [second]


def test_a_comparison_is_an_order_of_two_or_a_tie(store: Store, fill: Fill, says: Says) -> None:
    fill(3, overlap=1)
    for question, choice in (("q0", "a"), ("q1", "b"), ("q2", "tie")):
        says("ann", question, choice=choice)
    assert [ranking.ranks for ranking in ballots.rankings(store)] == [(1, 2), (2, 1), (1, 1)]


@pytest.mark.parametrize(
    ("won", "orders"),
    [
        ({(0, 1): "a", (0, 2): "a", (1, 2): "b"}, [{"0": 1, "1": 3, "2": 2}]),
        ({(0, 1): "tie", (0, 2): "a", (1, 2): "a"}, [{"0": 1, "1": 1, "2": 3}]),
        ({(0, 1): "a", (1, 2): "a"}, [{"0": 1, "1": 2}, {"1": 1, "2": 2}]),
        (
            {(0, 1): "a", (1, 2): "a", (0, 2): "b"},
            [{"0": 1, "1": 2}, {"0": 2, "2": 1}, {"1": 1, "2": 2}],
        ),
    ],
    ids=["whole", "with a tie", "a pair is missing", "a circle"],
)
def test_pairs_of_one_group_are_an_order_where_they_make_one(
    store: Store, won: dict[tuple[int, int], str], orders: list[dict[str, int]]
) -> None:
    grouped(store, won)
    assert sorted(orders_of(store), key=str) == sorted(orders, key=str)
