"""What one annotator sees of a question: its completions in an order of their own, and nothing that names a model.

The screen counts completions by the place at which they are shown, the store by their position in the question.
`stored` and `shown` turn an answer from the one to the other, so that a browser never learns the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from heedful.errors import Problem
from heedful.feedback import answers, rows, tables
from heedful.feedback.campaigns import Assignment
from heedful.feedback.controls import Control
from heedful.feedback.intake import chunks, rows_by
from heedful.feedback.kind import withdrawn
from heedful.feedback.questions import kind_of
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Metadata, Prompt, Question


@dataclass(frozen=True, slots=True)
class Placed:
    """A question that one annotator was given, in the order drawn for them."""

    question: Question
    order: tuple[int, ...]
    """The position in the question of each place on the screen."""
    last: Judgement | None
    """The annotator's newest event on the question, which a further answer supersedes."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The same with its texts."""

    question: Question
    prompt: Prompt
    completions: tuple[Completion, ...]
    """In the order of the screen."""
    order: tuple[int, ...]
    last: Judgement | None


def placed(store: Store, annotator_id: str, question_id: str) -> Placed:
    """A question that an annotator was given at some time, by `campaigns.claim`, and in the order drawn then.

    Raises:
        Problem: it was never given to them; whether it exists is not told.
    """
    with store.reading() as connection:
        return _placed(connection, annotator_id, question_id)


def given(store: Store, annotator_id: str, question_id: str) -> Shown:
    """The same with its texts.

    Raises:
        Problem: as for `placed`.
    """
    with store.reading() as connection:
        return _with_texts(connection, _placed(connection, annotator_id, question_id))


def held(store: Store, assignment: Assignment) -> Shown:
    """A question that was just given out, with its texts."""
    question, last = assignment.question, assignment.supersedes
    order = assignment.shown or tuple(range(len(question.completion_ids)))
    with store.reading() as connection:
        events = rows_by(connection, tables.judgements.c.id, [last]) if last is not None else {}
        newest = None if last is None else rows.judgement_of(events[last])
        return _with_texts(connection, Placed(question, order, newest))


_assignments, _events = tables.assignments, tables.judgements
_ORDER = select(_assignments.c.shown).where(
    _assignments.c.question_id == bindparam("question"), _assignments.c.annotator_id == bindparam("annotator")
)
_NEWEST = (
    select(_events)
    .where(_events.c.question_id == bindparam("question"), _events.c.annotator_id == bindparam("annotator"))
    .order_by(_events.c.number.desc())
    .limit(1)
)


def _with_texts(connection: Connection, found: Placed) -> Shown:
    question = found.question
    prompts = rows_by(connection, tables.prompts.c.id, [question.prompt_id])
    texts = rows_by(connection, tables.completions.c.id, question.completion_ids)
    return Shown(
        question=question,
        prompt=rows.prompt_of(prompts[question.prompt_id]),
        completions=tuple(rows.completion_of(texts[question.completion_ids[position]]) for position in found.order),
        order=found.order,
        last=found.last,
    )


def _placed(connection: Connection, annotator_id: str, question_id: str) -> Placed:
    who = {"question": question_id, "annotator": annotator_id}
    order = connection.execute(_ORDER, who).scalar_one_or_none()
    if order is None:
        raise Problem("this question was not given to you", where=f'question "{question_id}"')
    question = answers.questions_by_id(connection, [question_id])[question_id]
    newest = connection.execute(_NEWEST, who).first()
    places = tuple(order) or tuple(range(len(question.completion_ids)))
    return Placed(question, places, None if newest is None else rows.judgement_of(newest))


def holds(found: Shown | Placed) -> bool:
    """Whether the annotator has an answer to the question that was not taken back."""
    return found.last is not None and not withdrawn(found.last.answer)


def stored(question: Question, answer: Metadata, order: Sequence[int]) -> dict[str, Any]:
    """An answer in the order of the screen as the store keeps it; what is unfinished or malformed stays as it is."""
    return _turned(question, answer, order)


def shown(question: Question, answer: Metadata, order: Sequence[int]) -> dict[str, Any]:
    """A stored answer in the order of the screen: undoes `stored`."""
    return _turned(question, answer, [list(order).index(position) for position in range(len(order))])


def _turned(question: Question, answer: Metadata, order: Sequence[int]) -> dict[str, Any]:
    """`order[place]` is where the completion at `place` stands in the other order."""
    turned = dict(answer)
    for control in kind_of(question).controls:
        if control.places and control.field in turned:
            turned[control.field] = _value(control, turned[control.field], order)
    return turned


def _value(control: Control, value: Any, order: Sequence[int]) -> Any:
    match control.places:
        case "side" if value in ("a", "b") and len(order) == 2:
            return "ab"[order["ab".index(value)]]
        case "index" if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(order):
            return order[value]
        case "list" if isinstance(value, list | tuple) and len(value) == len(order):
            turned = [None] * len(order)
            for place, each in enumerate(value):
                turned[order[place]] = each
            return turned
        case _:
            return value


def drawn(question: Question) -> list[tuple[Control, Mapping[str, Any]]]:
    """The question's form: each control with what it needs of the question.

    Raises:
        Problem: the kind has no form.
    """
    kind = kind_of(question)
    if not kind.controls:
        raise Problem(f"questions of the kind {kind.name} have no form", mend="give the kind `controls`")
    return [(control, control.drawn(question)) for control in kind.controls]


def event(store: Store, judgement_id: str) -> Judgement | None:
    """A judgement by its id, whether it holds or not; None when there is none."""
    table = tables.judgements
    with store.reading() as connection:
        row = connection.execute(select(table).where(table.c.id == judgement_id)).first()
    return None if row is None else rows.judgement_of(row)


def of_others(store: Store, question_ids: Sequence[str], annotator_id: str) -> dict[str, list[Judgement]]:
    """What others answered to some questions, as it holds; for campaigns that reveal it after one's own answer."""
    table = tables.judgements
    found: dict[str, list[Judgement]] = {name: [] for name in question_ids}
    with store.reading() as connection:
        for chunk in chunks(list(found)):
            query = select(table).where(
                table.c.question_id.in_(chunk), table.c.annotator_id != annotator_id, *answers.holding()
            )
            for row in connection.execute(query.order_by(table.c.number)):
                if not withdrawn(row.answer):
                    found[row.question_id].append(rows.judgement_of(row))
    return found
