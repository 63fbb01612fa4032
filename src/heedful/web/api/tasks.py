"""Work: the next question, its answer, a skip; drafts; one's own answers. What an annotator's program needs.

A task shows the completions in the order that was drawn for the annotator, and says nothing of who wrote them. An
answer speaks of that order: the choice "a" is the completion that stands first in the task.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from heedful import records
from heedful.errors import Conflict, Problem
from heedful.feedback import listing, showing
from heedful.feedback.steering import desk, drafts
from heedful.feedback.store import Store
from heedful.web.access import Person
from heedful.web.api import shapes
from heedful.web.api.fields import Id, IdInPath, InCampaign, Json, Remark, Seconds
from heedful.web.api.replies import answers, missing
from heedful.web.api.scopes import Judge, TheStore

router = APIRouter(tags=["tasks"])


class NextTask(BaseModel):
    """Which work is wanted."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"campaign": "round-1"}]})

    campaign: Id | None = Field(default=None, description="Only of this campaign.")


class Task(BaseModel):
    """A question that this annotator holds until `leased_until`."""

    question: str
    kind: str
    campaign: str
    prompt: dict[str, Any] = Field(description="`text`, or `messages` of a conversation.")
    completions: list[str] = Field(description="Their texts, in the order in which to show them.")
    leased_until: float = Field(description="Seconds since 1970, UTC.")
    supersedes: str | None = Field(description="Your earlier answer, which the new one must name in `supersedes`.")
    draft: dict[str, Any] | None = Field(description="The answer as it was saved last, if it was.")
    ask: dict[str, Any] = Field(description="What the question adds to its kind: aspects, scale, flags on offer.")
    remaining: int = Field(description="Questions that you could still answer, this one included.")
    guidelines: int | None = Field(description="The version of the guidelines to read first; null: nothing to read.")


class Offer(BaseModel):
    """A task, or why there is none."""

    task: Task | None
    reason: str | None = Field(description="`nothing_left`, `paused`, `failed`, `guidelines`, `budget` ...")
    message: str | None = Field(description="The same in words.")


class TaskAnswer(BaseModel):
    """The answer to a task."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "id": "0b9c6f0e-7a54-4a5c-9f0a-2f3b6d8f4d11",
                    "question": "question-1",
                    "answer": {"choice": "a", "strength": 2, "reason": "It answers the question."},
                    "duration_s": 12.5,
                }
            ]
        },
    )

    id: shapes.Uuid
    question: Id
    answer: Json = Field(description="As the question's kind defines it, in the order in which the task shows them.")
    duration_s: Seconds | None = Field(default=None, description="How long it took, in seconds.")
    supersedes: Id | None = Field(default=None, description="Your earlier answer, where there is one.")


class Skip(BaseModel):
    """A task that the annotator cannot answer; somebody else is asked."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"id": "2d0f6a1c-93a1-4a37-a7cf-0d7f7a3b0f20", "question": "question-1", "reason": "unclear"}]
        },
    )

    id: shapes.Uuid
    question: Id
    reason: Remark = ""
    duration_s: Seconds | None = None
    supersedes: Id | None = None


class Outcome(BaseModel):
    """What came of an answer."""

    judgement: str
    new: bool = Field(description="False when this very answer was stored already.")
    standing: str = Field(description="Where you stand in the campaign: training, exam, working, failed, paused.")
    feedback: str | None = Field(description="Of a training question: why its right answer is right.")
    right: bool | None = Field(description="Of a training question: whether the answer was right.")


class Undo(BaseModel):
    """One of one's own answers is taken back."""

    model_config = ConfigDict(extra="forbid")

    id: shapes.Uuid
    judgement: Id


class Own(BaseModel):
    """One of one's own answers."""

    judgement: str
    question: str
    campaign: str
    answer: dict[str, Any] = Field(description="In the order in which the completions were shown.")
    created: str = Field(description="UTC, ISO 8601.")
    editable: bool


class NewDraft(BaseModel):
    """An unfinished answer."""

    model_config = ConfigDict(extra="forbid")

    answer: Json
    saved: float = Field(ge=0, le=1e11, allow_inf_nan=False, description="Seconds since 1970, UTC: the newest wins.")


class Draft(BaseModel):
    """An unfinished answer."""

    question: str
    answer: dict[str, Any]
    saved: float


class Kept(BaseModel):
    """Whether something was kept."""

    kept: bool = Field(description="False: there is something newer.")


@router.post("/tasks/next", **answers())
def next_task(store: TheStore, person: Judge, sent: NextTask) -> Offer:
    """The question that you hold, otherwise a new one, which nobody else gets in your place while you hold it."""
    found = desk.next_task(store, person.annotator_id, sent.campaign)
    if isinstance(found, desk.NoTask):
        return Offer(task=None, reason=found.reason, message=found.message)
    return Offer(task=_task(store, found), reason=None, message=None)


@router.post("/tasks/submit", **answers(404, 409))
def submit(store: TheStore, person: Judge, sent: TaskAnswer) -> Outcome:
    """Answer a task. When it has been answered, the answer is on the disk; sending it again is harmless."""
    return _submit(store, person, sent)


@router.post("/tasks/skip", **answers(404, 409))
def skip(store: TheStore, person: Judge, sent: Skip) -> Outcome:
    """Say that you cannot tell; somebody else is asked instead."""
    answer = {"choice": "skip"} | ({"reason": sent.reason} if sent.reason else {})
    said = TaskAnswer(
        id=sent.id, question=sent.question, answer=answer, duration_s=sent.duration_s, supersedes=sent.supersedes
    )
    return _submit(store, person, said)


@router.post("/tasks/undo", **answers())
def undo(store: TheStore, person: Judge, sent: Undo) -> Task:
    """Take one of your answers back and get its question again, the answer as its draft."""
    return _task(store, desk.undo(store, person.annotator_id, sent.judgement, sent.id))


@router.get("/tasks/history", **answers())
def history(
    store: TheStore,
    person: Judge,
    campaign: InCampaign = None,
    limit: Annotated[int, Query(ge=1, le=500, description="At most so many.")] = 50,
) -> list[Own]:
    """Your own answers that hold, the newest first."""
    return [
        Own(
            judgement=found.judgement.id,
            question=found.question.id,
            campaign=found.question.campaign,
            answer=showing.shown(found.question, found.judgement.answer, found.judgement.shown),
            created=found.judgement.created,
            editable=found.editable,
        )
        for found in desk.history(store, person.annotator_id, campaign, limit)
    ]


@router.get("/drafts/{id:path}", tags=["drafts"], **answers(404))
def get_draft(store: TheStore, person: Judge, id: IdInPath) -> Draft:  # noqa: A002 - its name in the URL
    """Your unfinished answer to a question."""
    found = drafts.of(store, id, person.annotator_id)
    if found is None:
        raise missing("draft", id)
    given = _given(store, person, id)
    answer = showing.shown(given.question, found.answer, given.order)
    return Draft(question=id, answer=answer, saved=found.saved)


@router.put("/drafts/{id:path}", tags=["drafts"], **answers(404))
def put_draft(store: TheStore, person: Judge, id: IdInPath, sent: NewDraft) -> Kept:  # noqa: A002
    """Keep an unfinished answer to a question that you were given; its form is not checked."""
    given = _given(store, person, id)
    answer = showing.stored(given.question, sent.answer, given.order)
    return Kept(kept=drafts.save(store, id, person.annotator_id, answer, sent.saved))


def _task(store: Store, found: desk.Task) -> Task:
    held = found.assignment
    shown = showing.held(store, held)
    question, prompt = shown.question, shown.prompt
    asked: dict[str, Any] = {"text": prompt.text}
    if prompt.messages:
        asked = {"messages": [{"role": turn.role, "content": turn.content} for turn in prompt.messages]}
    return Task(
        question=question.id,
        kind=question.kind,
        campaign=question.campaign,
        prompt=asked,
        completions=[completion.text for completion in shown.completions],
        leased_until=held.leased_until,
        supersedes=held.supersedes,
        draft=None if found.draft is None else showing.shown(question, found.draft.answer, shown.order),
        ask={name: value for name, value in question.metadata.items() if name in ASKED},
        remaining=found.remaining,
        guidelines=found.guidelines_to_read.version if found.guidelines_to_read else None,
    )


ASKED = ("ask", "aspects", "scale", "flags")
"""What of a question's metadata belongs to what is asked. The rest is not told: it may name models."""


def _given(store: Store, person: Person, question_id: str) -> showing.Placed:
    try:
        return showing.placed(store, person.annotator_id, question_id)
    except Problem:
        raise missing("task", question_id) from None


def _submit(store: Store, person: Person, sent: TaskAnswer) -> Outcome:
    given = _given(store, person, sent.question)
    judgement = records.Judgement(
        id=sent.id,
        question_id=sent.question,
        annotator_id=person.annotator_id,
        answer=showing.stored(given.question, sent.answer, given.order),
        shown=given.order,
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        duration_s=sent.duration_s,
        supersedes=sent.supersedes,
    )
    try:
        came = desk.submit(store, judgement)
    except Conflict:  # the same answer, sent again, must keep the time at which it came first
        created = listing.times_of(store, [sent.id]).get(sent.id)
        if created is None:
            raise
        came = desk.submit(store, replace(judgement, created=created))
    return Outcome(
        judgement=judgement.id,
        new=came.new,
        standing=came.standing.state,
        feedback=came.feedback,
        right=came.right,
    )
