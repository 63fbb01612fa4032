"""What judgements cost and how long they took: a line for each, written in the transaction of the judgement.

Sums are kept in millionths of the currency and never rounded. Lines of the kind `skipped` and `revised` cost nothing;
they hold the time that was spent. What a judgement cost stays spent when it is taken back, and the answer that comes
in its place is not paid again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, insert, select, update

from heedful.feedback import answers, steering_tables, tables
from heedful.feedback.kind import skipped, withdrawn
from heedful.feedback.steering.moments import stamp
from heedful.feedback.steering.rules import CampaignSettings
from heedful.feedback.store import Store
from heedful.records import Judgement

_ledger, _campaigns, _questions = steering_tables.ledger, steering_tables.campaigns, tables.questions

UNPAID = ("skipped", "revised")
"""Kinds of line that are no kinds of question."""


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """The sum over a campaign's judgements of one kind."""

    campaign: str
    kind: str
    """Of the question; `skipped` for skips, `revised` for changes to an answer that was counted before."""
    count: int
    cost: float
    """In the campaign's currency."""
    hours: float


def totals(store: Store, campaign: str | None = None) -> list[LedgerLine]:
    """Sums by campaign and kind, sorted by both."""
    query = (
        select(
            _ledger.c.campaign,
            _ledger.c.kind,
            func.count().label("lines"),
            func.sum(_ledger.c.cost_micros).label("micros"),
            func.coalesce(func.sum(_ledger.c.duration_s), 0.0).label("seconds"),
        )
        .group_by(_ledger.c.campaign, _ledger.c.kind)
        .order_by(_ledger.c.campaign, _ledger.c.kind)
    )
    if campaign is not None:
        query = query.where(_ledger.c.campaign == campaign)
    with store.reading() as connection:
        return [
            LedgerLine(row.campaign, row.kind, row.lines, int(row.micros) / 1e6, float(row.seconds) / 3600)
            for row in connection.execute(query)
        ]


def spent(store: Store, campaign: str) -> float:
    """What a campaign has cost so far, in its currency."""
    with store.reading() as connection:
        query = select(func.coalesce(func.sum(_ledger.c.cost_micros), 0)).where(_ledger.c.campaign == campaign)
        return int(connection.execute(query).scalar_one()) / 1e6


def enter(
    connection: Connection,
    judgement: Judgement,
    campaign: str,
    kind: str,
    use: str | None,
    settings: CampaignSettings,
    now: float,
) -> int:
    """Write the line of a judgement that was just stored; returns its cost, which is then to be given to `spend`.

    A withdrawal has no line. A change to an answer that has one costs nothing. Costs are in millionths of the currency.
    """
    if withdrawn(judgement.answer):
        return 0
    cost, name = 0, "skipped"
    if not skipped(judgement.answer):
        name = "revised"
        if judgement.supersedes is None or not _paid(connection, judgement):
            cost, name = settings.price_micros(kind, use), kind
    connection.execute(
        insert(_ledger),
        {
            "judgement_id": judgement.id,
            "campaign": campaign,
            "annotator_id": judgement.annotator_id,
            "kind": name,
            "cost_micros": cost,
            "duration_s": judgement.duration_s,
            "at": stamp(now),
        },
    )
    return cost


def spend(connection: Connection, campaign: str, cost: int) -> None:
    """Add a cost to what the campaign has spent.

    Everybody who hands in an answer changes this one row: it is the last thing that a transaction locks.
    """
    if cost:
        connection.execute(_SPEND, {"here": campaign, "cost": cost})


_held, _gold = tables.assignments, steering_tables.gold
_SPEND = (
    update(_campaigns)
    .where(_campaigns.c.name == bindparam("here"))
    .values(spent_micros=_campaigns.c.spent_micros + bindparam("cost"))
)
_SPENT = select(_campaigns.c.spent_micros).where(_campaigns.c.name == bindparam("here"))
_RUNNING: Select[Any] = (
    select(_questions.c.campaign, _questions.c.kind, _gold.c.use, func.count().label("leases"))
    .select_from(_held)
    .join(_questions, _questions.c.id == _held.c.question_id)
    .outerjoin(_gold, _gold.c.question_id == _questions.c.id)
    .where(_held.c.state == "leased", _held.c.leased_until > bindparam("now"))
    .group_by(_questions.c.campaign, _questions.c.kind, _gold.c.use)
)


def affordable(connection: Connection, campaign: str, settings: CampaignSettings, price: int, now: float) -> bool:
    """Whether one more judgement of a price fits in the budget, after all that is spent and all leases that run.

    One transaction at a time gets to ask; it may rely on the answer until it ends.
    """
    answers.lock_name(connection, f"budget {campaign}")
    # Few leases run at a time, so they are found first and their campaign looked at afterwards. What is spent is read
    # after them: an answer that comes in between is counted twice rather than not at all.
    leases = [row for row in connection.execute(_RUNNING, {"now": now}) if row.campaign == campaign]
    reserved = sum(settings.price_micros(row.kind, row.use) * row.leases for row in leases)
    found = connection.execute(_SPENT, {"here": campaign}).scalar() or 0
    return bool(found + reserved + price <= settings.budget_micros)


def _paid(connection: Connection, judgement: Judgement) -> bool:
    """Whether an earlier answer of the same person to the same question has a line of its own."""
    events = tables.judgements
    query = (
        select(_ledger.c.number)
        .join(events, events.c.id == _ledger.c.judgement_id)
        .where(
            events.c.question_id == judgement.question_id,
            events.c.annotator_id == judgement.annotator_id,
            _ledger.c.kind.not_in(UNPAID),
        )
        .limit(1)
    )
    return connection.execute(query).first() is not None
