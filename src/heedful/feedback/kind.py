"""The contract of a kind of question, and what all kinds share: skipping, taking back, reasons and metadata.

A kind lives in one file of `feedback.kinds`, which ends with `KIND = Kind(...)`. It says what an answer looks like
(`schema`, for machines; `check`, with words for people), by which controls a page asks for it, and what it teaches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heedful.errors import Problem
from heedful.feedback.controls import Control
from heedful.feedback.lessons import Lesson
from heedful.records import Metadata, Question

Check = Callable[[Metadata, Question, Sequence[str]], None]
"""(answer, question, texts of the completions, or none when they are not known) -> None, or a `Problem`."""

Teach = Callable[[Metadata, Question, Sequence[str]], list[Lesson]]
"""(answer, question, texts of the completions) -> lessons; never sees a skipped or withdrawn answer."""

Schema = Mapping[str, Any]
"""A JSON Schema (draft 2020-12)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of question shows, takes and teaches."""

    name: str
    completions: tuple[int, int | None]
    """The fewest and the most completions it shows; None for any number."""
    fields: tuple[str, ...]
    """The names that its answers may carry, beside those that every kind takes."""
    check: Check
    teach: Teach
    reads_texts: bool = False
    """Whether `check` can use the texts."""
    title: str = ""
    """For lists and headings: "Comparison"."""
    ask: str = ""
    """The question that people read, unless the question's metadata has its own under "ask"."""
    schema: Schema = field(default_factory=dict)
    """Of an answer, skipped and withdrawn ones included; made with `answers_like`."""
    controls: tuple[Control, ...] = ()
    """The form, from top to bottom; a kind without any cannot be asked on a page."""
    place: int = 100
    """Where it stands in lists of kinds: the smaller, the earlier."""

    def validate(self, answer: Metadata, question: Question, texts: Sequence[str] = ()) -> None:
        """Refuse an answer that is not of this kind.

        Args:
            answer: as in the table at the top of `questions`.
            question: what was asked.
            texts: the completions' texts in the question's order, for checks that need them.

        Raises:
            Problem: naming the field that is missing, unknown or wrong.
        """
        if not isinstance(answer, Mapping):
            raise wrong("", "an answer is a mapping of fields", f"send {self._form()}")
        if not isinstance(answer.get("reason", ""), str):
            raise wrong("reason", "a reason is text", "write it in quotes, or leave it out")
        if not isinstance(answer.get("metadata", {}), Mapping):
            raise wrong("metadata", "metadata is a mapping of names to values", "leave it out, or send a mapping")
        special = "choice" if skipped(answer) else "withdrawn" if "withdrawn" in answer else ""
        allowed = {"reason", "metadata", *([special] if special else self.fields)}
        for name in answer:
            if name not in allowed:
                raise wrong(str(name), f"a {self.name} has no such field here", f"send {self._form()}")
        if special == "withdrawn" and answer["withdrawn"] is not True:
            raise wrong("withdrawn", "it is true or left out", 'send {"withdrawn": true} to take an answer back')
        if not special:
            self.check(answer, question, texts)

    def validate_question(self, question: Question) -> None:
        """Refuse a question that shows too few or too many completions, or one twice.

        Raises:
            Problem: naming the question.
        """
        fewest, most = self.completions
        count = len(question.completion_ids)
        where = f'question "{question.id}", field "completion_ids"'
        if count < fewest or (most is not None and count > most):
            wanted = f"{fewest}" if fewest == most else f"{fewest} or more"
            raise Problem(f"a {self.name} shows {wanted} completions, not {count}", where=where)
        if len(set(question.completion_ids)) != count:
            raise Problem("a completion is shown twice", where=where, mend="name each completion once")

    def _form(self) -> str:
        return ", ".join(f'"{name}"' for name in self.fields) + ' (and, if you like, "reason" and "metadata")'


def skipped(answer: Metadata) -> bool:
    """Whether the annotator could not say."""
    return bool(answer.get("choice") == "skip")


def withdrawn(answer: Metadata) -> bool:
    """Whether the annotator took an earlier answer back."""
    return answer.get("withdrawn") is True


ALWAYS: Mapping[str, Schema] = {
    "reason": {"type": "string", "description": "why, in the annotator's words"},
    "metadata": {"type": "object", "description": "anything else, such as signals of pasting and pace"},
}
"""The fields that an answer of any kind may carry."""


def answers_like(*forms: Mapping[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """The JSON Schema of a kind's answers.

    Args:
        forms: the fields of an answer with their schemas; several when there are several forms.
        optional: the fields that may be left out.

    Returns:
        A schema that takes each of the forms, a skipped answer and a withdrawn one.
    """
    own = [
        {
            "type": "object",
            "properties": {**form, **ALWAYS},
            "required": [name for name in form if name not in optional],
            "additionalProperties": False,
        }
        for form in forms
    ]
    skip = {
        "type": "object",
        "title": "skipped: the annotator cannot say, and somebody else is asked",
        "properties": {"choice": {"const": "skip"}, **ALWAYS},
        "required": ["choice"],
        "additionalProperties": False,
    }
    back = {
        "type": "object",
        "title": "withdrawn: takes the earlier answer back",
        "properties": {"withdrawn": {"const": True}, **ALWAYS},
        "required": ["withdrawn"],
        "additionalProperties": False,
    }
    return {"anyOf": [*own, skip, back]}


def wrong(name: str, what: str, mend: str) -> Problem:
    """The `Problem` of one field of an answer; of the whole answer when the name is empty."""
    return Problem(what, where=f'answer, field "{name}"' if name else "answer", mend=mend)


def whole(value: Any) -> bool:
    """Whether `value` is a whole number (and no truth value)."""
    return isinstance(value, int) and not isinstance(value, bool)


def number(value: Any) -> bool:
    """Whether `value` is a finite number (and no truth value)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_text(answer: Metadata, _question: Question, _texts: Sequence[str]) -> None:
    """Refuse an answer whose text is empty."""
    if not (isinstance(answer.get("text"), str) and answer["text"].strip()):
        raise wrong("text", "the text is empty", "write something, or skip the question")


TEXT: Mapping[str, Schema] = {"text": {"type": "string", "pattern": r"\S"}}
"""The schema of an answer that is a text."""
