"""The rules that a campaign can have, and what is refused as a rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from heedful.errors import Problem
from heedful.feedback.selection import POLICIES
from heedful.feedback.steering.moments import is_moment, moment_of

MOST_OVERLAP = 1000
"""Judgements that one question can have at most."""


@dataclass(frozen=True, slots=True)
class CampaignSettings:
    """The rules of a campaign."""

    overlap: int = 1
    """Judgements wanted for each question. Saving another number sets it for the questions that there are."""
    maximum_overlap: int = 0
    """0: no more than `overlap`. Otherwise, where the aggregate is not `sure` yet, a question is asked so often."""
    sure: float = 0.9
    """Probability of the leading answer at which a question needs no further judgement."""
    selection: str = "random"
    """How the campaign's questions are chosen from a pool, see `heedful.feedback.selection`."""
    random_share: float = 0.2
    """Share of them that is chosen at random whatever the policy: an unbiased sample of the pool."""
    deadline: str = ""
    """ISO 8601, UTC; nothing is given out from then on. Empty: none."""
    qualification: bool = False
    """Whether annotators go through training and exam items before they work."""
    exam_pass: float = 0.7
    """Share of exam items to be right."""
    gold_share: float = 0.1
    """Share of the stream that is gold items, while there are any that the annotator has not seen."""
    gold_pass: float = 0.6
    """Share of the last `gold_window` gold items to be right; below it an annotator is paused."""
    gold_window: int = 10
    prices: Mapping[str, float] = field(default_factory=dict)
    """Kind of question -> price of a judgement. "training" and "exam" name the price of such an item (0 if left
    out); a gold item costs what its kind costs."""
    currency: str = "EUR"
    budget: float = 0.0
    """Nothing is given out that would cost more in all; 0: no limit."""
    lease_s: float = 1800.0
    """For how long a question waits for the one who holds it, in seconds."""
    who: tuple[str, ...] = ()
    """Ids of the annotators who may work here; empty: everybody."""
    reveal: bool = False
    """Whether an annotator sees the answers of others after giving their own."""

    def price_micros(self, kind: str, use: str | None) -> int:
        """What a judgement costs, in millionths of the currency.

        Args:
            kind: of the question.
            use: of a gold item; None for work.
        """
        name = use if use in ("training", "exam") else kind
        return round(self.prices.get(name, 0.0) * 1_000_000)

    @property
    def budget_micros(self) -> int:
        """The budget in millionths of the currency."""
        return round(self.budget * 1_000_000)

    def over(self, now: float) -> bool:
        """Whether the deadline has passed at `now` (seconds since 1970, UTC)."""
        return bool(self.deadline) and now >= moment_of(self.deadline)


def settings_from(body: Mapping[str, Any]) -> CampaignSettings:
    """Settings from their JSON form; names that this version does not know are passed over."""
    known = {one.name for one in fields(CampaignSettings)}
    values = {name: value for name, value in body.items() if name in known}
    who = values.get("who", ())
    return CampaignSettings(**{**values, "who": tuple(who) if isinstance(who, list | tuple) else who})


def check(settings: CampaignSettings) -> None:
    """Refuse settings that cannot be meant.

    Raises:
        Problem: naming the field.
    """
    for rules in (_forms, _ranges):  # the ranges can be compared once the forms are right
        for name, fits, wanted in rules(settings):
            if not fits:
                raise Problem(
                    f"{getattr(settings, name)!r} does not do",
                    where=f'settings, field "{name}"',
                    mend=f"use {wanted}",
                )


def _forms(settings: CampaignSettings) -> list[tuple[str, bool, str]]:
    """(field, whether its type is right, what it is to be); JSON from elsewhere may hold anything."""
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    plain = [(one.name, type(one.default)) for one in fields(CampaignSettings) if type(one.default) in words]
    prices, who = settings.prices, settings.who
    priced = isinstance(prices, Mapping) and all(_is(float, price) for price in prices.values())
    return [
        *((name, _is(kind, getattr(settings, name)), words[kind]) for name, kind in plain),
        ("prices", priced, "a number for each kind"),
        ("who", isinstance(who, tuple) and all(isinstance(each, str) for each in who), "a list of annotators' ids"),
    ]


def _ranges(settings: CampaignSettings) -> list[tuple[str, bool, str]]:
    """(field, whether its value is in its range, what it is to be)."""
    least, most = settings.overlap, settings.maximum_overlap
    shares = ("random_share", "exam_pass", "gold_share", "gold_pass")
    return [
        ("overlap", 1 <= least <= MOST_OVERLAP, f"a whole number from 1 to {MOST_OVERLAP}"),
        ("maximum_overlap", most == 0 or least <= most <= MOST_OVERLAP, "0, or no less than the overlap"),
        ("sure", 0.5 <= settings.sure < 1, "a probability from 0.5, below 1"),
        ("selection", settings.selection in POLICIES, f"one of {', '.join(POLICIES)}"),
        ("lease_s", 1 <= settings.lease_s <= _LONGEST_LEASE_S, "a number of seconds, up to 30 days"),
        ("gold_window", 1 <= settings.gold_window <= 1000, "a whole number from 1 to 1000"),
        ("budget", 0 <= settings.budget <= _MOST, "a sum of money, or 0 for no limit"),
        ("prices", all(0 <= price <= _MOST_EACH for price in settings.prices.values()), f"sums up to {_MOST_EACH}"),
        ("deadline", not settings.deadline or is_moment(settings.deadline), "a moment such as 2026-05-01T18:00"),
        *((name, 0 <= getattr(settings, name) <= 1, "a share from 0 to 1") for name in shares),
    ]


_MOST, _MOST_EACH, _LONGEST_LEASE_S = 1e12, 1000, 30 * 86_400.0
"""A budget and a price (in the currency; their millionths fit the columns that hold them), and a lease."""


def _is(kind: type, value: Any) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
