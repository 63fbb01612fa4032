"""A campaign's guidelines: an editor with preview, and the versions that were published."""

from __future__ import annotations

import difflib
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from heedful.errors import Problem
from heedful.feedback.steering import guidelines
from heedful.web import addresses, site
from heedful.web.access import Owner, redirect, render
from heedful.web.campaign_lookup import known
from heedful.web.rendering import markdown

router = APIRouter()

Text = Annotated[str, Form()]

START = """## What you are asked

You see a prompt and two answers. Choose the one that you would rather get.

## What counts

1. **Helpful**: it does what was asked.
2. **Honest**: what it says is true, and it says so where it does not know.
3. **Harmless**: it hurts nobody.

## When in doubt

- Both are equally good: *tie*. Neither is acceptable: *both are bad*. These are two different things.
- You cannot judge it: *skip*, and say why. Somebody else is asked.
"""
"""What an empty editor begins with."""


@router.get("/{name:path}/guidelines")
def page(request: Request, person: Owner, name: str, done: str = "") -> Response:
    """The editor with the newest text, and all versions."""
    campaign = known(site.of(request).store, name)
    text = campaign.guidelines.text if campaign.guidelines else START
    return _page(request, name, text, done=done)


@router.post("/{name:path}/guidelines")
def write(request: Request, person: Owner, name: str, text: Text = "", action: Text = "preview") -> Response:
    """Show how the text will look, or publish it as a further version."""
    store = site.of(request).store
    known(store, name)
    text = text.replace("\r\n", "\n")
    if action != "publish":
        return _page(request, name, text, preview=True)
    try:
        guidelines.publish(store, name, text, by=person.account.id)
    except Problem as problem:
        return _page(request, name, text, problem=problem)
    return redirect(request, f"{addresses.campaign(name, 'guidelines')}?done=published")


def _page(
    request: Request, name: str, text: str, *, preview: bool = False, done: str = "", problem: Problem | None = None
) -> Response:
    store = site.of(request).store
    versions = guidelines.history(store, name)
    return render(
        request,
        "campaign_guidelines.html",
        status_code=400 if problem else 200,
        campaign=known(store, name),
        text=text,
        preview=markdown(text, below=2) if preview else None,
        changes=_changes(versions[0].text, text) if preview and versions else [],
        versions=[(one, markdown(one.text, below=2)) for one in versions],
        done="The new version is published. Everybody reads it before they get more work." if done else "",
        problem=problem,
    )


def _changes(before: str, after: str) -> list[tuple[str, str]]:
    """Lines that went (`-`) and came (`+`)."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [(line[0], line[2:]) for line in lines if line[0] in "+-"]
