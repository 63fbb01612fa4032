"""Paths of the pages about one thing, safe for any id: what stands in an address is quoted."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def campaign(name: str, part: str = "") -> str:
    """A campaign's page, or a part of it: `settings`, `questions` ..."""
    return f"/campaigns/{quote(name)}" + (f"/{part}" if part else "")


def question(question_id: str) -> str:
    """A question's page."""
    return f"/questions/{quote(question_id)}"


def questions(**filters: str) -> str:
    """The list of questions with some filters."""
    chosen = {name: value for name, value in filters.items() if value}
    return f"/questions?{urlencode(chosen)}" if chosen else "/questions"


def model(model_id: str) -> str:
    """A model's page."""
    return f"/models/{quote(model_id)}"


def annotator(annotator_id: str, part: str = "") -> str:
    """An annotator's page, or `retract`."""
    return f"/dashboard/annotators/{quote(annotator_id)}" + (f"/{part}" if part else "")


def run(name: str) -> str:
    """A run's page."""
    return f"/dashboard/runs/{quote(name)}"
