"""The statuses that an operation may answer with, and how a handler says them.

@router.get("/prompts/{id}", **answers(404))
def prompt(...): raise missing("prompt", id)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException

from heedful.errors import Problem
from heedful.web.api.shapes import Failure

MEANINGS: Mapping[int, str] = {
    400: "The request is well formed, but it cannot be done: `error` says why and how to mend it.",
    401: "No key and no session, or the key is unknown, expired or revoked.",
    403: "The key lacks the scope, or the account the role; or a browser's request came from another site.",
    404: "There is no such record.",
    409: "It contradicts what is stored: another record has this id, or it was answered already.",
    413: "The request is larger than this server takes.",
    422: "A field is missing, unknown, or not of the right form.",
    429: "Too many requests with this key: wait as many seconds as `Retry-After` says.",
    503: "The database cannot be used just now: try again.",
}

ALWAYS = (400, 401, 403, 413, 422, 429, 503)
"""What any operation may answer."""


def answers(*more: int) -> dict[str, Any]:
    """The documented failures of an operation: those that any may answer with, and some more."""
    return {"responses": {status: {"model": Failure, "description": MEANINGS[status]} for status in (*ALWAYS, *more)}}


def missing(noun: str, name: str) -> HTTPException:
    """404: there is no such record."""
    return HTTPException(404, Problem(f'there is no {noun} "{name}"', mend="check the id"))
