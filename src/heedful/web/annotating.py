"""One annotator before the owner: numbers with intervals, what deserves a look; pausing, reinstating, retracting."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import Response

from heedful.feedback import lineage
from heedful.feedback.accounts import audit
from heedful.feedback.steering import standing
from heedful.feedback.tracing import descent
from heedful.web import addresses, site
from heedful.web.access import Owner, Reviewer, redirect, render
from heedful.web.figures.annotators import Someone, concerns, sheet, usual_drift
from heedful.web.overview import Overview
from heedful.web.sheets import view_of

router = APIRouter(prefix="/dashboard/annotators")

Text = Annotated[str, Form()]


@router.get("")
def everybody(request: Request, person: Reviewer) -> Response:
    """Everybody who has answered."""
    found = Overview(site.of(request)).sheet("annotators")
    return render(request, "annotators.html", person=person, sheet=view_of(found) if found else None)


@router.get("/{annotator_id:path}/retract")
def before_retracting(request: Request, person: Owner, annotator_id: str) -> Response:
    """What rests on somebody's answers, before they are taken out."""
    overview = Overview(site.of(request))
    touched = lineage.touched_by(overview.store, annotator_id)
    held = descent(overview.lineage().models, touched.snapshots)
    return render(
        request,
        "retract.html",
        person=person,
        annotator_id=annotator_id,
        who=_name(overview, annotator_id),
        touched=touched,
        rewards=[model for model in held if model.kind == "reward"],
        policies=[model for model in held if model.kind == "policy"],
    )


@router.post("/{annotator_id:path}/retract")
def retract(request: Request, person: Owner, annotator_id: str, reason: Text = "", sure: Text = "") -> Response:
    """Stop counting everything that somebody answered, and mark what was built on it."""
    if sure != "yes":
        raise HTTPException(400, "tick the box that says that you have read what it touches; nothing was changed")
    store = site.of(request).store
    touched = lineage.retract(store, annotator_id, reason.strip())
    detail = {"judgements": len(touched.judgement_ids), "models": [model.id for model in touched.models]}
    audit.record(store, person.account.id, "annotator.retract", annotator_id, detail)
    return redirect(request, f"{addresses.annotator(annotator_id)}?done=retracted")


@router.post("/{annotator_id:path}/pause")
def pause(
    request: Request, person: Owner, annotator_id: str, campaign: Text, reason: Text = "", reask: Text = ""
) -> Response:
    """Give somebody no more work in a campaign, and if wished have their work done again by others."""
    why = reason.strip() or "paused by the owner"
    standing.pause(site.of(request).store, campaign, annotator_id, why, reask == "yes", by=person.account.id)
    return redirect(request, f"{addresses.annotator(annotator_id)}?done=paused")


@router.post("/{annotator_id:path}/reinstate")
def reinstate(request: Request, person: Owner, annotator_id: str, campaign: Text) -> Response:
    """Let somebody work again; what was set aside counts again."""
    standing.reinstate(site.of(request).store, campaign, annotator_id, by=person.account.id)
    return redirect(request, f"{addresses.annotator(annotator_id)}?done=reinstated")


@router.get("/{annotator_id:path}")
def annotator(request: Request, person: Reviewer, annotator_id: str, done: str = "") -> Response:
    """One annotator."""
    overview = Overview(site.of(request))
    retracted = {one.id: one for one in overview.store.annotators(retracted=True)}
    known = {one.id: one for one in overview.store.annotators()} | retracted
    if annotator_id not in known:
        raise HTTPException(404, f"there is no annotator {annotator_id!r}")
    people = overview.people()
    found = next((one for one in people if one.profile.annotator_id == annotator_id), None)
    return render(
        request,
        "annotator.html",
        person=person,
        annotator=known[annotator_id],
        retracted=annotator_id in retracted,
        found=found,
        sheet=view_of(sheet([found], overview.currencies())) if found else None,
        concerns=concerns(found, usual_drift(people)) if found else [],
        campaigns=_campaigns(overview, found, annotator_id),
        earnings=found.earnings if found else [],
        currencies=overview.currencies(),
        done=done,
    )


def _campaigns(overview: Overview, found: Someone | None, annotator_id: str) -> list[tuple[str, standing.Standing]]:
    """The campaigns with anything of this person, and where they stand in each."""
    worked = {earning.campaign for earning in found.earnings} if found else set()
    noted = found.standings if found else {}
    names = [name for name in overview.campaigns() if name in worked or name in noted]
    names = names or list(overview.campaigns())
    return [(name, standing.standing(overview.store, name, annotator_id)) for name in names]


def _name(overview: Overview, annotator_id: str) -> str:
    people = [*overview.store.annotators(), *overview.store.annotators(retracted=True)]
    found = next((one for one in people if one.id == annotator_id), None)
    if found is None:
        raise HTTPException(404, f"there is no annotator {annotator_id!r}")
    return found.name or found.id
