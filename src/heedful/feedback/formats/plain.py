"""Text without a judgement: language modelling (`text`, `messages`) and prompts alone (`prompt`).

Text to learn from is stored as a demonstration; pretraining text has the empty prompt. A conversation is a
demonstration of its last assistant turn: the turns before it are the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator

from heedful.feedback.formats import fields
from heedful.feedback.formats.entries import Answer, Entry, Format
from heedful.feedback.formats.rows import Row
from heedful.records import Prompt

JUDGED = frozenset(
    ("chosen", "rejected", "completion", "votes", "votes_a", "votes_b", "a", "b", "summaries", "choice", "best")
)
"""Columns of the other shapes: a row that has one is none of the plain ones, even where it lacks something."""
_PERHAPS_COMPLETIONS = frozenset(("text", "messages", "response", "output", "answer"))


def _language_modelling(row: Row) -> Iterator[Entry]:
    if "messages" not in row.columns:
        yield demonstration(Prompt.of(""), fields.text(row, "text"), fields.rest(row, "text"))
        return
    turns = fields.messages(row, "messages", row.columns["messages"])
    if turns[-1].role != "assistant":
        raise row.problem(
            f"the last turn is of role {turns[-1].role}, so there is no answer to learn from",
            "messages",
            'end the conversation with an assistant turn, or name the column "prompt"',
        )
    text = fields.checked_text(row, f"messages[{len(turns) - 1}].content", turns[-1].content)
    yield demonstration(Prompt.of(turns[:-1] or ""), text, fields.rest(row, "messages"))


def _prompt_only(row: Row) -> Iterator[Entry]:
    prompt = fields.prompt(row)
    yield Entry(Prompt(prompt.id, prompt.text, prompt.messages, fields.rest(row, "prompt")))


def demonstration(prompt: Prompt, text: str, metadata: dict[str, object]) -> Entry:
    """An answer to imitate, given by the file itself."""
    return Entry(prompt, (), "demonstration", (Answer({"text": text}),), metadata)


LANGUAGE_MODELLING = Format(
    "language-modelling",
    (frozenset({"text"}), frozenset({"messages"})),
    _language_modelling,
    forbids=JUDGED | {"prompt"},
)
PROMPT_ONLY = Format("prompt-only", (frozenset({"prompt"}),), _prompt_only, forbids=JUDGED | _PERHAPS_COMPLETIONS)
