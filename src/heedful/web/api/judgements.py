"""Judgements: listed, stored on behalf of annotators, taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from heedful import records
from heedful.errors import Problem
from heedful.feedback import listing
from heedful.feedback.steering import desk
from heedful.feedback.store import Store
from heedful.web.access import Person
from heedful.web.api import shapes
from heedful.web.api.fields import STORABLE, After, Id, IdInPath, InCampaign, Json, Limit, Word
from heedful.web.api.replies import answers, missing
from heedful.web.api.scopes import Judge, Read, TheStore, Write, may

router = APIRouter(tags=["judgements"])

MOST = 1000
"""Judgements in one request."""

Filter = Annotated[str | None, Query(max_length=200, pattern=STORABLE)]


class Annotator(BaseModel):
    """Somebody whose judgements are brought in: another system's person, a program, a model."""

    model_config = ConfigDict(extra="forbid")

    id: Id
    name: Word = ""
    kind: Annotated[str, Field(pattern="^(simulated|imported|model)$")] = "imported"
    metadata: Json = {}


class Judgements(BaseModel):
    """Answers that annotators gave elsewhere."""

    model_config = ConfigDict(extra="forbid")

    annotators: Annotated[list[Annotator], Field(max_length=MOST)] = Field(
        default=[], description="Who gave them, as far as they are not stored yet."
    )
    judgements: Annotated[list[shapes.Answer], Field(min_length=1, max_length=MOST)]


class Stored(BaseModel):
    """What became of the judgements that were sent."""

    new: int = Field(description="How many were not stored before.")


class Withdrawal(BaseModel):
    """An answer is taken back."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"id": "1c7c2c1e-1a0b-4a55-a1c5-7d2f4f3c9b10"}]}
    )

    id: shapes.Uuid


@router.get("/judgements", **answers())
def list_judgements(
    store: TheStore,
    person: Read,
    after: After = 0,
    limit: Limit = 100,
    campaign: InCampaign = None,
    annotator: Filter = None,
    question: Filter = None,
    current: Annotated[
        bool, Query(description="Only what holds; false: every event, superseded and withdrawn ones too.")
    ] = True,
) -> shapes.Page[shapes.Judgement]:
    """Judgements in order of arrival. With `current`, a page may hold fewer than `limit` and not be the last."""
    page = listing.judgements(
        store,
        after=after,
        limit=limit,
        campaign=campaign,
        annotator_id=annotator,
        question_id=question,
        current=current,
    )
    return shapes.Page(items=[shapes.Judgement.model_validate(found) for found in page.items], after=page.after)


@router.post("/judgements", status_code=201, **answers(409))
def add_judgements(store: TheStore, person: Write, sent: Judgements) -> Stored:
    """Store answers that annotators gave elsewhere: all of them or none; sending them again stores nothing twice.

    The annotators of this project answer through `tasks`, where leases, gold items and the ledger are minded.
    """
    known = listing.times_of(store, [answer.id for answer in sent.judgements])
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    found = [
        records.Judgement(
            id=answer.id,
            question_id=answer.question_id,
            annotator_id=answer.annotator_id,
            answer=answer.answer,
            shown=tuple(answer.shown),
            created=known.get(answer.id, now),
            duration_s=answer.duration_s,
            supersedes=answer.supersedes,
        )
        for answer in sent.judgements
    ]
    people = [records.Annotator(**dict(annotator)) for annotator in sent.annotators]
    return Stored(new=store.add_everything(annotators=people, judgements=found)["judgements"])


@router.post("/judgements/{id:path}/withdraw", **answers(404, 409))
def withdraw(store: TheStore, person: Judge, id: IdInPath, sent: Withdrawal) -> shapes.Judgement:  # noqa: A002
    """Take an answer back: a new event that supersedes it. Annotators take back their own, owners anybody's."""
    before = _visible(store, person, id)
    if before.annotator_id != person.annotator_id and not may(person, "write"):
        raise missing("judgement", id)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    made = records.Judgement(
        id=sent.id,
        question_id=before.question_id,
        annotator_id=before.annotator_id,
        answer={"withdrawn": True},
        created=listing.times_of(store, [sent.id]).get(sent.id, now),
        supersedes=before.id,
    )
    if before.annotator_id == person.annotator_id:
        desk.submit(store, made)
    else:
        desk.take_back(store, made)
    return shapes.Judgement.model_validate(made)


@router.get("/judgements/{id:path}", **answers(404))
def get_judgement(store: TheStore, person: Judge, id: IdInPath) -> shapes.Judgement:  # noqa: A002 - its name in the URL
    """One event. Annotators see their own."""
    return shapes.Judgement.model_validate(_visible(store, person, id))


def _visible(store: Store, person: Person, name: str) -> records.Judgement:
    try:
        found = store.judgements(ids=[name], current=False)[0]
    except Problem:
        raise missing("judgement", name) from None
    if found.annotator_id != person.annotator_id and not may(person, "read"):
        raise missing("judgement", name)
    return found
