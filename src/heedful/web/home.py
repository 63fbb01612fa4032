"""The first page, by role; sample questions; the sign of life."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from heedful.feedback.accounts import accounts, activity, audit
from heedful.feedback.steering.settings import Campaign, campaigns_of
from heedful.web import samples, site
from heedful.web.access import Anyone, Owner, Person, redirect, render

router = APIRouter()


@router.get("/")
def home(request: Request, person: Anyone) -> Response:
    """Where everybody begins."""
    if person is None:
        return redirect(request, "/login")
    here = site.of(request)
    sizes = activity.sizes(here.store)
    if person.role == "owner" and not sizes["questions"]:
        has_policy = any(model.kind == "policy" for model in here.store.models())
        return render(
            request,
            "start.html",
            person=person,
            folder=here.folder,
            has_policy=has_policy,
            samples=samples.count(),
        )
    return _overview(request, person, sizes)


@router.post("/samples")
def add_samples(request: Request, person: Owner) -> Response:
    """Put the sample questions into the project, and go and judge them."""
    store = site.of(request).store
    samples.add(store)
    audit.record(store, person.account.id, "samples.add", samples.CAMPAIGN)
    return redirect(request, f"/judge/{samples.CAMPAIGN}")


@router.get("/health")
def health(request: Request) -> dict[str, str]:
    """Whether the server answers and reaches its database."""
    accounts.any_account(site.of(request).store)
    return {"status": "ok"}


def _overview(request: Request, person: Person, sizes: dict[str, int]) -> Response:
    store = site.of(request).store
    return render(
        request,
        "home.html",
        person=person,
        sizes=sizes,
        mine=activity.by_campaign(store, person.annotator_id),
        campaigns=[each for each in campaigns_of(store) if person.role != "annotator" or _open(each, person)],
        people=len(accounts.all_accounts(store)),
    )


def _open(campaign: Campaign, person: Person) -> bool:
    """Whether an annotator can work there."""
    who = campaign.settings.who
    return campaign.state == "open" and (not who or person.annotator_id in who)
