from __future__ import annotations

from dataclasses import fields

import pytest

from heedful.errors import Problem
from heedful.feedback.selection import POLICIES
from heedful.feedback.steering.settings import CampaignSettings
from heedful.web.rules_form import FORM, field_of, policies, sent, settings_of, slug, written

RULES = [rule for group in FORM for rule in group.rules]

FULL = CampaignSettings(
    overlap=3,
    maximum_overlap=7,
    sure=0.95,
    random_share=0.25,
    deadline="2026-05-01T18:00:00+00:00",
    qualification=True,
    exam_pass=0.8,
    gold_share=0.125,
    gold_pass=0.55,
    gold_window=20,
    prices={"comparison": 0.12, "exam": 0.05},
    currency="CHF",
    budget=1250.5,
    lease_s=900.0,
    who=("ann", "bob"),
    reveal=True,
)


def as_browser(settings: CampaignSettings) -> dict[str, list[str]]:
    """What a browser sends of the form when nothing is touched."""
    form: dict[str, list[str]] = {}
    for name, value in written(settings).items():
        if isinstance(value, bool):
            form |= {name: ["yes"]} if value else {}
        elif isinstance(value, dict):
            form |= {f"price:{kind}": [price] for kind, price in value.items()}
        else:
            form[name] = value if isinstance(value, list) else [value]
    return form


def test_every_setting_has_a_place_in_the_form_and_a_sentence_of_help() -> None:
    assert sorted(rule.name for rule in RULES) == sorted(one.name for one in fields(CampaignSettings))
    assert [rule.name for rule in RULES if not rule.help.endswith(".")] == []


@pytest.mark.parametrize("settings", [CampaignSettings(), FULL])
def test_what_is_written_into_the_form_comes_back(settings: CampaignSettings) -> None:
    assert settings_of(sent(as_browser(settings)), CampaignSettings(overlap=9)) == settings


def test_shares_are_per_cent_and_leases_minutes() -> None:
    fields_ = written(FULL)
    assert (fields_["gold_share"], fields_["lease_s"], fields_["deadline"]) == ("12.5", "15", "2026-05-01T18:00")


def test_an_empty_field_leaves_what_was_and_a_comma_is_a_point() -> None:
    form = as_browser(FULL) | {"overlap": [""], "currency": [" "], "budget": ["12,5"], "deadline": [""]}
    found = settings_of(sent(form), FULL)
    assert (found.overlap, found.currency, found.budget, found.deadline) == (3, "CHF", 12.5, "")


@pytest.mark.parametrize(
    ("name", "text"),
    [("overlap", "two"), ("overlap", "1.5"), ("gold_share", "many"), ("price:comparison", "dear"), ("budget", "1e")],
)
def test_what_is_no_number_is_named(name: str, text: str) -> None:
    with pytest.raises(Problem) as caught:
        settings_of(sent(as_browser(FULL) | {name: [text]}), FULL)
    assert field_of(caught.value) == name.split(":")[0].replace("price", "prices")
    assert text in caught.value.what


def test_short_names_are_made_of_titles() -> None:
    assert slug("Which answer explains better?") == "which-answer-explains-better"
    assert slug("  Ärger & Co. ") == "rger-co"
    assert slug("???") == ""


def test_every_policy_is_offered() -> None:
    assert [name for name, _ in policies()] == list(POLICIES)
