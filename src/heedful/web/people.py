"""The people of the project, for its owner: invitations, roles, pausing, links for new passwords, data and deletion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.feedback.accounts import accounts, activity, audit, erasure, invitations, sessions
from heedful.feedback.accounts.accounts import Account, Role
from heedful.feedback.steering import standing
from heedful.web import site
from heedful.web.access import Owner, Person, redirect, render

router = APIRouter()

Text = Annotated[str, Form()]

DONE: Mapping[str, str] = {
    "role": "The role was changed.",
    "deactivated": "They cannot come in any more; their answers stay.",
    "reactivated": "They can come in again.",
    "revoked": "The invitation was revoked.",
    "paused": "They get no more work in this campaign.",
    "reinstated": "They can work in this campaign again.",
    "deleted": "The person's data were deleted.",
}


@router.get("/people")
def page(request: Request, person: Owner, done: str = "") -> Response:
    """Everybody, and who is invited."""
    return _page(request, person, done=DONE.get(done, ""))


@router.post("/people/invite")
def invite(
    request: Request,
    person: Owner,
    role: Annotated[Role, Form()],
    uses: Annotated[int, Form(ge=1, le=1000)] = 1,
    days: Annotated[int, Form(ge=1, le=366)] = 7,
    note: Text = "",
) -> Response:
    """Make an invitation; its link is shown on the page that answers, and never again."""
    store = site.of(request).store
    token, _ = invitations.invite(store, role, note, uses, days * 86_400.0, by=person.account.id)
    return _page(request, person, link=f"/join/{token}")


@router.post("/people/invitations/{invitation_id}/revoke")
def revoke(request: Request, person: Owner, invitation_id: str) -> Response:
    """End an invitation."""
    invitations.revoke(site.of(request).store, invitation_id, by=person.account.id)
    return redirect(request, "/people?done=revoked")


@router.get("/people/{account_id}")
def one(request: Request, person: Owner, account_id: str, done: str = "") -> Response:
    """One person."""
    return _one(request, person, _account(request, account_id), done=DONE.get(done, ""))


@router.post("/people/{account_id}/role")
def set_role(request: Request, person: Owner, account_id: str, role: Annotated[Role, Form()]) -> Response:
    """Give somebody another role."""
    account = _account(request, account_id)
    try:
        accounts.set_role(site.of(request).store, account.id, role, by=person.account.id)
    except Problem as problem:
        return _one(request, person, account, problem=problem)
    return redirect(request, f"/people/{account.id}?done=role")


@router.post("/people/{account_id}/state")
def set_state(
    request: Request, person: Owner, account_id: str, state: Annotated[Literal["active", "deactivated"], Form()]
) -> Response:
    """Keep somebody out, or let them in again."""
    account, store = _account(request, account_id), site.of(request).store
    try:
        change = accounts.reactivate if state == "active" else accounts.deactivate
        change(store, account.id, by=person.account.id)
    except Problem as problem:
        return _one(request, person, account, problem=problem)
    done = "reactivated" if state == "active" else "deactivated"
    return redirect(request, f"/people/{account.id}?done={done}")


@router.post("/people/{account_id}/reset")
def reset(request: Request, person: Owner, account_id: str) -> Response:
    """Make a link with which somebody sets a new password; it is shown on the page that answers, and never again."""
    account = _account(request, account_id)
    token = invitations.reset(site.of(request).store, account.id, by=person.account.id)
    return _one(request, person, account, link=f"/reset/{token}")


@router.post("/people/{account_id}/pause")
def pause(
    request: Request, person: Owner, account_id: str, campaign: Text = "", reason: Text = "", reask: Text = ""
) -> Response:
    """Give somebody no more work in a campaign."""
    account, by = _account(request, account_id), person.account.id
    reason = reason.strip() or "paused by an owner"
    standing.pause(site.of(request).store, campaign, account.annotator_id, reason, reask == "yes", by=by)
    return redirect(request, f"/people/{account.id}?done=paused")


@router.post("/people/{account_id}/reinstate")
def reinstate(request: Request, person: Owner, account_id: str, campaign: Text = "") -> Response:
    """Let somebody work in a campaign again."""
    account = _account(request, account_id)
    standing.reinstate(site.of(request).store, campaign, account.annotator_id, by=person.account.id)
    return redirect(request, f"/people/{account.id}?done=reinstated")


@router.get("/people/{account_id}/data")
def data(request: Request, person: Owner, account_id: str) -> Response:
    """Everything that is kept about somebody."""
    account, store = _account(request, account_id), site.of(request).store
    found = erasure.export_person(store, account.id)
    audit.record(store, person.account.id, "account.export", account.id)
    return JSONResponse(found, headers={"Content-Disposition": f'attachment; filename="{account.id}.json"'})


@router.get("/people/{account_id}/delete")
def delete_page(request: Request, person: Owner, account_id: str) -> Response:
    """What deleting somebody's data would do."""
    return _delete_page(request, person, _account(request, account_id))


@router.post("/people/{account_id}/delete")
def delete(
    request: Request,
    person: Owner,
    account_id: str,
    answers: Annotated[Literal["keep", "remove"], Form()],
    login: Text = "",
) -> Response:
    """Delete somebody's data."""
    account, store = _account(request, account_id), site.of(request).store
    if accounts.plain_login(login) != account.login:
        return _delete_page(request, person, account, _not_confirmed(account))
    try:
        erasure.delete_person(store, account.id, answers, by=person.account.id)
    except Problem as problem:
        return _delete_page(request, person, account, problem)
    return redirect(request, "/people?done=deleted")


def _account(request: Request, account_id: str) -> Account:
    try:
        return accounts.of(site.of(request).store, account_id)
    except Problem as problem:
        raise HTTPException(404, problem) from problem


def _not_confirmed(account: Account) -> Problem:
    return Problem("nothing was changed: the login does not match", mend=f"type {account.login} to confirm")


def _page(request: Request, person: Person, *, done: str = "", link: str = "") -> Response:
    store = site.of(request).store
    return render(
        request,
        "people.html",
        person=person,
        done=done,
        link=link,
        people=accounts.all_accounts(store),
        activity=activity.activities(store),
        invitations=invitations.open_invitations(store),
        roles=accounts.ROLES,
        retracted={annotator.id for annotator in store.annotators(retracted=True)},
    )


def _one(
    request: Request,
    person: Person,
    account: Account,
    *,
    done: str = "",
    link: str = "",
    problem: Problem | None = None,
) -> Response:
    store = site.of(request).store
    answered = activity.by_campaign(store, account.annotator_id)
    return render(
        request,
        "person.html",
        person=person,
        status_code=400 if problem else 200,
        account=account,
        done=done,
        link=link,
        problem=problem,
        roles=accounts.ROLES,
        sessions=sessions.sessions_of(store, account.id),
        campaigns=[
            (campaign, count, standing.standing(store, campaign, account.annotator_id))
            for campaign, count in answered.items()
        ],
        retracted=any(annotator.id == account.annotator_id for annotator in store.annotators(retracted=True)),
    )


def _delete_page(request: Request, person: Person, account: Account, problem: Problem | None = None) -> Response:
    store = site.of(request).store
    return render(
        request,
        "person_delete.html",
        person=person,
        status_code=400 if problem else 200,
        account=account,
        problem=problem,
        answers=sum(activity.by_campaign(store, account.annotator_id).values()),
        touched=lineage.touched_by(store, account.annotator_id),
    )
