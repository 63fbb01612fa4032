"""Accounts: who may come in, as what, and by which password.

Every account has an annotator, under whose id its answers are stored; the account itself is never named in them.
A wrong password and an unknown login get the same answer in the same time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, insert, select, update

from heedful.errors import Problem
from heedful.feedback import account_tables, intake, rows, tables
from heedful.feedback.accounts import audit
from heedful.feedback.accounts.passwords import fits, hash_password
from heedful.feedback.accounts.tokens import new_id
from heedful.feedback.store import Store
from heedful.records import Annotator, Metadata

Role = Literal["owner", "reviewer", "annotator"]
State = Literal["active", "deactivated", "deleted"]

ROLES: Mapping[Role, str] = {
    "owner": "steers everything: campaigns, people, exports, the audit log",
    "reviewer": "sees questions, answers, quality and models, and judges",
    "annotator": "judges, and sees nobody's answers but their own",
}
"""What each role is for."""

LOGIN = re.compile(r"[\w.+-]+(@[\w.-]+)?")
LOGIN_LENGTHS = (2, 100)

_accounts = account_tables.accounts


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may come in."""

    id: str
    login: str
    name: str
    role: Role
    annotator_id: str
    state: State
    created: str
    """UTC, ISO 8601."""
    preferences: Metadata


def create(store: Store, login: str, name: str, password: str | None, role: Role, *, by: str = "") -> Account:
    """Make an account and its annotator; without a password nobody can log in to it.

    Raises:
        Problem: the login is taken or not fit, the name is empty, or the password is too short.
    """
    hashed = None if password is None else hash_password(password, login)
    with store.writing() as connection:
        return add(connection, login, name, hashed, role, by=by)


def add(connection: Connection, login: str, name: str, hashed: str | None, role: Role, *, by: str = "") -> Account:
    """As `create`, inside a transaction, with a password that is hashed already."""
    login, name = checked_login(login), checked_name(name)
    if role not in get_args(Role):
        raise Problem(f"there is no role {role!r}", mend=f"use one of {', '.join(ROLES)}")
    if connection.execute(select(_accounts.c.id).where(_accounts.c.login == login)).first() is not None:
        raise Problem("this login is taken", where="login", mend="choose another, or log in with it")
    account = Account(new_id("account"), login, name, role, new_id("person"), "active", _now(), preferences={})
    intake.add_annotators(connection, [Annotator(account.annotator_id, name)])
    connection.execute(
        insert(_accounts).values(
            id=account.id,
            login=login,
            name=name,
            password_hash=hashed,
            role=role,
            annotator_id=account.annotator_id,
            state=account.state,
            created=account.created,
            preferences={},
        )
    )
    audit.record(connection, by or account.id, "account.create", account.id, {"role": role})
    return account


def authenticate(store: Store, login: str, password: str) -> Account | None:
    """The active account with this login and password, or None; both answers take the same time."""
    with store.reading() as connection:
        row = connection.execute(select(_accounts).where(_accounts.c.login == plain_login(login))).first()
    usable = row is not None and row.state == "active"
    right, renewed = fits(password, row.password_hash if row is not None and usable else None)
    if row is None or not right:
        return None
    if renewed is not None:
        with store.writing() as connection:
            connection.execute(update(_accounts).where(_accounts.c.id == row.id).values(password_hash=renewed))
    return account_of(row)


def has_password(store: Store, account_id: str, password: str) -> bool:
    """Whether this is the account's password; asked before something that cannot be taken back."""
    return authenticate(store, of(store, account_id).login, password) is not None


def of(store: Store, account_id: str) -> Account:
    """One account.

    Raises:
        Problem: there is none.
    """
    with store.reading() as connection:
        return account_of(row_of(connection, account_id))


def all_accounts(store: Store, *, deleted: bool = False) -> list[Account]:
    """Every account in the order in which they were made; with `deleted` also those whose data were deleted."""
    query = select(_accounts).order_by(_accounts.c.number)
    if not deleted:
        query = query.where(_accounts.c.state != "deleted")
    with store.reading() as connection:
        return [account_of(row) for row in connection.execute(query)]


def any_account(store: Store) -> bool:
    """Whether there is an account at all."""
    with store.reading() as connection:
        return any_account_on(connection)


def set_role(store: Store, account_id: str, role: Role, *, by: str = "") -> None:
    """Give an account another role.

    Raises:
        Problem: there is no such account or role, or nobody would be left who owns the project.
    """
    if role not in get_args(Role):
        raise Problem(f"there is no role {role!r}", mend=f"use one of {', '.join(ROLES)}")
    with store.writing() as connection:
        row = row_of(connection, account_id, lock=True)
        if role != "owner":
            leave_an_owner(connection, row)
        connection.execute(update(_accounts).where(_accounts.c.id == account_id).values(role=role))
        audit.record(connection, by, "account.role", account_id, {"from": row.role, "to": role})


def deactivate(store: Store, account_id: str, *, by: str = "") -> None:
    """Keep somebody out, at once; their answers stay.

    Raises:
        Problem: there is no such account, or nobody would be left who owns the project.
    """
    with store.writing() as connection:
        row = row_of(connection, account_id, lock=True)
        leave_an_owner(connection, row)
        connection.execute(update(_accounts).where(_accounts.c.id == account_id).values(state="deactivated"))
        connection.execute(account_tables.sessions.delete().where(account_tables.sessions.c.account_id == account_id))
        audit.record(connection, by, "account.deactivate", account_id)


def reactivate(store: Store, account_id: str, *, by: str = "") -> None:
    """Let somebody in again.

    Raises:
        Problem: there is no such account, or its data were deleted.
    """
    with store.writing() as connection:
        row_of(connection, account_id, lock=True)
        connection.execute(update(_accounts).where(_accounts.c.id == account_id).values(state="active"))
        audit.record(connection, by, "account.reactivate", account_id)


def change_password(store: Store, account_id: str, password: str, *, by: str = "") -> None:
    """Set a new password.

    Raises:
        Problem: there is no such account, or the password is too short.
    """
    hashed = hash_password(password, of(store, account_id).login)
    with store.writing() as connection:
        row_of(connection, account_id, lock=True)
        connection.execute(update(_accounts).where(_accounts.c.id == account_id).values(password_hash=hashed))
        audit.record(connection, by or account_id, "account.password", account_id)


def change_preferences(store: Store, account_id: str, **changes: Any) -> Account:
    """Set some preferences (theme, keyboard hints, ...); others stay as they are."""
    with store.writing() as connection:
        row = row_of(connection, account_id, lock=True)
        preferences = rows.plain({**row.preferences, **changes}, "preferences")
        connection.execute(update(_accounts).where(_accounts.c.id == account_id).values(preferences=preferences))
        return account_of(row_of(connection, account_id))


def rename(store: Store, account_id: str, name: str) -> Account:
    """Give an account, and its annotator, another name for the eye.

    Raises:
        Problem: the name is empty or too long.
    """
    name = checked_name(name)
    with store.writing() as connection:
        row = row_of(connection, account_id, lock=True)
        connection.execute(update(_accounts).where(_accounts.c.id == account_id).values(name=name))
        people = tables.annotators
        connection.execute(update(people).where(people.c.id == row.annotator_id).values(name=name))
        return account_of(row_of(connection, account_id))


# For the modules beside this one


def account_of(row: Row[Any]) -> Account:
    """The account of a row, which may hold columns of other tables as well."""
    column = row._mapping
    names = ("id", "login", "name", "role", "annotator_id", "state", "created", "preferences")
    return Account(**{name: column[_accounts.c[name]] for name in names})


def any_account_on(connection: Connection) -> bool:
    """As `any_account`, inside a transaction."""
    return connection.execute(select(_accounts.c.id).limit(1)).first() is not None


def row_of(connection: Connection, account_id: str, *, lock: bool = False) -> Row[Any]:
    """The row of an account whose data were not deleted, locked where `lock` asks for it (on PostgreSQL).

    Raises:
        Problem: there is none.
    """
    query = select(_accounts).where(_accounts.c.id == account_id, _accounts.c.state != "deleted")
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise Problem("there is no such account", where=account_id, mend="check the address")
    return row


def leave_an_owner(connection: Connection, row: Row[Any]) -> None:
    """Refuse what would leave the project without an owner who can come in."""
    if row.role != "owner" or row.state != "active":
        return
    owners = select(_accounts.c.id).where(_accounts.c.role == "owner", _accounts.c.state == "active")
    if len(connection.execute(owners.order_by(_accounts.c.number).with_for_update()).all()) < 2:
        raise Problem("this is the only owner", where=row.name, mend="make somebody else an owner first")


def plain_login(login: str) -> str:
    """A login in the one form in which it is stored: composed, lower case, without spaces around it."""
    return unicodedata.normalize("NFKC", login).strip().lower()


def checked_login(login: str) -> str:
    """A login that can be stored.

    Raises:
        Problem: it is too short, too long, or has other than letters, digits and . + - _ @.
    """
    login = plain_login(login)
    low, high = LOGIN_LENGTHS
    if not (low <= len(login) <= high and LOGIN.fullmatch(login)):
        raise Problem(
            "this is no login",
            where="login",
            mend=f"use {low} to {high} letters, digits and . + - _, or an e-mail address",
        )
    return login


def checked_name(name: str) -> str:
    """A name that can be shown: one line of 1 to 100 characters.

    Raises:
        Problem: it is empty, too long, or cannot be stored.
    """
    name = " ".join(rows.checked_text(name, "name").split())
    if not 1 <= len(name) <= 100:
        raise Problem("a name has 1 to 100 characters", where="name", mend="write the name that others will see")
    return name


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
