"""Where an annotator stands in a campaign: training -> exam -> working | failed, and paused from any of them.

Nothing is noted of somebody who has not begun. Without a qualification everybody works from the first; with one, no
question of the campaign is given to anybody before they have passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from heedful.errors import Problem
from heedful.feedback import answers, places, steering_tables, tables
from heedful.feedback.accounts import audit, outbox
from heedful.feedback.steering import gold
from heedful.feedback.steering.moments import stamp
from heedful.feedback.steering.rules import CampaignSettings, settings_from
from heedful.feedback.store import Store

Stand = Literal["training", "exam", "working", "failed", "paused"]

_standings, _assignments, _questions = steering_tables.standings, tables.assignments, tables.questions


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one annotator stands in one campaign."""

    state: Stand
    reason: str = ""
    """In words, where there is something to say."""
    changed: str = ""
    """UTC, ISO 8601; empty for somebody who has not begun."""


def standing(store: Store, campaign: str, annotator_id: str) -> Standing:
    """Where an annotator stands. Where nothing is noted: at the first step of the qualification, or working."""
    with store.reading() as connection:
        table = steering_tables.campaigns
        body = connection.execute(select(table.c.settings).where(table.c.name == campaign)).scalar()
        return effective(_noted(connection, campaign, annotator_id), settings_from(body or {}))


def standings(store: Store, campaign: str) -> dict[str, Standing]:
    """Annotator id -> standing, for everybody of whom something is noted."""
    with store.reading() as connection:
        found = connection.execute(select(_standings).where(_standings.c.campaign == campaign))
        return {row.annotator_id: _standing(row) for row in found}


def pause(store: Store, campaign: str, annotator_id: str, reason: str, reask: bool, by: str = "") -> Standing:
    """Give an annotator no more work in a campaign; the owner can take it back with `reinstate`.

    Args:
        store: where they work.
        campaign: the campaign.
        annotator_id: who.
        reason: in words.
        reask: set their answers in the campaign aside: they no longer hold, and their places are free again.
        by: the account that does it, for the audit log; empty: the server itself.

    Raises:
        Problem: there is no such annotator.
    """
    with store.writing() as connection:
        lock_annotator(connection, annotator_id)
        return pause_in(connection, campaign, annotator_id, reason, reask=reask, by=by)


def reinstate(store: Store, campaign: str, annotator_id: str, by: str = "") -> Standing:
    """Let a paused or failed annotator work again; answers that were set aside hold again.

    Gold items answered before no longer count against them.

    Raises:
        Problem: they are neither paused nor failed.
    """
    with store.writing() as connection:
        lock_annotator(connection, annotator_id)
        before = _noted(connection, campaign, annotator_id)
        if before is None or before.state not in ("paused", "failed"):
            raise Problem(f'"{annotator_id}" is neither paused nor failed', where=f'campaign "{campaign}"')
        newest = connection.execute(select(func.max(tables.judgements.c.number))).scalar() or 0
        _count(connection, campaign, annotator_id, counts=1)
        audit.record(connection, by, "annotator.reinstate", annotator_id, {"campaign": campaign})
        return note(connection, campaign, annotator_id, "working", "reinstated", since=newest)


_people = tables.annotators
_LOCK = select(_people.c.id).where(_people.c.id == bindparam("annotator")).with_for_update(key_share=True)


def lock_annotator(connection: Connection, annotator_id: str) -> None:
    """Let nobody else act for this annotator until the transaction ends.

    Raises:
        Problem: there is no such annotator.
    """
    if connection.execute(_LOCK, {"annotator": annotator_id}).first() is None:
        raise Problem(f'there is no annotator "{annotator_id}"', mend="add the annotator to the store first")


def effective(row: Row[Any] | None, settings: CampaignSettings) -> Standing:
    """What a noted standing (a row, or none) means under a campaign's settings."""
    if row is None:
        return Standing("training" if settings.qualification else "working")
    if row.state in ("training", "exam", "failed") and not settings.qualification:
        return Standing("working", "", row.changed)
    return _standing(row)


def qualify(
    connection: Connection, campaign: str, annotator_id: str, settings: CampaignSettings, before: Standing
) -> tuple[Standing, Row[Any] | None]:
    """Move somebody in training or exam on as far as they have come.

    Returns:
        Where they stand now, and the question that they are to answer next for their qualification. There is none
        when they work, have failed, or when the campaign has no items to qualify with.
    """
    state = before.state
    if state == "training":
        item = gold.next_item(connection, campaign, annotator_id, "training")
        if item is not None:
            return _moved(connection, campaign, annotator_id, before, "training"), item
        state = "exam"
    item = gold.next_item(connection, campaign, annotator_id, "exam")
    if item is not None:
        return _moved(connection, campaign, annotator_id, before, "exam"), item
    right = gold.results(connection, campaign, annotator_id, "exam")
    if right:
        passed = sum(right) >= settings.exam_pass * len(right) - 1e-9
        reason = f"{sum(right)} of {len(right)} exam items were right"
        return _moved(connection, campaign, annotator_id, before, "working" if passed else "failed", reason), None
    if gold.results(connection, campaign, annotator_id, "training"):
        return _moved(connection, campaign, annotator_id, before, "working", "training finished"), None
    return before, None


def after_gold(
    connection: Connection, campaign: str, annotator_id: str, settings: CampaignSettings, before: Standing
) -> Standing:
    """Pause somebody whose last gold items are too often wrong, and set their answers aside.

    They are paused as soon as so many of the last `gold_window` are wrong that the share `gold_pass` cannot be
    reached any more, whatever the rest of the window brings.
    """
    if before.state != "working":
        return before
    row = _noted(connection, campaign, annotator_id)
    right = gold.results(connection, campaign, annotator_id, "gold", row.since if row else 0)[-settings.gold_window :]
    wrong = len(right) - sum(right)
    if settings.gold_window - wrong >= settings.gold_pass * settings.gold_window - 1e-9:
        return before
    reason = f"{sum(right)} of the last {len(right)} questions with a known answer were right"
    return pause_in(connection, campaign, annotator_id, reason, reask=True)


def pause_in(
    connection: Connection, campaign: str, annotator_id: str, reason: str, *, reask: bool, by: str = ""
) -> Standing:
    """As `pause`, in a transaction that has locked the annotator."""
    if reask:
        _count(connection, campaign, annotator_id, counts=0)
    connection.execute(
        update(_assignments)
        .where(
            _assignments.c.annotator_id == annotator_id,
            _assignments.c.state == "leased",
            _assignments.c.question_id.in_(_of_campaign(campaign)),
        )
        .values(state="expired", leased_until=None)
    )
    # What somebody wrote may speak of the person, and nothing is ever taken out of the log and the outbox: it stands in
    # the standing alone.
    audit.record(connection, by, "annotator.pause", annotator_id, {"campaign": campaign})
    return note(connection, campaign, annotator_id, "paused", reason, told="" if by else reason)


def note(
    connection: Connection,
    campaign: str,
    annotator_id: str,
    state: Stand,
    reason: str,
    since: int | None = None,
    told: str | None = None,
) -> Standing:
    """Write down where somebody stands, and tell the world of it when they may now work, or no longer may.

    The world is told the reason, unless `told` is another one.
    """
    found = Standing(state, reason, stamp())
    values: dict[str, Any] = {"state": state, "reason": reason, "changed": found.changed}
    if since is not None:
        values["since"] = since
    mine = (_standings.c.annotator_id == annotator_id) & (_standings.c.campaign == campaign)
    if connection.execute(update(_standings).where(mine).values(**values)).rowcount == 0:
        connection.execute(insert(_standings).values(annotator_id=annotator_id, campaign=campaign, **values))
    if state not in ("training", "exam"):
        payload = {"annotator": annotator_id, "campaign": campaign, "state": state}
        payload["reason"] = reason if told is None else told
        outbox.add(connection, "annotator.standing", payload)
    return found


def _moved(
    connection: Connection, campaign: str, annotator_id: str, before: Standing, state: Stand, reason: str = ""
) -> Standing:
    if before.changed and before.state == state:
        return before
    return note(connection, campaign, annotator_id, state, reason)


def _noted(connection: Connection, campaign: str, annotator_id: str) -> Row[Any] | None:
    mine = (_standings.c.annotator_id == annotator_id) & (_standings.c.campaign == campaign)
    return connection.execute(select(_standings).where(mine)).first()


def _standing(row: Row[Any]) -> Standing:
    return Standing(row.state, row.reason, row.changed)


def _count(connection: Connection, campaign: str, annotator_id: str, *, counts: int) -> None:
    """Let all answers of an annotator in a campaign count, or none."""
    theirs = (_assignments.c.annotator_id == annotator_id) & _assignments.c.question_id.in_(_of_campaign(campaign))
    ids: Sequence[str] = connection.execute(select(_assignments.c.question_id).where(theirs)).scalars().all()
    answers.lock_rows(connection, _questions, ids)
    connection.execute(update(_assignments).where(theirs).values(counts=counts))
    places.recount(connection, ids)


def _of_campaign(campaign: str) -> Any:
    return select(_questions.c.id).where(_questions.c.campaign == campaign)
