"""What a form is made of: a kind of question lists its controls, and the page draws them.

A control says which fields of the answer it fills and by which keys; it knows no HTML. What differs from question to
question (aspects, scales, names of flags) comes from the question's metadata when there is any. Controls whose
values speak of completions by their place say so in `places`, so that `showing` can turn an answer from the order
of the screen into the order of the question and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from heedful.records import Question

Places = Literal["", "side", "list", "index"]
"""How a control's value speaks of completions: not at all, as "a" or "b", one value a completion, or by its place."""

ASPECTS = ("helpful", "honest", "harmless")
"""What a rating asks for unless the question's metadata has "aspects" (Askell et al. 2021)."""

SCALE = (1, 5)
"""The scale of a rating unless the question's metadata has "scale"."""

FLAGS = ("hallucination", "bias", "unsafe", "rude", "off topic", "repetitive")
"""The behaviours that the page offers unless the question's metadata has "flags"."""


@dataclass(frozen=True, slots=True)
class Option:
    """One of a few things to choose."""

    value: Any
    """What the answer then holds; JSON."""
    label: str
    keys: tuple[str, ...]
    """On the keyboard; the first one is printed on the button."""
    hint: str = ""


STEPS = (
    Option({"choice": "a", "strength": 3}, "A is much better", ("1",)),
    Option({"choice": "a", "strength": 2}, "A is clearly better", ("2",)),
    Option({"choice": "a", "strength": 1}, "A is slightly better", ("3",)),
    Option({"choice": "tie"}, "A tie: equally good", ("4", "t")),
    Option({"choice": "b", "strength": 1}, "B is slightly better", ("5",)),
    Option({"choice": "b", "strength": 2}, "B is clearly better", ("6",)),
    Option({"choice": "b", "strength": 3}, "B is much better", ("7",)),
)
"""A graded preference, from the side that is shown first to the other."""

BOTH_BAD = Option({"choice": "bad"}, "Both are bad", ("x",), "neither is acceptable: not the same as a tie")


@dataclass(frozen=True, slots=True)
class Preference:
    """A graded preference between two completions, a tie, or both bad. `a` and `b` choose a side without a grade."""

    name: ClassVar[str] = "preference"
    places: ClassVar[Places] = "side"
    field: str = "choice"

    def drawn(self, question: Question) -> Mapping[str, Any]:
        """What the page needs beside the control's own fields."""
        return {"steps": STEPS, "bad": BOTH_BAD}


@dataclass(frozen=True, slots=True)
class Ranks:
    """The completions in order, best first; equal ranks are ties."""

    name: ClassVar[str] = "ranks"
    places: ClassVar[Places] = "list"
    field: str = "ranks"

    def drawn(self, question: Question) -> Mapping[str, Any]:
        """What the page needs beside the control's own fields."""
        return {"count": len(question.completion_ids)}


@dataclass(frozen=True, slots=True)
class Pick:
    """One of the completions, as its position."""

    field: str
    name: ClassVar[str] = "pick"
    places: ClassVar[Places] = "index"
    label: str = "Choose one"

    def drawn(self, question: Question) -> Mapping[str, Any]:
        """What the page needs beside the control's own fields."""
        return {"count": len(question.completion_ids)}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few options."""

    field: str
    label: str
    options: tuple[Option, ...]
    name: ClassVar[str] = "choice"
    places: ClassVar[Places] = ""

    def drawn(self, question: Question) -> Mapping[str, Any]:
        """What the page needs beside the control's own fields."""
        return {}


@dataclass(frozen=True, slots=True)
class Scales:
    """A number for each aspect."""

    name: ClassVar[str] = "scales"
    places: ClassVar[Places] = ""
    field: str = "ratings"
    scale_field: str = "scale"
    """Where the answer says on which scale it is."""

    def drawn(self, question: Question) -> Mapping[str, Any]:
        """The aspects, and the scale's lowest and highest value."""
        aspects, scale = question.metadata.get("aspects"), question.metadata.get("scale")
        ends: Sequence[Any] = scale if isinstance(scale, list | tuple) and len(scale) == 2 else SCALE
        low, high = ends
        whole = all(isinstance(end, int) or float(end).is_integer() for end in (low, high)) and high - low <= 10
        return {
            "aspects": [str(each) for each in aspects] if isinstance(aspects, list | tuple) and aspects else ASPECTS,
            "low": int(low) if whole else low,
            "high": int(high) if whole else high,
            "steps": list(range(int(low), int(high) + 1)) if whole else [],
        }


@dataclass(frozen=True, slots=True)
class Flags:
    """Behaviours that a completion shows, each with any number of spans of its text."""

    name: ClassVar[str] = "flags"
    places: ClassVar[Places] = ""
    field: str = "flags"

    def drawn(self, question: Question) -> Mapping[str, Any]:
        """The names on offer, and whether a person may add one of their own."""
        offered = question.metadata.get("flags")
        if isinstance(offered, list | tuple):
            return {"offered": [str(each) for each in offered], "own": False}
        return {"offered": FLAGS, "own": True}


@dataclass(frozen=True, slots=True)
class Writing:
    """A text of one's own."""

    field: str
    label: str
    hint: str = ""
    prefill: bool = False
    """Begin with the completion's text, and show what was changed."""
    name: ClassVar[str] = "writing"
    places: ClassVar[Places] = ""

    def drawn(self, question: Question) -> Mapping[str, Any]:
        """What the page needs beside the control's own fields."""
        return {}


Control = Preference | Ranks | Pick | Choice | Scales | Flags | Writing
"""All controls; each is drawn by the template and the script of its name in `web`."""
