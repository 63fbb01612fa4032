"""Sessions: who is at the other end of a cookie, on the server's side.

The cookie is a random token of which the store keeps the hash, so a copy of the database opens nothing. A session
ends when it was not used for `LIFETIME_S`, by logging out, and by whatever shuts the account out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, func, insert, select, update

from heedful.feedback import account_tables
from heedful.feedback.accounts.accounts import Account, account_of
from heedful.feedback.accounts.tokens import hash_of, new_token
from heedful.feedback.store import Store

LIFETIME_S = 14 * 86_400.0
"""How long a session lives without being used."""

TOUCH_S = 300.0
"""Use within so many seconds of the last one is not written down."""

ID_LENGTH = 16

_sessions, _accounts = account_tables.sessions, account_tables.accounts


@dataclass(frozen=True, slots=True)
class Session:
    """One browser in which somebody is logged in."""

    id: str
    """The start of the token's hash: tells sessions apart and opens nothing."""
    account: Account
    csrf: str
    """What a form must carry that is sent while this login lasts."""
    created: float
    """Seconds since 1970, UTC, as are the next two."""
    seen: float
    expires: float
    agent: str
    """What the browser calls itself."""


def begin(store: Store, account_id: str, agent: str = "", *, lifetime_s: float = LIFETIME_S) -> tuple[str, Session]:
    """Log an account in: a new token for the cookie, and its session."""
    token, now = new_token(), time.time()
    values = {
        "token_hash": hash_of(token),
        "account_id": account_id,
        "csrf": new_token(),
        "created": now,
        "seen": now,
        "expires": now + lifetime_s,
        "agent": agent.replace("\0", "")[:300],
    }
    with store.writing() as connection:
        connection.execute(delete(_sessions).where(_sessions.c.expires < now))
        connection.execute(insert(_sessions).values(**values))
    found = session(store, token)
    assert found is not None, "the account was shut out meanwhile"
    return token, found


def session(store: Store, token: str) -> Session | None:
    """The session of a cookie, or None: no such token, expired, or the account may not come in.

    Use prolongs it.
    """
    now, hashed = time.time(), hash_of(token)
    found = _found(store, _BY_TOKEN, hashed, now)
    if not found:
        return None
    if now - found[0].seen > TOUCH_S:
        lifetime_s = found[0].expires - found[0].seen
        with store.writing() as connection:
            connection.execute(
                update(_sessions).where(_sessions.c.token_hash == hashed).values(seen=now, expires=now + lifetime_s)
            )
    return found[0]


def sessions_of(store: Store, account_id: str) -> list[Session]:
    """The open sessions of an account, the one used last first."""
    found = _found(store, _BY_ACCOUNT, account_id, time.time())
    return sorted(found, key=lambda item: -item.seen)


def end(store: Store, token: str) -> None:
    """Log out the session of a cookie."""
    with store.writing() as connection:
        connection.execute(delete(_sessions).where(_sessions.c.token_hash == hash_of(token)))


def end_one(store: Store, account_id: str, session_id: str) -> None:
    """Log out one session of an account, by its id; nothing happens when it has ended already."""
    mine = (_sessions.c.account_id == account_id) & (func.substr(_sessions.c.token_hash, 1, ID_LENGTH) == session_id)
    with store.writing() as connection:
        connection.execute(delete(_sessions).where(mine))


def end_all(store: Store, account_id: str, *, but: str = "") -> None:
    """Log an account out everywhere, save for the session whose token is `but`."""
    with store.writing() as connection:
        connection.execute(
            delete(_sessions).where(
                _sessions.c.account_id == account_id, _sessions.c.token_hash != (hash_of(but) if but else "")
            )
        )


_OPEN = (
    select(_accounts, _sessions)
    .join(_sessions, _sessions.c.account_id == _accounts.c.id)
    .where(_sessions.c.expires > bindparam("now"), _accounts.c.state == "active")
)
# Put together once: this is asked at every request, and takes longer to put together than to run.
_BY_TOKEN = _OPEN.where(_sessions.c.token_hash == bindparam("which"))
_BY_ACCOUNT = _OPEN.where(_sessions.c.account_id == bindparam("which"))


def _found(store: Store, query: Select[Any], which: str, now: float) -> list[Session]:
    with store.reading() as connection:
        return [_session_of(row) for row in connection.execute(query, {"which": which, "now": now})]


def _session_of(row: Row[Any]) -> Session:
    column = row._mapping
    return Session(
        column[_sessions.c.token_hash][:ID_LENGTH],
        account_of(row),
        column[_sessions.c.csrf],
        column[_sessions.c.created],
        column[_sessions.c.seen],
        column[_sessions.c.expires],
        column[_sessions.c.agent],
    )
