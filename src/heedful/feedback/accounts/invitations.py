"""Links that let somebody in once: setting up the first account, joining by invitation, setting a new password.

Of each only the hash is stored, so a link is shown when it is made and never again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from heedful.errors import Problem
from heedful.feedback import account_tables
from heedful.feedback.accounts import accounts, audit
from heedful.feedback.accounts.accounts import Account, Role
from heedful.feedback.accounts.passwords import hash_password
from heedful.feedback.accounts.tokens import hash_of, new_id, new_token
from heedful.feedback.store import Store

Use = Literal["setup", "invite", "reset"]

SETUP_S = 7 * 86_400.0
INVITE_S = 7 * 86_400.0
RESET_S = 86_400.0

_invitations = account_tables.invitations


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link that can still be used."""

    id: str
    use: Use
    role: Role
    account_id: str | None
    """Whose password a reset sets."""
    note: str
    uses_left: int
    created: float
    """Seconds since 1970, UTC."""
    expires: float


def open_setup(store: Store) -> str | None:
    """A new token with which the first account, an owner's, is made; None once there is an account.

    Earlier ones end.
    """
    if accounts.any_account(store):
        return None
    with store.writing() as connection:
        connection.execute(delete(_invitations).where(_invitations.c.use == "setup"))
        return _make(connection, "setup", "owner", expires_s=SETUP_S)[0]


def invite(
    store: Store, role: Role, note: str = "", uses: int = 1, expires_s: float = INVITE_S, *, by: str = ""
) -> tuple[str, Invitation]:
    """A new token with which `uses` people can make themselves an account of a role.

    Raises:
        Problem: the role, the number of uses or the time is out of range.
    """
    if role not in accounts.ROLES:
        raise Problem(f"there is no role {role!r}", mend=f"use one of {', '.join(accounts.ROLES)}")
    if not 1 <= uses <= 1000:
        raise Problem("an invitation is for 1 to 1000 people", where="uses", mend="give a number in between")
    if not 60 <= expires_s <= 366 * 86_400:
        raise Problem("an invitation lasts a minute to a year", where="expires", mend="give a time in between")
    with store.writing() as connection:
        token, invitation = _make(connection, "invite", role, note=note, uses=uses, expires_s=expires_s)
        audit.record(connection, by, "invitation.create", invitation.id, {"role": role, "uses": uses})
    return token, invitation


def reset(store: Store, account_id: str, *, by: str = "") -> str:
    """A new token with which an account's password can be set once; earlier ones end.

    Raises:
        Problem: there is no such account.
    """
    with store.writing() as connection:
        row = accounts.row_of(connection, account_id, lock=True)
        connection.execute(delete(_invitations).where(_invitations.c.account_id == account_id))
        token, _ = _make(connection, "reset", row.role, account_id=account_id, expires_s=RESET_S)
        audit.record(connection, by, "account.reset", account_id)
    return token


def invitation(store: Store, token: str, use: Use) -> Invitation | None:
    """The link of a token, or None: unknown, used up, expired, or for something else."""
    with store.reading() as connection:
        row = _row(connection, token, use)
    return None if row is None else _invitation_of(row)


def open_invitations(store: Store) -> list[Invitation]:
    """The invitations to join that can still be used, the newest first."""
    table = _invitations
    with store.reading() as connection:
        query = select(table).where(table.c.use == "invite", _usable()).order_by(table.c.number.desc())
        return [_invitation_of(row) for row in connection.execute(query)]


def revoke(store: Store, invitation_id: str, *, by: str = "") -> None:
    """End an invitation; nothing happens when it has ended already."""
    with store.writing() as connection:
        gone = connection.execute(delete(_invitations).where(_invitations.c.id == invitation_id))
        if gone.rowcount:
            audit.record(connection, by, "invitation.revoke", invitation_id)


def accept(store: Store, token: str, login: str, name: str, password: str) -> Account:
    """Make the account that a setup link or an invitation is for.

    Raises:
        Problem: the link cannot be used (any more), or login, name or password are not fit.
    """
    hashed = hash_password(password, accounts.checked_login(login))
    with store.writing() as connection:
        row = _row(connection, token, "invite", lock=True) or _row(connection, token, "setup", lock=True)
        if row is None or (row.use == "setup" and accounts.any_account_on(connection)):
            raise Problem("this link cannot be used any more", mend="ask for a new one")
        _use_up(connection, row)
        return accounts.add(connection, login, name, hashed, row.role)


def set_password(store: Store, token: str, password: str) -> Account:
    """Set the password that a reset link is for, and log the account out everywhere.

    Raises:
        Problem: the link cannot be used (any more), or the password is not fit.
    """
    found = invitation(store, token, "reset")
    hashed = hash_password(password, accounts.of(store, found.account_id).login if found and found.account_id else "")
    with store.writing() as connection:
        row = _row(connection, token, "reset", lock=True)
        if row is None:
            raise Problem("this link cannot be used any more", mend="ask the project's owner for a new one")
        account = accounts.account_of(accounts.row_of(connection, row.account_id, lock=True))
        if account.state != "active":
            raise Problem("this account was deactivated", mend="ask the project's owner to let you in again")
        _use_up(connection, row)
        table, sessions = account_tables.accounts, account_tables.sessions
        connection.execute(update(table).where(table.c.id == account.id).values(password_hash=hashed))
        connection.execute(delete(sessions).where(sessions.c.account_id == account.id))
        audit.record(connection, account.id, "account.password", account.id, {"by": "reset link"})
        return account


def _make(
    connection: Connection,
    use: Use,
    role: Role,
    *,
    expires_s: float,
    account_id: str | None = None,
    note: str = "",
    uses: int = 1,
) -> tuple[str, Invitation]:
    token, now = new_token(), time.time()
    made = Invitation(new_id("link"), use, role, account_id, note.replace("\0", "")[:200], uses, now, now + expires_s)
    values = {name: getattr(made, name) for name in Invitation.__slots__}
    connection.execute(insert(_invitations).values(token_hash=hash_of(token), **values))
    return token, made


def _row(connection: Connection, token: str, use: Use, *, lock: bool = False) -> Row[Any] | None:
    table = _invitations
    query = select(table).where(table.c.token_hash == hash_of(token), table.c.use == use, _usable())
    return connection.execute(query.with_for_update() if lock else query).first()


def _use_up(connection: Connection, row: Row[Any]) -> None:
    table = _invitations
    if row.uses_left > 1:
        connection.execute(update(table).where(table.c.id == row.id).values(uses_left=row.uses_left - 1))
    else:
        connection.execute(delete(table).where(table.c.id == row.id))


def _usable() -> ColumnElement[bool]:
    return (_invitations.c.uses_left > 0) & (_invitations.c.expires > time.time())


def _invitation_of(row: Row[Any]) -> Invitation:
    return Invitation(**{name: getattr(row, name) for name in Invitation.__slots__})
