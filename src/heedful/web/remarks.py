"""The thread on a question, as JSON for the judging page: annotators ask, the people in charge answer."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from heedful.feedback.accounts import accounts
from heedful.feedback.steering import comments
from heedful.feedback.store import Store
from heedful.web import site
from heedful.web.access import Person, Signed
from heedful.web.desk import given
from heedful.web.rendering import markdown

router = APIRouter(prefix="/judge/api")


class Remark(BaseModel):
    """A remark on a question."""

    question: str
    text: str = Field(min_length=1, max_length=comments.LONGEST)


@router.get("/comments")
def thread(request: Request, person: Signed, question: str) -> dict[str, Any]:
    """What one asked about a question, and what the people in charge said."""
    store = site.of(request).store
    given(store, person, question)
    return _thread(store, person, question)


@router.post("/comments")
def remark(request: Request, person: Signed, said: Remark) -> dict[str, Any]:
    """Ask the people in charge about a question."""
    store = site.of(request).store
    given(store, person, said.question)
    comments.add(store, said.question, person.account.id, said.text.replace("\0", "\ufffd"))
    return _thread(store, person, said.question)


def _thread(store: Store, person: Person, question: str) -> dict[str, Any]:
    """Annotators see their own remarks and what the people in charge said after them: others' may tell the answer."""
    known = {each.id: each for each in accounts.all_accounts(store, deleted=True)}
    found: list[dict[str, Any]] = []
    for comment in comments.of(store, question):
        mine, author = comment.author == person.account.id, known.get(comment.author)
        replied = bool(found) and author is not None and author.role != "annotator"
        if not (mine or replied or person.is_at_least("reviewer")):
            continue
        found.append(
            {
                "mine": mine,
                "author": author.name if author is not None else "somebody",
                "html": markdown(comment.text).html,
                "created": comment.created,
            }
        )
    return {"comments": found}
