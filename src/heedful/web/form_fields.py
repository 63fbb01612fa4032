"""The fields of a form that are not known beforehand: every name with all of its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import Depends, Request

from heedful.web.security import FORM_LIMITS

Sent = Mapping[str, Sequence[str]]


async def fields_of(request: Request) -> Sent:
    """The form of a request, files left out."""
    form = await request.form(**FORM_LIMITS)
    found: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found


Fields = Annotated[Sent, Depends(fields_of)]
"""A parameter that holds the form."""


def first(fields: Sent, name: str) -> str:
    """The first value of a field without white space around it; empty when there is none."""
    values = fields.get(name, ())
    return values[0].strip() if values else ""
