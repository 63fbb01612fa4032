"""Who asks, and what they may do.

    @router.get("/questions")
    def questions(request: Request, person: Reviewer) -> Response:
        return render(request, "questions.html", person=person, found=...)

`Anyone`, `Signed`, `Reviewer` and `Owner` are the four answers to "who may open this"; every route takes one. Who is
not logged in is sent to the login page, or gets 401 where a program asks; who may not gets 403. A change also needs
the session's token and one of our own pages as its origin, which `guarded` checks for every route of the app.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from heedful.feedback.accounts import keys, sessions
from heedful.feedback.accounts.accounts import Account
from heedful.web import site
from heedful.web.security import SAFE, address, equal, same_origin, sent_token

RANKS = {"annotator": 0, "reviewer": 1, "owner": 2}


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks."""

    account: Account
    csrf: str
    """The token that forms carry while this login lasts; empty with a key."""
    via: Literal["session", "key"]
    scopes: tuple[str, ...] = ()
    """Of a key."""

    @property
    def annotator_id(self) -> str:
        """Under which their answers are stored."""
        return self.account.annotator_id

    @property
    def role(self) -> str:
        """`owner`, `reviewer` or `annotator`."""
        return self.account.role

    def is_at_least(self, role: str) -> bool:
        """Whether they may do what a role may."""
        return RANKS[self.account.role] >= RANKS[role]

    def may(self, scope: str) -> bool:
        """Whether they came by a session, or with a key of this scope."""
        return self.via == "session" or scope in self.scopes


async def guarded(request: Request) -> None:
    """Find out who asks, and refuse a change that does not come from our own pages; for every route of the app."""
    here = site.of(request)
    person = await run_in_threadpool(_person, request)
    request.state.person = person
    if request.method in SAFE or (person is not None and person.via == "key"):
        return
    if person is None and for_programs(request):
        return  # nobody's rights to borrow: the route itself answers 401
    if wrong := same_origin(request, here.settings):
        raise HTTPException(403, f"{wrong}; nothing was changed. Open the page anew and try again")
    if person is not None and not _enters(request) and not equal(await sent_token(request), person.csrf):
        raise HTTPException(403, "the form is out of date; nothing was changed. Go back, load the page anew, try again")


def _enters(request: Request) -> bool:
    """Whether this is a form that lets somebody in: it was perhaps loaded before a session began elsewhere."""
    path = request.url.path.removeprefix(site.of(request).settings.prefix)
    return path == "/login" or path.startswith(("/setup/", "/join/", "/reset/"))


def _person(request: Request) -> Person | None:
    here = site.of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if for_programs(request) and scheme.lower() == "bearer" and token:
        key = keys.key(here.store, token.strip())
        if key is None:
            raise HTTPException(401, "this key is unknown, expired or revoked", {"WWW-Authenticate": "Bearer"})
        here.rates.count("api", key.id)
        return Person(key.account, "", "key", key.scopes)
    cookie = request.cookies.get(here.settings.cookie)
    session = sessions.session(here.store, cookie) if cookie else None
    if session is None:
        return None
    if for_programs(request):
        here.rates.count("api", session.account.id)
    return Person(session.account, session.csrf, "session")


async def anyone(request: Request) -> Person | None:
    """Who asks; None: somebody who is not logged in."""
    found: Person | None = request.state.person
    return found


async def signed(request: Request) -> Person:
    """Who asks, whatever their role.

    Raises:
        HTTPException: 401 where a program asks, else 303 to the login page.
    """
    person = await anyone(request)
    if person is not None:
        return person
    if wants_json(request):
        raise HTTPException(401, "log in first, or send a key", {"WWW-Authenticate": "Bearer"})
    next_page = request.url.path.removeprefix(site.of(request).settings.prefix)
    query = f"?{request.url.query}" if request.url.query else ""
    where = f"?next={quote(next_page + query)}" if request.method in SAFE and next_page != "/" else ""
    raise HTTPException(303, "log in first", {"Location": site.of(request).url(f"/login{where}")})


def _at_least(role: str) -> Callable[[Request], Awaitable[Person]]:
    async def check(request: Request) -> Person:
        person = await signed(request)
        if not person.is_at_least(role):
            raise HTTPException(403, f"only {'an owner' if role == 'owner' else 'reviewers and owners'} may do this")
        return person

    return check


Anyone = Annotated[Person | None, Depends(anyone)]
Signed = Annotated[Person, Depends(signed)]
Reviewer = Annotated[Person, Depends(_at_least("reviewer"))]
"""A reviewer or an owner."""
Owner = Annotated[Person, Depends(_at_least("owner"))]


def needs(scope: str) -> Any:
    """A dependency for a route of the API: whoever comes with a key needs this scope."""

    async def check(request: Request) -> None:
        person = await anyone(request)
        if person is not None and not person.may(scope):
            raise HTTPException(403, f"this key lacks the scope {scope!r}")

    return Depends(check)


# Answers


def render(
    request: Request, name: str, *, person: Person | None = None, status_code: int = 200, **values: Any
) -> HTMLResponse:
    """A page from a template, which also gets `person`, `csrf`, `url(path)`, `asset(file)`, `path` and `site`."""
    here = site.of(request)
    person = person or getattr(request.state, "person", None)
    content = here.templates.get_template(name).render(
        person=person,
        csrf=person.csrf if person else "",
        preferences=preferences(person),
        url=here.url,
        asset=here.asset,
        address=address(request, here.settings),
        path=request.url.path.removeprefix(here.settings.prefix),
        site=here,
        **values,
    )
    return HTMLResponse(content, status_code)


def preferences(person: Person | None) -> dict[str, Any]:
    """What somebody chose for all pages: `theme` (auto, light or dark) and whether the keys are shown (`hints`)."""
    return {"theme": "auto", "hints": True, **(person.account.preferences if person else {})}


def redirect(request: Request, path: str) -> RedirectResponse:
    """Go to another page of ours, after a change."""
    return RedirectResponse(site.of(request).url(path), 303)


def for_programs(request: Request) -> bool:
    """Whether this is an address of the API, where keys count."""
    path = request.url.path.removeprefix(site.of(request).settings.prefix)
    return path.startswith("/api/v1") or path == "/openapi.json"


def wants_json(request: Request) -> bool:
    """Whether a program asks rather than a person: an address below /api/ or .../api/, or by what it accepts."""
    accepts = request.headers.get("accept", "")
    return "/api/" in request.url.path or ("application/json" in accepts and "text/html" not in accepts)


def client(request: Request) -> str:
    """The address of who asks, for counting; of IPv6 the network, since one customer has all of a /64."""
    host = request.client.host if request.client else ""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    return host if found.version == 4 else str(ip_network((found, 64), strict=False))
