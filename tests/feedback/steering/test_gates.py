from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.feedback.steering.gates import situation
from heedful.feedback.steering.rules import CampaignSettings
from heedful.feedback.store import Store
from heedful.records import Question


def test_a_situation_without_any_settings_is_open(store: Store, fill: Callable[..., list[Question]]) -> None:
    fill(1)
    with store.reading() as connection:
        found = situation(connection, "ann", "default")
    assert (found.state, found.settings, found.standing.state) == ("open", CampaignSettings(), "working")
    assert (found.turn, found.furthest) == (0, 0)
    assert found.refusal(1e9) is None


def test_turns_are_counted_for_each_campaign(
    store: Store, fill: Callable[..., list[Question]], work: Callable[..., str]
) -> None:
    fill(3)
    fill(1, name="t", campaign="two")
    work("ann")
    work("ann", "two")
    work("ann")
    with store.reading() as connection:
        found = [situation(connection, "ann", name) for name in ("default", "two")]
    assert [(each.turn, each.furthest) for each in found] == [(2, 2), (1, 4)]


def test_the_deadline_holds_to_the_second(
    store: Store, fill: Callable[..., list[Question]], rule: Callable[..., None]
) -> None:
    fill(1)
    rule(deadline="1970-01-01T01:00")
    with store.reading() as connection:
        found = situation(connection, "ann", "default")
    assert found.refusal(3599.9) is None
    refused = found.refusal(3600)
    assert refused is not None
    assert refused.reason == "deadline"


def test_unknown_and_retracted_people_stand_nowhere(store: Store, fill: Callable[..., list[Question]]) -> None:
    fill(1)
    lineage.retract(store, "ann")
    with store.reading() as connection:
        for name in ("ann", "eve"):
            with pytest.raises(Problem):
                situation(connection, name, "default")
