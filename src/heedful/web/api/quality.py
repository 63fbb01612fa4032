"""What a campaign's answers say together, and how far people agree. Computed anew only when answers have come."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from heedful.errors import Problem
from heedful.evaluation.agreement import agreement
from heedful.feedback.quality.aggregate import consensus
from heedful.feedback.quality.agreement import ratings_tables
from heedful.feedback.store import Store
from heedful.web.api.costly import kept
from heedful.web.api.fields import IdInPath, Number
from heedful.web.api.replies import answers
from heedful.web.api.scopes import Read, TheSite

router = APIRouter(prefix="/campaigns", tags=["quality"])


class Estimate(BaseModel):
    """A mean between its bounds (95 %), in units of the scale."""

    model_config = ConfigDict(from_attributes=True)

    mean: Number
    low: Number
    high: Number


class Consensus(BaseModel):
    """What the answers to one question say together."""

    model_config = ConfigDict(from_attributes=True)

    question_id: str
    form: str = Field(description="comparison, ranking, label, flags or rating.")
    probabilities: dict[str, Number] = Field(
        description="comparison: `a` and `b`; ranking: completion number -> share of the pairs it is expected to win;"
        " label: `up` and `down`; flags: flag -> that it applies."
    )
    sure: Number = Field(description="Probability of the leading answer.")
    votes: int
    estimates: dict[str, Estimate] = Field(description="rating: aspect -> mean.")


class Agreement(BaseModel):
    """How far people agree on one thing that a campaign asks; null stands for what cannot be known yet."""

    what: str = Field(description="`choice`, `rank`, `thumb`, `flag:<name>` or `rating:<aspect>`.")
    distance: str = Field(description="nominal, ordinal or interval: how far apart two answers are.")
    alpha: Number = Field(description="Krippendorff's alpha: 1 full agreement, 0 what chance gives.")
    low: Number = Field(description="Lower bound of alpha (95 %), clustered by question and annotator.")
    high: Number
    kappa: Number = Field(description="Cohen's kappa, pooled over all pairs of annotators.")
    items: int = Field(description="What two annotators or more have judged.")
    annotators: int


@router.get("/{id:path}/consensus", **answers())
def get_consensus(site: TheSite, person: Read, id: IdInPath) -> list[Consensus]:  # noqa: A002 - its name in the URL
    """The consensus on every question that has an answer; votes of reliable annotators count more."""
    return [Consensus.model_validate(found) for found in kept(site, "consensus", id, consensus)]


@router.get("/{id:path}/agreement", **answers())
def get_agreement(site: TheSite, person: Read, id: IdInPath) -> list[Agreement]:  # noqa: A002
    """How far annotators agree, for each thing that is asked; things that no two have judged are left out."""
    return kept(site, "agreements", id, _agreements)


def _agreements(store: Store, campaign: str | None) -> list[Agreement]:
    found = []
    for table in ratings_tables(store, campaign):
        try:
            one = agreement(table.items, table.annotators, table.values, table.distance)
        except Problem:  # nothing that two people have judged
            continue
        found.append(
            Agreement(
                what=table.name,
                distance=table.distance,
                alpha=one.alpha,
                low=one.low,
                high=one.high,
                kappa=one.kappa,
                items=one.items,
                annotators=one.annotators,
            )
        )
    return found
