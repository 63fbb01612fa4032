from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback.steering.rules import CampaignSettings, check, settings_from

WRONG: list[tuple[str, Any]] = [
    ("overlap", 0),
    ("overlap", 1.5),
    ("overlap", True),
    ("overlap", "2"),
    ("maximum_overlap", -1),
    ("sure", 1.0),
    ("sure", 0.4),
    ("sure", None),
    ("selection", "best"),
    ("random_share", 1.1),
    ("deadline", "tomorrow"),
    ("deadline", 5),
    ("qualification", "yes"),
    ("exam_pass", -0.1),
    ("gold_share", 2.0),
    ("gold_pass", float("nan")),
    ("gold_window", 0),
    ("prices", {"comparison": -1.0}),
    ("prices", {"comparison": "1"}),
    ("prices", {"comparison": 1e9}),
    ("prices", [1.0]),
    ("currency", 3),
    ("budget", -1.0),
    ("budget", float("inf")),
    ("lease_s", 0.0),
    ("lease_s", 1e9),
    ("who", "ann"),
    ("who", (1,)),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_what_cannot_be_meant_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(Problem, match=f'field "{name}"'):
        check(CampaignSettings(**{name: value}))


def test_a_maximum_is_no_less_than_the_overlap() -> None:
    with pytest.raises(Problem, match='field "maximum_overlap"'):
        check(CampaignSettings(overlap=3, maximum_overlap=2))
    check(CampaignSettings(overlap=3, maximum_overlap=3))


def test_settings_survive_their_json_form_and_unknown_names() -> None:
    settings = CampaignSettings(who=("ann",), prices={"rating": 1.5})
    body = {**asdict(settings), "who": ["ann"], "of_a_later_version": 1}
    assert settings_from(body) == settings
    assert settings_from({}) == CampaignSettings()
    with pytest.raises(Problem, match='field "who"'):
        check(settings_from({"who": "ann"}))


def test_prices_are_exact_in_millionths() -> None:
    settings = CampaignSettings(prices={"comparison": 0.1, "exam": 0.02}, budget=0.3)
    assert settings.price_micros("comparison", None) == 100_000
    assert settings.price_micros("comparison", "gold") == 100_000
    assert settings.price_micros("comparison", "exam") == 20_000
    assert settings.price_micros("comparison", "training") == 0
    assert settings.price_micros("rating", None) == 0
    assert settings.budget_micros == 300_000


def test_a_deadline_without_a_zone_is_utc() -> None:
    assert CampaignSettings(deadline="1970-01-01T01:00").over(3600)
    assert not CampaignSettings(deadline="1970-01-01T01:00").over(3599)
    assert CampaignSettings(deadline="1970-01-01T03:00+02:00").over(3600)
    assert not CampaignSettings().over(1e12)
