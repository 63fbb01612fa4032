"""What follows from an answer, all in its transaction: the ledger, gold and standings, batches, events.

Locks are taken in one order: the annotator, the batches of the question, the right to lock many questions (where they
may have to be), the question, and last the campaign's sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select

from heedful.errors import Problem
from heedful.feedback import answers, rows, steering_tables, tables
from heedful.feedback.accounts import outbox
from heedful.feedback.kind import skipped, withdrawn
from heedful.feedback.steering import batch_ends, drafts, gold, ledger
from heedful.feedback.steering.gates import Situation, situation
from heedful.feedback.steering.standing import Standing, after_gold, lock_annotator, qualify
from heedful.feedback.steering.tasks import CHAT, Outcome
from heedful.records import Judgement

_questions, _assignments, _gold = tables.questions, tables.assignments, steering_tables.gold


@dataclass(frozen=True, slots=True)
class _Asked:
    """The question of an answer, and how it came to the annotator."""

    row: Row[Any]

    @property
    def use(self) -> str | None:
        """Of a gold item; None for work."""
        return str(self.row.use) if self.row.use else None


def hand_in(connection: Connection, judgement: Judgement, now: float) -> Outcome:
    """Store an answer with all that follows from it, in the caller's write transaction.

    Raises:
        Problem: the question was never given to the annotator, the answer is not valid, or it would change one that
            cannot be changed any more.
    """
    lock_annotator(connection, judgement.annotator_id)
    asked = _asked(connection, judgement)
    who = situation(connection, judgement.annotator_id, asked.row.campaign)
    _refuse_change(connection, judgement, asked, who)
    judgement = replace(judgement, shown=tuple(judgement.shown) or tuple(asked.row.order))
    batch_ids = batch_ends.lock(connection, batch_ends.running_with(connection, judgement.question_id))
    before, last = batch_ends.counts(connection, batch_ids)
    if asked.use == "gold" or last:  # this answer may pause somebody or end a batch, which touches other questions
        answers.lock_many(connection)
    new = answers.submit(connection, [judgement]) == 1
    standing = who.standing
    if new:
        drafts.drop(connection, judgement.question_id, judgement.annotator_id)
        cost = ledger.enter(connection, judgement, who.campaign, asked.row.kind, asked.use, who.settings, now)
        _tell(connection, judgement, who.campaign)
        standing = _standing(connection, who, asked)
        batch_ends.tell(connection, batch_ids, before, now, may_end=last)
        _finish(connection, asked, who.campaign)
        ledger.spend(connection, who.campaign, cost)
    if asked.use != "training" or withdrawn(judgement.answer):
        return Outcome(new, None, standing)
    right = gold.agrees(rows.question_of(asked.row, ()), asked.row.answer, judgement.answer)
    return Outcome(new, asked.row.explanation, standing, right)


def take_back(connection: Connection, judgement: Judgement, now: float) -> bool:
    """Store an owner's withdrawal of somebody's answer; says whether it was new. What was earned stays earned.

    Raises:
        Problem: the answer is not the newest of that annotator to the question.
    """
    lock_annotator(connection, judgement.annotator_id)
    batch_ids = batch_ends.lock(connection, batch_ends.running_with(connection, judgement.question_id))
    before, _ = batch_ends.counts(connection, batch_ids)
    new = answers.submit(connection, [judgement]) == 1
    if new:
        table = tables.questions
        campaign = select(table.c.campaign).where(table.c.id == judgement.question_id)
        _tell(connection, judgement, connection.execute(campaign).scalar_one())
        batch_ends.tell(connection, batch_ids, before, now, may_end=False)
    return new


_theirs = (_assignments.c.question_id == _questions.c.id) & (_assignments.c.annotator_id == bindparam("annotator"))
_ASKED: Select[Any] = (
    select(_questions, _assignments.c.shown.label("order"), _gold.c.use, _gold.c.answer, _gold.c.explanation)
    .join(_assignments, _theirs)
    .outerjoin(_gold, _gold.c.question_id == _questions.c.id)
    .where(_questions.c.id == bindparam("question"))
)
_open = _questions.c.given < _questions.c.wanted
_STILL_OPEN = select(_questions.c.id).where(_questions.c.id == bindparam("question"), _open)
_OTHERS = select(_questions.c.id).where(_questions.c.campaign == bindparam("campaign"), _open).limit(1)


def _asked(connection: Connection, judgement: Judgement) -> _Asked:
    values = {"question": judgement.question_id, "annotator": judgement.annotator_id}
    row = connection.execute(_ASKED, values).first()
    if row is None:
        raise Problem("this question was not given to you", where=f'judgement "{judgement.id}"', mend="ask for a task")
    return _Asked(row)


def _refuse_change(connection: Connection, judgement: Judgement, asked: _Asked, who: Situation) -> None:
    """What is over stays as it is; an answer that is stored may come again.

    In a closed conversation, whose versions may have been told, there is no vote any more, not even a first one.
    """
    table, changes, what = tables.judgements, judgement.supersedes is not None, ""
    if changes:
        before = select(table.c.answer).where(table.c.id == judgement.supersedes)
        answer = connection.execute(before).scalar() or {}
        what = final(asked.use, who.state, reveals=who.settings.reveal, answer=answer)
    if not what and CHAT in asked.row.metadata and _conversation_is_closed(connection, asked.row.metadata[CHAT]):
        what = "the conversation is closed"
    if what and connection.execute(select(table.c.id).where(table.c.id == judgement.id)).first() is None:
        raise Problem(f"the answer cannot be changed: {what}", where=f'judgement "{judgement.id}"')


def final(use: str | None, state: str | None, *, reveals: bool, answer: Mapping[str, Any]) -> str:
    """Why an answer cannot be changed or taken back any more; empty where it can.

    Args:
        use: of a gold item; None for work.
        state: of the campaign.
        reveals: whether the campaign shows what others answered, once one has answered oneself.
        answer: the one that would be changed; a skip reveals nothing.
    """
    if state == "closed":
        return "the campaign is closed"
    if use in ("training", "exam"):
        return "this item is answered once"
    if reveals and not skipped(answer) and not withdrawn(answer):
        return "here one sees what others answered, once one has answered oneself"
    return ""


def _conversation_is_closed(connection: Connection, chat_id: object) -> bool:
    table = steering_tables.chats
    return connection.execute(select(table.c.state).where(table.c.id == str(chat_id))).scalar() == "closed"


def _standing(connection: Connection, who: Situation, asked: _Asked) -> Standing:
    if asked.use == "gold":
        return after_gold(connection, who.campaign, who.annotator_id, who.settings, who.standing)
    if asked.use and who.standing.state in ("training", "exam"):
        return qualify(connection, who.campaign, who.annotator_id, who.settings, who.standing)[0]
    return who.standing


def _tell(connection: Connection, judgement: Judgement, campaign: str) -> None:
    payload = {
        "judgement": judgement.id,
        "question": judgement.question_id,
        "annotator": judgement.annotator_id,
        "campaign": campaign,
    }
    if withdrawn(judgement.answer):
        outbox.add(connection, "judgement.withdrawn", {**payload, "supersedes": judgement.supersedes})
    else:
        outbox.add(connection, "judgement.stored", payload)


def _finish(connection: Connection, asked: _Asked, campaign: str) -> None:
    """Say that the campaign has all its answers, when the last open question was closed just now."""
    if not asked.row.given < asked.row.wanted:
        return
    if connection.execute(_STILL_OPEN, {"question": asked.row.id}).first() is not None:
        return
    answers.lock_name(connection, f"finish {campaign}")  # of two that close the last two, the second sees the first
    if connection.execute(_OTHERS, {"campaign": campaign}).first() is None:
        outbox.add(connection, "campaign.finished", {"campaign": campaign})
