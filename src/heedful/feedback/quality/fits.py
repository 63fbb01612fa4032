"""Every model of this room fitted to the answers of a campaign: pairs, labels and flags, ratings.

What is known of gold items goes in as known. `aggregate`, `reliability` and `annotators` read their numbers here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.feedback.quality.dawid_skene import DawidSkene, dawid_skene
from heedful.feedback.quality.evidence import Evidence, Given, compared, flags_of, form_of, numbered, pair_votes_of
from heedful.feedback.quality.item_response import ItemResponse, item_response
from heedful.feedback.quality.ratings import Ratings, ratings
from heedful.feedback.quality.votes import Codes, Floats
from heedful.records import Metadata, Question

THUMB = "thumb"
"""The name of the task of labels; those of flags are `flag:<name>`, those of ratings `rating:<aspect>`."""


@dataclass(frozen=True)
class Votes:
    """Votes of one task, one row a vote."""

    items: Mapping[Any, int]
    """What was judged -> its number: a pair of completions, or a question."""
    annotators: Mapping[str, int]
    answer_V: Codes
    """Where the vote's answer stands in the evidence."""
    item_V: Codes
    annotator_V: Codes
    value_V: Floats
    """Outcome, class number, or rating."""
    side_V: Floats
    """For pairs; else 0."""

    @property
    def shared_V(self) -> np.ndarray:
        """Whether somebody else judged the same."""
        return np.asarray(np.bincount(self.item_V)[self.item_V] > 1)


@dataclass(frozen=True)
class Fits:
    """What the models say, by task; a task that nobody answered is missing."""

    pairs: tuple[Votes, ItemResponse] | None
    labels: Mapping[str, tuple[Votes, DawidSkene]]
    ratings: Mapping[str, tuple[Votes, Ratings]]
    known_items: frozenset[object]
    """Pairs and (task, question) whose truth is known."""


def fits(evidence: Evidence) -> Fits:
    """Fit all models.

    Args:
        evidence: from `heedful.feedback.quality.evidence.evidence`.
    """
    pair_rows: list[tuple[int, object, str, float, float]] = []
    label_rows: dict[str, list[tuple[int, object, str, float, float]]] = {}
    rating_rows: dict[str, list[tuple[int, object, str, float, float]]] = {}
    offered = offered_flags(evidence)
    for row, (given, form) in enumerate(zip(evidence.answers, evidence.forms, strict=True)):
        if form in ("comparison", "ranking"):
            names = compared(evidence.questions[given.question_id])
            for vote in pair_votes_of(given.answer, names, given.shown):
                pair_rows.append((row, (vote.first, vote.second), given.annotator_id, vote.outcome, float(vote.side)))
        elif form in ("label", "flags"):
            for task, value in labels_of(given.answer, offered.get(given.question_id, ())).items():
                label_rows.setdefault(task, []).append((row, given.question_id, given.annotator_id, float(value), 0.0))
        elif form == "rating":
            for aspect, number in given.answer["ratings"].items():
                found = (row, given.question_id, given.annotator_id, float(number), 0.0)
                rating_rows.setdefault(f"rating:{aspect}", []).append(found)
    known_pairs, known_labels = _known(evidence, offered)
    pairs = _votes(pair_rows) if pair_rows else None
    labels = {task: _votes(found) for task, found in label_rows.items()}
    return Fits(
        None if pairs is None else (pairs, _fit_pairs(pairs, known_pairs)),
        {task: (votes, _fit_labels(votes, known_labels.get(task, {}))) for task, votes in labels.items()},
        {task: (votes, _fit_ratings(votes)) for task, votes in ((t, _votes(r)) for t, r in rating_rows.items())},
        frozenset([*known_pairs, *((task, name) for task, found in known_labels.items() for name in found)]),
    )


def labels_of(answer: Metadata, offered: tuple[str, ...]) -> dict[str, bool]:
    """Task -> yes or no: the thumb of a label; every offered or raised flag."""
    if "thumb" in answer:
        return {THUMB: bool(answer["thumb"])}
    raised = flags_of(answer)
    return {f"flag:{name}": name in raised for name in (*offered, *sorted(raised - set(offered)))}


def offered_flags(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """Question -> the flags that it offered, or, where it does not say, those that anybody raised on it."""
    found: dict[str, tuple[str, ...]] = {}
    for given, form in zip(evidence.answers, evidence.forms, strict=True):
        if form == "flags":
            question: Question = evidence.questions[given.question_id]
            said = question.metadata.get("flags") or found.get(question.id, ())
            raised = () if question.metadata.get("flags") else sorted(flags_of(given.answer))
            found[question.id] = tuple(dict.fromkeys([*said, *raised]))
    return found


def _votes(rows: list[tuple[int, object, str, float, float]]) -> Votes:
    answer, items, annotators, value, side = zip(*rows, strict=True)
    item_of, annotator_of = numbered(items), numbered(annotators)
    return Votes(
        item_of,
        annotator_of,
        np.array(answer),
        np.array([item_of[item] for item in items]),
        np.array([annotator_of[name] for name in annotators]),
        np.array(value),
        np.array(side),
    )


def _fit_pairs(votes: Votes, known: Mapping[object, float]) -> ItemResponse:
    told = {votes.items[pair]: outcome for pair, outcome in known.items() if pair in votes.items}
    return item_response(votes.item_V, votes.annotator_V, votes.value_V, votes.side_V, known=told)


def _fit_labels(votes: Votes, known: Mapping[object, bool]) -> DawidSkene:
    told = {votes.items[name]: int(value) for name, value in known.items() if name in votes.items}
    return dawid_skene(votes.item_V, votes.annotator_V, votes.value_V.astype(np.int64), 2, known=told)


def _fit_ratings(votes: Votes) -> Ratings:
    return ratings(votes.item_V, votes.annotator_V, votes.value_V)


def _known(
    evidence: Evidence, offered: Mapping[str, tuple[str, ...]]
) -> tuple[dict[object, float], dict[str, dict[object, bool]]]:
    """(Pair -> 1 or 0, task -> question -> yes or no) of the gold items; a tie tells nothing."""
    pairs: dict[object, float] = {}
    labels: dict[str, dict[object, bool]] = {}
    for name, answer in evidence.known.items():
        if name not in evidence.questions:
            continue
        gold = Given(name, "", answer)
        form = form_of(gold.answer)
        if form in ("comparison", "ranking"):
            for vote in pair_votes_of(answer, compared(evidence.questions[name]), ()):
                if vote.outcome != 0.5:
                    pairs[vote.first, vote.second] = vote.outcome
        elif form in ("label", "flags"):
            for task, value in labels_of(answer, offered.get(name, ())).items():
                labels.setdefault(task, {})[name] = value
    return pairs, labels
