from __future__ import annotations

import pytest
from fastapi import HTTPException

from heedful.web.rates import Rates, spoken
from heedful.web.settings import ServerSettings


def rates() -> Rates:
    return Rates(ServerSettings(login_rate="3 per minute; 5 per hour", api_rate="2 per minute"))


def test_too_often_is_refused_with_a_time_to_wait() -> None:
    counters = rates()
    for _ in range(3):
        counters.check("enter", "1.2.3.4")
        counters.count("enter", "1.2.3.4")
    with pytest.raises(HTTPException) as caught:
        counters.check("enter", "1.2.3.4")
    assert caught.value.status_code == 429
    assert caught.value.headers is not None
    assert 1 <= int(caught.value.headers["Retry-After"]) <= 60
    with pytest.raises(HTTPException):
        counters.count("enter", "1.2.3.4")


def test_everybody_and_everything_is_counted_apart() -> None:
    counters = rates()
    for _ in range(2):
        counters.count("api", "a")
    counters.count("api", "b")
    counters.count("enter", "a")
    with pytest.raises(HTTPException):
        counters.count("api", "a")


def test_looking_does_not_count() -> None:
    counters = rates()
    for _ in range(10):
        counters.check("enter", "x")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 seconds"), (45, "45 seconds"), (180, "3 minutes"), (7200, "2 hours"), (2e5, "2 days")],
)
def test_times_are_spoken(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
