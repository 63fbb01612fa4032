"""How sure the answers to one question are together: fast enough to ask after every answer.

`reliabilities` learns who can be trusted from all answers of a campaign, now and then; `sureness` then weighs the
few votes on one question, and is a pure function of both. Without reliabilities everybody counts as the usual
annotator does. For the models see `item_response`, `dawid_skene` and `ratings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from heedful.feedback.quality.dawid_skene import class_probabilities
from heedful.feedback.quality.evidence import Evidence, form_of, pair_votes_of
from heedful.feedback.quality.fits import Fits, fits, labels_of
from heedful.feedback.quality.item_response import pair_verdict
from heedful.feedback.quality.population import Population
from heedful.feedback.quality.ratings import USUAL_NOISE, surety
from heedful.records import Metadata

Confusion = tuple[tuple[float, float], tuple[float, float]]
"""[truth][answer], no before yes."""

USUAL_CONFUSION: Confusion = ((0.8, 0.2), (0.2, 0.8))
Reader = tuple[float, float, float, float]
"""Skill, side bias, hesitation and spotting, as `item_response` has them."""

USUAL: Population = Population()


class Vote(Protocol):
    """What of a judgement counts here; `heedful.records.Judgement` will do."""

    @property
    def annotator_id(self) -> str:
        """Who answered."""
        ...

    @property
    def answer(self) -> Metadata:
        """What."""
        ...

    @property
    def shown(self) -> Sequence[int]:
        """In which display order."""
        ...


@dataclass(frozen=True, slots=True)
class Labeller:
    """What is known of one yes-or-no task: the thumb, or one flag."""

    confusions: Mapping[str, Confusion] = field(default_factory=dict)
    """Annotator -> confusion matrix."""
    usual: Confusion = USUAL_CONFUSION
    """Of an annotator who is not known."""
    yes: float = 0.5
    """How often the truth is yes."""


@dataclass(frozen=True, slots=True)
class Reliabilities:
    """What is known of the annotators of a campaign; by default nothing."""

    readers: Mapping[str, Reader] = field(default_factory=dict)
    """By annotator; of comparisons and rankings."""
    usual_reader: Reader = (USUAL.skill, 0.0, USUAL.hesitation, USUAL.spotting)
    """Of an annotator who is not known."""
    alike: float = USUAL.alike
    """The share of pairs that are alike."""
    labellers: Mapping[str, Labeller] = field(default_factory=dict)
    """By task: `thumb` or `flag:<name>`."""
    rating_noise: Mapping[str, float] = field(default_factory=dict)
    """By task `rating:<aspect>`: the spread of z-scores within questions."""


NOTHING_KNOWN = Reliabilities()


def reliabilities(found: Evidence) -> Reliabilities:
    """Learn who can be trusted from all answers of a campaign (see `reading`). Takes a second or so for 20,000 answers.

    Keep the result and learn it anew from time to time, say after every hundred answers.
    """
    return reliabilities_of(fits(found))


def reliabilities_of(found: Fits) -> Reliabilities:
    """What the models say about the annotators."""
    known = NOTHING_KNOWN
    if found.pairs is not None:
        votes, fit = found.pairs
        rows = fit.parameters_AK.tolist()
        readers = {name: (row[0], row[1], row[2], row[3]) for name, row in zip(votes.annotators, rows, strict=True)}
        middle = fit.population
        usual = (middle.skill, 0.0, middle.hesitation, middle.spotting)
        known = Reliabilities(readers, usual, middle.alike if fit.hesitates else 0.0)
    labellers = {}
    for task, (votes, labels) in found.labels.items():
        confusions = {name: _confusion(labels.confusion_ACC[i]) for name, i in votes.annotators.items()}
        labellers[task] = Labeller(confusions, _confusion(labels.confusion_ACC.mean(axis=0)), float(labels.prior_C[1]))
    noise = {task: ratings.noise for task, (_, ratings) in found.ratings.items()}
    return replace(known, labellers=labellers, rating_noise=noise)


def sureness(votes: Sequence[Vote], reliability: Reliabilities = NOTHING_KNOWN) -> float:
    """The probability, from 0 to 1, that what the votes on one question say together is right.

    Of a comparison: that the completion they favour is the better one, or that the two are alike, if that is what
    they say. Of a ranking: the same, meant over its pairs. Of labels and flags: that every yes and no is true (the
    least sure flag counts). Of ratings: that every mean lies within half a standard deviation of the truth (the
    least sure aspect counts). A text is its own answer: 1 as soon as there is one. Without votes: 0.

    Args:
        votes: the judgements on one question that hold, in any order; skips do not count.
        reliability: from `reliabilities`.
    """
    votes = [vote for vote in votes if form_of(vote.answer) != "skip"]
    if not votes:
        return 0.0
    form = form_of(votes[0].answer)
    if form == "text":
        return 1.0
    same = [vote for vote in votes if form_of(vote.answer) == form]
    if form in ("comparison", "ranking"):
        return _sure_of_pairs(same, reliability)
    if form == "rating":
        return _sure_of_ratings(same, reliability)
    return _sure_of_labels(same, reliability)


def _sure_of_pairs(votes: Sequence[Vote], reliability: Reliabilities) -> float:
    by_pair: dict[tuple[str, str], list[tuple[float, int, Reader]]] = {}
    for vote in votes:
        reader = reliability.readers.get(vote.annotator_id, reliability.usual_reader)
        for first, second, outcome, side in pair_votes_of(vote.answer, (), vote.shown):
            by_pair.setdefault((first, second), []).append((outcome, side, reader))
    surest = []
    for found in by_pair.values():
        outcomes, sides, readers = zip(*found, strict=True)
        surest.append(float(pair_verdict(outcomes, sides, readers, reliability.alike).max()))
    return sum(surest) / len(surest)


def _sure_of_labels(votes: Sequence[Vote], reliability: Reliabilities) -> float:
    """Flags that nobody raised count as well, as far as they are known from other questions."""
    tasks = {task: None for vote in votes for task in labels_of(vote.answer, ())}
    if "thumb" not in votes[0].answer:
        tasks |= {task: None for task in reliability.labellers if task.startswith("flag:")}
        tasks = tasks or {"flag:": None}
    sure = []
    for task in tasks:
        labeller = reliability.labellers.get(task, Labeller())
        labels = [int(labels_of(vote.answer, ()).get(task, False)) for vote in votes]
        confusions = [labeller.confusions.get(vote.annotator_id, labeller.usual) for vote in votes]
        sure.append(float(class_probabilities(labels, confusions, (1 - labeller.yes, labeller.yes)).max()))
    return min(sure)


def _sure_of_ratings(votes: Sequence[Vote], reliability: Reliabilities) -> float:
    counts: dict[str, int] = {}
    for vote in votes:
        for aspect in vote.answer["ratings"]:
            counts[f"rating:{aspect}"] = counts.get(f"rating:{aspect}", 0) + 1
    noise = reliability.rating_noise
    return min(float(surety(noise.get(task, USUAL_NOISE) / np.sqrt(count))) for task, count in counts.items())


def _confusion(matrix_CC: np.ndarray) -> Confusion:
    (a, b), (c, d) = matrix_CC.tolist()
    return ((a, b), (c, d))
