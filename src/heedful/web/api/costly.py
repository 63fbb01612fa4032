"""Values that take seconds to compute, kept as long as the pages keep them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from heedful.feedback.pulse import pulse
from heedful.feedback.store import Store
from heedful.web.remembered import Remembered
from heedful.web.site import Site

Value = TypeVar("Value")


def kept(site: Site, name: str, campaign: str | None, make: Callable[[Store, str | None], Value]) -> Value:
    """What `make` computes of a campaign (or of all): anew when the store has moved, but not at every call."""
    now = pulse(site.store)
    memory: Remembered = site.shared.setdefault("remembered", Remembered())
    whole = name if campaign is None else f"{name} of {campaign}"
    return memory.of(whole, now.work, now.acts, lambda: make(site.store, campaign))
