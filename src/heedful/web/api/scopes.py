"""Who may call what: every operation names a scope, which a key must have, and which asks for a role.

    @router.get("/prompts")
    def prompts(store: TheStore, person: Read) -> ...

A key is allowed its scopes, as far as its account's role goes; a session is allowed what the role is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from heedful.errors import Problem
from heedful.feedback.store import Store
from heedful.web import site
from heedful.web.access import Person, signed

ROLES: Mapping[str, str] = {"judge": "annotator", "read": "reviewer", "write": "owner", "admin": "owner"}
"""Scope -> the least role of whoever uses it."""

SCOPE = "heedful_scope"
"""The attribute of a dependency that says which scope it asks for; the schema reads it."""


def may(person: Person, scope: str) -> bool:
    """Whether somebody's role, and their key if they came with one, allow a scope."""
    return person.is_at_least(ROLES[scope]) and person.may(scope)


def _asks_for(scope: str) -> Callable[[Request], Awaitable[Person]]:
    async def check(request: Request) -> Person:
        person = await signed(request)
        if not person.is_at_least(ROLES[scope]):
            raise HTTPException(403, Problem(f"{person.role}s may not do this", mend=f"ask one who is {ROLES[scope]}"))
        if not person.may(scope):
            raise HTTPException(
                403, Problem(f'this key lacks the scope "{scope}"', mend="make a key with it on the page Account")
            )
        return person

    setattr(check, SCOPE, scope)
    return check


async def _store(request: Request) -> Store:
    return site.of(request).store


async def _site(request: Request) -> site.Site:
    return site.of(request)


Judge = Annotated[Person, Depends(_asks_for("judge"))]
Read = Annotated[Person, Depends(_asks_for("read"))]
Write = Annotated[Person, Depends(_asks_for("write"))]
Admin = Annotated[Person, Depends(_asks_for("admin"))]

TheStore = Annotated[Store, Depends(_store)]
TheSite = Annotated[site.Site, Depends(_site)]
