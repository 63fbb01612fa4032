"""What the judging page asks for while people work, as JSON. Only for sessions: keys have the API.

    POST /judge/api/next       the next question, given out by `steering.desk`; several may be held at once
    POST /judge/api/submit     an answer with its client's UUID: sending it twice stores it once
    POST /judge/api/draft      what is not finished; the newest wins
    POST /judge/api/undo       take an answer back and get its question again
    POST /judge/api/heartbeat  keep what is held, and hear whether the guidelines changed
    POST /judge/api/release    give back what was only fetched ahead
    GET  /judge/api/session    who is logged in, and the token that changes carry; 401 after the session's end
    GET  /judge/api/task       a question of one's own again, to change its answer
    GET  /judge/api/history    one's own answers
    GET  /judge/api/text       a whole text of a question that one was given

Answers come and go in the order of the screen; `showing` turns them. Everything is asked for by the person's own
assignments, so nobody sees or answers what was not given to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field

from heedful.errors import Conflict, Problem
from heedful.feedback import showing
from heedful.feedback.showing import Placed, Shown
from heedful.feedback.steering import desk, drafts, guidelines, settings
from heedful.feedback.steering.desk import NoTask, Outcome, Task
from heedful.feedback.steering.guidelines import Guidelines
from heedful.feedback.store import Store
from heedful.records import Judgement
from heedful.web import characters, site, tasks
from heedful.web.access import Person, Signed
from heedful.web.rendering import markdown

router = APIRouter(prefix="/judge/api")

HELD = 8
"""Questions that one page may hold at once."""

LONGEST_ANSWER = 1_000_000
"""Characters of the text of an answer or draft."""


class Wanted(BaseModel):
    """A page asks for work."""

    campaign: str | None = None
    holding: list[str] = Field(default=[], max_length=200)
    """The questions that it has already, answered ones that are not sent yet included."""


class Given(BaseModel):
    """An answer in the order of the screen."""

    id: str = Field(min_length=8, max_length=64)
    question: str
    answer: dict[str, Any]
    duration_s: float | None = Field(default=None, ge=0, le=1e7)
    supersedes: str | None = None


class Begun(BaseModel):
    """A draft in the order of the screen."""

    question: str
    answer: dict[str, Any]
    saved: float = Field(ge=0, le=1e11)


class TakenBack(BaseModel):
    """An answer to be taken back."""

    judgement: str
    id: str = Field(min_length=8, max_length=64)


class Holding(BaseModel):
    """The questions that a page works on."""

    questions: list[str] = Field(max_length=HELD)
    campaign: str = ""


class Read(BaseModel):
    """A version of the guidelines that was read."""

    campaign: str
    version: int = Field(ge=1)


@router.get("/session")
def session(person: Signed) -> dict[str, Any]:
    """Who is logged in."""
    return {"account": person.account.id, "csrf": person.csrf}


@router.post("/next")
def next_task(request: Request, person: Signed, wanted: Wanted) -> dict[str, Any]:
    """The next question, or why there is none."""
    here = site.of(request)
    found = desk.next_task(here.store, person.annotator_id, wanted.campaign or None, besides=wanted.holding)
    if isinstance(found, NoTask):
        return {"none": {"reason": found.reason, "message": found.message}, **_to_read(found.guidelines)}
    return _task(request, found)


@router.get("/task")
def task_again(request: Request, person: Signed, question: str) -> dict[str, Any]:
    """A question of one's own as it was shown, with the answer that holds."""
    here = site.of(request)
    found = given(here.store, person, question)
    draft = drafts.of(here.store, question, person.annotator_id)
    return {"task": tasks.of(here, found, draft=draft, editing=showing.holds(found))}


@router.post("/submit")
def submit(request: Request, person: Signed, sent: Given) -> dict[str, Any]:
    """Store an answer."""
    store = site.of(request).store
    found = placed(store, person, sent.question)
    answer = _bounded(showing.stored(found.question, sent.answer, found.order))
    try:
        outcome = _stored(store, person, found, sent, answer, datetime.now(UTC).isoformat(timespec="milliseconds"))
    except Conflict:  # the same answer, sent again, must keep the time at which it came first
        before = showing.event(store, sent.id)
        if before is None:
            raise
        outcome = _stored(store, person, found, sent, answer, before.created)
    return {
        "new": outcome.new,
        "training": _training(outcome),
        "standing": {"state": outcome.standing.state, "reason": outcome.standing.reason},
    }


@router.post("/draft")
def keep_draft(request: Request, person: Signed, begun: Begun) -> dict[str, Any]:
    """Keep what is not finished."""
    store = site.of(request).store
    found = placed(store, person, begun.question)
    answer = _bounded(showing.stored(found.question, begun.answer, found.order))
    return {"kept": drafts.save(store, begun.question, person.annotator_id, answer, begun.saved)}


@router.post("/undo")
def undo(request: Request, person: Signed, back: TakenBack) -> dict[str, Any]:
    """Take an answer back; its question comes again, filled in as it was."""
    return _task(request, desk.undo(site.of(request).store, person.annotator_id, back.judgement, back.id))


@router.post("/heartbeat")
def heartbeat(request: Request, person: Signed, holding: Holding) -> dict[str, Any]:
    """Keep the questions that a page works on."""
    store = site.of(request).store
    held = {name: desk.keep(store, person.annotator_id, name) for name in holding.questions}
    unread = guidelines.unread(store, holding.campaign, person.annotator_id) if holding.campaign else None
    return {"held": held, **_to_read(unread)}


@router.post("/release")
def release(request: Request, person: Signed, holding: Holding) -> dict[str, Any]:
    """Give questions back that were only fetched ahead."""
    for name in holding.questions:
        desk.give_back(site.of(request).store, person.annotator_id, name)
    return {"released": len(holding.questions)}


@router.get("/history")
def history(request: Request, person: Signed, campaign: str | None = None, limit: int = 20) -> dict[str, Any]:
    """One's own answers, the newest first."""
    store = site.of(request).store
    found = desk.history(store, person.annotator_id, campaign or None, max(1, min(limit, 200)))
    return {"answers": [tasks.line(store, each) for each in found]}


@router.get("/text")
def text(request: Request, person: Signed, question: str, place: int | None = None, turn: int = 0) -> dict[str, str]:
    """A whole text of a question: of the answer at a place, or of a turn of the prompt."""
    found = given(site.of(request).store, person, question)
    if place is None:
        prompt = found.prompt
        texts = [message.content for message in prompt.messages] or [prompt.text]
        if not 0 <= turn < len(texts):
            raise HTTPException(404, "the prompt has no such turn")
        return {"text": characters.readable(texts[turn])}
    if not 0 <= place < len(found.completions):
        raise HTTPException(404, "nothing is shown at this place")
    return {"text": characters.readable(found.completions[place].text)}


@router.get("/guidelines")
def newest_guidelines(request: Request, person: Signed, campaign: str) -> dict[str, Any]:
    """What holds for a campaign, and whether it was read."""
    store = site.of(request).store
    open_to(store, person, campaign)
    found = guidelines.newest(store, campaign)
    if found is None:
        return {"guidelines": None, "read": True}
    unread = guidelines.unread(store, campaign, person.annotator_id)
    return {**_to_read(found), "read": unread is None}


@router.post("/read")
def mark_read(request: Request, person: Signed, read: Read) -> dict[str, Any]:
    """Note that the guidelines were read."""
    guidelines.mark_read(site.of(request).store, read.campaign, person.annotator_id, read.version)
    return {"read": read.version}


def _task(request: Request, task: Task) -> dict[str, Any]:
    here = site.of(request)
    drawn = tasks.of(here, showing.held(here.store, task.assignment), draft=task.draft, use=task.use)
    return {"task": {**drawn, "remaining": task.remaining}, **_to_read(task.guidelines_to_read)}


def open_to(store: Store, person: Person, name: str) -> settings.Campaign:
    """A campaign, if there is one of this name, and if it is for them."""
    found = settings.campaign(store, name)
    who = found.settings.who
    uninvited = who and person.annotator_id not in who and not person.is_at_least("reviewer")
    if uninvited or not (found.questions or found.created):
        raise HTTPException(404, "there is no such campaign")
    return found


def given(store: Store, person: Person, question: str) -> Shown:
    """A question that was given to whoever asks; 404 for any other."""
    try:
        return showing.given(store, person.annotator_id, question)
    except Problem as problem:
        raise HTTPException(404, problem) from None


def placed(store: Store, person: Person, question: str) -> Placed:
    """The same without its texts."""
    try:
        return showing.placed(store, person.annotator_id, question)
    except Problem as problem:
        raise HTTPException(404, problem) from None


def _stored(
    store: Store, person: Person, found: Placed, sent: Given, answer: Mapping[str, Any], created: str
) -> Outcome:
    return desk.submit(
        store,
        Judgement(
            id=sent.id,
            question_id=found.question.id,
            annotator_id=person.annotator_id,
            answer=answer,
            shown=found.order,
            created=created,
            duration_s=sent.duration_s,
            supersedes=sent.supersedes,
        ),
    )


def _bounded(answer: dict[str, Any]) -> dict[str, Any]:
    for name, value in answer.items():
        if isinstance(value, str):
            if len(value) > LONGEST_ANSWER:
                raise Problem("the text is too long", where=f'field "{name}"', mend=f"{LONGEST_ANSWER:,} characters do")
            answer[name] = value.replace("\0", "\ufffd")
    return answer


def _training(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.feedback is None:
        return None
    return {"right": outcome.right, "html": markdown(outcome.feedback).html}


def _to_read(found: Guidelines | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {
        "guidelines": {"version": found.version, "created": found.created, "html": markdown(found.text, below=2).html}
    }
