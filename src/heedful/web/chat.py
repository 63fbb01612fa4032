"""Talking with two versions of the model at once, blind: both answer, a vote says which is better, and it goes on.

    GET  /chat              one's conversations, and a button for another one
    GET  /chat/{id}         the conversation
    POST /chat/api/say      what the person wrote; the two answers stream as lines of JSON
    POST /chat/api/vote     the vote on them, an ordinary judgement of an ordinary comparison

Nobody is told which versions answer before the conversation is closed, and then only where the campaign reveals it.
A turn is stored when both answers are complete; one that breaks off in the middle leaves nothing behind.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from heedful.errors import Problem
from heedful.feedback.controls import BOTH_BAD, STEPS, Preference
from heedful.feedback.steering import chat_turns, chats
from heedful.feedback.steering import settings as campaigns
from heedful.feedback.steering.chat_turns import Reply, Turn
from heedful.feedback.steering.chats import Chat
from heedful.feedback.steering.moments import stamp
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Message, Prompt
from heedful.web import site
from heedful.web.access import Person, Signed, redirect, render
from heedful.web.rendering import markdown
from heedful.web.sampler import ChatSampler
from heedful.web.site import Site

router = APIRouter()

CAMPAIGN = "chat"
"""Under which name the comparisons of conversations are filed."""

LONGEST = 20_000
"""Characters of what a person writes in one turn."""


class Said(BaseModel):
    """What a person wrote."""

    chat: str
    text: str = Field(min_length=1, max_length=LONGEST)


class Vote(BaseModel):
    """A vote on the pending turn."""

    chat: str
    id: str = Field(min_length=8, max_length=64)
    question: str
    answer: dict[str, Any]
    duration_s: float | None = Field(default=None, ge=0, le=1e7)


@router.get("/chat")
def conversations(request: Request, person: Signed) -> Response:
    """One's conversations."""
    here = site.of(request)
    found = [(chat, _title(chat)) for chat in chats.chats_of(here.store, person.annotator_id)]
    return render(request, "chats.html", person=person, chats=found, missing=_missing(here))


@router.post("/chat")
def begin(request: Request, person: Signed) -> Response:
    """Begin a conversation with two versions drawn at random."""
    here = site.of(request)
    if wrong := _missing(here):
        raise Problem(wrong, mend="collect answers with `heedful collect` and judge those")
    pair = drawn(here.sampler.policies() if here.sampler is not None else [])
    made = chats.open_chat(here.store, person.annotator_id, CAMPAIGN, pair, random.SystemRandom().getrandbits(31))
    return redirect(request, f"/chat/{made.id}")


@router.get("/chat/{chat_id}")
def conversation(request: Request, person: Signed, chat_id: str) -> Response:
    """A conversation, with the turn that waits for a vote."""
    here = site.of(request)
    found = _own(here.store, person, chat_id)
    turn = chat_turns.pending_turn(here.store, chat_id, person.annotator_id)
    return render(
        request,
        "chat.html",
        person=person,
        chat=found,
        title=_title(found),
        messages=[(message.role, markdown(message.content).html) for message in found.messages],
        said=_words_of(turn.prompt) if turn is not None else None,
        replies=_replies(here.store, turn) if turn is not None else [],
        versions=found.policies if found.state == "closed" and _reveals(here.store, found) else (),
        missing=_missing(here),
        control=Preference(),
        given={"steps": STEPS, "bad": BOTH_BAD},
        longest=LONGEST,
    )


@router.post("/chat/{chat_id}/close")
def close(request: Request, person: Signed, chat_id: str) -> Response:
    """End a conversation."""
    _own(site.of(request).store, person, chat_id)
    chats.close(site.of(request).store, chat_id, person.annotator_id)
    return redirect(request, f"/chat/{chat_id}")


@router.post("/chat/api/say")
def say(request: Request, person: Signed, said: Said) -> Response:
    """Let both versions answer: lines of {"side", "text"}, then {"side", "html"} for either, then {"question"}."""
    here = site.of(request)
    found = _own(here.store, person, said.chat)
    if here.sampler is None or found.state != "open" or found.pending is not None:
        raise HTTPException(409, "this conversation cannot go on now; load the page anew")
    unknown = set(found.policies) - set(here.sampler.policies())
    if unknown:
        raise HTTPException(409, "a version of this conversation is gone; begin another one")
    running: set[str] = here.shared.setdefault("chat.running", set())
    if person.account.id in running:
        raise HTTPException(429, "you are being answered already", {"Retry-After": "5"})
    lines = _answering(here, here.sampler, found, said.text.replace("\0", "\ufffd"), person, running)
    return StreamingResponse(lines, media_type="application/x-ndjson", headers={"X-Accel-Buffering": "no"})


@router.post("/chat/api/vote")
def vote(request: Request, person: Signed, vote: Vote) -> dict[str, Any]:
    """Store the vote; the preferred answer goes on."""
    store = site.of(request).store
    _own(store, person, vote.chat)
    judgement = Judgement(
        id=vote.id,
        question_id=vote.question,
        annotator_id=person.annotator_id,
        answer=vote.answer,
        shown=(0, 1),
        created=stamp(),
        duration_s=vote.duration_s,
    )
    after = chat_turns.vote(store, vote.chat, judgement)
    return {"messages": [{"role": each.role, "html": markdown(each.content).html} for each in after.messages]}


def drawn(policies: list[str]) -> tuple[str, str]:
    """Two versions at random, different ones where there are two."""
    if not policies:
        raise Problem("there is no version to talk with", mend="train one with `heedful sft`")
    if len(policies) == 1:
        return policies[0], policies[0]
    one, other = random.SystemRandom().sample(policies, 2)
    return one, other


def _answering(
    here: Site, sampler: ChatSampler, chat: Chat, text: str, person: Person, running: set[str]
) -> Iterator[str]:
    prompt = Prompt.of([*chat.messages, Message("user", text)])
    ready: dict[int, Completion] = {}
    running.add(person.account.id)
    try:
        for side, piece in sampler.stream(prompt, chat.policies, random.SystemRandom().getrandbits(31)):
            if isinstance(piece, Completion):
                ready[side] = piece
                yield _line(side=side, html=markdown(piece.text).html)
            else:
                yield _line(side=side, text=piece)
        if set(ready) != {0, 1}:
            raise Problem("an answer broke off; nothing was stored")
        turn = chat_turns.add_turn(here.store, chat.id, person.annotator_id, text, (_reply(ready[0]), _reply(ready[1])))
        yield _line(question=turn.assignment.question.id)
    except Problem as problem:
        yield _line(error=problem.what)
    finally:
        running.discard(person.account.id)


def _line(**values: Any) -> str:
    return json.dumps(values) + "\n"


def _reply(completion: Completion) -> Reply:
    return Reply(completion.text, completion.token_ids, completion.logprobs, completion.sampling, completion.finish)


def _own(store: Store, person: Person, chat_id: str) -> Chat:
    try:
        return chats.chat(store, chat_id, person.annotator_id)
    except Problem as problem:
        raise HTTPException(404, problem) from None


def _replies(store: Store, turn: Turn) -> list[Any]:
    question = turn.assignment.question
    return [markdown(completion.text).html for completion in store.completions(question.completion_ids)]


def _words_of(prompt: Prompt) -> Any:
    return markdown(prompt.messages[-1].content).html


def _title(chat: Chat) -> str:
    first = chat.messages[0].content if chat.messages else ""
    line = " ".join(first.split())
    return (line if len(line) <= 70 else f"{line[:69]}…") or "A new conversation"


def _reveals(store: Store, chat: Chat) -> bool:
    return campaigns.campaign(store, chat.campaign).settings.reveal


def _missing(here: Site) -> str:
    """Why there can be no conversation; empty when there can."""
    if here.sampler is None:
        return "there is no model here to talk with"
    return "" if here.sampler.policies() else "this project has no trained version yet"
