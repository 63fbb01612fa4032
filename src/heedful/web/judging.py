"""The pages on which people judge: where there is work, the desk itself, one's own answers, the guidelines."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from heedful.feedback import showing
from heedful.feedback.kind import skipped
from heedful.feedback.steering import desk as steering
from heedful.feedback.steering import guidelines
from heedful.feedback.steering import settings as campaigns
from heedful.feedback.steering.desk import Answered
from heedful.feedback.store import Store
from heedful.web import desk, media, remarks, site, tasks
from heedful.web.access import Person, Signed, redirect, render
from heedful.web.rendering import markdown

router = APIRouter()
router.include_router(desk.router)
router.include_router(remarks.router)
router.include_router(media.router)

LISTED = 200
"""Own answers on one page."""


@router.get("/judge")
def choose(request: Request, person: Signed) -> Response:
    """Where there is something to judge; with one campaign, straight to it."""
    found = [each for each in campaigns.campaigns_of(site.of(request).store) if _concerns(each, person)]
    if len(found) == 1:
        return redirect(request, _desk_of(found[0].name))
    return render(
        request, "judge_choose.html", person=person, campaigns=[(each, _desk_of(each.name)) for each in found]
    )


@router.get("/answers")
def own_answers(request: Request, person: Signed, campaign: str | None = None) -> Response:
    """What one has answered, newest first, each to be changed."""
    store = site.of(request).store
    found = steering.history(store, person.annotator_id, campaign or None, LISTED)
    others = _revealed(store, person, found)
    lines = [
        {
            **tasks.line(store, each),
            "again": f"{_desk_of(each.question.campaign)}?{urlencode({'question': each.question.id})}",
            "others": others.get(each.question.id, []),
        }
        for each in found
    ]
    return render(request, "judge_history.html", person=person, lines=lines)


@router.get("/judge/{campaign:path}")
def judge(request: Request, person: Signed, campaign: str, question: str = "") -> Response:
    """The desk of a campaign; with a question of one's own, that one first, to change its answer."""
    found = desk.open_to(site.of(request).store, person, campaign)
    return render(request, "judge.html", person=person, campaign=found, again=question)


@router.get("/guidelines/{campaign:path}")
def read_guidelines(request: Request, person: Signed, campaign: str) -> Response:
    """The guidelines of a campaign on a page of their own."""
    store = site.of(request).store
    its_campaign = desk.open_to(store, person, campaign)
    found = guidelines.newest(store, campaign)
    if found is None:
        raise HTTPException(404, "this campaign has no guidelines")
    return render(
        request,
        "guidelines.html",
        person=person,
        campaign=its_campaign,
        guidelines=found,
        body=markdown(found.text, below=1).html,
    )


def _desk_of(campaign: str) -> str:
    return f"/judge/{quote(campaign)}"


def _concerns(campaign: campaigns.Campaign, person: Person) -> bool:
    who = campaign.settings.who
    return campaign.state == "open" and campaign.questions > 0 and (not who or person.annotator_id in who)


def _revealed(store: Store, person: Person, found: list[Answered]) -> dict[str, list[str]]:
    """Question -> what others said, in the campaigns that reveal it."""
    open_ones = {
        name for name in {each.question.campaign for each in found} if campaigns.campaign(store, name).settings.reveal
    }
    shown: dict[str, Any] = {
        each.question.id: each
        for each in found
        if each.question.campaign in open_ones and not skipped(each.judgement.answer)  # a skip can become an answer
    }
    return {
        name: [tasks.said(shown[name].question, other.answer, tasks.order_of(shown[name])) for other in others]
        for name, others in showing.of_others(store, list(shown), person.annotator_id).items()
    }
