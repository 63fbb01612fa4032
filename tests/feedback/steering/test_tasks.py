"""Every reason for which somebody gets no task occurs, and says so in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from heedful.feedback.steering import desk, gold, standing
from heedful.feedback.steering.guidelines import publish
from heedful.feedback.steering.settings import set_state
from heedful.feedback.store import Store
from heedful.records import Question

NOON = 1_000_000.0

Fill = Callable[..., list[Question]]
Rule = Callable[..., None]


@pytest.mark.parametrize("reason", get_args(desk.Reason))
def test_every_reason_occurs(store: Store, fill: Fill, rule: Rule, work: Callable[..., str], reason: str) -> None:
    fill(3)
    match reason:
        case "nothing_left":
            for _ in range(3):
                work("ann")
        case "paused":
            standing.pause(store, "default", "ann", "a rest", reask=False)
        case "failed":
            rule(qualification=True)
            gold.set_gold(store, "q0", "exam", {"choice": "b"})
            work("ann", choice="a")
        case "campaign_paused" | "campaign_closed":
            set_state(store, "default", "paused" if reason == "campaign_paused" else "closed")
        case "deadline":
            rule(deadline="1970-01-12T00:00")
        case "budget":
            rule(budget=0.5, prices={"comparison": 1.0})
        case "guidelines":
            publish(store, "default", "Read me.")
        case "not_invited":
            rule(who=("bob",))
        case "no_exam":
            rule(qualification=True)
    found = desk.next_task(store, "ann", "default", now=NOON)
    assert isinstance(found, desk.NoTask)
    assert (found.reason, found.campaign) == (reason, "default")
    assert found.message.endswith(".")
