"""Questions whose right answer is known: for training, for an exam, and hidden in the stream of work.

They are `evaluate` questions: nothing is ever trained on them. Everybody may answer each of them once; they have no
places and do not count in a campaign's progress.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select, update

from heedful.errors import Problem
from heedful.feedback import answers, places, rows, steering_tables, tables
from heedful.feedback.accounts import audit
from heedful.feedback.intake import completion_ids_of
from heedful.feedback.kind import skipped, withdrawn
from heedful.feedback.questions import kind_of
from heedful.feedback.store import Store
from heedful.records import Metadata, Question

Use = Literal["training", "exam", "gold"]

_gold, _questions, _assignments, _events = (
    steering_tables.gold,
    tables.questions,
    tables.assignments,
    tables.judgements,
)


@dataclass(frozen=True, slots=True)
class Gold:
    """A question with its right answer."""

    question: Question
    use: Use
    answer: Metadata
    explanation: str
    """Markdown; shown after a training item was answered."""


@dataclass(frozen=True, slots=True)
class GoldRecord:
    """How an annotator did on the gold items in the stream."""

    right: int
    seen: int
    """Answered; a skip counts as an answer that is not right."""


def set_gold(store: Store, question_id: str, use: Use, answer: Metadata, explanation: str = "", by: str = "") -> Gold:
    """Make a question a gold item, or change one; its purpose becomes `evaluate`.

    Raises:
        Problem: there is no such question or use, the answer is not of its kind, or the question holds answers that
            may be trained on.
    """
    where = f'gold item "{question_id}"'
    if use not in get_args(Use):
        raise Problem(f"{use!r} is no use of a gold item", where=where, mend=f"use one of {', '.join(get_args(Use))}")
    rows.checked_text(explanation, f'{where}, field "explanation"')
    with store.writing() as connection:
        answers.lock_rows(connection, _questions, [question_id])
        question = answers.questions_by_id(connection, [question_id]).get(question_id)
        if question is None:
            raise Problem(f'there is no question "{question_id}"', where=where, mend="add the question first")
        if skipped(answer) or withdrawn(answer):
            raise Problem("a right answer says something", where=where, mend="answer the question")
        kind_of(question).validate(answer, question, _texts(connection, question))
        _refuse_train_answers(connection, question, where)
        values = {"use": use, "answer": rows.plain(answer, where), "explanation": explanation}
        known = connection.execute(select(_gold.c.use).where(_gold.c.question_id == question_id)).first()
        if known is None:
            names = {"question_id": question_id, "campaign": question.campaign}
            connection.execute(insert(_gold).values(**names, **values))
            connection.execute(update(_questions).where(_questions.c.id == question_id).values(purpose="evaluate"))
            places.recount(connection, [question_id])
        else:
            connection.execute(update(_gold).where(_gold.c.question_id == question_id).values(**values))
        audit.record(connection, by, "gold.set", question_id, {"use": use, "campaign": question.campaign})
    return gold_of(store, question.campaign, question_id=question_id)[0]


def unset_gold(store: Store, question_id: str, by: str = "") -> None:
    """Make a gold item an ordinary question again; it stays an `evaluate` question. Nothing happens if it is none."""
    with store.writing() as connection:
        answers.lock_rows(connection, _questions, [question_id])
        gone = connection.execute(delete(_gold).where(_gold.c.question_id == question_id)).rowcount
        if gone:
            places.recount(connection, [question_id])
            audit.record(connection, by, "gold.unset", question_id, {})


def gold_of(store: Store, campaign: str, use: Use | None = None, question_id: str | None = None) -> list[Gold]:
    """The gold items of a campaign (with one use, or about one question), in the questions' order of arrival."""
    chosen = [
        *([_gold.c.use == use] if use is not None else []),
        *([_gold.c.question_id == question_id] if question_id is not None else []),
    ]
    query = (
        select(_questions, _gold.c.use, _gold.c.answer, _gold.c.explanation)
        .join(_gold, _gold.c.question_id == _questions.c.id)
        .where(_gold.c.campaign == campaign, *chosen)
        .order_by(_questions.c.number)
    )
    with store.reading() as connection:
        found = connection.execute(query).all()
        shown = completion_ids_of(connection, [row.id for row in found])
    return [Gold(rows.question_of(row, shown[row.id]), row.use, row.answer, row.explanation) for row in found]


def agrees(question: Question, expected: Metadata, given: Metadata) -> bool:
    """Whether an answer says the same as the right one, field by field.

    Choices and thumbs are to be equal, whatever their strength. A ranking is to keep every order of the expected one;
    where that has a tie, either order will do. A rating may be off by a quarter of its scale (one step of five).
    Flags are to have the same names, wherever their spans are. Texts are to be equal but for spaces and capitals.
    """
    if skipped(given) or withdrawn(given):
        return False
    scale = expected.get("scale", question.metadata.get("scale", (0, 0)))
    for name, value in expected.items():
        if name in ("reason", "metadata", "scale", "strength"):
            continue
        if name not in given or not _same(name, value, given[name], abs(scale[1] - scale[0]) / 4):
            return False
    return True


def accuracy(store: Store, campaign: str, annotator_id: str) -> GoldRecord:
    """How many of the gold items in the stream an annotator got right, in all."""
    with store.reading() as connection:
        found = results(connection, campaign, annotator_id, "gold")
    return GoldRecord(sum(found), len(found))


def results(connection: Connection, campaign: str, annotator_id: str, use: Use, since: int = 0) -> list[bool]:
    """Whether each gold item that an annotator answered is right, in the order of the answers.

    Args:
        connection: any transaction.
        campaign: only its items.
        annotator_id: whose answers.
        use: of the items.
        since: only answers with a higher number.
    """
    values = {"campaign": campaign, "annotator": annotator_id, "use": use, "since": since}
    return [
        agrees(rows.question_of(row, ()), row.expected, row.given_answer)
        for row in connection.execute(_RESULTS, values)
        if not withdrawn(row.given_answer)
    ]


def not_given(connection: Connection, campaign: str, annotator_id: str) -> list[Row[Any]]:
    """The questions that are gold in the stream and that an annotator was never given, in order of arrival."""
    values = {"campaign": campaign, "annotator": annotator_id, "use": "gold"}
    return list(connection.execute(_NOT_GIVEN, values))


def next_item(connection: Connection, campaign: str, annotator_id: str, use: Use) -> Row[Any] | None:
    """The first training or exam question that an annotator has neither answered nor skipped."""
    values = {"campaign": campaign, "annotator": annotator_id, "use": use}
    return connection.execute(_NOT_DONE, values).first()


# The statements of the desk, each made once: to make one takes several times as long as to run it.

_later = _events.alias("later")
_RESULTS: Select[Any] = (
    select(_questions, _gold.c.answer.label("expected"), _events.c.answer.label("given_answer"))
    .join(_gold, _gold.c.question_id == _questions.c.id)
    .join(_events, _events.c.question_id == _questions.c.id)
    .where(
        _gold.c.campaign == bindparam("campaign"),
        _gold.c.use == bindparam("use"),
        _events.c.annotator_id == bindparam("annotator"),
        _events.c.number > bindparam("since"),
        ~select(_later.c.id).where(_later.c.supersedes == _events.c.id).exists(),
    )
    .order_by(_events.c.number)
)
_items: Select[Any] = (
    select(_questions)
    .join(_gold, _gold.c.question_id == _questions.c.id)
    .where(_gold.c.campaign == bindparam("campaign"), _gold.c.use == bindparam("use"))
    .order_by(_questions.c.number)
)
_theirs = select(_assignments.c.number).where(
    _assignments.c.question_id == _questions.c.id, _assignments.c.annotator_id == bindparam("annotator")
)
_NOT_GIVEN = _items.where(~_theirs.exists())
_NOT_DONE = _items.where(~_theirs.where(_assignments.c.state.in_(("submitted", "skipped"))).exists()).limit(1)


def _texts(connection: Connection, question: Question) -> list[str]:
    table = tables.completions
    found = connection.execute(select(table.c.id, table.c.text).where(table.c.id.in_(question.completion_ids)))
    texts = {row.id: row.text for row in found}
    return [texts[name] for name in question.completion_ids]


def _refuse_train_answers(connection: Connection, question: Question, where: str) -> None:
    some = select(_events.c.id).where(_events.c.question_id == question.id).limit(1)
    if question.purpose == "train" and connection.execute(some).first() is not None:
        raise Problem(
            "people have answered this question for training, and nothing may be both trained on and examined with",
            where=where,
            mend="choose a question that nobody has answered",
        )


def _same(name: str, expected: Any, given: Any, tolerance: float) -> bool:
    match name:
        case "ranks":
            orders = [(i, j) for i, j in permutations(range(len(expected)), 2) if expected[i] < expected[j]]
            if len(given) != len(expected):
                return False
            return all(given[i] < given[j] for i, j in orders) if orders else len(set(given)) == 1
        case "ratings":
            return all(
                aspect in given and abs(given[aspect] - value) <= tolerance for aspect, value in expected.items()
            )
        case "flags":
            return _names(expected) == _names(given)
        case "text":
            return " ".join(str(expected).split()).casefold() == " ".join(str(given).split()).casefold()
        case _:
            return bool(expected == given)


def _names(flags: Any) -> set[Any]:
    return {flag.get("name") for flag in flags if isinstance(flag, Mapping)}
