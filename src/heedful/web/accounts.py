"""One's own account: name, password, looks, sessions, API keys, one's own data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from heedful.errors import Problem
from heedful.feedback.accounts import accounts, erasure, keys, sessions
from heedful.web import site
from heedful.web.access import Person, Signed, client, redirect, render

router = APIRouter()

Text = Annotated[str, Form()]

DONE: Mapping[str, str] = {
    "name": "Your name was changed.",
    "password": "Your password was changed, and you were logged out everywhere else.",
    "looks": "Your choice was kept.",
    "session": "The session was ended.",
    "sessions": "You were logged out everywhere else.",
    "key": "The key was revoked; whatever uses it will be refused from now on.",
}


@router.get("/account")
def page(request: Request, person: Signed, done: str = "") -> Response:
    """One's own account."""
    return _page(request, person, done=DONE.get(done, ""))


@router.post("/account/name")
def rename(request: Request, person: Signed, name: Text = "") -> Response:
    """Change one's name."""
    try:
        accounts.rename(site.of(request).store, person.account.id, name)
    except Problem as problem:
        return _page(request, person, problem=problem)
    return redirect(request, "/account?done=name")


@router.post("/account/password")
def change_password(request: Request, person: Signed, old: Text = "", new: Text = "") -> Response:
    """Change one's password; all other sessions end."""
    here = site.of(request)
    here.rates.check("enter", client(request))
    if not accounts.has_password(here.store, person.account.id, old):
        here.rates.count("enter", client(request))
        wrong = Problem("the old password is wrong", mend="try again, or ask an owner for a link to set a new one")
        return _page(request, person, problem=wrong)
    try:
        accounts.change_password(here.store, person.account.id, new)
    except Problem as problem:
        return _page(request, person, problem=problem)
    sessions.end_all(here.store, person.account.id, but=request.cookies.get(here.settings.cookie, ""))
    return redirect(request, "/account?done=password")


@router.post("/account/looks")
def looks(
    request: Request, person: Signed, theme: Annotated[Literal["auto", "light", "dark"], Form()], hints: Text = ""
) -> Response:
    """Choose light or dark, and whether the keys are shown."""
    store = site.of(request).store
    accounts.change_preferences(store, person.account.id, theme=theme, hints=hints == "yes")
    return redirect(request, "/account?done=looks")


@router.post("/account/theme")
def theme(request: Request, person: Signed, theme: Annotated[Literal["light", "dark"], Form()]) -> Response:
    """Keep what the button in the frame chose."""
    accounts.change_preferences(site.of(request).store, person.account.id, theme=theme)
    return Response(status_code=204)


@router.post("/account/sessions/end")
def end_session(request: Request, person: Signed, session: Text = "") -> Response:
    """End one of one's sessions, or all but this one."""
    here = site.of(request)
    if session:
        sessions.end_one(here.store, person.account.id, session)
        return redirect(request, "/account?done=session")
    sessions.end_all(here.store, person.account.id, but=request.cookies.get(here.settings.cookie, ""))
    return redirect(request, "/account?done=sessions")


@router.post("/account/keys")
def make_key(
    request: Request,
    person: Signed,
    scopes: Annotated[list[str], Form(default_factory=list)],
    name: Text = "",
    days: Annotated[int, Form(ge=0, le=3660)] = 0,
) -> Response:
    """Make an API key; its secret is shown on the page that answers, and never again."""
    store = site.of(request).store
    expires = time.time() + days * 86_400 if days else None
    try:
        token, _ = keys.make(store, person.account.id, name, scopes, expires)
    except Problem as problem:
        return _page(request, person, problem=problem)
    return _page(request, person, token=token)


@router.post("/account/keys/{key_id}/revoke")
def revoke_key(request: Request, person: Signed, key_id: str) -> Response:
    """End one of one's keys."""
    try:
        keys.revoke(site.of(request).store, person.account.id, key_id)
    except Problem as problem:
        raise HTTPException(404, problem) from problem
    return redirect(request, "/account?done=key")


@router.get("/account/data")
def own_data(request: Request, person: Signed) -> Response:
    """Everything that is kept about oneself."""
    found = erasure.export_person(site.of(request).store, person.account.id)
    return JSONResponse(found, headers={"Content-Disposition": 'attachment; filename="my-data.json"'})


def _page(
    request: Request, person: Person, *, done: str = "", problem: Problem | None = None, token: str = ""
) -> Response:
    here = site.of(request)
    now = sessions.session(here.store, request.cookies.get(here.settings.cookie, ""))
    return render(
        request,
        "account.html",
        person=person,
        status_code=400 if problem else 200,
        done=done,
        problem=problem,
        token=token,
        sessions=sessions.sessions_of(here.store, person.account.id),
        current=now.id if now else "",
        keys=keys.keys_of(here.store, person.account.id),
        scopes=keys.SCOPES,
        now=time.time(),
    )
