"""The audit log, for the owner: who did what, and when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from heedful.feedback.accounts import accounts, audit
from heedful.web import site
from heedful.web.access import Owner, render

router = APIRouter()

PAGE = 50
"""Entries on a page."""


@router.get("/audit")
def page(
    request: Request,
    person: Owner,
    action: str = "",
    account: str = "",
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Response:
    """The newest entries, or those before one of them."""
    store = site.of(request).store
    chosen = {"": None, "server": ""}.get(account, account)
    found = audit.entries(store, PAGE + 1, before, action=action, account_id=chosen)
    people = accounts.all_accounts(store, deleted=True)
    return render(
        request,
        "audit.html",
        person=person,
        entries=found[:PAGE],
        older=found[PAGE - 1].number if len(found) > PAGE else None,
        people={each.id: each for each in people},
        known={name: each for each in people for name in (each.id, each.annotator_id)},
        actions=audit.actions(store),
        action=action,
        account=account,
        before=before,
    )
