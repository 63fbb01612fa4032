"""Profiles: each number by hand, from the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heedful.feedback.quality.annotators import AnnotatorProfile, profile
from heedful.feedback.quality.shares import share, two_sided
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.store import Store
from heedful.records import Judgement

Fill = Callable[..., Any]
Says = Callable[..., Any]


def of(found: list[AnnotatorProfile], name: str) -> AnnotatorProfile:
    [one] = [each for each in found if each.annotator_id == name]
    return one


def test_counts_agreement_and_skill(store: Store, fill: Fill, says: Says) -> None:
    fill(3, overlap=3)
    for number, choices in enumerate(("aab", "bbs", "aat")):
        for person, letter in zip(("ann", "bob", "cem"), choices, strict=True):
            says(person, f"q{number}", choice={"s": "skip", "t": "tie"}.get(letter, letter))
    found = profile(store, "default")
    assert [each.annotator_id for each in found] == ["ann", "bob", "cem"]
    ann, cem = of(found, "ann"), of(found, "cem")
    assert (ann.answers, ann.skips, cem.answers, cem.skips) == (3, 0, 2, 1)
    assert ann.agreement == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert cem.agreement == 0
    assert ann.skill is not None
    assert cem.skill is not None
    assert ann.skill > cem.skill
    assert ann.skill_interval is not None
    assert ann.skill_interval[0] < ann.skill < ann.skill_interval[1]
    assert (ann.left_share, ann.median_s, ann.too_fast_share, ann.pasted_share, ann.drift) == (None,) * 5


def test_pace_and_sides(store: Store, fill: Fill) -> None:
    fill(12, overlap=3)
    for i in range(12):
        shown = (0, 1) if i % 2 else (1, 0)
        choice = "a" if i % 2 else "b"  # always the side shown first
        seconds = None if i == 0 else 0.2 if i < 4 else 7.0
        store.submit(Judgement(f"ann-{i}", f"q{i}", "ann", {"choice": choice}, shown, duration_s=seconds))
    [ann] = profile(store)
    expected = share(12, 12)
    assert (ann.left_share, ann.left_interval) == (1, (expected.low, expected.high))
    assert ann.left_p == pytest.approx(two_sided(12, 12))
    assert ann.median_s == 7
    assert ann.too_fast_share == pytest.approx(3 / 11)
    assert ann.skill is None  # nobody else answered
    assert ann.agreement is None


def test_gold_items_right_and_seen(store: Store, fill: Fill, says: Says) -> None:
    fill(5, purpose="evaluate", overlap=3)
    for number, use in enumerate(("gold", "gold", "gold", "exam", "training")):
        set_gold(store, f"q{number}", use, {"choice": "a"})  # type: ignore[arg-type]  # a literal by its place
    for number, choice in enumerate(("a", "b", "skip", "a", "b")):
        says("ann", f"q{number}", choice=choice)
    [ann] = profile(store)
    assert (ann.gold_right, ann.gold_seen) == (1, 3)
    assert (ann.answers, ann.skips) == (3, 1)
    assert ann.skill is not None


def test_pasted_texts(store: Store, fill: Fill, says: Says) -> None:
    fill(3, kind="demonstration", completions=0, overlap=3)
    says("ann", "q0", text="mine", metadata={"signals": {"pasted_characters": 40, "typed_characters": 3}})
    says("ann", "q1", text="mine", metadata={"signals": {"pasted_characters": 2, "typed_characters": 30}})
    says("ann", "q2", text="mine")
    assert of(profile(store), "ann").pasted_share == pytest.approx(1 / 3)


def test_whoever_gets_careless_drifts_down(store: Store, fill: Fill, says: Says) -> None:
    fill(40, overlap=3)
    for i in range(40):
        for person in ("bob", "cem"):
            says(person, f"q{i}", choice="a" if i % 2 else "b")
        careless = i >= 20 and i % 4 < 2
        says("ann", f"q{i}", choice="a" if bool(i % 2) != careless else "b")
    found = profile(store)
    ann, bob = of(found, "ann"), of(found, "bob")
    assert ann.drift is not None
    assert ann.drift_interval is not None
    assert ann.drift < -0.2
    assert ann.drift_interval[0] < ann.drift < ann.drift_interval[1] < 0
    assert bob.drift is not None
    assert abs(bob.drift) < abs(ann.drift)


def test_nobody_answered(store: Store, fill: Fill) -> None:
    fill(1)
    assert profile(store) == []
