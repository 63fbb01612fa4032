"""Dataset shapes, one small file each, and the choice between them.

`FORMATS` is the registry, the most particular shape first: a row is of the first shape that it matches.
"""

from __future__ import annotations

from collections.abc import Iterable

from heedful.errors import Problem
from heedful.feedback.formats.best_of import BEST_OF
from heedful.feedback.formats.completions import LOGS, PROMPT_COMPLETION, UNPAIRED
from heedful.feedback.formats.conversation_trees import CONVERSATION_TREES
from heedful.feedback.formats.entries import Format
from heedful.feedback.formats.fields import quoted
from heedful.feedback.formats.plain import LANGUAGE_MODELLING, PROMPT_ONLY
from heedful.feedback.formats.preference import PREFERENCE
from heedful.feedback.formats.qa_feedback import QA_FEEDBACK
from heedful.feedback.formats.rows import Row
from heedful.feedback.formats.summaries import SUMMARIES
from heedful.feedback.formats.transcripts import TRANSCRIPTS
from heedful.feedback.formats.vote_counts import VOTE_COUNTS
from heedful.feedback.formats.votes import VOTES, WAITING

FORMATS: tuple[Format, ...] = (
    VOTES,
    VOTE_COUNTS,
    SUMMARIES,
    BEST_OF,
    QA_FEEDBACK,
    CONVERSATION_TREES,
    TRANSCRIPTS,
    PREFERENCE,
    UNPAIRED,
    PROMPT_COMPLETION,
    LANGUAGE_MODELLING,
    WAITING,
    PROMPT_ONLY,
    LOGS,
)

_ALSO_CALLED = {"conversational": "preference"}


def named(name: str) -> Format:
    """The shape called `name`.

    Raises:
        Problem: there is none; the message lists those there are.
    """
    wanted = _ALSO_CALLED.get(name, name)
    for shape in FORMATS:
        if shape.name == wanted:
            return shape
    names = ", ".join(("auto", *(shape.name for shape in FORMATS)))
    raise Problem(f'there is no format called "{name}"', where="format", mend=f"name one of {names}")


def detected(row: Row) -> Format | None:
    """The first shape that a row matches, or None."""
    return next((shape for shape in FORMATS if shape.matches(row.columns)), None)


def unknown(row: Row) -> Problem:
    """What to say of a row that matches no shape: the shape that it comes nearest to, and what it lacks."""
    columns = row.columns.keys()
    lacking = [
        (need - columns, need, shape)
        for shape in FORMATS
        for need in shape.needs
        if need & columns - {"prompt"} and need - columns and not shape.family
    ]
    nearest = min(lacking, key=lambda found: (len(found[0]), -len(found[1])), default=None)
    listed = f"the row has {quoted(columns)}"
    if nearest is None:
        known = ", ".join(shape.name for shape in FORMATS)
        return row.problem(
            f"no known shape has these columns: {listed}", mend=f"rename the columns, or name a format: {known}"
        )
    missing, _, shape = nearest
    return row.problem(
        f"the row is of no known shape; {shape.name} comes nearest and lacks {_in_order(missing)} ({listed})",
        field=sorted(missing)[0],
        mend="add what is missing, or name another format",
    )


def _in_order(names: Iterable[str]) -> str:
    return quoted(sorted(names))
