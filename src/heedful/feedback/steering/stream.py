"""What somebody gets next: the items of their qualification, then work with gold items strewn in.

At each turn a gold item comes with the probability `gold_share`, drawn from the seed, the campaign, the annotator, the
number of the turn, and a secret of the database: without it nobody can tell beforehand which turn it will be. Nobody
gets a gold item twice, and none when no work waits.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql

from heedful.feedback import account_tables, campaigns, offers, steering_tables
from heedful.feedback.campaigns import Assignment
from heedful.feedback.steering import gold, guidelines, ledger
from heedful.feedback.steering.gates import Situation
from heedful.feedback.steering.standing import qualify
from heedful.feedback.steering.tasks import NoTask, Use
from heedful.seeds import generator

_turns = steering_tables.turns

SECRET = "steering.gold"
"""Under which name the database keeps what makes the draws unpredictable."""


def next_in(connection: Connection, who: Situation, seed: int, now: float) -> tuple[Assignment, Use] | NoTask:
    """Lease the next question to somebody who may work in a campaign and holds nothing there."""
    found = _chosen(connection, who, seed, now)
    if isinstance(found, NoTask):
        return found
    row, use = found
    settings = who.settings
    unread = guidelines.unread_by(connection, who.campaign, who.annotator_id)
    if unread is not None:
        return NoTask("guidelines", "There are new guidelines. Please read them first.", who.campaign, unread)
    price = settings.price_micros(row.kind, use)
    if settings.budget and price and not ledger.affordable(connection, who.campaign, settings, price, now):
        return who.no("budget", "This campaign's budget is used up. Thank you for your work.")
    _take_turn(connection, who, row.number)
    return campaigns.lease(connection, row, who.annotator_id, seed, now, settings.lease_s), use


def use_of(connection: Connection, question_id: str) -> Use:
    """What a question is used for."""
    found = connection.execute(_USE, {"question": question_id}).scalar()
    return found or "work"


_gold, _secrets = steering_tables.gold, account_tables.secrets
_USE = select(_gold.c.use).where(_gold.c.question_id == bindparam("question"))
_SECRET = select(_secrets.c.value).where(_secrets.c.name == SECRET)
_TURN = (
    update(_turns)
    .where(_turns.c.annotator_id == bindparam("annotator"), _turns.c.campaign == bindparam("here"))
    .values(given=bindparam("tasks"), furthest=bindparam("number"))
)


def _chosen(connection: Connection, who: Situation, seed: int, now: float) -> tuple[Row[Any], Use] | NoTask:
    if who.standing.state in ("training", "exam"):
        standing, item = qualify(connection, who.campaign, who.annotator_id, who.settings, who.standing)
        if item is not None:
            return item, "training" if standing.state == "training" else "exam"
        if standing.state == "failed":
            return who.no("failed", "You did not pass the exam of this campaign.")
        if standing.state != "working":
            return who.no("no_exam", "The qualification of this campaign is not ready yet. Look in again later.")
    row = offers.next_open(connection, who.annotator_id, who.campaign, now, who.furthest)
    if row is None:
        return who.no("nothing_left", "There is nothing left for you here. Thank you for your work.")
    item = _gold_item(connection, who, seed)
    return (row, "work") if item is None else (item, "gold")


def _gold_item(connection: Connection, who: Situation, seed: int) -> Row[Any] | None:
    """The gold item whose turn it is, if it is one's."""
    if not who.settings.gold_share:
        return None
    items = gold.not_given(connection, who.campaign, who.annotator_id)
    if not items:
        return None
    random = generator(seed, "gold", _secret(connection), who.campaign, who.annotator_id, who.turn)
    if random.random() >= who.settings.gold_share:
        return None
    return items[int(random.integers(len(items)))]


def _take_turn(connection: Connection, who: Situation, number: int) -> None:
    """Count a task, and note how far they have come."""
    given, furthest = who.turn + 1, max(who.furthest, number)
    values = {"annotator": who.annotator_id, "here": who.campaign, "tasks": given, "number": furthest}
    if connection.execute(_TURN, values).rowcount == 0:
        names = {"annotator_id": who.annotator_id, "campaign": who.campaign}
        connection.execute(insert(_turns), {**names, "given": given, "furthest": furthest})


def _secret(connection: Connection) -> str:
    found = connection.execute(_SECRET).scalar()
    if found is None:
        made: Any = insert(_secrets)
        if connection.dialect.name == "postgresql":  # another transaction may make it at the same moment
            made = postgresql.insert(_secrets).on_conflict_do_nothing()
        connection.execute(made.values(name=SECRET, value=secrets.token_hex(32)))
        found = connection.execute(_SECRET).scalar_one()
    return str(found)
