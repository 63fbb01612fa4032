"""How far each campaign has come and how fast people work, for all campaigns in a few queries."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from scipy.special import chdtri
from sqlalchemy import Connection, Row, and_, case, func, select

from heedful.feedback.steering_tables import gold
from heedful.feedback.store import Store
from heedful.feedback.tables import assignments, judgements, questions

NEWEST_EVENTS = 50_000
"""The timeline looks at so many of the newest judgements."""

HOUR_S, DAY_S = 3600.0, 86_400.0

_ORDINARY = questions.c.id.not_in(select(gold.c.question_id))


@dataclass(frozen=True, slots=True)
class Pace:
    """The state of one campaign; gold items are no part of it."""

    campaign: str
    questions: int = 0
    wanted: int = 0
    """Answers, as far as can be said by now: where the overlap is dynamic, unsure questions come to want more."""
    given: int = 0
    """Answers that hold; skips, and what was set aside, do not count."""
    skipped: int = 0
    working: int = 0
    """Questions that somebody holds at this moment."""
    annotators: int = 0
    """People with at least one answer that holds."""
    hours: Mapping[str, int] = field(default_factory=dict)
    """`2026-05-01T14` (UTC) -> answers that arrived in that hour; undated answers are in none."""
    recent: int = 0
    """Answers in the last `window_s`: an hour, or where that hour had none, a day."""
    window_s: float = HOUR_S

    @property
    def missing(self) -> int:
        """Answers still wanted."""
        return max(self.wanted - self.given, 0)


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds until the last answer at the present pace, with a 95 % interval; `high` may be infinite."""

    value: float
    low: float
    high: float


def paces(store: Store, now: float | None = None) -> list[Pace]:
    """The state of every campaign that has questions, the newest first.

    Args:
        store: where the questions are.
        now: seconds since 1970, UTC; the clock's when it is left out.
    """
    moment = time.time() if now is None else now
    with store.reading() as connection:
        asked = _asked(connection)
        work = {row.campaign: row for row in _work(connection, moment)}
        arrivals = _arrivals(connection)
    return [_pace(row, work.get(row.campaign), arrivals.get(row.campaign, {}), moment) for row in asked]


def time_left(pace: Pace) -> TimeLeft | None:
    """How long the missing answers will take if people go on as they do; None when nobody has worked of late.

    Answers are taken to arrive as a Poisson process: the rate's interval is Garwood's (1936, Biometrika 28), from
    the chi-squared quantiles of the count, and the time left is the missing answers divided by it.
    """
    if not pace.recent or not pace.missing:
        return None
    seconds = pace.missing * pace.window_s
    fewest = float(chdtri(2 * pace.recent, 0.975)) / 2
    most = float(chdtri(2 * pace.recent + 2, 0.025)) / 2
    return TimeLeft(seconds / pace.recent, seconds / most, seconds / fewest)


def _asked(connection: Connection) -> list[Row[Any]]:
    query = (
        select(
            questions.c.campaign,
            func.count().label("questions"),
            func.sum(questions.c.wanted).label("wanted"),
            func.sum(questions.c.given).label("given"),
        )
        .where(_ORDINARY)
        .group_by(questions.c.campaign)
    )
    return list(connection.execute(query.order_by(func.max(questions.c.number).desc())))


def _work(connection: Connection, now: float) -> list[Row[Any]]:
    state = assignments.c.state
    running = and_(state == "leased", assignments.c.leased_until > now)
    query = (
        select(
            questions.c.campaign,
            func.sum(case((state == "skipped", 1), else_=0)).label("skipped"),
            func.sum(case((running, 1), else_=0)).label("working"),
            func.count(func.distinct(case((state == "submitted", assignments.c.annotator_id)))).label("annotators"),
        )
        .join(questions, questions.c.id == assignments.c.question_id)
        .where(_ORDINARY)
        .group_by(questions.c.campaign)
    )
    return list(connection.execute(query))


def _arrivals(connection: Connection) -> dict[str, dict[str, int]]:
    """Campaign -> minute (`2026-05-01T14:07`) -> answers, among the newest judgements; undated ones are left out."""
    newest = connection.execute(select(func.max(judgements.c.number))).scalar() or 0
    minute = func.substr(judgements.c.created, 1, 16).label("minute")
    query = (
        select(questions.c.campaign, minute, func.count())
        .join(questions, questions.c.id == judgements.c.question_id)
        .where(judgements.c.number > newest - NEWEST_EVENTS, judgements.c.created != "", _ORDINARY)
        .group_by(questions.c.campaign, minute)
    )
    found: dict[str, dict[str, int]] = {}
    for campaign, at, count in connection.execute(query):
        found.setdefault(campaign, {})[at] = count
    return found


def _pace(asked: Row[Any], work: Row[Any] | None, minutes: Mapping[str, int], now: float) -> Pace:
    hours: dict[str, int] = {}
    for minute, count in sorted(minutes.items()):
        hours[minute[:13]] = hours.get(minute[:13], 0) + count
    recent, window_s = _since(minutes, now, HOUR_S), HOUR_S
    if not recent:
        recent, window_s = _since(minutes, now, DAY_S), DAY_S
    return Pace(
        campaign=asked.campaign,
        questions=asked.questions,
        wanted=int(asked.wanted),
        given=int(asked.given),
        skipped=int(work.skipped) if work else 0,
        working=int(work.working) if work else 0,
        annotators=work.annotators if work else 0,
        hours=hours,
        recent=recent,
        window_s=window_s,
    )


def _since(minutes: Mapping[str, int], now: float, window_s: float) -> int:
    """Answers in the last `window_s` seconds, to the minute."""
    moment = datetime.fromtimestamp(now, UTC)
    first, last = (f"{at:%Y-%m-%dT%H:%M}" for at in (moment - timedelta(seconds=window_s), moment))
    return sum(count for minute, count in minutes.items() if first <= minute <= last)
