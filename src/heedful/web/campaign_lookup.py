"""The campaign that a page is about."""

from __future__ import annotations

from fastapi import HTTPException

from heedful.feedback.steering import gold, settings
from heedful.feedback.steering.settings import Campaign
from heedful.feedback.store import Store


def known(store: Store, name: str) -> Campaign:
    """The campaign of a name.

    Raises:
        HTTPException: 404, there is none.
    """
    found = settings.campaign(store, name)
    if not found.created and not found.questions and not gold.gold_of(store, name):
        raise HTTPException(404, f"there is no campaign {name!r}")
    return found
