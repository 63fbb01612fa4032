from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from heedful.feedback.campaigns import claim
from heedful.feedback.pace import Pace, paces, time_left
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.store import Store
from heedful.records import Judgement, Question

Fill = Callable[..., list[Question]]

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC).timestamp()


def answer(store: Store, person: str, question: str, created: str = "", choice: str = "a") -> None:
    store.submit(Judgement(f"{person}-{question}", question, person, {"choice": choice}, created=created))


def test_a_store_without_questions_has_no_campaigns(store: Store) -> None:
    assert paces(store) == []


def test_answers_skips_and_leases_are_counted_by_campaign(store: Store, fill: Fill) -> None:
    fill(3, campaign="one", overlap=2)
    fill(1, name="t", campaign="two")
    answer(store, "ann", "q0")
    answer(store, "bob", "q0")
    answer(store, "ann", "q1", choice="skip")
    claim(store, "cem", "one", lease_s=60, now=NOON)
    two, one = paces(store, now=NOON + 30)
    assert (one.campaign, one.questions, one.wanted, one.given, one.skipped, one.working) == ("one", 3, 6, 2, 1, 1)
    assert (one.annotators, one.missing) == (2, 4)
    assert (two.campaign, two.wanted, two.given, two.annotators) == ("two", 1, 0, 0)
    assert [pace.working for pace in paces(store, now=NOON + 61)] == [0, 0]


def test_gold_items_are_no_part_of_the_work(store: Store, fill: Fill) -> None:
    fill(2)
    set_gold(store, "q0", "gold", {"choice": "a"})
    answer(store, "ann", "q0", "2026-05-01T11:30:00+00:00")
    [pace] = paces(store, now=NOON)
    assert (pace.questions, pace.wanted, pace.given, pace.recent) == (1, 1, 0, 0)


def test_the_pace_is_that_of_the_last_hour_or_else_of_the_last_day(store: Store, fill: Fill) -> None:
    fill(3)
    answer(store, "ann", "q0", "2026-05-01T11:30:00+00:00")
    answer(store, "ann", "q1", "2026-05-01T08:10:00+00:00")
    answer(store, "ann", "q2")
    [now] = paces(store, now=NOON)
    assert (now.recent, now.window_s) == (1, 3600)
    assert now.hours == {"2026-05-01T08": 1, "2026-05-01T11": 1}
    [evening] = paces(store, now=NOON + 6 * 3600)
    assert (evening.recent, evening.window_s) == (2, 86_400)
    [week_later] = paces(store, now=NOON + 7 * 86_400)
    assert week_later.recent == 0
    assert time_left(week_later) is None


def test_the_time_left_has_the_interval_of_a_poisson_rate() -> None:
    """Garwood's interval for a count of 10 is 4.7954 to 18.3904 (tabulated)."""
    left = time_left(Pace("one", wanted=110, given=10, recent=10, window_s=3600))
    assert left is not None
    assert left.value == pytest.approx(36_000)
    assert left.low == pytest.approx(360_000 / 18.3904, rel=1e-4)
    assert left.high == pytest.approx(360_000 / 4.7954, rel=1e-4)
    assert math.isfinite(left.high)


def test_a_campaign_that_is_complete_needs_no_time() -> None:
    assert time_left(Pace("one", wanted=10, given=10, recent=10)) is None
