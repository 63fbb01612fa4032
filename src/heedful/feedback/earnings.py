"""What each person's work came to: judgements, hours and money, from the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from heedful.feedback.steering_tables import ledger
from heedful.feedback.store import Store


@dataclass(frozen=True, slots=True)
class Earning:
    """The sum over one person's entries in one campaign."""

    annotator_id: str
    campaign: str
    count: int
    cost: float
    """In the campaign's currency."""
    hours: float


def earnings(store: Store) -> list[Earning]:
    """Sums by annotator and campaign, sorted by both."""
    query = (
        select(
            ledger.c.annotator_id,
            ledger.c.campaign,
            func.count(),
            func.sum(ledger.c.cost_micros),
            func.coalesce(func.sum(ledger.c.duration_s), 0.0),
        )
        .group_by(ledger.c.annotator_id, ledger.c.campaign)
        .order_by(ledger.c.annotator_id, ledger.c.campaign)
    )
    with store.reading() as connection:
        return [
            Earning(annotator, campaign, count, int(micros) / 1e6, seconds / 3600)
            for annotator, campaign, count, micros, seconds in connection.execute(query)
        ]
