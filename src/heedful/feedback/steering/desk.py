"""The desk at which people get work and hand it in. Every function is one transaction.

    task = next_task(store, "ann", "round-1")           # a Task, or a NoTask that says why there is none
    outcome = submit(store, Judgement(uuid, task.assignment.question.id, "ann", answer, task.assignment.shown, ...))

Two desks that work at once never give out more places than there are (see `campaigns`), and one annotator is served
by one desk at a time.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from heedful.errors import Problem
from heedful.feedback import answers, campaigns, offers, rows, steering_tables, tables
from heedful.feedback.campaigns import Assignment
from heedful.feedback.kind import withdrawn
from heedful.feedback.steering import batch_ends, drafts, guidelines, stream
from heedful.feedback.steering.drafts import Draft
from heedful.feedback.steering.gates import Situation, situation
from heedful.feedback.steering.handing_in import final, hand_in
from heedful.feedback.steering.handing_in import take_back as taken_back
from heedful.feedback.steering.moments import stamp
from heedful.feedback.steering.standing import lock_annotator
from heedful.feedback.steering.tasks import CHAT, Answered, NoTask, Outcome, Reason, Task, Use
from heedful.feedback.store import Store
from heedful.records import Judgement

__all__ = [
    "COUNTED",
    "MOST_HELD",
    "Answered",
    "NoTask",
    "Outcome",
    "Reason",
    "Task",
    "Use",
    "give_back",
    "history",
    "keep",
]
__all__ += ["next_task", "submit", "take_back", "undo"]

COUNTED = 100
"""So far `Task.remaining` counts what else is open."""

MOST_HELD = 8
"""Questions of one campaign that one person may hold at once."""

_DONE: tuple[Reason, ...] = ("nothing_left", "not_invited", "campaign_closed")
"""Reasons that say nothing of work elsewhere."""

_questions, _assignments, _events = tables.questions, tables.assignments, tables.judgements


def next_task(
    store: Store,
    annotator_id: str,
    campaign: str | None = None,
    seed: int = 0,
    now: float | None = None,
    *,
    besides: Collection[str] = (),
) -> Task | NoTask:
    """What to do next: the question that the annotator holds already, otherwise a new one, leased to them.

    Args:
        store: where the questions are.
        annotator_id: who asks for work.
        campaign: only here; every campaign in the order of their names when it is left out.
        seed: of the display order and of where gold items stand in the stream.
        now: seconds since 1970, UTC; the clock's when it is left out.
        besides: questions that the page has already: it is given another one, so that it can fetch ahead; but
            nobody holds more than `MOST_HELD` at once, and who does gets one of those again.

    Returns:
        A task; or why there is none: of several campaigns, the first that would have work under some condition.

    Raises:
        Problem: the annotator is unknown or was retracted.
    """
    moment = time.time() if now is None else now
    with store.writing() as connection:
        lock_annotator(connection, annotator_id)
        names = [campaign] if campaign is not None else _names(connection)
        refusals = []
        for name in names:
            found = _task_in(connection, situation(connection, annotator_id, name), seed, moment, besides)
            if isinstance(found, Task):
                return found
            refusals.append(found)
        telling = [found for found in refusals if found.reason not in _DONE]
        nothing = NoTask("nothing_left", "There is nothing left for you. Thank you for your work.", campaign or "")
        return (telling or (refusals if campaign is not None else []) or [nothing])[0]


def submit(store: Store, judgement: Judgement, now: float | None = None) -> Outcome:
    """Store an answer with all that follows from it: ledger, standing, batches, events, and its draft removed.

    It is taken even when its lease ran out: nobody's work is thrown away. An answer without a display order gets the
    one that was drawn for it.

    Args:
        store: where the question is.
        judgement: the answer; the same one sent twice is stored once.
        now: seconds since 1970, UTC; the clock's when it is left out.

    Raises:
        Problem: the question was never given to this annotator, the answer is no valid one (see `Store.submit`), or
            it would change one that cannot be changed any more.
    """
    with store.writing() as connection:
        return hand_in(connection, judgement, time.time() if now is None else now)


def undo(store: Store, annotator_id: str, judgement_id: str, new_id: str, now: float | None = None) -> Task:
    """Take an answer back: it is withdrawn, and its question given to the same person again, the answer as its draft.

    Args:
        store: where the answer is.
        annotator_id: who gave it.
        judgement_id: the answer; it must be the newest to its question.
        new_id: UUID of the withdrawal, made by the client; sending the same one again changes nothing.
        now: seconds since 1970, UTC; the clock's when it is left out.

    Raises:
        Problem: there is no such answer of this annotator, or it cannot be taken back any more.
    """
    moment = time.time() if now is None else now
    with store.writing() as connection:
        lock_annotator(connection, annotator_id)
        before = _own(connection, annotator_id, judgement_id)
        row = connection.execute(select(_questions).where(_questions.c.id == before.question_id)).one()
        who = situation(connection, annotator_id, row.campaign)
        refused = who.refusal(moment)
        if refused is not None:
            raise Problem(f"the answer cannot be taken back: {refused.message}", where=f'judgement "{judgement_id}"')
        if not _undone(connection, before, new_id):
            gone = Judgement(
                new_id, row.id, annotator_id, {"withdrawn": True}, created=stamp(moment), supersedes=judgement_id
            )
            hand_in(connection, gone, moment)
        held = campaigns.held_by(connection, annotator_id, None, moment, row.id)
        again = held[0] if held else campaigns.lease(connection, row, annotator_id, 0, moment, who.settings.lease_s)
        drafts.put(connection, Draft(row.id, annotator_id, before.answer, moment))
        return _task(connection, who, again, stream.use_of(connection, row.id), held_before=True)


def take_back(store: Store, judgement: Judgement, now: float | None = None) -> bool:
    """Store an owner's withdrawal of somebody's answer, with all that follows; says whether it was new.

    Raises:
        Problem: what it supersedes is not the newest answer of that annotator to the question.
    """
    with store.writing() as connection:
        return taken_back(connection, judgement, time.time() if now is None else now)


def keep(store: Store, annotator_id: str, question_id: str, now: float | None = None) -> bool:
    """Extend the lease of a question that is being worked on; False when it is no longer held."""
    moment = time.time() if now is None else now
    with store.writing() as connection:
        campaign = connection.execute(select(_questions.c.campaign).where(_questions.c.id == question_id)).scalar()
        if campaign is None:
            return False
        until = moment + situation(connection, annotator_id, campaign).settings.lease_s
        return _extend(connection, question_id, annotator_id, moment, until)


def give_back(store: Store, annotator_id: str, question_id: str) -> None:
    """Give back a question that was only fetched ahead; nothing happens when it is no longer held.

    It is as if it had never been given: an answer to it is refused, or whoever fetches and gives back could collect
    questions beyond overlap and budget and answer them all.
    """
    mine = (_assignments.c.question_id == question_id) & (_assignments.c.annotator_id == annotator_id)
    with store.writing() as connection:
        answers.lock_rows(connection, _questions, [question_id])
        held = mine & (_assignments.c.state == "leased")
        answered = (_events.c.question_id == question_id) & (_events.c.annotator_id == annotator_id)
        if connection.execute(select(_events.c.id).where(answered).limit(1)).first() is None:
            connection.execute(delete(_assignments).where(held))
        else:
            connection.execute(update(_assignments).where(held).values(state="expired", leased_until=None))


def history(store: Store, annotator_id: str, campaign: str | None = None, limit: int = 50) -> list[Answered]:
    """A person's own answers that stand, skips included, the newest first."""
    later, gold, states = _events.alias("later"), steering_tables.gold, steering_tables.campaigns
    query = (
        select(_events, gold.c.use, states.c.state, states.c.settings)
        .join(_questions, _questions.c.id == _events.c.question_id)
        .outerjoin(gold, gold.c.question_id == _questions.c.id)
        .outerjoin(states, states.c.name == _questions.c.campaign)
        .where(
            _events.c.annotator_id == annotator_id,
            ~select(later.c.id).where(later.c.supersedes == _events.c.id).exists(),
            *([_questions.c.campaign == campaign] if campaign is not None else []),
        )
        .order_by(_events.c.number.desc())
    )
    found: list[Any] = []
    with store.reading() as connection:
        page = connection.execute(query.limit(limit)).all()
        while page and len(found) < limit:
            found += [row for row in page if not withdrawn(row.answer)]
            page = connection.execute(query.where(_events.c.number < page[-1].number).limit(limit)).all()
        questions = answers.questions_by_id(connection, [row.question_id for row in found])
    return [Answered(rows.judgement_of(row), questions[row.question_id], _editable(row)) for row in found[:limit]]


def _editable(row: Row[Any]) -> bool:
    return not final(row.use, row.state, reveals=bool((row.settings or {}).get("reveal")), answer=row.answer)


def _own(connection: Connection, annotator_id: str, judgement_id: str) -> Row[Any]:
    mine = select(_events).where(_events.c.id == judgement_id, _events.c.annotator_id == annotator_id)
    row = connection.execute(mine).first()
    if row is None:
        raise Problem(f'you have no answer "{judgement_id}"', mend="take back one of your own")
    return row


def _undone(connection: Connection, before: Row[Any], new_id: str) -> bool:
    """Whether the withdrawal `new_id` of an answer is stored already, and nothing came after it."""
    if connection.execute(select(_events.c.id).where(_events.c.id == new_id)).first() is None:
        return False
    newest = answers.newest(connection, [before.question_id])[before.question_id, before.annotator_id]
    if newest != new_id:
        raise Problem("the question was answered again since", where=f'judgement "{before.id}"')
    return True


def _names(connection: Connection) -> list[str]:
    """Every campaign that has questions, by name: one look into the index for each, however many questions."""
    first = select(func.min(_questions.c.campaign).label("name")).cte("names", recursive=True)
    further = select(func.min(_questions.c.campaign)).where(_questions.c.campaign > first.c.name).scalar_subquery()
    names = first.union_all(select(further).where(first.c.name.is_not(None)))
    return [name for name in connection.execute(select(names.c.name)).scalars() if name is not None]


def _task_in(connection: Connection, who: Situation, seed: int, now: float, besides: Collection[str]) -> Task | NoTask:
    refused = who.refusal(now)
    if refused is not None:
        return refused
    mine = campaigns.held_by(connection, who.annotator_id, who.campaign, now)
    mine = [held for held in mine if CHAT not in held.question.metadata]
    others = [held for held in mine if held.question.id not in besides]
    for held in others or (mine if len(mine) >= MOST_HELD else []):
        use = stream.use_of(connection, held.question.id)
        if who.standing.state == "working" or use in ("training", "exam"):
            until = now + who.settings.lease_s
            _extend(connection, held.question.id, who.annotator_id, now, until)
            return _task(connection, who, replace(held, leased_until=until), use, held_before=True)
    batch_ends.expire(connection, who.campaign, now)
    found = stream.next_in(connection, who, seed, now)
    return found if isinstance(found, NoTask) else _task(connection, who, found[0], found[1])


def _extend(connection: Connection, question_id: str, annotator_id: str, now: float, until: float) -> bool:
    """Let a running lease run on until a later moment; False when it runs no more."""
    answers.lock_rows(connection, _questions, [question_id])
    mine = (
        (_assignments.c.question_id == question_id)
        & (_assignments.c.annotator_id == annotator_id)
        & (_assignments.c.state == "leased")
        & (_assignments.c.leased_until > now)
    )
    return connection.execute(update(_assignments).where(mine).values(leased_until=until)).rowcount == 1


def _task(
    connection: Connection, who: Situation, assignment: Assignment, use: Use, *, held_before: bool = False
) -> Task:
    """A leased question with all that is shown around it. Before a new one is leased, the guidelines were read."""
    left = offers.left(connection, who.annotator_id, who.campaign, who.furthest, COUNTED)
    unread = guidelines.unread_by(connection, who.campaign, who.annotator_id) if held_before else None
    return Task(
        assignment=assignment,
        use=use,
        guidelines_to_read=unread,
        draft=drafts.draft_of(connection, assignment.question.id, who.annotator_id),
        remaining=1 + left,
    )
