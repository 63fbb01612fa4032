"""API keys: what a program shows instead of a login. Of each only the hash is stored.

A key acts for the account that made it, never with more rights than that account has now, and only in its scopes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, or_, select, update

from heedful.errors import Problem
from heedful.feedback import account_tables, rows
from heedful.feedback.accounts import accounts, audit
from heedful.feedback.accounts.accounts import Account, account_of
from heedful.feedback.accounts.tokens import hash_of, new_id, new_token
from heedful.feedback.store import Store

PREFIX = "heedful_"
"""What every key begins with, so that it is recognised where it should not be."""

SCOPES: Mapping[str, str] = {
    "read": "see questions, answers, progress, quality and models; export",
    "judge": "get questions and answer them, as the key's account",
    "write": "add prompts, completions, questions and answers; steer campaigns and batches; import",
    "admin": "pause and retract annotators, set up webhooks, read the audit log",
}
"""What a key can be allowed to do."""

TOUCH_S = 60.0
"""Use within so many seconds of the last one is not written down."""

_keys, _accounts = account_tables.api_keys, account_tables.accounts


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without its secret."""

    id: str
    name: str
    account: Account
    scopes: tuple[str, ...]
    created: float
    """Seconds since 1970, UTC, as are the others."""
    used: float | None
    expires: float | None
    revoked: float | None


def make(
    store: Store, account_id: str, name: str, scopes: Sequence[str], expires: float | None = None
) -> tuple[str, ApiKey]:
    """A new key and its secret, which nobody can see again.

    Args:
        store: where it is kept.
        account_id: whose key it is.
        name: what it is for.
        scopes: some of SCOPES.
        expires: seconds since 1970, UTC; None: never.

    Raises:
        Problem: there is no such account, no name, or a scope that there is not.
    """
    name = accounts.checked_name(name)
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        what = f"there is no scope {unknown[0]!r}" if unknown else "a key without a scope can do nothing"
        raise Problem(what, where="scopes", mend=f"choose from {', '.join(SCOPES)}")
    now = time.time()
    if expires is not None and expires <= now:
        raise Problem("the key would have expired already", where="expires", mend="give a date to come")
    token, key_id = new_token(PREFIX), new_id("key")
    kept = [scope for scope in SCOPES if scope in scopes]
    with store.writing() as connection:
        account = account_of(accounts.row_of(connection, account_id))
        connection.execute(
            insert(_keys).values(
                id=key_id,
                token_hash=hash_of(token),
                name=name,
                account_id=account_id,
                scopes=rows.plain(kept, "scopes"),
                created=now,
                expires=expires,
            )
        )
        audit.record(connection, account_id, "key.create", key_id, {"scopes": kept})
    return token, ApiKey(key_id, name, account, tuple(kept), now, None, expires, None)


def key(store: Store, token: str) -> ApiKey | None:
    """The key with a secret, or None: unknown, expired, revoked, or its account may not come in."""
    now, hashed = time.time(), hash_of(token)
    with store.reading() as connection:
        row = connection.execute(_VALID, {"hashed": hashed, "now": now}).first()
    if row is None:
        return None
    column = row._mapping
    used = column[_keys.c.used]
    if used is None or now - used > TOUCH_S:
        with store.writing() as connection:
            connection.execute(update(_keys).where(_keys.c.token_hash == hashed).values(used=now))
    return ApiKey(
        column[_keys.c.id],
        column[_keys.c.name],
        account_of(row),
        tuple(column[_keys.c.scopes]),
        column[_keys.c.created],
        now,
        column[_keys.c.expires],
        None,
    )


_VALID = (
    select(_keys, _accounts)
    .join(_accounts, _accounts.c.id == _keys.c.account_id)
    .where(
        _keys.c.token_hash == bindparam("hashed"),
        _keys.c.revoked.is_(None),
        or_(_keys.c.expires.is_(None), _keys.c.expires > bindparam("now")),
        _accounts.c.state == "active",
    )
)


def keys_of(store: Store, account_id: str) -> list[ApiKey]:
    """Every key of an account, revoked ones included, in the order in which they were made."""
    account = accounts.of(store, account_id)
    query = select(_keys).where(_keys.c.account_id == account_id).order_by(_keys.c.number)
    with store.reading() as connection:
        return [
            ApiKey(row.id, row.name, account, tuple(row.scopes), row.created, row.used, row.expires, row.revoked)
            for row in connection.execute(query)
        ]


def revoke(store: Store, account_id: str, key_id: str, *, by: str = "") -> None:
    """End a key of an account; nothing happens when it has ended already.

    Raises:
        Problem: the account has no such key.
    """
    mine = (_keys.c.id == key_id) & (_keys.c.account_id == account_id)
    with store.writing() as connection:
        if connection.execute(select(_keys.c.id).where(mine)).first() is None:
            raise Problem("there is no such key", where=key_id, mend="check the address")
        ended = connection.execute(update(_keys).where(mine, _keys.c.revoked.is_(None)).values(revoked=time.time()))
        if ended.rowcount:
            audit.record(connection, by or account_id, "key.revoke", key_id)
