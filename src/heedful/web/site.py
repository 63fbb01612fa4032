"""What every page needs: the store, the settings, the project's folder, the sampler, the templates, the rates."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from heedful import __version__
from heedful.feedback.store import Store
from heedful.web.rates import Rates
from heedful.web.settings import ServerSettings

if TYPE_CHECKING:
    from heedful.web.sampler import ChatSampler

STATIC = Path(__file__).parent / "static"

NAV = (
    ("annotator", "/judge", "Judge"),
    ("annotator", "/chat", "Chat"),
    ("reviewer", "/questions", "Questions"),
    ("reviewer", "/dashboard", "Dashboard"),
    ("reviewer", "/models", "Models"),
    ("owner", "/campaigns", "Campaigns"),
    ("owner", "/people", "People"),
    ("owner", "/audit", "Audit"),
)
"""The least role that sees it, the page, its name."""


@dataclass(frozen=True)
class Site:
    """One running app; `app.state.heedful`."""

    store: Store
    settings: ServerSettings
    folder: Path | None
    """The project's folder; None where there is only a store."""
    sampler: ChatSampler | None
    """Samples answers for the live chat; None: there is no model here."""
    templates: Environment
    rates: Rates
    shared: dict[str, Any] = field(default_factory=dict)
    """What a part of the app keeps while it runs, by the part's name."""

    def url(self, path: str) -> str:
        """Where a page of ours is, with the path before it that a proxy adds: `/judge` or `/feedback/judge`."""
        return self.settings.prefix + path

    def asset(self, name: str) -> str:
        """Where a file of `static/` is, with a mark that changes when the file does."""
        return self.url(f"/static/{name}?v={_mark(name)}")


def of(request: Request) -> Site:
    """The site that answers a request."""
    site = request.app.state.heedful
    assert isinstance(site, Site)
    return site


def templates() -> Environment:
    """The templates of this package: everything is escaped, and a name that is not there is an error."""
    environment = Environment(
        loader=PackageLoader("heedful.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["version"] = __version__
    environment.globals["nav"] = NAV
    environment.filters["moment"] = moment
    environment.filters["browser"] = browser
    return environment


def moment(value: float | str | None) -> Markup:
    """A point in time for the eye, from seconds since 1970 or ISO 8601; scripts turn it into the reader's own time."""
    if value is None or value == "":
        return Markup("never")
    at = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    exact = at.isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        exact, f"{at:%Y-%m-%d %H:%M:%S}", f"{at:%-d %b %Y, %H:%M}"
    )


BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")


def browser(agent: str) -> str:
    """What a browser calls itself, for the eye: `Firefox on Linux`."""
    name = next((name for sign, name in BROWSERS if sign in agent), "")
    system = next((name for name in SYSTEMS if name in agent), "")
    return f"{name} on {system}" if name and system else agent[:60] or "unknown"


@lru_cache
def _mark(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
