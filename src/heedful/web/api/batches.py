"""Batches: questions that are asked together, of which nobody needs to wait for the end.

    running -> usable (the minimum is there) -> full (the maximum is) | expired | cancelled

What has come in is read at any time.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from heedful.errors import Problem
from heedful.feedback.steering import batches
from heedful.feedback.store import Store
from heedful.web.api import shapes
from heedful.web.api.fields import Id, IdInPath, InCampaign, Json
from heedful.web.api.replies import answers, missing
from heedful.web.api.scopes import Read, TheStore, Write

router = APIRouter(prefix="/batches", tags=["batches"])


class NewBatch(BaseModel):
    """A batch to open."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"campaign": "round-1", "questions": ["question-1"], "minimum": 1, "maximum": 3, "ttl_s": 86400}
            ]
        },
    )

    campaign: Id
    questions: Annotated[list[Id], Field(min_length=1, max_length=100_000)]
    minimum: int = Field(ge=0, le=10**9, description="Judgements with which it is usable.")
    maximum: int = Field(ge=1, le=10**9, description="Judgements with which it is full: it asks no more.")
    ttl_s: Annotated[float, Field(gt=0, le=1e9)] | None = Field(
        default=None, description="Seconds after which it asks no more; null: no limit."
    )
    metadata: Json = {}


class Batch(BaseModel):
    """How far a batch has come."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    campaign: str
    state: Literal["running", "usable", "full", "expired", "cancelled"]
    usable: bool = Field(description="The minimum is there.")
    over: bool = Field(description="Nothing more will come.")
    judgements: int = Field(description="Answers that hold; skips do not count.")
    minimum: int
    maximum: int
    expires: float | None = Field(description="Seconds since 1970, UTC; null: never.")
    questions: int
    waiting: int = Field(description="Questions that are still asked.")


@router.get("", **answers())
def list_batches(store: TheStore, person: Read, campaign: InCampaign = None) -> list[Batch]:
    """Every batch, the newest first."""
    return [Batch.model_validate(found) for found in batches.statuses(store, campaign)]


@router.post("", status_code=201, **answers())
def open_batch(store: TheStore, person: Write, sent: NewBatch) -> Batch:
    """Open a batch of stored questions."""
    opened = batches.open_batch(
        store,
        sent.campaign,
        sent.questions,
        sent.minimum,
        sent.maximum,
        sent.ttl_s,
        sent.metadata,
        by=person.account.id,
    )
    return _status(store, opened.id)


@router.get("/{id}", **answers(404))
def get_batch(store: TheStore, person: Read, id: IdInPath) -> Batch:  # noqa: A002 - its name in the URL
    """How far a batch has come."""
    return _status(store, id)


@router.get("/{id}/judgements", **answers(404))
def partial(store: TheStore, person: Read, id: IdInPath) -> list[shapes.Judgement]:  # noqa: A002
    """The answers that a batch has so far and that hold, in order of arrival, whatever its state."""
    _status(store, id)
    return [shapes.Judgement.model_validate(found) for found in batches.partial(store, id)]


@router.post("/{id}/cancel", **answers(404))
def cancel(store: TheStore, person: Write, id: IdInPath) -> Batch:  # noqa: A002
    """Ask its questions no more; what came in stays."""
    _status(store, id)
    batches.cancel(store, id, by=person.account.id)
    return _status(store, id)


def _status(store: Store, name: str) -> Batch:
    try:
        return Batch.model_validate(batches.status(store, name))
    except Problem:
        raise missing("batch", name) from None
