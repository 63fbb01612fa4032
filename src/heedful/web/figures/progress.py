"""How far each campaign has come, how fast people work, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from heedful.evaluation.blocks import Cell, Column, Table
from heedful.evaluation.intervals import Interval
from heedful.feedback.pace import DAY_S, HOUR_S, Pace, time_left
from heedful.feedback.steering.settings import Campaign
from heedful.web import addresses
from heedful.web.figures.panel import duration
from heedful.web.plots import bar, columns
from heedful.web.sheets import Sheet

TIMELINE = 48
"""Columns of the timeline: the last two days by the hour, or where those were silent, that many days."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One campaign on a page."""

    name: str
    title: str
    state: str
    pace: Pace
    bar: Markup
    timeline: Markup | None
    timeline_says: str
    left: str
    """How long the rest will take, in words."""
    spent: str
    """What was spent, of what budget; empty where nothing costs anything."""


def progress_of(
    paces: Sequence[Pace],
    campaigns: Mapping[str, Campaign],
    costs: Mapping[str, float] | None = None,
    now: float | None = None,
) -> list[Progress]:
    """The campaigns that have questions or settings: those in progress first, and the newest of each sort."""
    moment = time.time() if now is None else now
    known = {pace.campaign: pace for pace in paces}
    every = [*paces, *(Pace(name) for name in campaigns if name not in known)]
    found = [
        _progress(pace, campaigns.get(pace.campaign), (costs or {}).get(pace.campaign, 0.0), moment) for pace in every
    ]
    return sorted(found, key=_urgency)


def sheet(progress: Sequence[Progress]) -> Sheet:
    """The same as a table."""
    rows: list[list[Cell]] = []
    for one in progress:
        pace, left = one.pace, time_left(one.pace)
        hours = Interval(left.value / HOUR_S, left.low / HOUR_S, left.high / HOUR_S) if left else None
        counts = (pace.questions, pace.wanted, pace.given, pace.skipped, pace.working, pace.annotators)
        rows.append([one.name, one.title, one.state, *counts, hours])
    names = ("questions", "answers wanted", "answers given", "skipped", "held now", "people")
    table = Table(
        ["campaign", "title", "state", *(Column(name, digits=0) for name in names), Column("hours left", digits=1)],
        rows,
        "Campaigns",
    )
    return Sheet("campaigns", table, {r: addresses.campaign(one.name) for r, one in enumerate(progress)})


def _urgency(one: Progress) -> int:
    """In progress first, then paused, without questions, complete, closed."""
    if one.state == "closed":
        return 4
    if not one.pace.questions:
        return 2
    if not one.pace.missing:
        return 3
    return 0 if one.state == "open" else 1


def _progress(pace: Pace, campaign: Campaign | None, cost: float, now: float) -> Progress:
    title = campaign.title if campaign and campaign.title else pace.campaign
    said = f"{title}: {pace.given:,} of {pace.wanted:,} answers, {pace.working:,} under way"
    counts, says = _timeline(pace, now)
    return Progress(
        name=pace.campaign,
        title=title,
        state=campaign.state if campaign else "open",
        pace=pace,
        bar=bar(pace.given, pace.wanted, title=said, more=min(pace.working, pace.missing)),
        timeline=columns(counts, title=f"{title}: {says}") if counts else None,
        timeline_says=says,
        left=_left(pace, campaign),
        spent=_spent(cost, campaign),
    )


def _left(pace: Pace, campaign: Campaign | None) -> str:
    if not pace.questions:
        return "No questions yet"
    if not pace.missing:
        return ""
    if campaign is not None and campaign.state != "open":
        return f"{campaign.state.capitalize()}: nothing is given out"
    left = time_left(pace)
    if left is None:
        return "Nobody has answered in the last day" if pace.given else "Nobody has answered yet"
    window = "hour" if pace.window_s == HOUR_S else "day"
    return (
        f"About {duration(left.value)} left ({duration(left.low)} to {duration(left.high)}), "
        f"at the pace of the last {window}"
    )


def _spent(cost: float, campaign: Campaign | None) -> str:
    if campaign is None or not (cost or campaign.settings.budget):
        return ""
    settings = campaign.settings
    amount = f"{cost:,.2f} {settings.currency}"
    return f"{amount} of {settings.budget:,.2f} {settings.currency}" if settings.budget else amount


def _timeline(pace: Pace, now: float) -> tuple[list[tuple[str, int]], str]:
    """(name, count) of each hour of the last two days, or of each day before; and what the columns are."""
    if not pace.hours:
        return [], ""
    moment = datetime.fromtimestamp(now, UTC)
    hours = [moment - timedelta(hours=back) for back in reversed(range(TIMELINE))]
    counts = [(f"{at:%d %b, %H:00} UTC", pace.hours.get(f"{at:%Y-%m-%dT%H}", 0)) for at in hours]
    if sum(count for _, count in counts) >= sum(pace.hours.values()) / 2:
        return counts, f"answers by the hour, last {TIMELINE} hours"
    by_day: dict[str, int] = {}
    for hour, count in pace.hours.items():
        by_day[hour[:10]] = by_day.get(hour[:10], 0) + count
    days = [moment - timedelta(seconds=DAY_S * back) for back in reversed(range(TIMELINE))]
    by_days = [(f"{at:%d %b %Y}", by_day.get(f"{at:%Y-%m-%d}", 0)) for at in days]
    return by_days, f"answers by the day, last {TIMELINE} days"
