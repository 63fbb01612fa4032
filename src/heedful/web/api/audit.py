"""The audit log: who did what, and when."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from heedful.feedback.accounts import audit
from heedful.web.api.fields import STORABLE, Before, Limit
from heedful.web.api.replies import answers
from heedful.web.api.scopes import Admin, TheStore

router = APIRouter(prefix="/audit", tags=["audit"])


class Entry(BaseModel):
    """One line of the log."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    at: str = Field(description="UTC, ISO 8601.")
    account_id: str = Field(description="Who did it; empty: the server itself.")
    action: str = Field(description="noun.verb: `campaign.pause`.")
    target: str = Field(description="The id of what it was done to.")
    detail: dict[str, Any]


class Entries(BaseModel):
    """Lines of the log, the newest first."""

    items: list[Entry]
    before: int | None = Field(description="Send it as `before` to get older ones; null: this was the last page.")


@router.get("", **answers())
def list_entries(
    store: TheStore,
    person: Admin,
    before: Before = None,
    limit: Limit = 100,
    action: Annotated[
        str, Query(max_length=200, pattern=STORABLE, description="Only actions that begin with this.")
    ] = "",
) -> Entries:
    """The log, newest first."""
    found = audit.entries(store, limit, before, action=action)
    return Entries(
        items=[Entry.model_validate(entry) for entry in found],
        before=found[-1].number if len(found) == limit else None,
    )
