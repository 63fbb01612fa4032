from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from heedful.errors import Problem
from heedful.feedback.accounts import audit
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.steering.guidelines import publish
from heedful.feedback.steering.settings import CampaignSettings, campaign, campaigns_of, save_campaign, set_state
from heedful.feedback.store import Store
from heedful.records import Question

Fill = Callable[..., list[Question]]
Told = Callable[..., list[dict[str, object]]]


def test_a_campaign_without_settings_goes_by_the_defaults_and_its_questions_overlap(store: Store, fill: Fill) -> None:
    fill(2, overlap=3)
    found = campaign(store, "default")
    assert (found.name, found.title, found.state, found.created) == ("default", "default", "open", "")
    assert found.settings == CampaignSettings(overlap=3)
    assert (found.questions, found.guidelines) == (2, None)
    assert campaign(store, "nothing").questions == 0


def test_settings_come_back_as_they_were_saved(store: Store) -> None:
    settings = CampaignSettings(
        overlap=2,
        maximum_overlap=5,
        sure=0.8,
        selection="random",
        random_share=0.5,
        deadline="2030-01-01T12:00:00+02:00",
        qualification=True,
        prices={"comparison": 0.05, "exam": 0.1},
        currency="USD",
        budget=100.0,
        lease_s=60.0,
        who=("ann", "bob"),
        reveal=True,
    )
    saved = save_campaign(store, "round-1", "Round one", settings, by="owner")
    assert saved.settings == settings
    assert campaign(store, "round-1") == saved
    assert saved.created != ""
    later = save_campaign(store, "round-1", "Round 1", replace(settings, budget=200.0), by="owner")
    assert (later.title, later.created, later.settings.budget) == ("Round 1", saved.created, 200.0)
    newest = audit.entries(store)[0]
    assert (newest.account_id, newest.action, newest.target) == ("owner", "campaign.save", "round-1")
    assert newest.detail == {"settings": {"budget": 200.0}}


def test_all_campaigns_are_listed_by_name(store: Store, fill: Fill) -> None:
    fill(3, campaign="two")
    set_gold(store, "q0", "gold", {"choice": "a"})
    publish(store, "two", "Be fair.")
    save_campaign(store, "one", "One", CampaignSettings())
    assert [(each.name, each.questions) for each in campaigns_of(store)] == [("one", 0), ("two", 2)]
    read = campaigns_of(store)[1].guidelines
    assert read is not None
    assert read.text == "Be fair."


def test_a_state_can_be_set_of_a_campaign_that_has_no_settings_yet(store: Store, fill: Fill, told: Told) -> None:
    fill(1, overlap=2)
    set_state(store, "default", "paused")
    found = campaign(store, "default")
    assert (found.state, found.settings.overlap) == ("paused", 2)
    set_state(store, "default", "paused")
    set_state(store, "default", "open", by="owner")
    assert campaign(store, "default").state == "open"
    assert [each["state"] for each in told("campaign.changed")] == ["paused", "open"]
    assert [each.action for each in audit.entries(store)] == ["campaign.open", "campaign.paused"]
    with pytest.raises(Problem, match="'ended' is no state"):
        set_state(store, "default", "ended")  # type: ignore[arg-type]  # on purpose


def test_the_same_overlap_leaves_the_questions_as_they_are(store: Store, fill: Fill) -> None:
    fill(1, overlap=1)
    fill(1, name="t", overlap=3)
    save_campaign(store, "default", "", CampaignSettings(overlap=3, budget=5.0))
    assert [question.overlap for question in store.questions()] == [1, 3]
    save_campaign(store, "default", "", CampaignSettings(overlap=2))
    assert [question.overlap for question in store.questions()] == [2, 2]


def test_wrong_settings_are_refused(store: Store) -> None:
    with pytest.raises(Problem, match='field "sure"'):
        save_campaign(store, "one", "One", CampaignSettings(sure=1.5))
    with pytest.raises(Problem, match="1 to 200 characters"):
        save_campaign(store, "", "One", CampaignSettings())
    assert campaigns_of(store) == []
