"""Prompts, completions and questions: what people are asked, listed and added."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from heedful import records
from heedful.errors import Problem
from heedful.feedback import listing
from heedful.feedback.questions import KINDS
from heedful.feedback.store import Store
from heedful.web.api import shapes
from heedful.web.api.fields import STORABLE, After, IdInPath, InCampaign, Limit
from heedful.web.api.replies import answers, missing
from heedful.web.api.scopes import Read, TheStore, Write

router = APIRouter()

MOST = 1000
"""Records in one request."""

Filter = Annotated[str | None, Query(max_length=200, pattern=STORABLE)]


class Added(BaseModel):
    """What a request added."""

    ids: list[str] = Field(description="One for each record that was sent, in their order.")
    new: int = Field(description="How many of them were not stored before.")


class Prompts(BaseModel):
    """Prompts to add."""

    model_config = ConfigDict(extra="forbid")

    prompts: Annotated[list[shapes.NewPrompt], Field(min_length=1, max_length=MOST)]


class Completions(BaseModel):
    """Completions to add."""

    model_config = ConfigDict(extra="forbid")

    completions: Annotated[list[shapes.NewCompletion], Field(min_length=1, max_length=MOST)]


class Questions(BaseModel):
    """Questions to add."""

    model_config = ConfigDict(extra="forbid")

    questions: Annotated[list[shapes.NewQuestion], Field(min_length=1, max_length=MOST)]


class Kind(BaseModel):
    """A kind of question."""

    title: str
    fewest: int = Field(description="The fewest completions that it shows.")
    most: int | None = Field(description="The most completions that it shows; null: any number.")
    answer: dict[str, object] = Field(description="The JSON Schema of an answer.")


# Prompts


@router.get("/prompts", tags=["prompts"], **answers())
def list_prompts(store: TheStore, person: Read, after: After = 0, limit: Limit = 100) -> shapes.Page[shapes.Prompt]:
    """Every prompt, in order of arrival."""
    page = listing.prompts(store, after=after, limit=limit)
    return shapes.Page(items=[_prompt(prompt) for prompt in page.items], after=page.after)


@router.get("/prompts/{id:path}", tags=["prompts"], **answers(404))
def get_prompt(store: TheStore, person: Read, id: IdInPath) -> shapes.Prompt:  # noqa: A002 - its name in the URL
    """One prompt."""
    try:
        return _prompt(store.prompts([id])[0])
    except Problem:
        raise missing("prompt", id) from None


@router.post("/prompts", status_code=201, tags=["prompts"], **answers(409))
def add_prompts(store: TheStore, person: Write, sent: Prompts) -> Added:
    """Add prompts; those that are stored already are left as they are."""
    found = []
    for new in sent.prompts:
        turns = tuple(records.Message(turn.role, turn.content) for turn in new.messages)
        made = records.Prompt.of(turns or new.text, new.metadata)
        found.append(records.Prompt(new.id or made.id, new.text, turns, new.metadata))
    return _add(store, prompts=found)


# Completions


@router.get("/completions", tags=["completions"], **answers())
def list_completions(
    store: TheStore, person: Read, after: After = 0, limit: Limit = 100, policy: Filter = None, prompt: Filter = None
) -> shapes.Page[shapes.Completion]:
    """Completions in order of arrival: all, those of a policy version, those of a prompt."""
    page = listing.completions(store, after=after, limit=limit, policy=policy, prompt_id=prompt)
    return shapes.Page(items=[shapes.Completion.model_validate(found) for found in page.items], after=page.after)


@router.get("/completions/{id:path}", tags=["completions"], **answers(404))
def get_completion(store: TheStore, person: Read, id: IdInPath) -> shapes.Completion:  # noqa: A002
    """One completion."""
    try:
        return shapes.Completion.model_validate(store.completions([id])[0])
    except Problem:
        raise missing("completion", id) from None


@router.post("/completions", status_code=201, tags=["completions"], **answers(409))
def add_completions(store: TheStore, person: Write, sent: Completions) -> Added:
    """Add completions of stored prompts; those that are stored already are left as they are."""
    found = []
    for new in sent.completions:
        name = new.id or records.content_id("completion", new.prompt_id, new.text, new.policy, new.sampling)
        values = {**dict(new), "id": name, "token_ids": tuple(new.token_ids), "logprobs": tuple(new.logprobs)}
        found.append(records.Completion(**values))
    return _add(store, completions=found)


# Questions


@router.get("/kinds", tags=["questions"], **answers())
def kinds(person: Read) -> dict[str, Kind]:
    """The kinds of question: how many completions each shows, and the JSON Schema of its answers."""
    return {
        kind.name: Kind(
            title=kind.title, fewest=kind.completions[0], most=kind.completions[1], answer=dict(kind.schema)
        )
        for kind in KINDS.values()
    }


@router.get("/questions", tags=["questions"], **answers())
def list_questions(
    store: TheStore,
    person: Read,
    after: After = 0,
    limit: Limit = 100,
    campaign: InCampaign = None,
    kind: Filter = None,
    purpose: shapes.Purpose | None = None,
) -> shapes.Page[shapes.Question]:
    """Questions in order of arrival: all, of a campaign, of a kind, with a purpose."""
    page = listing.questions(store, after=after, limit=limit, campaign=campaign, kind=kind, purpose=purpose)
    return shapes.Page(items=[shapes.Question.model_validate(found) for found in page.items], after=page.after)


@router.get("/questions/{id:path}", tags=["questions"], **answers(404))
def get_question(store: TheStore, person: Read, id: IdInPath) -> shapes.Question:  # noqa: A002
    """One question."""
    try:
        return shapes.Question.model_validate(store.questions(ids=[id])[0])
    except Problem:
        raise missing("question", id) from None


@router.post("/questions", status_code=201, tags=["questions"], **answers(409))
def add_questions(store: TheStore, person: Write, sent: Questions) -> Added:
    """Add questions about stored prompts and completions; those that are stored already are left as they are."""
    found = []
    for new in sent.questions:
        shown = tuple(new.completion_ids)
        name = new.id or records.content_id("question", new.campaign, new.kind, new.prompt_id, *shown)
        found.append(records.Question(**{**dict(new), "id": name, "completion_ids": shown}))
    return _add(store, questions=found)


def _prompt(prompt: records.Prompt) -> shapes.Prompt:
    turns = [{"role": turn.role, "content": turn.content} for turn in prompt.messages]
    return shapes.Prompt(id=prompt.id, text=prompt.text, messages=turns, metadata=dict(prompt.metadata))


def _add(
    store: Store,
    prompts: list[records.Prompt] | None = None,
    completions: list[records.Completion] | None = None,
    questions: list[records.Question] | None = None,
) -> Added:
    sent: list[records.Prompt] | list[records.Completion] | list[records.Question]
    sent = prompts or completions or questions or []
    new = store.add_everything(prompts=prompts or (), completions=completions or (), questions=questions or ())
    return Added(ids=[record.id for record in sent], new=sum(new.values()))
