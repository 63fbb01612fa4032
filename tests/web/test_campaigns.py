from __future__ import annotations

from typing import Any

import pytest

from heedful.feedback.steering import settings
from heedful.feedback.steering.settings import CampaignSettings, save_campaign
from heedful.feedback.store import Store


def test_an_owner_without_campaigns_is_told_what_to_do(owner: Any) -> None:
    page = owner.get("/campaigns").text
    assert "Make the first campaign" in page
    assert "/import" in page


def test_a_campaign_is_made_with_a_title_alone(owner: Any, store: Store) -> None:
    assert owner.get("/campaigns/new").status_code == 200
    sent = owner.post("/campaigns/new", {"title": "Which explains better?", "name": ""})
    assert (sent.status_code, sent.headers["location"]) == (303, "/campaigns/which-explains-better?done=made")
    found = settings.campaign(store, "which-explains-better")
    assert (found.title, found.settings) == ("Which explains better?", CampaignSettings())
    page = owner.get(sent.headers["location"]).text
    assert "What it still needs stands below" in page
    for words in ("Add questions", "Write guidelines", "Invite people"):
        assert words in page


def test_rules_are_changed_and_shown(owner: Any, store: Store, annotator: Any) -> None:
    save_campaign(store, "one", "First", CampaignSettings())
    form = {
        "title": "First of all",
        "overlap": "3",
        "maximum_overlap": "5",
        "sure": "95",
        "lease_s": "10",
        "who": annotator.annotator_id,
        "gold_share": "20",
        "price:comparison": "0.12",
        "budget": "100",
        "qualification": "yes",
        "deadline": "2030-01-02T03:04",
        "currency": "CHF",
    }
    assert owner.post("/campaigns/one/settings", form).status_code == 303
    rules = settings.campaign(store, "one").settings
    assert (rules.overlap, rules.maximum_overlap, rules.sure, rules.lease_s) == (3, 5, 0.95, 600)
    assert (rules.who, rules.prices, rules.budget, rules.currency) == (
        (annotator.annotator_id,),
        {"comparison": 0.12},
        100.0,
        "CHF",
    )
    assert rules.qualification
    assert not rules.reveal
    page = owner.get("/campaigns/one").text
    for words in ("3, up to 5 until 95 % sure", "2030-01-02 03:04 UTC", "training, then exam", "Choose exam items"):
        assert words in page
    assert 'value="2030-01-02T03:04"' in owner.get("/campaigns/one/settings").text


@pytest.mark.parametrize(
    ("form", "field", "words"),
    [
        ({"overlap": "none"}, "overlap", "Use a number"),
        ({"overlap": "0"}, "overlap", "Use a whole number from 1 to 1,000"),
        ({"gold_share": "150"}, "gold_share", "Use a number from 0 to 100"),
        ({"title": " "}, "title", "say in a few words"),
    ],
)
def test_what_does_not_do_is_shown_where_it_was_written(
    owner: Any, store: Store, form: dict[str, str], field: str, words: str
) -> None:
    save_campaign(store, "one", "First", CampaignSettings())
    answer = owner.post("/campaigns/one/settings", {"title": "First", "currency": "DKK", **form})
    assert answer.status_code == 400
    assert words.lower() in answer.text.lower()
    assert 'value="DKK"' in answer.text  # nothing that was written is lost
    assert 'aria-invalid="true"' in answer.text.split(f'name="{field}"')[1][:400]
    assert settings.campaign(store, "one").settings == CampaignSettings()


@pytest.mark.parametrize("name", ["new", "a/b", "one"])
def test_a_name_that_is_taken_or_no_name_is_refused(owner: Any, store: Store, name: str) -> None:
    save_campaign(store, "one", "First", CampaignSettings())
    assert owner.post("/campaigns/new", {"title": "Another", "name": name}).status_code == 400
    assert [each.name for each in settings.campaigns_of(store)] == ["one"]


def test_a_campaign_is_paused_closed_and_opened_again(owner: Any, store: Store) -> None:
    save_campaign(store, "one", "First", CampaignSettings())
    for state, words in (
        ("paused", "no question is given out"),
        ("closed", "no longer be changed"),
        ("open", "is open"),
    ):
        sent = owner.post("/campaigns/one/state", {"state": state})
        assert words in owner.get(sent.headers["location"]).text
        assert settings.campaign(store, "one").state == state
    assert owner.post("/campaigns/one/state", {"state": "gone"}).status_code == 400


def test_a_campaign_that_nobody_made_is_not_found(owner: Any) -> None:
    for path in ("", "/settings", "/questions", "/guidelines"):
        assert owner.get(f"/campaigns/nothing{path}").status_code == 404
    assert owner.post("/campaigns/nothing/state", {"state": "paused"}).status_code == 404


def test_every_campaign_of_a_busy_project_has_a_page(lively: Any) -> None:
    page = lively.owner.get("/campaigns").text
    for campaign in settings.campaigns_of(lively.store):
        assert f'href="/campaigns/{campaign.name}"' in page
        found = lively.owner.get(f"/campaigns/{campaign.name}")
        assert found.status_code == 200
        assert campaign.title.replace("'", "&#39;") in found.text
    busy = lively.owner.get("/campaigns/which-explains-better").text
    assert "gold items" in busy
    assert "EUR" in busy
    assert "version 2 of" in busy
