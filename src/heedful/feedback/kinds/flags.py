"""Which behaviours one completion shows, and where in its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heedful.feedback.controls import Flags
from heedful.feedback.kind import Kind, answers_like, whole, wrong
from heedful.feedback.lessons import Lesson, Mark
from heedful.records import Metadata, Question


def _check(answer: Metadata, question: Question, texts: Sequence[str]) -> None:
    flags = answer.get("flags")
    if not isinstance(flags, list | tuple):
        raise wrong("flags", "flags are a list", 'send [] for none, or [{"name": "unsafe"}]')
    offered = question.metadata.get("flags")
    for position, flag in enumerate(flags):
        where = f"flags.{position}"
        if not isinstance(flag, Mapping) or not (isinstance(flag.get("name"), str) and flag["name"].strip()):
            raise wrong(where, "a flag has a name", 'send {"name": "unsafe"}')
        if offered is not None and flag["name"] not in offered:
            raise wrong(where, f"{flag['name']!r} was not offered", f"use one of {', '.join(offered)}")
        if unknown := [name for name in flag if name not in ("name", "start", "end")]:
            raise wrong(f"{where}.{unknown[0]}", "a flag has no such field", 'use "name", "start" and "end"')
        if ("start" in flag) != ("end" in flag):
            raise wrong(where, "a span has a start and an end", "send both or neither")
        if "start" not in flag:
            continue
        start, end = flag["start"], flag["end"]
        if not (whole(start) and whole(end) and 0 <= start < end <= (len(texts[0]) if texts else end)):
            raise wrong(where, f"[{start!r}, {end!r}) is no span of the text", "count characters from 0")


def _teach(answer: Metadata, question: Question, texts: Sequence[str]) -> list[Lesson]:
    spans: dict[str, list[list[int]]] = {flag["name"]: [] for flag in answer["flags"]}
    for flag in answer["flags"]:
        if "start" in flag:
            spans[flag["name"]].append([flag["start"], flag["end"]])
    raised: list[Lesson] = [
        Mark(texts[0], f"flag:{name}", 1.0, {"spans": found} if found else {}) for name, found in spans.items()
    ]
    silent = [name for name in question.metadata.get("flags", ()) if name not in spans]
    return raised + [Mark(texts[0], f"flag:{name}", 0.0) for name in silent]


KIND = Kind(
    name="flags",
    title="Flags",
    ask="Which of these does the answer show?",
    completions=(1, 1),
    fields=("flags",),
    check=_check,
    teach=_teach,
    reads_texts=True,
    schema=answers_like(
        {
            "flags": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string", "pattern": r"\S"},
                        "start": {"type": "integer", "minimum": 0},
                        "end": {"type": "integer", "minimum": 1},
                    },
                    "required": ["name"],
                    "dependentRequired": {"start": ["end"], "end": ["start"]},
                    "additionalProperties": False,
                },
                "description": "a span counts characters (Unicode code points) of the text; end is exclusive",
            }
        }
    ),
    controls=(Flags(),),
    place=50,
)
