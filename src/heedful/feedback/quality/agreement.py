"""Answers as tables of ratings, from which `heedful.evaluation.agreement` computes alpha and kappa.

One table for everything that is asked: the choice of a comparison, the rank of a completion, the thumb, each flag,
each aspect of a rating; with the distance that fits it. Training items are left out, gold items and the exam count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from heedful.feedback.quality.fits import labels_of, offered_flags
from heedful.feedback.quality.reading import evidence
from heedful.feedback.store import Names, Store

Distance = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True, slots=True)
class RatingsTable:
    """Who said what about what: three columns of one length."""

    name: str
    """`choice`, `rank`, `thumb`, `flag:<name>` or `rating:<aspect>`."""
    distance: Distance
    """nominal: equal or not (choices, thumbs, flags); ordinal: by order (ranks); interval: by value (ratings)."""
    items: tuple[str, ...]
    """The question; of a rank the question and the completion's number."""
    annotators: tuple[str, ...]
    values: tuple[str | float, ...]
    """Text where the distance is nominal, else numbers."""


def ratings_tables(store: Store, campaign: Names | None = None) -> list[RatingsTable]:
    """The tables of a campaign (or of all), the longest first; skips and texts are in none."""
    found = evidence(store, campaign)
    offered = offered_flags(found)
    rows: dict[tuple[str, Distance], list[tuple[str, str, str | float]]] = {}
    for given, form in zip(found.answers, found.forms, strict=True):
        answer, item, who = given.answer, given.question_id, given.annotator_id
        if form == "comparison":
            rows.setdefault(("choice", "nominal"), []).append((item, who, answer["choice"]))
        elif form == "ranking":
            ranks = [(f"{item} {i}", who, float(rank)) for i, rank in enumerate(answer["ranks"])]
            rows.setdefault(("rank", "ordinal"), []).extend(ranks)
        elif form in ("label", "flags"):
            for task, yes in labels_of(answer, offered.get(item, ())).items():
                rows.setdefault((task, "nominal"), []).append((item, who, "yes" if yes else "no"))
        elif form == "rating":
            for aspect, number in answer["ratings"].items():
                rows.setdefault((f"rating:{aspect}", "interval"), []).append((item, who, float(number)))
    ordered = sorted(rows.items(), key=lambda each: -len(each[1]))
    return [RatingsTable(name, distance, *zip(*found, strict=True)) for (name, distance), found in ordered]


def ratings_table(store: Store, campaign: Names | None = None) -> RatingsTable | None:
    """The longest table of a campaign: what its people are asked most; None when nothing was answered."""
    tables = ratings_tables(store, campaign)
    return tables[0] if tables else None
