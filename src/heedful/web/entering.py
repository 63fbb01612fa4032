"""Coming in and going out: logging in, setting up the first account, joining by a link, setting a new password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from heedful.errors import Problem
from heedful.feedback.accounts import accounts, audit, invitations, sessions
from heedful.feedback.accounts.accounts import Account
from heedful.feedback.accounts.invitations import Invitation, Use
from heedful.feedback.accounts.passwords import LENGTHS
from heedful.web import site
from heedful.web.access import Anyone, client, redirect, render

router = APIRouter()

Text = Annotated[str, Form()]


@router.get("/login")
def login_page(request: Request, person: Anyone, next: str = "/") -> Response:  # noqa: A002 - the query's word
    """The form to log in."""
    if person is not None:
        return redirect(request, own_path(next))
    nobody = not accounts.any_account(site.of(request).store)
    return render(request, "login.html", next=own_path(next), login="", problem="", nobody=nobody)


@router.post("/login")
def login(request: Request, login: Text = "", password: Text = "", next: Text = "/") -> Response:  # noqa: A002
    """Log in: a new session, whatever there was before."""
    here = site.of(request)
    counters = (("enter", client(request)), ("login", accounts.plain_login(login)))
    for what, who in counters:
        here.rates.check(what, who)
    account = accounts.authenticate(here.store, login, password)
    if account is None:
        for what, who in counters:
            here.rates.count(what, who)
        return render(
            request,
            "login.html",
            status_code=401,
            next=own_path(next),
            login=login,
            problem="Login or password is wrong.",
            nobody=False,
        )
    audit.record(here.store, account.id, "session.begin", account.id)
    return begin_session(request, account.id, own_path(next))


@router.post("/logout")
def logout(request: Request) -> Response:
    """Log out."""
    here = site.of(request)
    token = request.cookies.get(here.settings.cookie)
    if token:
        sessions.end(here.store, token)
    response = redirect(request, "/login")
    response.delete_cookie(
        here.settings.cookie, path=here.settings.prefix or "/", secure=here.settings.secure, httponly=True
    )
    return response


@router.get("/setup/{token}")
def setup_page(request: Request, token: str) -> Response:
    """The form for the first account."""
    return _form(request, _link(request, token, "setup"))


@router.post("/setup/{token}")
def setup(request: Request, token: str, login: Text = "", name: Text = "", password: Text = "") -> Response:
    """Make the first account, the owner's."""
    return _join(request, token, "setup", login, name, password)


@router.get("/join/{token}")
def join_page(request: Request, token: str) -> Response:
    """The form for an account by invitation."""
    return _form(request, _link(request, token, "invite"))


@router.post("/join/{token}")
def join(request: Request, token: str, login: Text = "", name: Text = "", password: Text = "") -> Response:
    """Make an account by invitation."""
    return _join(request, token, "invite", login, name, password)


@router.get("/reset/{token}")
def reset_page(request: Request, token: str) -> Response:
    """The form for a new password."""
    return _form(request, _link(request, token, "reset"))


@router.post("/reset/{token}")
def reset(request: Request, token: str, password: Text = "") -> Response:
    """Set a new password, and log in with it."""
    link = _link(request, token, "reset")
    store = site.of(request).store
    return _entered(request, link, lambda: invitations.set_password(store, token, password), {})


def _join(request: Request, token: str, use: Use, login: str, name: str, password: str) -> Response:
    link = _link(request, token, use)
    store = site.of(request).store
    typed = {"login": login, "name": name}
    return _entered(request, link, lambda: invitations.accept(store, token, login, name, password), typed)


def _entered(request: Request, link: Invitation, enter: Callable[[], Account], typed: dict[str, str]) -> Response:
    """Log in whom `enter` lets in, or show the form again with what was wrong."""
    try:
        account = enter()
    except Problem as problem:
        return _form(request, link, problem, **typed)
    return begin_session(request, account.id, "/")


def _link(request: Request, token: str, use: Use) -> Invitation:
    """What a link is for; links that cannot be used count against whoever tries them."""
    here = site.of(request)
    here.rates.check("enter", client(request))
    link = invitations.invitation(here.store, token, use)
    if link is None:
        here.rates.count("enter", client(request))
        mend = "start the server anew" if use == "setup" else "ask the owner of the project"
        raise HTTPException(404, Problem("this link cannot be used (any more)", mend=f"for a new one, {mend}"))
    return link


def _form(request: Request, link: Invitation, problem: Problem | None = None, **typed: str) -> Response:
    typed = {"login": "", "name": "", **typed}
    account = accounts.of(site.of(request).store, link.account_id) if link.account_id else None
    return render(
        request,
        "enter.html",
        status_code=400 if problem else 200,
        link=link,
        account=account,
        problem=problem,
        typed=typed,
        lengths=LENGTHS,
    )


def begin_session(request: Request, account_id: str, path: str) -> RedirectResponse:
    """Log an account in, with a token that nobody knew before, and go to a page of ours."""
    here = site.of(request)
    before = request.cookies.get(here.settings.cookie)
    if before:
        sessions.end(here.store, before)
    lifetime_s = here.settings.session_days * 86_400
    token, _ = sessions.begin(here.store, account_id, request.headers.get("user-agent", ""), lifetime_s=lifetime_s)
    response = redirect(request, path)
    response.set_cookie(
        here.settings.cookie,
        token,
        max_age=round(lifetime_s),
        path=here.settings.prefix or "/",
        secure=here.settings.secure,
        httponly=True,
        samesite="lax",
    )
    return response


def own_path(path: str) -> str:
    """`path` where it is a page of ours, else the first page: nobody is sent on to another site."""
    ours = path.startswith("/") and not path.startswith("//") and not any(c < "!" or c == "\\" for c in path)
    return path if ours and not path.startswith(("/login", "/logout")) else "/"
