"""Held-out data without leaks: whole prompts, or whole values of a column, on one side each; and exact duplicates.

The side of a prompt is a pure function of the seed and the prompt's content. So the same prompt is held out among
demonstrations, comparisons and prompts alike, and stays held out when a later round brings more data.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from heedful.errors import Problem
from heedful.feedback.formats.fields import quoted
from heedful.records import Metadata, Prompt
from heedful.seeds import seed_of


class Prompted(Protocol):
    """Anything with a prompt and metadata: a `Comparison`, a `Demonstration`, a `Labelled`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def prompt(self) -> Prompt:
        """What was asked."""
        ...

    @property
    def metadata(self) -> Metadata:
        """JSON-able values by column name."""
        ...


Item = TypeVar("Item", bound=Prompted)

_SEEDS = 2.0**63
_NOT_CONTENT = ("prompt", "metadata", "judgement_ids", "question_id")


def split(
    items: Sequence[Item], *, by: str = "prompt", held_out: float = 0.1, seed: int = 0
) -> tuple[list[Item], list[Item]]:
    """Items to learn from and items held out, with no prompt (or no value of a column) on both sides.

    Args:
        items: in any order; each side keeps it.
        by: "prompt", or the name of a metadata column whose whole values are to be held out ("topic"). An item
            without that column goes by its prompt. An item with an empty prompt (plain text) goes by its texts.
        held_out: in [0, 1): the probability with which a prompt is held out, or the share of a column's values (a
            column has few, and chance could leave hardly any). Above 0, each side gets at least one.
        seed: names the division; prompts that were not there before change nothing for the others.

    Returns:
        (to learn from, held out).

    Raises:
        Problem: `held_out` is out of range, no item has the column, or all items belong together.
    """
    if not 0 <= held_out < 1:
        raise Problem(f"{held_out} cannot be held out", where="held_out", mend="give a share from 0 to below 1")
    if by != "prompt" and items and not any(by in item.metadata for item in items):
        columns = sorted({name for item in items for name in item.metadata})
        raise Problem(
            f'no item has a metadata column "{by}"', where="by", mend=f"name prompt, or one of {quoted(columns)}"
        )
    if not items or held_out == 0:
        return list(items), []
    keys = [group_of(item, by) for item in items]
    places = {key: seed_of(seed, "split", key) / _SEEDS for key in keys}
    if len(places) < 2:
        raise Problem(
            f"all {len(items)} items have the same {by}, so none can be held out",
            where="by",
            mend="split by a metadata column that differs, or set held_out to 0",
        )
    ordered = sorted(places, key=lambda key: (places[key], key))
    drawn = sum(place < held_out for place in places.values()) if by == "prompt" else round(held_out * len(places))
    count = min(max(1, drawn), len(places) - 1)
    aside = set(ordered[:count])
    return (
        [item for item, key in zip(items, keys, strict=True) if key not in aside],
        [item for item, key in zip(items, keys, strict=True) if key in aside],
    )


def group_of(item: Prompted, by: str) -> str:
    """What an item hangs together with when it is split by a column, as a key: the clusters of intervals, too."""
    if by != "prompt" and by in item.metadata:
        return _key("value", item.metadata[by])
    if item.prompt.text or item.prompt.messages:
        return _key("prompt", _content(item.prompt))
    return _key("texts", sorted(getattr(item, name) for name in ("a", "b", "text") if hasattr(item, name)))


@dataclass(frozen=True, slots=True)
class Deduplication:
    """How many items said something new, and how many only repeated an earlier one."""

    kept: int
    removed: int


def deduplicate(items: Sequence[Item], *, across_annotators: bool = False) -> tuple[list[Item], Deduplication]:
    """The items without exact repetitions: the first of each stays, in order.

    Args:
        items: two repeat each other when prompt, texts and verdict are the same; metadata and ids do not count.
        across_annotators: count the same said by other annotators as a repetition, too. Right for copies of a
            file; wrong for votes, where it would throw away agreement.
    """
    kept: dict[str, Item] = {}
    for item in items:
        ignored = {*_NOT_CONTENT, *(["annotator_ids"] if across_annotators else [])}
        said = {
            field.name: getattr(item, field.name) for field in dataclasses.fields(item) if field.name not in ignored
        }
        kept.setdefault(_key(type(item).__name__, _content(item.prompt), said), item)
    return list(kept.values()), Deduplication(len(kept), len(items) - len(kept))


def _content(prompt: Prompt) -> list[Any]:
    return [prompt.text, [[turn.role, turn.content] for turn in prompt.messages]]


def _key(*content: Any) -> str:
    return json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
