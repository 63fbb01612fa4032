"""Live conversations with two versions at once: each turn's two answers are compared like any other pair.

chat = open_chat(store, "ann", "arena", ("v1", "v2"))
turn = add_turn(store, chat.id, "Hello", (answer_1, answer_2))      # stored, and leased to "ann"
chat = vote(store, chat.id, judgement)                              # the chosen answer goes on
close(store, chat.id)
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from heedful.errors import Problem
from heedful.feedback import answers, campaigns, intake, places, rows, steering_tables, tables
from heedful.feedback.campaigns import Assignment
from heedful.feedback.steering import ledger
from heedful.feedback.steering.gates import situation
from heedful.feedback.steering.handing_in import hand_in
from heedful.feedback.steering.standing import lock_annotator
from heedful.feedback.steering.tasks import CHAT
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Message, Metadata, Prompt, Question
from heedful.seeds import generator

_chats, _questions = steering_tables.chats, tables.questions

KEY = CHAT
"""The desk does not give out questions with this in their metadata; the chat does."""

LEASE_S = 7 * 86_400.0
"""A turn waits for its vote so long; nobody else is ever asked about it."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation as it stands."""

    id: str
    annotator_id: str
    campaign: str
    policies: tuple[str, str]
    """The two versions, the left one first: drawn for this conversation, never told before it is closed."""
    messages: tuple[Message, ...]
    """The turns so far, each with the answer that was chosen to go on."""
    pending: str | None
    """The question of the turn that waits for a vote."""
    state: Literal["open", "closed"]
    updated: float
    """Seconds since 1970, UTC."""


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


def open_chat(
    store: Store, annotator_id: str, campaign: str, policies: tuple[str, str], seed: int = 0, now: float | None = None
) -> Chat:
    """Begin a conversation; which version stands left is drawn once, for all its turns.

    Args:
        store: where it goes.
        annotator_id: who talks.
        campaign: under which name its comparisons are filed.
        policies: the two versions that answer; one twice is allowed.
        seed: of the draw, beside the conversation's own random id.
        now: seconds since 1970, UTC; the clock's when it is left out.

    Raises:
        Problem: the annotator is unknown or was retracted, or gets no work in the campaign (see `desk.NoTask`).
    """
    moment, name = time.time() if now is None else now, str(uuid.uuid4())
    sides = policies if generator(seed, "sides", name).random() < 0.5 else policies[::-1]
    made = Chat(name, annotator_id, campaign, (sides[0], sides[1]), (), None, "open", moment)
    rows.checked_id(campaign, "name of the campaign")
    with store.writing() as connection:
        lock_annotator(connection, annotator_id)
        _may_talk(connection, annotator_id, campaign, moment)
        values = {"campaign": campaign, "policies": list(sides), "messages": [], "state": "open", "updated": moment}
        connection.execute(insert(_chats).values(id=name, annotator_id=annotator_id, **values))
    return made


def chat(store: Store, chat_id: str, annotator_id: str) -> Chat:
    """A conversation of an annotator.

    Raises:
        Problem: they have none with this id.
    """
    with store.reading() as connection:
        return _chat(connection, chat_id, annotator_id)


def chats_of(store: Store, annotator_id: str) -> list[Chat]:
    """The conversations of an annotator, the newest first."""
    query = select(_chats).where(_chats.c.annotator_id == annotator_id).order_by(_chats.c.number.desc())
    with store.reading() as connection:
        return [_of_row(row) for row in connection.execute(query)]


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
        found = _open(connection, chat_id, annotator_id)
        if found.pending is not None:
            raise Problem("the last turn waits for your vote", where="chat", mend="vote first")
        _may_talk(connection, annotator_id, found.campaign, moment)
        turns = [Message(one.role, one.content) for one in (*found.messages, Message("user", text))]
        prompt = Prompt.of(turns)
        completions = [_completion(found, prompt, side, replies[side]) for side in (0, 1)]
        question = Question(
            id=f"{found.id}-{len(turns)}",
            kind="comparison",
            prompt_id=prompt.id,
            completion_ids=(completions[0].id, completions[1].id),
            campaign=found.campaign,
            metadata={KEY: found.id},
        )
        intake.add_prompts(connection, [prompt])
        intake.add_completions(connection, completions)
        intake.add_questions(connection, [question])
        connection.execute(update(_questions).where(_questions.c.id == question.id).values(stopped=1))
        places.recount(connection, [question.id])
        row = connection.execute(select(_questions).where(_questions.c.id == question.id)).one()
        shown = (0, 1)  # the chat's sides were drawn when it was opened
        assignment = campaigns.lease(connection, row, annotator_id, 0, moment, LEASE_S, shown)
        _write(connection, found.id, moment, pending=question.id)
        return Turn(_chat(connection, chat_id, annotator_id), prompt, assignment)


def pending_turn(store: Store, chat_id: str, annotator_id: str) -> Turn | None:
    """The turn that waits for a vote, for a page that was loaded anew; None when none does."""
    with store.reading() as connection:
        found = _chat(connection, chat_id, annotator_id)
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
        found = _chat(connection, chat_id, judgement.annotator_id)
        if found.pending != judgement.question_id:
            if _stored(connection, judgement):
                return found
            raise Problem("no such turn waits for a vote", where="chat", mend="load the conversation anew")
        hand_in(connection, judgement, moment)
        side = go_on_with if go_on_with in (0, 1) else int(judgement.answer.get("choice") == "b")
        _go_on(connection, found, side, moment)
        return _chat(connection, chat_id, judgement.annotator_id)


def close(store: Store, chat_id: str, annotator_id: str, now: float | None = None) -> Chat:
    """End a conversation; a turn that waits for a vote stays without one. Its versions may be told from now on."""
    with store.writing() as connection:
        lock_annotator(connection, annotator_id)
        found = _chat(connection, chat_id, annotator_id)
        if found.state == "open":
            _give_back(connection, found)
            _write(connection, found.id, time.time() if now is None else now, state="closed", pending=None)
        return _chat(connection, chat_id, annotator_id)


def _give_back(connection: Connection, found: Chat) -> None:
    """End the lease of the pending turn: no money is kept back for a vote that will not come."""
    held = tables.assignments
    if found.pending is not None:
        answers.lock_rows(connection, _questions, [found.pending])
        mine = (held.c.question_id == found.pending) & (held.c.annotator_id == found.annotator_id)
        connection.execute(
            update(held).where(mine, held.c.state == "leased").values(state="expired", leased_until=None)
        )


def _chat(connection: Connection, chat_id: str, annotator_id: str) -> Chat:
    mine = (_chats.c.id == chat_id) & (_chats.c.annotator_id == annotator_id)
    row = connection.execute(select(_chats).where(mine)).first()
    if row is None:
        raise Problem(f'you have no conversation "{chat_id}"', mend="open one")
    return _of_row(row)


def _may_talk(connection: Connection, annotator_id: str, campaign: str, now: float) -> None:
    """Refuse somebody who would get no work in the campaign: paused, not qualified, too late, out of budget."""
    who = situation(connection, annotator_id, campaign)
    refused = who.refusal(now)
    if refused is None and who.standing.state != "working":
        refused = who.no("no_exam", "Pass the qualification of this campaign first.")
    rules, price = who.settings, who.settings.price_micros("comparison", None)
    asks_money = refused is None and rules.budget and price
    if asks_money and not ledger.affordable(connection, campaign, rules, price, now):
        refused = who.no("budget", "This campaign's budget is used up. Thank you for your work.")
    if refused is not None:
        raise Problem(refused.message.removesuffix("."), where=f'campaign "{campaign}"')


def _open(connection: Connection, chat_id: str, annotator_id: str) -> Chat:
    found = _chat(connection, chat_id, annotator_id)
    if found.state != "open":
        raise Problem("this conversation is closed", where="chat", mend="open another one")
    return found


def _of_row(row: Row[Any]) -> Chat:
    return Chat(
        id=row.id,
        annotator_id=row.annotator_id,
        campaign=row.campaign,
        policies=(row.policies[0], row.policies[1]),
        messages=tuple(Message(*turn) for turn in row.messages),
        pending=row.pending,
        state=row.state,
        updated=row.updated,
    )


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
    _write(connection, found.id, now, pending=None, messages=[*prompt.messages, ["assistant", said]])


def _stored(connection: Connection, judgement: Judgement) -> bool:
    table = tables.judgements
    return connection.execute(select(table.c.id).where(table.c.id == judgement.id)).first() is not None


def _write(connection: Connection, chat_id: str, now: float, **values: Any) -> None:
    connection.execute(update(_chats).where(_chats.c.id == chat_id).values(updated=now, **values))
