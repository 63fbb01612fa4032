"""How often something may be tried: passwords, links, the API. Counted in the memory of the one process."""

from __future__ import annotations

import time

from fastapi import HTTPException
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from heedful.web.settings import ServerSettings

EASIER = 10
"""So many times as often as from one address may be tried at one login from all addresses together: who alone guesses
at somebody's password does not shut them out."""


class Rates:
    """The counters of one server."""

    def __init__(self, settings: ServerSettings) -> None:
        """Begin at nothing, with the rates of `settings`."""
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._rates: dict[str, list[RateLimitItem]] = {
            "enter": parse_many(settings.login_rate),
            "login": [type(one)(EASIER * one.amount, one.multiples) for one in parse_many(settings.login_rate)],
            "api": parse_many(settings.api_rate),
        }

    def count(self, what: str, who: str) -> None:
        """Count one more `what` (`enter`, `login` or `api`) of `who`.

        Raises:
            HTTPException: 429, with Retry-After, when that is too often.
        """
        for item in self._rates[what]:
            if not self._limiter.hit(item, what, who):
                raise self._refusal(item, what, who)

    def check(self, what: str, who: str) -> None:
        """Refuse, as `count` does, where one more would be too many, without counting it."""
        for item in self._rates[what]:
            if not self._limiter.test(item, what, who):
                raise self._refusal(item, what, who)

    def _refusal(self, item: RateLimitItem, what: str, who: str) -> HTTPException:
        wait = max(1, round(self._limiter.get_window_stats(item, what, who).reset_time - time.time()))
        return HTTPException(
            429, f"that was too often; wait {spoken(wait)}, then try again", {"Retry-After": str(wait)}
        )


def spoken(seconds: float) -> str:
    """A time for the eye: `40 seconds`, `3 minutes`, `5 hours`."""
    for unit, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * unit:
            return f"{round(seconds / unit)} {name}s"
    return f"{max(1, round(seconds))} seconds"
