"""Webhooks: who is told of which events, which deliveries are due, and what became of them. No HTTP here.

    delivery:  due -> taken (for LEASE_S) -> delivered | due again, later and later | given up

A delivery is taken for a while before it is sent and settled afterwards: a server that dies in between leaves it to
be sent again when that while is over. So every event arrives at least once; a receiver tells repeats by the event's
id. Several servers may share one database: nothing is taken twice at the same time.
"""

from __future__ import annotations

import secrets as randomness
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, and_, insert, select, update

from heedful.errors import Problem
from heedful.feedback import account_tables as tables
from heedful.feedback import rows
from heedful.feedback.accounts import outbox
from heedful.feedback.store import Store

MAX_ATTEMPTS = 8
"""After so many failures a delivery is given up."""

FIRST_RETRY_S = 10.0
"""The wait after the first failure; each further one is four times as long: 10 s, 40 s, 3 min ... 15 h in all."""

LEASE_S = 120.0
"""For how long a delivery that was taken belongs to whoever sends it."""

MOST_WEBHOOKS = 20


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told of events."""

    id: str
    url: str
    secret: str
    """The key of the signature; the receiver has it too."""
    events: tuple[str, ...]
    created: float
    """Seconds since 1970, UTC."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook."""

    number: int
    webhook_id: str
    url: str
    secret: str
    event_id: str
    event: str
    payload: dict[str, Any]
    happened: float
    """When the event was written; seconds since 1970, UTC."""
    attempts: int
    """Failures so far."""
    due: float | None
    """When it is sent next; None when it was delivered or given up."""
    delivered: float | None
    error: str
    """Why the last attempt failed."""

    @property
    def state(self) -> str:
        """`delivered`, `due` or `given_up`."""
        return "delivered" if self.delivered is not None else "due" if self.due is not None else "given_up"


def add(store: Store, url: str, events: Sequence[str], secret: str = "") -> Webhook:
    """Tell `url` of events from now on; with its own secret when none is given.

    Raises:
        Problem: the address is no http(s) URL, an event is unknown or none is named, the secret is too short, or
            there are too many webhooks.
    """
    _check_url(url)
    known = [event for event in outbox.EVENTS if event != "ping"]
    if not events:
        raise Problem("no event is named", where='field "events"', mend=f"use {', '.join(known)}")
    for event in events:
        if event not in known:
            raise Problem(f"there is no event {event!r}", where='field "events"', mend=f"use {', '.join(known)}")
    if secret and len(rows.checked_text(secret, 'field "secret"')) < 16:
        raise Problem("a secret has 16 characters or more", where='field "secret"', mend="or leave it out")
    made = Webhook(
        id=f"webhook-{uuid.uuid4().hex[:20]}",
        url=url,
        secret=secret or randomness.token_urlsafe(32),
        events=tuple(dict.fromkeys(events)),
        created=time.time(),
    )
    with store.writing() as connection:
        if len(_active(connection)) >= MOST_WEBHOOKS:
            raise Problem(f"there are {MOST_WEBHOOKS} webhooks already", mend="remove one first")
        values = {"id": made.id, "url": url, "secret": made.secret, "events": list(made.events)}
        connection.execute(insert(tables.webhooks).values(**values, active=1, created=made.created))
    return made


def webhooks_of(store: Store) -> list[Webhook]:
    """The webhooks that are told of events, oldest first."""
    with store.reading() as connection:
        return [_webhook(row) for row in _active(connection)]


def remove(store: Store, webhook_id: str) -> None:
    """Tell a webhook nothing more; what was due for it is given up.

    Raises:
        Problem: there is no such webhook.
    """
    hooks, work = tables.webhooks, tables.deliveries
    with store.writing() as connection:
        _require(connection, webhook_id)
        connection.execute(update(hooks).where(hooks.c.id == webhook_id).values(active=0, secret=""))
        pending = and_(work.c.webhook_id == webhook_id, work.c.due.is_not(None))
        connection.execute(update(work).where(pending).values(due=None, error="the webhook was removed"))


def ping(store: Store, webhook_id: str) -> str:
    """Send a webhook an event that says nothing, to try it; returns the event's id.

    Raises:
        Problem: there is no such webhook.
    """
    with store.writing() as connection:
        _require(connection, webhook_id)
        name = outbox.add(connection, "ping", {"webhook": webhook_id})
        values = {"webhook_id": webhook_id, "outbox_id": name, "attempts": 0, "due": time.time(), "error": ""}
        connection.execute(insert(tables.deliveries).values(**values))
    return name


def take(store: Store, limit: int = 20, now: float | None = None) -> list[Delivery]:
    """Deliveries that are due, oldest first; for `LEASE_S` nobody else gets them."""
    moment = time.time() if now is None else now
    work = tables.deliveries
    due = _deliveries().where(work.c.due <= moment).order_by(work.c.due, work.c.number).limit(limit)
    with store.reading() as connection:  # looking costs no writer's turn
        if connection.execute(select(work.c.number).where(work.c.due <= moment).limit(1)).first() is None:
            return []
    with store.writing() as connection:
        if connection.dialect.name == "postgresql":
            due = due.with_for_update(of=work, skip_locked=True)
        found = [_delivery(row) for row in connection.execute(due)]
        numbers = [delivery.number for delivery in found]
        connection.execute(update(work).where(work.c.number.in_(numbers)).values(due=moment + LEASE_S))
    return found


def settle(store: Store, delivery: Delivery, error: str = "", now: float | None = None) -> bool:
    """Note what became of a delivery that was sent; returns whether it is given up now.

    Args:
        store: where it is noted.
        delivery: as `take` gave it.
        error: why it failed; empty when it was received.
        now: seconds since 1970, UTC; the clock's when it is left out.
    """
    moment = time.time() if now is None else now
    work = tables.deliveries
    attempts = delivery.attempts + 1
    given_up = bool(error) and attempts >= MAX_ATTEMPTS
    if not error:
        values = {"delivered": moment, "due": None, "attempts": attempts, "error": ""}
    elif given_up:
        values = {"due": None, "attempts": attempts, "error": f"given up after {attempts} attempts: {error}"}
    else:
        values = {"due": moment + retry_after_s(attempts), "attempts": attempts, "error": error}
    with store.writing() as connection:
        # Meanwhile the webhook may have been removed, or somebody else may have delivered it.
        mine = and_(work.c.number == delivery.number, work.c.due.is_not(None))
        connection.execute(update(work).where(mine).values(**values))
    return given_up


def retry_after_s(attempts: int) -> float:
    """The wait after so many failures, in seconds."""
    return float(FIRST_RETRY_S * 4 ** (attempts - 1))


def retry(store: Store, webhook_id: str, event_id: str) -> None:
    """Send a delivery once more, whatever became of it, with a fresh count of attempts.

    Raises:
        Problem: there is no such webhook, or the event was never meant for it.
    """
    work = tables.deliveries
    with store.writing() as connection:
        _require(connection, webhook_id)
        mine = and_(work.c.webhook_id == webhook_id, work.c.outbox_id == event_id)
        changed = connection.execute(
            update(work).where(mine).values(due=time.time(), delivered=None, attempts=0, error="")
        )
        if changed.rowcount == 0:
            raise Problem(f'the event "{event_id}" was not meant for this webhook', mend="see its deliveries")


def deliveries_of(store: Store, webhook_id: str, limit: int = 50, before: int | None = None) -> list[Delivery]:
    """What a webhook was sent or is to be sent, newest first; `before` is the number of a delivery.

    Raises:
        Problem: there is no such webhook.
    """
    work = tables.deliveries
    query = _deliveries().where(work.c.webhook_id == webhook_id).order_by(work.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(work.c.number < before)
    with store.reading() as connection:
        _require(connection, webhook_id)
        return [_delivery(row) for row in connection.execute(query)]


def _check_url(url: str) -> None:
    mend = "write it as https://host/path"
    rows.checked_text(url, 'field "url"')
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Problem("this is not a web address", where='field "url"', mend=mend) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or len(url) > 2000:
        raise Problem("this is not a web address", where='field "url"', mend=mend)
    if any(ord(character) <= 32 or ord(character) >= 127 for character in url):
        raise Problem("a web address has no spaces and is ASCII", where='field "url"', mend="encode them")
    if parts.username is not None or parts.password is not None:
        raise Problem("an address with a password in it", where='field "url"', mend="check the signature instead")


def _active(connection: Connection) -> Sequence[Row[Any]]:
    hooks = tables.webhooks
    return connection.execute(select(hooks).where(hooks.c.active == 1).order_by(hooks.c.number)).all()


def _require(connection: Connection, webhook_id: str) -> Row[Any]:
    hooks = tables.webhooks
    found = connection.execute(select(hooks).where(hooks.c.id == webhook_id, hooks.c.active == 1)).first()
    if found is None:
        raise Problem(f'there is no webhook "{webhook_id}"', mend="see the list of webhooks")
    return found


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(row.id, row.url, row.secret, tuple(row.events), row.created)


def _deliveries() -> Any:
    work, hooks, events = tables.deliveries, tables.webhooks, tables.outbox
    return (
        select(work, hooks.c.url, hooks.c.secret, events.c.event, events.c.payload, events.c.created)
        .join(hooks, hooks.c.id == work.c.webhook_id)
        .join(events, events.c.id == work.c.outbox_id)
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        number=row.number,
        webhook_id=row.webhook_id,
        url=row.url,
        secret=row.secret,
        event_id=row.outbox_id,
        event=row.event,
        payload=row.payload,
        happened=row.created,
        attempts=row.attempts,
        due=row.due,
        delivered=row.delivered,
        error=row.error,
    )
