"""What annotators are told to do: one text a campaign, in versions that are never changed, and who has read which."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from heedful.errors import Problem
from heedful.feedback import answers, rows
from heedful.feedback.accounts import audit, outbox
from heedful.feedback.steering_tables import guidelines as _texts
from heedful.feedback.steering_tables import readings as _readings
from heedful.feedback.store import Store
from heedful.feedback.tables import annotators

LONGEST = 200_000
"""Characters in one version."""


@dataclass(frozen=True, slots=True)
class Guidelines:
    """One version of a campaign's guidelines."""

    version: int
    """From 1."""
    text: str
    """Markdown."""
    created: str
    """UTC, ISO 8601."""


def publish(store: Store, campaign: str, text: str, by: str = "") -> Guidelines:
    """Publish a further version; everybody is asked to read it before they get more work.

    Args:
        store: where the campaign is.
        campaign: its name.
        text: Markdown, up to `LONGEST` characters.
        by: the account that publishes, for the audit log.

    Returns:
        The new version, or the newest where its text is this already.

    Raises:
        Problem: the text is empty or too long.
    """
    rows.checked_id(campaign, "name of the campaign")
    if not rows.checked_text(text, "guidelines").strip() or len(text) > LONGEST:
        raise Problem(f"guidelines have 1 to {LONGEST:,} characters", where="guidelines", mend="write them shorter")
    with store.writing() as connection:
        answers.lock_name(connection, f"guidelines {campaign}")
        before = newest_of(connection, campaign)
        if before is not None and before.text == text:
            return before
        version = before.version + 1 if before else 1
        made = Guidelines(version, text, datetime.now(UTC).isoformat(timespec="milliseconds"))
        values = {"campaign": campaign, "version": version, "text": text, "created": made.created}
        connection.execute(insert(_texts).values(**values))
        audit.record(connection, by, "guidelines.publish", campaign, {"version": version})
        outbox.add(connection, "guidelines.published", {"campaign": campaign, "version": version})
        return made


def newest(store: Store, campaign: str) -> Guidelines | None:
    """The version that holds; None when there is none yet."""
    with store.reading() as connection:
        return newest_of(connection, campaign)


def history(store: Store, campaign: str) -> list[Guidelines]:
    """All versions, the newest first."""
    with store.reading() as connection:
        query = select(_texts).where(_texts.c.campaign == campaign).order_by(_texts.c.version.desc())
        return [_guidelines(row) for row in connection.execute(query)]


def mark_read(store: Store, campaign: str, annotator_id: str, version: int) -> None:
    """Note that an annotator has read a version; an older one than was noted before changes nothing.

    Raises:
        Problem: there is no such version.
    """
    mine = (_readings.c.annotator_id == annotator_id) & (_readings.c.campaign == campaign)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    with store.writing() as connection:
        known = select(_texts.c.version).where(_texts.c.campaign == campaign, _texts.c.version == version)
        if connection.execute(known).first() is None:
            raise Problem(f"the guidelines have no version {version}", where=f'campaign "{campaign}"')
        answers.lock_rows(connection, annotators, [annotator_id])
        before = connection.execute(select(_readings.c.version).where(mine)).scalar()
        if before is None:
            values = {"annotator_id": annotator_id, "campaign": campaign, "version": version, "at": now}
            connection.execute(insert(_readings).values(**values))
        elif before < version:
            connection.execute(update(_readings).where(mine).values(version=version, at=now))


def unread(store: Store, campaign: str, annotator_id: str) -> Guidelines | None:
    """The newest version when the annotator has not read it; None when there is nothing to read."""
    with store.reading() as connection:
        return unread_by(connection, campaign, annotator_id)


def newest_of(connection: Connection, campaign: str) -> Guidelines | None:
    """As `newest`, inside the caller's transaction."""
    query = select(_texts).where(_texts.c.campaign == campaign).order_by(_texts.c.version.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _guidelines(row)


_by_them = (_readings.c.annotator_id == bindparam("annotator")) & (_readings.c.campaign == _texts.c.campaign)
_NEWEST = (
    select(_texts, _readings.c.version.label("seen"))
    .outerjoin(_readings, _by_them)
    .where(_texts.c.campaign == bindparam("campaign"))
    .order_by(_texts.c.version.desc())
    .limit(1)
)


def unread_by(connection: Connection, campaign: str, annotator_id: str) -> Guidelines | None:
    """As `unread`, inside the caller's transaction."""
    row = connection.execute(_NEWEST, {"annotator": annotator_id, "campaign": campaign}).first()
    return None if row is None or (row.seen or 0) >= row.version else _guidelines(row)


def _guidelines(row: Row[Any]) -> Guidelines:
    return Guidelines(row.version, row.text, row.created)
