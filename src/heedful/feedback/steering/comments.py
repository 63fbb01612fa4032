"""The thread on a question: annotators ask, the people in charge answer."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import insert, select

from heedful.errors import Problem
from heedful.feedback import rows, tables
from heedful.feedback.steering.moments import stamp
from heedful.feedback.steering_tables import comments as _comments
from heedful.feedback.store import Store

LONGEST = 10_000
"""Characters in one remark."""


@dataclass(frozen=True, slots=True)
class Comment:
    """One remark."""

    id: str
    question_id: str
    author: str
    """An account's id."""
    text: str
    created: str
    """UTC, ISO 8601."""


def add(store: Store, question_id: str, account_id: str, text: str) -> Comment:
    """Add a remark to a question's thread.

    Raises:
        Problem: there is no such question, or the text is empty or longer than `LONGEST`.
    """
    where = f'comment on question "{question_id}"'
    said = rows.checked_text(text, where).strip()
    if not 1 <= len(said) <= LONGEST:
        raise Problem(f"a comment has 1 to {LONGEST:,} characters", where=where, mend="write something shorter")
    made = Comment(str(uuid.uuid4()), question_id, account_id, said, stamp())
    with store.writing() as connection:
        known = select(tables.questions.c.id).where(tables.questions.c.id == question_id)
        if connection.execute(known).first() is None:
            raise Problem(f'there is no question "{question_id}"', where=where)
        values = {"question_id": question_id, "author": account_id, "text": said, "created": made.created}
        connection.execute(insert(_comments).values(id=made.id, **values))
    return made


def of(store: Store, question_id: str) -> list[Comment]:
    """The thread of a question, the oldest remark first."""
    query = select(_comments).where(_comments.c.question_id == question_id).order_by(_comments.c.number)
    with store.reading() as connection:
        return [
            Comment(row.id, row.question_id, row.author, row.text, row.created) for row in connection.execute(query)
        ]
