"""Whether the server works, and who asks."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from heedful import __version__
from heedful.feedback.accounts.accounts import any_account
from heedful.web.api.replies import answers
from heedful.web.api.scopes import ROLES, Judge, TheStore, may

router = APIRouter(tags=["server"])


class Health(BaseModel):
    """A sign of life."""

    status: Literal["ok"]
    version: str


class Me(BaseModel):
    """Who asks."""

    account: str
    login: str
    name: str
    role: Literal["owner", "reviewer", "annotator"]
    annotator: str = Field(description="The id under which this account's answers are stored.")
    via: Literal["session", "key"]
    scopes: list[str] = Field(description="What may be called: as far as the key and the role go.")


@router.get("/health", **answers(), openapi_extra={"security": []})
def health(store: TheStore) -> Health:
    """Whether the server answers and reaches its database; needs no key."""
    any_account(store)
    return Health(status="ok", version=__version__)


@router.get("/me", **answers())
def me(person: Judge) -> Me:
    """The account behind the key, and what it may do."""
    account = person.account
    return Me(
        account=account.id,
        login=account.login,
        name=account.name,
        role=account.role,
        annotator=account.annotator_id,
        via=person.via,
        scopes=[scope for scope in ROLES if may(person, scope)],
    )
