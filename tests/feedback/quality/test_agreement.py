"""Tables of ratings, and that alpha can be computed from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heedful.evaluation.agreement import agreement
from heedful.feedback.quality.agreement import ratings_table, ratings_tables
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.store import Store

Fill = Callable[..., Any]
Says = Callable[..., Any]


def test_each_thing_asked_has_a_table_with_its_distance(store: Store, fill: Fill, says: Says) -> None:
    fill(2, overlap=3)
    fill(1, kind="ranking", completions=2, name="r", overlap=3)
    fill(1, kind="label", completions=1, name="l", overlap=3)
    fill(1, kind="flags", completions=1, name="f", overlap=3, metadata={"flags": ["rude"]})
    fill(1, kind="rating", completions=1, name="n", overlap=3)
    fill(1, kind="critique", completions=1, name="t", overlap=3)
    says("ann", "q0", choice="a")
    says("bob", "q0", choice="bad")
    says("cem", "q0", choice="skip")
    says("ann", "q1", choice="tie")
    says("ann", "r0", ranks=[2, 1])
    says("ann", "l0", thumb=True)
    says("ann", "f0", flags=[])
    says("ann", "n0", ratings={"kind": 4}, scale=[1, 5])
    says("ann", "t0", text="words")
    found = {table.name: table for table in ratings_tables(store)}
    assert found["choice"].items == ("q0", "q0", "q1")
    assert found["choice"].annotators == ("ann", "bob", "ann")
    assert found["choice"].values == ("a", "bad", "tie")
    assert (found["rank"].items, found["rank"].values, found["rank"].distance) == (("r0 0", "r0 1"), (2, 1), "ordinal")
    assert (found["thumb"].values, found["thumb"].distance) == (("yes",), "nominal")
    assert found["flag:rude"].values == ("no",)
    assert (found["rating:kind"].values, found["rating:kind"].distance) == ((4.0,), "interval")
    assert set(found) == {"choice", "rank", "thumb", "flag:rude", "rating:kind"}
    longest = ratings_table(store)
    assert longest is not None
    assert longest.name == "choice"


def test_training_items_are_left_out(store: Store, fill: Fill, says: Says) -> None:
    fill(1, purpose="evaluate", overlap=3)
    set_gold(store, "q0", "training", {"choice": "a"})
    says("ann", "q0", choice="a")
    assert ratings_table(store) is None
    assert ratings_tables(store, "nowhere") == []


def test_alpha_and_kappa_are_computed_from_a_table(store: Store, fill: Fill, says: Says) -> None:
    fill(3, overlap=3)
    for number, choices in enumerate(("aab", "bba", "aaa")):
        for person, choice in zip(("ann", "bob", "cem"), choices, strict=True):
            says(person, f"q{number}", choice=choice)
    table = ratings_table(store)
    assert table is not None
    found = agreement(table.items, table.annotators, table.values, table.distance)
    # Of 9 answers 6 are a: expected 2 * 6 * 3 / (9 * 8); observed (2 + 2 + 0) / 9.
    assert found.alpha == pytest.approx(1 - (4 / 9) / (36 / 72))
    assert (found.items, found.annotators) == (3, 3)
