"""Words for models, from files that settings name: a context, the question to a judge, the rules of a revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from heedful.errors import Problem


@dataclass(frozen=True)
class Judging:
    """How a language model is asked which of two answers is better."""

    question: str = ""
    """A text file with {prompt}, {a} and {b} in it; empty: words that fit most models, and others for chat models."""
    options: tuple[str, ...] = ()
    """How the model would name the first and the second; empty: 1 and 2."""
    chat: Literal["auto", "yes", "no"] = "auto"
    """Ask as a user's turn of a conversation; auto: if the model has a template for conversations."""
    rows: int = 32
    """Comparisons judged at once; they are stored together, before the next ones are asked."""
    skip_overlong: bool = False
    """Leave out comparisons that do not fit into the judge's context, instead of stopping."""


def read_words(path: str, what: str, mend: str) -> str:
    """The text of a file; an empty path gives an empty text.

    Args:
        path: of a text file in UTF-8.
        what: what it is, for messages: "the context".
        mend: what belongs into it, for messages.

    Raises:
        Problem: it cannot be read, or nothing is in it.
    """
    if not path:
        return ""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{what} cannot be read", where=path, mend="name a text file in UTF-8") from error
    if not text.strip():
        raise Problem(f"{what} is empty", where=path, mend=mend)
    return text


def read_template(path: str, what: str, places: Sequence[str]) -> str:
    """The text of a file with places to fill in, without the line break at its end; an empty path gives "".

    Raises:
        Problem: it cannot be read, or lacks one of the `places`.
    """
    needed = ", ".join(f"{{{name}}}" for name in places)
    text = read_words(path, what, f"write it with {needed}").removesuffix("\n")
    lacking = [name for name in places if f"{{{name}}}" not in text]
    if text and lacking:
        raise Problem(f"{what} lacks {{{lacking[0]}}}", where=path, mend=f"it needs {needed}")
    return text


def read_rules(path: str) -> list[str]:
    """The rules in a file, one a line; empty lines and those that begin with # are left out.

    Raises:
        Problem: no file is named, it cannot be read, or holds no rule.
    """
    if not path:
        raise Problem("there are no rules to criticise by", mend="name a text file with one rule a line: --rules FILE")
    lines = [line.strip() for line in read_words(path, "the file of rules", "write one rule a line").splitlines()]
    rules = [line for line in lines if line and not line.startswith("#")]
    if not rules:
        raise Problem("the file of rules holds none", where=path, mend="write one rule a line")
    return rules
