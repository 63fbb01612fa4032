"""The turns of a live conversation: two answers are stored as a comparison, and the vote decides which one goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection, select, update

from heedful.errors import Problem
from heedful.feedback import answers, campaigns, intake, places, rows, tables
from heedful.feedback.campaigns import Assignment
from heedful.feedback.steering.chats import Chat, find, find_open, refuse_idlers, write
from heedful.feedback.steering.handing_in import hand_in
from heedful.feedback.steering.standing import lock_annotator
from heedful.feedback.steering.tasks import CHAT
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Message, Metadata, Prompt, Question

LEASE_S = 7 * 86_400.0
"""A turn waits for its vote so long; nobody else is ever asked about it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one version wrote in a turn."""

    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    sampling: Metadata = field(default_factory=dict)
    finish: Literal["stop", "length", ""] = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that waits for a vote."""

    chat: Chat
    prompt: Prompt
    """The conversation up to and including what the person wrote."""
    assignment: Assignment
    """Of the comparison; `shown` is `(0, 1)`: the chat's first version stands left throughout."""


def add_turn(
    store: Store, chat_id: str, annotator_id: str, text: str, replies: tuple[Reply, Reply], now: float | None = None
) -> Turn:
    """Store what the person wrote and what the two versions answered, as a comparison that is leased to them.

    Args:
        store: where the conversation is.
        chat_id: the conversation.
        annotator_id: whose it is.
        text: what the person wrote.
        replies: of the two versions, in the order of `Chat.policies`.
        now: seconds since 1970, UTC; the clock's when it is left out.

    Raises:
        Problem: there is no such conversation, it is closed, a turn waits for a vote already, the text is empty, or
            the annotator gets no more work in the campaign.
    """
    moment = time.time() if now is None else now
    if not text.strip():
        raise Problem("there is nothing to answer", where="chat", mend="write something")
    with store.writing() as connection:
        lock_annotator(connection, annotator_id)
        found = find_open(connection, chat_id, annotator_id)
        if found.pending is not None:
            raise Problem("the last turn waits for your vote", where="chat", mend="vote first")
        refuse_idlers(connection, annotator_id, found.campaign, moment)
        turns = [Message(one.role, one.content) for one in (*found.messages, Message("user", text))]
        prompt = Prompt.of(turns)
        completions = [_completion(found, prompt, side, replies[side]) for side in (0, 1)]
        question = Question(
            id=f"{found.id}-{len(turns)}",
            kind="comparison",
            prompt_id=prompt.id,
            completion_ids=(completions[0].id, completions[1].id),
            campaign=found.campaign,
            metadata={CHAT: found.id},
        )
        intake.add_prompts(connection, [prompt])
        intake.add_completions(connection, completions)
        intake.add_questions(connection, [question])
        connection.execute(update(tables.questions).where(tables.questions.c.id == question.id).values(stopped=1))
        places.recount(connection, [question.id])
        row = connection.execute(select(tables.questions).where(tables.questions.c.id == question.id)).one()
        shown = (0, 1)  # the chat's sides were drawn when it was opened
        assignment = campaigns.lease(connection, row, annotator_id, 0, moment, LEASE_S, shown)
        write(connection, found.id, moment, pending=question.id)
        return Turn(find(connection, chat_id, annotator_id), prompt, assignment)


def pending_turn(store: Store, chat_id: str, annotator_id: str) -> Turn | None:
    """The turn that waits for a vote, for a page that was loaded anew; None when none does."""
    with store.reading() as connection:
        found = find(connection, chat_id, annotator_id)
        if found.pending is None:
            return None
        question = answers.questions_by_id(connection, [found.pending])[found.pending]
        prompt = connection.execute(select(tables.prompts).where(tables.prompts.c.id == question.prompt_id)).one()
        held = select(tables.assignments.c.leased_until).where(
            tables.assignments.c.question_id == question.id, tables.assignments.c.annotator_id == annotator_id
        )
        until = connection.execute(held).scalar() or 0.0
        return Turn(found, rows.prompt_of(prompt), Assignment(question, annotator_id, (0, 1), until))


def vote(
    store: Store, chat_id: str, judgement: Judgement, go_on_with: int | None = None, now: float | None = None
) -> Chat:
    """Store the vote on the pending turn, and let the conversation go on with one of its answers.

    Args:
        store: where the conversation is.
        chat_id: the conversation.
        judgement: of the pending question; the same one sent twice is stored once.
        go_on_with: 0 or 1, a position in the question; when it is left out, the preferred answer, or where none is
            preferred the left one.
        now: seconds since 1970, UTC; the clock's when it is left out.

    Raises:
        Problem: no turn waits, or the judgement is not a valid answer to it.
    """
    moment = time.time() if now is None else now
    with store.writing() as connection:
        lock_annotator(connection, judgement.annotator_id)
        found = find(connection, chat_id, judgement.annotator_id)
        if found.pending != judgement.question_id:
            if _stored(connection, judgement):
                return found
            raise Problem("no such turn waits for a vote", where="chat", mend="load the conversation anew")
        hand_in(connection, judgement, moment)
        side = go_on_with if go_on_with in (0, 1) else int(judgement.answer.get("choice") == "b")
        _go_on(connection, found, side, moment)
        return find(connection, chat_id, judgement.annotator_id)


def _completion(found: Chat, prompt: Prompt, side: int, reply: Reply) -> Completion:
    return Completion(
        id=f"{found.id}-{len(prompt.messages)}-{side}",
        prompt_id=prompt.id,
        text=reply.text,
        policy=found.policies[side],
        token_ids=reply.token_ids,
        logprobs=reply.logprobs,
        sampling=reply.sampling,
        finish=reply.finish,
    )


def _go_on(connection: Connection, found: Chat, side: int, now: float) -> None:
    """Add the pending turn to the conversation, with the chosen answer."""
    question = answers.questions_by_id(connection, [str(found.pending)])[str(found.pending)]
    prompt = connection.execute(select(tables.prompts).where(tables.prompts.c.id == question.prompt_id)).one()
    table = tables.completions
    said = connection.execute(select(table.c.text).where(table.c.id == question.completion_ids[side])).scalar_one()
    write(connection, found.id, now, pending=None, messages=[*prompt.messages, ["assistant", said]])


def _stored(connection: Connection, judgement: Judgement) -> bool:
    table = tables.judgements
    return connection.execute(select(table.c.id).where(table.c.id == judgement.id)).first() is not None
