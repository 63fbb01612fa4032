from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.feedback import lineage
from heedful.feedback.store import Store
from heedful.feedback.tracing import Frozen, ancestry, descent, frozen, shares, snapshots_with, writers
from heedful.records import Judgement, Model, Question


@pytest.fixture
def rounds(store: Store, fill: Callable[..., list[Question]], says: Callable[..., Judgement]) -> tuple[str, str]:
    """Two rounds: v0 -> r1 -> v1, then r2 from all judgements -> v2; and v3, which learned from a function."""
    fill(2, campaign="one", overlap=2)
    fill(1, name="t", campaign="two")
    for person, question in (("ann", "q0"), ("bob", "q0"), ("ann", "q1"), ("bob", "t0")):
        says(person, question, choice="a")
    first = lineage.snapshot(store, ["ann-q0", "bob-q0", "ann-q1"]).hash
    second = lineage.snapshot(store, ["ann-q0", "bob-q0", "ann-q1", "bob-t0"]).hash
    for model in (
        Model("v0", "policy", "policies/v0"),
        Model("r1", "reward", "rewards/r1", parent="v0", snapshot=first),
        Model("v1", "policy", "policies/v1", parent="v0", reward="r1", snapshot=first),
        Model("r2", "reward", "rewards/r2", parent="v0", snapshot=second),
        Model("v2", "policy", "policies/v2", parent="v1", reward="r2"),
        Model("v3", "policy", "policies/v3", parent="v0", reward="score.py:short"),
    ):
        store.add_model(model)
    return first, second


def test_snapshots_are_counted_by_campaign_and_by_who_was_retracted(store: Store, rounds: tuple[str, str]) -> None:
    first, second = rounds
    assert frozen(store) == [
        Frozen(first, 3, {"one": 3}, 2, 0),
        Frozen(second, 4, {"one": 3, "two": 1}, 2, 0),
    ]
    lineage.retract(store, "bob")
    assert [one.retracted for one in frozen(store)] == [1, 2]


def test_a_judgement_leads_to_its_snapshots(store: Store, rounds: tuple[str, str]) -> None:
    first, second = rounds
    assert snapshots_with(store, ["ann-q0", "bob-t0", "nobody"]) == {"ann-q0": (first, second), "bob-t0": (second,)}


def test_shares_count_a_judgement_once_however_many_snapshots_hold_it(store: Store, rounds: tuple[str, str]) -> None:
    lineage.retract(store, "bob")
    found = shares(store, rounds)
    assert [(share.annotator_id, share.judgements, share.retracted) for share in found] == [
        ("ann", 2, False),
        ("bob", 2, True),
    ]


def test_ancestry_and_descent_follow_parents_and_reward_models(store: Store, rounds: tuple[str, str]) -> None:
    first, second = rounds
    models = store.models()
    assert [model.id for model in ancestry(models, "v2")] == ["v0", "r1", "v1", "r2", "v2"]
    assert [model.id for model in ancestry(models, "v3")] == ["v0", "v3"]
    assert [model.id for model in descent(models, [first])] == ["r1", "v1", "v2"]
    assert [model.id for model in descent(models, [second])] == ["r2", "v2"]
    assert descent(models, []) == []


def test_the_versions_that_wrote_what_a_campaign_shows(store: Store, fill: Callable[..., list[Question]]) -> None:
    fill(2, campaign="one")
    fill(1, name="e", campaign="rating", purpose="evaluate")
    fill(1, name="d", campaign="two", kind="demonstration", completions=0)
    assert writers(store) == {"one": ("v0",)}
