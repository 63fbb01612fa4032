"""Values as requests may send them: bounded, storable in every database, described for the schema.

Text that a database cannot hold (NUL, half a character), numbers that others cannot read, nesting without end: all of
it is refused here with status 422, before anything looks at it.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from heedful.feedback.listing import LAST

STORABLE = r"^[^\x00]*$"
"""A text without the character NUL; half a character (a lone surrogate) is refused by pydantic itself."""

MAX_DEPTH = 24
MAX_JSON_BYTES = 1_000_000
MAX_WHOLE = 2**53
"""Beyond this, programs that keep numbers as floats read another number."""

MAX_TEXT = 2_000_000
"""Characters of a prompt, a completion, an answer."""


def bounded(value: Any) -> Any:
    """`value`, when it is JSON that every database and every reader can hold.

    Raises:
        PydanticCustomError: it is too deep or too large, or holds NUL, half a character, or a number out of range.
    """
    _check(value, 0)
    if len(json.dumps(value, ensure_ascii=False).encode()) > MAX_JSON_BYTES:
        raise _wrong(f"it has more than {MAX_JSON_BYTES:,} bytes")
    return value


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _wrong(f"it is nested more than {MAX_DEPTH} deep")
    match value:
        case str():
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise _wrong("a text in it holds a NUL or half a character")
        case bool() | None:
            pass
        case int():
            if abs(value) > MAX_WHOLE:
                raise _wrong(f"a whole number in it is beyond {MAX_WHOLE:,}")
        case float():
            if not math.isfinite(value):
                raise _wrong("a number in it is not finite")
        case dict():
            for name, inner in value.items():
                _check(name, depth + 1)
                _check(inner, depth + 1)
        case list():
            for inner in value:
                _check(inner, depth + 1)


def _wrong(what: str) -> PydanticCustomError:
    return PydanticCustomError("json", what)


Id = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=STORABLE)]
"""A record's id, or a campaign's name."""

Word = Annotated[str, StringConstraints(max_length=200, pattern=STORABLE)]
"""A short text."""

Remark = Annotated[str, StringConstraints(max_length=10_000, pattern=STORABLE)]
"""A reason, an explanation, a comment."""

LongText = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=STORABLE)]
"""A prompt, a completion, guidelines."""

Json = Annotated[dict[str, Any], AfterValidator(bounded)]
"""Free JSON of bounded depth and size."""

IdInPath = Annotated[str, Path(min_length=1, max_length=200, pattern=STORABLE, description="The record's id.")]


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_known)]
"""A number in an answer; null where it is not known: JSON has no NaN."""

Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=LAST)]

After = Annotated[
    int, Query(ge=0, le=LAST, description="Where the page before ended: its `after`. Leave it out for the first page.")
]
Before = Annotated[
    int | None, Query(ge=1, le=LAST, description="Only what is older than this: the `before` of the page before.")
]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]

InCampaign = Annotated[
    str | None, Query(min_length=1, max_length=200, pattern=STORABLE, description="Only of this campaign.")
]
