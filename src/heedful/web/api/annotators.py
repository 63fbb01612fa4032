"""Annotators: who answers how, and what is done about it."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from heedful.feedback import lineage, listing
from heedful.feedback.accounts import audit
from heedful.feedback.quality.annotators import AnnotatorProfile, profile
from heedful.feedback.steering import standing
from heedful.feedback.store import Store
from heedful.web.api.costly import kept
from heedful.web.api.fields import Id, IdInPath, InCampaign, Number, Remark
from heedful.web.api.replies import answers, missing
from heedful.web.api.scopes import Admin, Read, TheSite, TheStore
from heedful.web.site import Site

router = APIRouter(prefix="/annotators", tags=["annotators"])

Interval = tuple[Number, Number]


class Profile(BaseModel):
    """How somebody answers; null stands for what their answers cannot tell."""

    model_config = ConfigDict(from_attributes=True)

    annotator_id: str
    name: str
    answers: int
    skips: int
    skill: Number = Field(description="How often they would see what is true: 1 always, 1/2 by chance.")
    skill_interval: Interval | None = Field(description="95 %.")
    agreement: Number = Field(description="Share of others' answers to the same questions that equal theirs.")
    left_share: Number = Field(description="Share of decided comparisons in which the side shown first won.")
    left_interval: Interval | None = Field(description="95 %.")
    left_p: Number = Field(description="How probable so uneven a share is by chance.")
    median_s: Number = Field(description="Median seconds an answer.")
    too_fast_share: Number = Field(description="Share of answers sooner than the texts can be skimmed.")
    pasted_share: Number = Field(description="Share of written texts that were pasted.")
    gold_right: int
    gold_seen: int
    drift: Number = Field(description="Change of the agreement with others, second half against first.")
    drift_interval: Interval | None = Field(description="95 %.")


class Standing(BaseModel):
    """Where an annotator stands in a campaign."""

    model_config = ConfigDict(from_attributes=True)

    state: Literal["training", "exam", "working", "failed", "paused"]
    reason: str
    changed: str = Field(description="UTC, ISO 8601; empty: nothing is noted.")


class Pause(BaseModel):
    """An annotator gets no more work in a campaign."""

    model_config = ConfigDict(extra="forbid")

    campaign: Id
    reason: Remark = ""
    reask: bool = Field(default=False, description="Set their answers aside: their places are free again.")


class Reinstate(BaseModel):
    """A paused or failed annotator may work again."""

    model_config = ConfigDict(extra="forbid")

    campaign: Id


class Retract(BaseModel):
    """An annotator's answers no longer count."""

    model_config = ConfigDict(extra="forbid")

    reason: Remark = ""


class Touched(BaseModel):
    """What rests on an annotator's answers."""

    judgements: int
    snapshots: list[str] = Field(description="Hashes of the snapshots that hold one of their judgements.")
    models: list[str] = Field(description="Ids of the models trained on one of them, or made from one that was.")


@router.get("", **answers())
def list_annotators(site: TheSite, person: Read, campaign: InCampaign = None) -> list[Profile]:
    """Everybody who answered (in a campaign), those with most answers first; retracted ones are left out."""
    return [Profile.model_validate(found) for found in _profiles(site, campaign)]


@router.get("/{id:path}/standing", **answers(404))
def get_standing(store: TheStore, person: Read, id: IdInPath, campaign: Id) -> Standing:  # noqa: A002 - in the URL
    """Where an annotator stands in a campaign."""
    _require(store, id)
    return Standing.model_validate(standing.standing(store, campaign, id))


@router.get("/{id:path}/touched", **answers(404))
def touched(store: TheStore, person: Read, id: IdInPath) -> Touched:  # noqa: A002
    """The snapshots and models that rest on somebody's answers: what a retraction would mark."""
    _require(store, id)
    return _touched(lineage.touched_by(store, id))


@router.post("/{id:path}/pause", **answers(404))
def pause(store: TheStore, person: Admin, id: IdInPath, sent: Pause) -> Standing:  # noqa: A002
    """Give somebody no more work in a campaign; it can be taken back."""
    _require(store, id)
    found = standing.pause(store, sent.campaign, id, sent.reason, sent.reask, by=person.account.id)
    return Standing.model_validate(found)


@router.post("/{id:path}/reinstate", **answers(404))
def reinstate(store: TheStore, person: Admin, id: IdInPath, sent: Reinstate) -> Standing:  # noqa: A002
    """Let a paused or failed annotator work again; answers that were set aside hold again."""
    _require(store, id)
    return Standing.model_validate(standing.reinstate(store, sent.campaign, id, by=person.account.id))


@router.post("/{id:path}/retract", **answers(404))
def retract(store: TheStore, person: Admin, id: IdInPath, sent: Retract) -> Touched:  # noqa: A002
    """Stop counting somebody's answers, past and future, and say what had been built on them. Not taken back."""
    _require(store, id)
    found = _touched(lineage.retract(store, id, sent.reason))
    audit.record(store, person.account.id, "annotator.retract", id, {"models": found.models})
    return found


@router.get("/{id:path}", **answers(404))
def get_annotator(site: TheSite, person: Read, id: IdInPath, campaign: InCampaign = None) -> Profile:  # noqa: A002
    """How one annotator answers."""
    found = next((each for each in _profiles(site, campaign) if each.annotator_id == id), None)
    if found is None:
        raise missing("annotator with answers", id)
    return Profile.model_validate(found)


def _profiles(site: Site, campaign: str | None) -> list[AnnotatorProfile]:
    return kept(site, "profiles", campaign, profile)


def _require(store: Store, name: str) -> None:
    if not listing.known_annotator(store, name):
        raise missing("annotator", name)


def _touched(found: lineage.Touched) -> Touched:
    return Touched(
        judgements=len(found.judgement_ids),
        snapshots=list(found.snapshots),
        models=[model.id for model in found.models],
    )
