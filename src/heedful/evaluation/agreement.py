"""How much people agree with each other: the ceiling for every model that predicts their votes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.errors import Problem
from heedful.evaluation.clusters import Codes, Floats, check_lengths, clustering_of
from heedful.evaluation.coincidences import (
    Distance,
    alpha_interval,
    alpha_of,
    coincidences,
    numbered,
    sums,
    value_codes,
)
from heedful.evaluation.intervals import Interval, mean_interval


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What people themselves reach when they predict a vote of another person on the same pair."""

    person: Interval
    """One person predicts another: the mean agreement of two votes."""
    majority: Interval
    """The majority of all others predicts a vote; their tie counts half."""
    pairs: int
    """Pairs with at least two votes, from which both are computed."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far people agree on one thing that they were asked."""

    alpha: float
    """Krippendorff's alpha."""
    low: float
    high: float
    """Bounds of alpha, clustered by item and annotator."""
    kappa: float
    """Cohen's kappa, pooled over all pairs of annotators."""
    items: int
    """With two answers or more."""
    annotators: int
    """Who answered them."""


def raw_agreement(units: Sequence[Sequence[Hashable]]) -> float:
    """The share of equal pairs of answers within units, each unit counting the same.

    Args:
        units: for every question the answers it got; units with fewer than two say nothing and are left out.

    Raises:
        Problem: no unit has two answers.
    """
    shares = []
    for answers in _with_two(units):
        n, counts = len(answers), Counter(answers).values()
        shares.append(sum(count * (count - 1) for count in counts) / (n * (n - 1)))
    return float(np.mean(shares))


def krippendorff_alpha(units: Sequence[Sequence[Hashable]], distance: Distance = "nominal") -> float:
    """Krippendorff's alpha: 1 - observed / expected disagreement.

    1 is full agreement, 0 what chance gives, below 0 is systematic disagreement. Krippendorff (2018), "Content
    Analysis", 4th edition, chapter 12; any number of annotators, gaps allowed. When only one answer was ever given
    there is no disagreement to expect, and alpha is 1. For an interval see `agreement`.

    Args:
        units: for every question the answers it got.
        distance: nominal (equal or not), ordinal (by order) or interval (by value).

    Raises:
        Problem: no unit has two answers.
    """
    kept = _with_two(units)
    value_V, value_C = value_codes([answer for answers in kept for answer in answers], distance)
    unit_V = np.repeat(np.arange(len(kept)), [len(answers) for answers in kept])
    return float(alpha_of(coincidences(unit_V, value_V, len(value_C))[None], value_C, distance)[0])


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable], distance: Distance = "nominal") -> float:
    """Cohen's kappa of two annotators: 1 - observed / expected disagreement, each with their own frequencies.

    Cohen (1960), "A coefficient of agreement for nominal scales"; with another distance the weighted kappa of Cohen
    (1968): squared differences of values, or for `ordinal` of their places in the order of values. Where both always
    gave one and the same answer it is 1.

    Args:
        first: the answers of one annotator.
        second: those of the other to the same questions.
        distance: how far apart two answers are.

    Raises:
        Problem: no answers, or unequal numbers of them.
    """
    check_lengths("kappa", first=first, second=second)
    items = [*range(len(first)), *range(len(second))]
    people = [0] * len(first) + [1] * len(second)
    return pooled_kappa(items, people, [*first, *second], distance)


def pooled_kappa(
    items: Sequence[Hashable],
    annotators: Sequence[Hashable],
    values: Sequence[Hashable],
    distance: Distance = "nominal",
) -> float:
    """Cohen's kappa over all pairs of annotators: their disagreements summed, over those that chance would give.

    Observed and expected disagreement are summed over all pairs of answers to the same item before dividing (De
    Vries et al. 2008, "Using pooled kappa to summarize interrater agreement across many items"), for a mean of kappas
    of pairs that share few items would be noise. What differs: the frequencies of each annotator's answers are those
    of all their answers, not of the shared ones only.

    Raises:
        Problem: columns of different lengths, or no item with two answers.
    """
    check_lengths("kappa", items=items, annotators=annotators, values=values)
    value_V, value_C = value_codes(values, distance)
    item_V, annotator_V = numbered(items), numbered(annotators)
    if not (np.bincount(item_V) >= 2).any():
        raise _no_overlap()
    place_C = np.arange(len(value_C), dtype=np.float64) if distance == "ordinal" else value_C
    apart_CC = 1 - np.eye(len(value_C)) if distance == "nominal" else (place_C[:, None] - place_C) ** 2
    said_VC = np.eye(len(value_C))[value_V]
    usual_AC = sums(said_VC, annotator_V)
    usual_VC = (usual_AC / usual_AC.sum(axis=1, keepdims=True))[annotator_V]
    observed, expected = (_apart(rows_VC, item_V, apart_CC) for rows_VC in (said_VC, usual_VC))
    return 1.0 if expected <= 0 else 1 - observed / expected


def fleiss_kappa(units: Sequence[Sequence[Hashable]]) -> float:
    """Fleiss' kappa of nominal answers: agreement beyond chance, with one frequency of answers for everybody.

    Fleiss (1971), "Measuring nominal scale agreement among many raters"; with gaps, the mean over the units.

    Raises:
        Problem: no unit has two answers.
    """
    kept = _with_two(units)
    total = Counter(answer for answers in kept for answer in answers)
    n = sum(total.values())
    chance = sum((count / n) ** 2 for count in total.values())
    return 1.0 if chance == 1 else (raw_agreement(kept) - chance) / (1 - chance)


def agreement(
    items: Sequence[Hashable],
    annotators: Sequence[Hashable],
    values: Sequence[Hashable],
    distance: Distance = "nominal",
    confidence: float = 0.95,
) -> Agreement:
    """How far people agree on one thing that they were asked.

    Args:
        items: length V, what was judged.
        annotators: length V, by whom.
        values: length V, the answers; numbers unless the distance is nominal.
        distance: how far apart two answers are.
        confidence: coverage of the interval of alpha.

    Raises:
        Problem: columns of different lengths, or no item with two answers.
    """
    alpha = alpha_interval(items, annotators, values, distance, confidence)
    shared = {item for item, count in Counter(items).items() if count >= 2}
    people = {who for item, who in zip(items, annotators, strict=True) if item in shared}
    kappa = pooled_kappa(items, annotators, values, distance)
    return Agreement(alpha.value, alpha.low, alpha.high, kappa, len(shared), len(people))


def vote_ceiling(
    votes: Sequence[Sequence[float]], prompts: Sequence[Hashable], confidence: float = 0.95
) -> Ceiling | None:
    """How well people predict each other's votes, on the scale of a model's `vote_accuracy`.

    A predictor that says a is right by v, one that says b by 1 - v, one that says tie by 1/2, where v is 1, 0.5
    or 0. Leaving the predicted vote out keeps both numbers free of the upward bias of max(t, 1 - t).

    Args:
        votes: for every pair the single votes: 1 for a, 0.5 tie, 0 for b.
        prompts: the prompt of every pair, for intervals clustered by prompt.
        confidence: coverage.

    Returns:
        None when no pair has two votes.
    """
    person, majority, kept = [], [], []
    for pair_votes, prompt in zip(votes, prompts, strict=True):
        v = np.asarray(pair_votes, dtype=np.float64)
        if len(v) < 2:
            continue
        others = (v.sum() - v) / (len(v) - 1)
        person.append(float(np.mean(others * v + (1 - others) * (1 - v))))
        verdict = (np.sign(np.round(others - 0.5, 9)) + 1) / 2
        majority.append(float(np.mean(verdict * v + (1 - verdict) * (1 - v))))
        kept.append(prompt)
    if not kept:
        return None
    clustering = clustering_of(None, kept, "prompt")
    return Ceiling(
        mean_interval(person, clustering, confidence), mean_interval(majority, clustering, confidence), len(kept)
    )


def _apart(rows_VC: Floats, item_V: Codes, apart_CC: Floats) -> float:
    """The distances of all ordered pairs of different rows of one item, summed: (sum r) d (sum r) - sum r d r."""
    total_UC = sums(rows_VC, item_V)
    return float(((total_UC @ apart_CC) * total_UC).sum() - ((rows_VC @ apart_CC) * rows_VC).sum())


def _with_two(units: Sequence[Sequence[Hashable]]) -> list[Sequence[Hashable]]:
    kept = [answers for answers in units if len(answers) >= 2]
    if not kept:
        raise _no_overlap()
    return kept


def _no_overlap() -> Problem:
    return Problem(
        "no question has two answers, so agreement cannot be measured",
        mend="ask some questions of two or more annotators (overlap)",
    )
