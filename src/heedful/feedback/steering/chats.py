"""Live conversations with two versions at once: each turn's two answers are compared like any other pair.

chat = open_chat(store, "ann", "arena", ("v1", "v2"))
turn = add_turn(store, chat.id, "ann", "Hello", (answer_1, answer_2))      # `chat_turns`: stored, and leased to "ann"
chat = vote(store, chat.id, judgement)                                     # the chosen answer goes on
close(store, chat.id, "ann")
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from heedful.errors import Problem
from heedful.feedback import answers, rows, steering_tables, tables
from heedful.feedback.steering import ledger
from heedful.feedback.steering.gates import situation
from heedful.feedback.steering.standing import lock_annotator
from heedful.feedback.store import Store
from heedful.records import Message
from heedful.seeds import generator

_chats, _questions = steering_tables.chats, tables.questions


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
        refuse_idlers(connection, annotator_id, campaign, moment)
        values = {"campaign": campaign, "policies": list(sides), "messages": [], "state": "open", "updated": moment}
        connection.execute(insert(_chats).values(id=name, annotator_id=annotator_id, **values))
    return made


def chat(store: Store, chat_id: str, annotator_id: str) -> Chat:
    """A conversation of an annotator.

    Raises:
        Problem: they have none with this id.
    """
    with store.reading() as connection:
        return find(connection, chat_id, annotator_id)


def chats_of(store: Store, annotator_id: str) -> list[Chat]:
    """The conversations of an annotator, the newest first."""
    query = select(_chats).where(_chats.c.annotator_id == annotator_id).order_by(_chats.c.number.desc())
    with store.reading() as connection:
        return [_of_row(row) for row in connection.execute(query)]


def close(store: Store, chat_id: str, annotator_id: str, now: float | None = None) -> Chat:
    """End a conversation; a turn that waits for a vote stays without one. Its versions may be told from now on."""
    with store.writing() as connection:
        lock_annotator(connection, annotator_id)
        found = find(connection, chat_id, annotator_id)
        if found.state == "open":
            _give_back(connection, found)
            write(connection, found.id, time.time() if now is None else now, state="closed", pending=None)
        return find(connection, chat_id, annotator_id)


def _give_back(connection: Connection, found: Chat) -> None:
    """End the lease of the pending turn: no money is kept back for a vote that will not come."""
    held = tables.assignments
    if found.pending is not None:
        answers.lock_rows(connection, _questions, [found.pending])
        mine = (held.c.question_id == found.pending) & (held.c.annotator_id == found.annotator_id)
        connection.execute(
            update(held).where(mine, held.c.state == "leased").values(state="expired", leased_until=None)
        )


def find(connection: Connection, chat_id: str, annotator_id: str) -> Chat:
    """A conversation of an annotator; raises a `Problem` when they have none with this id."""
    mine = (_chats.c.id == chat_id) & (_chats.c.annotator_id == annotator_id)
    row = connection.execute(select(_chats).where(mine)).first()
    if row is None:
        raise Problem(f'you have no conversation "{chat_id}"', mend="open one")
    return _of_row(row)


def refuse_idlers(connection: Connection, annotator_id: str, campaign: str, now: float) -> None:
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


def find_open(connection: Connection, chat_id: str, annotator_id: str) -> Chat:
    """The same, and it is still open."""
    found = find(connection, chat_id, annotator_id)
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


def write(connection: Connection, chat_id: str, now: float, **values: Any) -> None:
    """Change columns of a conversation."""
    connection.execute(update(_chats).where(_chats.c.id == chat_id).values(updated=now, **values))
