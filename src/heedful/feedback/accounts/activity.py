"""How much each person has done, and where: counts for the pages about people."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from heedful.feedback import account_tables, tables
from heedful.feedback.store import Store


@dataclass(frozen=True, slots=True)
class Activity:
    """What one person has done."""

    answers: int = 0
    """Questions answered or skipped; the newest event of each counts, withdrawn ones do not."""
    seen: float | None = None
    """When they last used a session that is still open: seconds since 1970, UTC."""


def activities(store: Store) -> dict[str, Activity]:
    """Account id -> what they have done, for every account."""
    people, work, sessions = account_tables.accounts, tables.assignments, account_tables.sessions
    done = (
        select(func.count())
        .where(work.c.annotator_id == people.c.annotator_id, work.c.state.in_(("submitted", "skipped")))
        .scalar_subquery()
    )
    seen = select(func.max(sessions.c.seen)).where(sessions.c.account_id == people.c.id).scalar_subquery()
    with store.reading() as connection:
        return {row[0]: Activity(row[1], row[2]) for row in connection.execute(select(people.c.id, done, seen))}


def by_campaign(store: Store, annotator_id: str) -> dict[str, int]:
    """Campaign -> how many of its questions somebody has answered or skipped."""
    work, questions = tables.assignments, tables.questions
    query = (
        select(questions.c.campaign, func.count())
        .join(work, work.c.question_id == questions.c.id)
        .where(work.c.annotator_id == annotator_id, work.c.state.in_(("submitted", "skipped")))
        .group_by(questions.c.campaign)
        .order_by(questions.c.campaign)
    )
    with store.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def sizes(store: Store) -> dict[str, int]:
    """How many prompts, completions, questions, judgements, annotators and models the store holds."""
    found = ("prompts", "completions", "questions", "judgements", "annotators", "models")
    with store.reading() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(tables.metadata.tables[name])).scalar_one()
            for name in found
        }
