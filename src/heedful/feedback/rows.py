"""Records to rows and back, and the checks that every record passes on its way in.

A row is what the tables hold: plain JSON, no NaN, text that is valid Unicode. A record that cannot be kept
exactly is refused with its id and field named, never stored half.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args, get_type_hints

from sqlalchemy import Row

from heedful.errors import Problem
from heedful.records import Annotator, Completion, Judgement, Message, Model, Prompt, Question

Values = dict[str, Any]
"""Column name -> value."""


def json_text(value: Any) -> str:
    """`value` as JSON; raises ValueError for NaN and infinities, TypeError for what JSON does not know."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def canonical(value: Any) -> str:
    """`value` as the one JSON text that equal values share: sorted keys, no spaces."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def plain(value: Any, where: str) -> Any:
    """`value` as JSON gives it back (tuples as lists, keys as strings).

    Raises:
        Problem: it holds NaN, an object, or text that is not valid Unicode.
    """
    if not value:
        return [] if isinstance(value, list | tuple) else dict(value) if isinstance(value, Mapping) else value
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_mapping)
        text.encode()
    except (TypeError, ValueError) as error:
        raise Problem(
            f"this cannot be stored as JSON ({error})", where=where, mend="use numbers, text, lists"
        ) from error
    return json.loads(text)


def _mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")


def checked_text(value: Any, where: str) -> str:
    """`value`, when it is text that every database can hold.

    Raises:
        Problem: it is no text, holds half a character (a lone surrogate) or the NUL character.
    """
    if not isinstance(value, str):
        raise Problem(f"this is to be text, not {type(value).__name__}", where=where, mend="put it in quotes")
    if "\0" in value or not (value.isascii() or _encodes(value)):
        raise Problem("the text holds a NUL or half a character", where=where, mend="remove it")
    return value


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked_id(value: Any, where: str) -> str:
    """`value`, when it is text of 1 to 200 characters."""
    if not 1 <= len(checked_text(value, where)) <= 200:
        raise Problem("an id has 1 to 200 characters", where=where, mend="give each record its own short id")
    return str(value)


_LITERALS: dict[tuple[type[Any], str], tuple[Any, ...]] = {
    (record, name): get_args(get_type_hints(record)[name])
    for record, name in (
        (Annotator, "kind"),
        (Completion, "finish"),
        (Question, "purpose"),
        (Model, "kind"),
        (Model, "status"),
    )
}
"""The values that a record's field may have."""


def _one_of(record: Any, name: str, where: str) -> Any:
    allowed, value = _LITERALS[type(record), name], getattr(record, name)
    if value not in allowed:
        raise Problem(
            f"{value!r} is not known here",
            where=f'{where}, field "{name}"',
            mend=f"use one of {', '.join(repr(choice) for choice in allowed)}",
        )
    return value


# Records to rows


def of_annotator(annotator: Annotator) -> Values:
    """The row of an annotator."""
    where = f'annotator "{annotator.id}"'
    return {
        "id": checked_id(annotator.id, f'{where}, field "id"'),
        "name": checked_text(annotator.name, f'{where}, field "name"'),
        "kind": _one_of(annotator, "kind", where),
        "metadata": plain(annotator.metadata, f'{where}, field "metadata"'),
    }


def of_prompt(prompt: Prompt) -> Values:
    """The row of a prompt."""
    where = f'prompt "{prompt.id}"'
    if bool(prompt.text) and bool(prompt.messages):
        raise Problem("a prompt is either a text or a conversation", where=where, mend="leave one of them empty")
    return {
        "id": checked_id(prompt.id, f'{where}, field "id"'),
        "text": checked_text(prompt.text, f'{where}, field "text"'),
        "messages": [
            [checked_text(part, f'{where}, field "messages", turn {turn}') for part in (message.role, message.content)]
            for turn, message in enumerate(prompt.messages, 1)
        ],
        "metadata": plain(prompt.metadata, f'{where}, field "metadata"'),
    }


def of_completion(completion: Completion) -> Values:
    """The row of a completion."""
    where = f'completion "{completion.id}"'
    ids, logprobs = completion.token_ids, completion.logprobs
    if logprobs and len(logprobs) != len(ids):
        raise Problem(
            f"{len(logprobs)} log-probabilities for {len(ids)} tokens",
            where=f'{where}, field "logprobs"',
            mend="give one for each token id",
        )
    if not all(math.isfinite(value) for value in logprobs):
        raise Problem("a log-probability is not a finite number", where=f'{where}, field "logprobs"')
    return {
        "id": checked_id(completion.id, f'{where}, field "id"'),
        "prompt_id": completion.prompt_id,
        "text": checked_text(completion.text, f'{where}, field "text"'),
        "policy": checked_text(completion.policy, f'{where}, field "policy"'),
        "token_ids": [int(token) for token in ids],
        "logprobs": [float(value) for value in logprobs],
        "sampling": plain(completion.sampling, f'{where}, field "sampling"'),
        "finish": _one_of(completion, "finish", where),
        "metadata": plain(completion.metadata, f'{where}, field "metadata"'),
    }


def of_question(question: Question) -> Values:
    """The row of a question; its completions have rows of their own."""
    where = f'question "{question.id}"'
    if not (isinstance(question.overlap, int) and question.overlap >= 1):
        raise Problem("the overlap is to be a whole number from 1", where=f'{where}, field "overlap"')
    if question.propensity is not None and not 0 < question.propensity <= 1:
        raise Problem("a propensity is a probability above 0", where=f'{where}, field "propensity"')
    return {
        "id": checked_id(question.id, f'{where}, field "id"'),
        "kind": question.kind,
        "prompt_id": question.prompt_id,
        "campaign": checked_id(question.campaign, f'{where}, field "campaign"'),
        "purpose": _one_of(question, "purpose", where),
        "overlap": question.overlap,
        "propensity": None if question.propensity is None else float(question.propensity),
        "selection": checked_text(question.selection, f'{where}, field "selection"'),
        "metadata": plain(question.metadata, f'{where}, field "metadata"'),
        "wanted": question.overlap,
    }


def of_judgement(judgement: Judgement) -> Values:
    """The row of a judgement."""
    where = f'judgement "{judgement.id}"'
    duration = judgement.duration_s
    if duration is not None and not (math.isfinite(duration) and duration >= 0):
        raise Problem("a duration is a number of seconds, not negative", where=f'{where}, field "duration_s"')
    return {
        "id": checked_id(judgement.id, f'{where}, field "id"'),
        "question_id": judgement.question_id,
        "annotator_id": judgement.annotator_id,
        "answer": plain(judgement.answer, f'{where}, field "answer"'),
        "shown": [int(position) for position in judgement.shown],
        "created": checked_text(judgement.created, f'{where}, field "created"'),
        "duration_s": None if duration is None else float(duration),
        "supersedes": judgement.supersedes,
    }


def of_model(model: Model) -> Values:
    """The row of a model."""
    where = f'model "{model.id}"'
    return {
        "id": checked_id(model.id, f'{where}, field "id"'),
        "kind": _one_of(model, "kind", where),
        "path": checked_text(model.path, f'{where}, field "path"'),
        "parent": model.parent,
        "reward": model.reward,
        "snapshot": model.snapshot,
        "run": checked_text(model.run, f'{where}, field "run"'),
        "config": plain(model.config, f'{where}, field "config"'),
        "status": _one_of(model, "status", where),
        "metadata": plain(model.metadata, f'{where}, field "metadata"'),
    }


# Rows to records


def annotator_of(row: Row[Any]) -> Annotator:
    """The annotator of a row."""
    return Annotator(row.id, row.name, row.kind, row.metadata)


def prompt_of(row: Row[Any]) -> Prompt:
    """The prompt of a row."""
    return Prompt(row.id, row.text, tuple(Message(*turn) for turn in row.messages), row.metadata)


def completion_of(row: Row[Any]) -> Completion:
    """The completion of a row."""
    return Completion(
        id=row.id,
        prompt_id=row.prompt_id,
        text=row.text,
        policy=row.policy,
        token_ids=tuple(row.token_ids),
        logprobs=tuple(row.logprobs),
        sampling=row.sampling,
        finish=row.finish,
        metadata=row.metadata,
    )


def question_of(row: Row[Any], completion_ids: Iterable[str]) -> Question:
    """The question of a row and its completions in order."""
    return Question(
        id=row.id,
        kind=row.kind,
        prompt_id=row.prompt_id,
        completion_ids=tuple(completion_ids),
        campaign=row.campaign,
        purpose=row.purpose,
        overlap=row.overlap,
        propensity=row.propensity,
        selection=row.selection,
        metadata=row.metadata,
    )


def judgement_of(row: Row[Any]) -> Judgement:
    """The judgement of a row."""
    return Judgement(
        id=row.id,
        question_id=row.question_id,
        annotator_id=row.annotator_id,
        answer=row.answer,
        shown=tuple(row.shown),
        created=row.created,
        duration_s=row.duration_s,
        supersedes=row.supersedes,
    )


def model_of(row: Row[Any]) -> Model:
    """The model of a row."""
    columns: Sequence[str] = (
        "id",
        "kind",
        "path",
        "parent",
        "reward",
        "snapshot",
        "run",
        "config",
        "status",
        "metadata",
    )
    return Model(**{name: getattr(row, name) for name in columns})
