"""Campaigns before their owner: a list, one page each with what is still missing, its rules, its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from heedful.errors import Problem
from heedful.feedback.accounts.accounts import all_accounts
from heedful.feedback.questions import KINDS
from heedful.feedback.steering import gold, settings
from heedful.feedback.steering.settings import Campaign, CampaignSettings
from heedful.feedback.store import Store
from heedful.web import addresses, asking, guiding, site
from heedful.web.access import Owner, Person, redirect, render
from heedful.web.campaign_lookup import known
from heedful.web.figures.progress import Progress, progress_of
from heedful.web.form_fields import Fields, Sent, first
from heedful.web.overview import Overview
from heedful.web.rules_form import FORM, PRICED, field_of, policies, sent, settings_of, slug, written

router = APIRouter(prefix="/campaigns")

RESERVED = ("new",)
"""Names that are addresses of their own."""

DONE: Mapping[str, str] = {
    "made": "The campaign is made. What it still needs stands below.",
    "saved": "Saved.",
    "open": "The campaign is open: people get its questions.",
    "paused": "Paused: no question is given out. Answers to questions that are held are still taken.",
    "closed": "Closed: no question is given out, and answers can no longer be changed.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a campaign needs before people can work well."""

    done: bool
    what: str
    link: str
    words: str
    needed: bool = True


@router.get("")
def campaigns(request: Request, person: Owner) -> Response:
    """All of them."""
    overview = Overview(site.of(request))
    return render(request, "campaigns.html", person=person, progress=overview.progress())


@router.get("/new")
def blank(request: Request, person: Owner) -> Response:
    """The form of a new campaign."""
    return _form(request, None, written(CampaignSettings()), "", "")


@router.post("/new")
def make(request: Request, person: Owner, form: Fields) -> Response:
    """Make a campaign."""
    return _save(request, person, form, None)


@router.get("/{name:path}/settings")
def rules(request: Request, person: Owner, name: str) -> Response:
    """A campaign's title and rules."""
    found = known(site.of(request).store, name)
    return _form(request, found, written(found.settings), found.title, found.name)


@router.post("/{name:path}/settings")
def change(request: Request, person: Owner, name: str, form: Fields) -> Response:
    """Give a campaign its title and rules."""
    return _save(request, person, form, known(site.of(request).store, name))


@router.post("/{name:path}/state")
def turn(request: Request, person: Owner, name: str, state: Annotated[str, Form()]) -> Response:
    """Open, pause or close a campaign."""
    store = site.of(request).store
    known(store, name)
    settings.set_state(store, name, state, by=person.account.id)  # type: ignore[arg-type]  # refused by the store
    return redirect(request, f"{addresses.campaign(name)}?done={state}")


router.include_router(asking.router)
router.include_router(guiding.router)


@router.get("/{name:path}")
def campaign(request: Request, person: Owner, name: str, done: str = "", said: str = "") -> Response:
    """One campaign: how far it is, what it needs, what it costs."""
    overview = Overview(site.of(request))
    found = known(overview.store, name)
    kinds: dict[str, int] = {}
    for question in overview.store.questions(name):
        kinds[question.kind] = kinds.get(question.kind, 0) + 1
    known_answers = {use: len(gold.gold_of(overview.store, name, use)) for use in ("training", "exam", "gold")}
    lines = [line for line in overview.ledger() if line.campaign == name]
    return render(
        request,
        "campaign.html",
        person=person,
        campaign=found,
        progress=_progress(overview, found),
        kinds=[(KINDS[kind].title if kind in KINDS else kind, count) for kind, count in kinds.items()],
        known_answers=known_answers,
        steps=_steps(found, known_answers, len(all_accounts(overview.store))),
        lines=lines,
        done=said or DONE.get(done, ""),
    )


def _progress(overview: Overview, campaign: Campaign) -> Progress:
    mine = [pace for pace in overview.paces if pace.campaign == campaign.name]
    costs = {campaign.name: sum(line.cost for line in overview.ledger() if line.campaign == campaign.name)}
    [found] = progress_of(mine, {campaign.name: campaign}, costs)
    return found


def _steps(campaign: Campaign, known_answers: Mapping[str, int], people: int) -> Sequence[Step]:
    """What a campaign needs, in the order in which one does it."""
    rules = campaign.settings
    steps = [
        Step(campaign.questions > 0, "Questions", addresses.campaign(campaign.name, "questions"), "Add questions"),
        Step(
            campaign.guidelines is not None,
            "Guidelines, which people read before they begin",
            addresses.campaign(campaign.name, "guidelines"),
            "Write guidelines",
        ),
        Step(people > 1, "People", "/people", "Invite people"),
    ]
    if rules.qualification:
        listed = addresses.questions(campaign=campaign.name)
        steps.append(
            Step(
                known_answers["training"] > 0,
                "Training items: questions with their answer and why",
                listed,
                "Choose training items",
            )
        )
        steps.append(Step(known_answers["exam"] > 0, "Exam items", listed, "Choose exam items"))
    if rules.gold_share:
        listed = addresses.questions(campaign=campaign.name)
        steps.append(
            Step(
                known_answers["gold"] > 0,
                "Gold items, hidden among the work",
                listed,
                "Choose gold items",
                needed=False,
            )
        )
    return steps


def _save(request: Request, person: Person, form: Sent, before: Campaign | None) -> Response:
    store = site.of(request).store
    title = first(form, "title")
    name = before.name if before else first(form, "name") or slug(title)
    fields = sent(form)
    try:
        if not title:
            raise Problem("a campaign has a title", where='field "title"', mend="say in a few words what it asks")
        if not before:
            _check_name(store, name)
        rules = settings_of(fields, before.settings if before else CampaignSettings())
        settings.save_campaign(store, name, title, rules, by=person.account.id)
    except Problem as problem:
        return _form(request, before, fields, title, name, problem)
    return redirect(request, f"{addresses.campaign(name)}?done={'saved' if before else 'made'}")


def _check_name(store: Store, name: str) -> None:
    found = settings.campaign(store, name) if name else None
    if not name or name in RESERVED or "/" in name:
        raise Problem("this cannot be a campaign's name", where='field "name"', mend="use letters, digits and hyphens")
    if found and (found.created or found.questions):
        raise Problem(f'there is a campaign "{name}" already', where='field "name"', mend="give another name")


def _form(
    request: Request,
    campaign: Campaign | None,
    fields: Mapping[str, Any],
    title: str,
    name: str,
    problem: Problem | None = None,
) -> Response:
    store = site.of(request).store
    people = [account for account in all_accounts(store) if account.state == "active"]
    return render(
        request,
        "campaign_settings.html",
        status_code=400 if problem else 200,
        campaign=campaign,
        form=FORM,
        fields=fields,
        title=title,
        short_name=name,
        problem=problem,
        wrong=field_of(problem) if problem else "",
        kinds=KINDS,
        priced=[(kind, KINDS[kind].title or kind if kind in KINDS else f"{kind.capitalize()} item") for kind in PRICED],
        policies=policies(),
        people=sorted(people, key=lambda account: account.name.lower()),
    )
