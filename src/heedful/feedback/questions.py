"""What can be asked: each kind of question, the answers it takes, and what they teach.

A kind is one file in `feedback.kinds`; nothing else in the house knows the kinds apart. `check` refuses an answer
that is not of its form, `teach` turns one answer into lessons, which `views` pools and joins with prompts.

    kind           completions  answer
    comparison     2            {"choice": "a"|"b"|"tie"|"bad", "strength": 1..3}   strength only with a or b
    ranking        2 or more    {"ranks": [1, 2, 2]}               one a completion; 1 is best, equal ranks are ties
    rating         1            {"ratings": {"helpful": 4}, "scale": [1, 5]}
    label          1            {"thumb": true}
    flags          1            {"flags": [{"name": "unsafe", "start": 3, "end": 9}]}     span in characters, optional
    critique       1            {"text": "..."}
    edit           1            {"text": "..."}                    the corrected completion
    demonstration  0            {"text": "..."}

Every kind also takes {"choice": "skip"} (the annotator cannot say; somebody else is asked) and, to take back an
earlier answer, {"withdrawn": true}; and every answer may carry "reason" (text) and "metadata" (a mapping).
"""

from __future__ import annotations

from collections.abc import Sequence

from heedful.errors import Problem
from heedful.feedback import kinds
from heedful.feedback.kind import Kind, skipped, withdrawn
from heedful.feedback.kinds.comparison import MARGINS
from heedful.feedback.lessons import Lesson
from heedful.records import Metadata, Question

__all__ = ["KINDS", "MARGINS", "Kind", "kind_of", "lessons", "skipped", "withdrawn"]

KINDS: dict[str, Kind] = kinds.found()
"""Every kind of question by its name."""


def kind_of(question: Question) -> Kind:
    """The kind of a question.

    Raises:
        Problem: there is no such kind.
    """
    if question.kind not in KINDS:
        raise Problem(
            f"there is no kind of question called {question.kind!r}",
            where=f'question "{question.id}", field "kind"',
            mend=f"use one of {', '.join(KINDS)}",
        )
    return KINDS[question.kind]


def lessons(question: Question, answer: Metadata, texts: Sequence[str]) -> list[Lesson]:
    """What one answer teaches; nothing when it was skipped or withdrawn."""
    return [] if skipped(answer) or withdrawn(answer) else kind_of(question).teach(answer, question, texts)
