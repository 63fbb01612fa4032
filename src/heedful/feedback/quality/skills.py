"""From fitted models to one skill a person, and to how far others support each single answer."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from heedful.feedback.quality.dawid_skene import TINY, DawidSkene
from heedful.feedback.quality.evidence import Evidence, flags_of
from heedful.feedback.quality.fits import Fits, Votes
from heedful.feedback.quality.item_response import ItemResponse, verdicts
from heedful.feedback.quality.ratings import Ratings, without_own
from heedful.feedback.quality.responses import log_probabilities
from heedful.feedback.quality.shares import Share, share
from heedful.feedback.quality.votes import Floats

LEAST_RATINGS = 5
"""Ratings of things that others rated too, from which a rater's correlation is computed."""


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill between its bounds; 1/2 is chance."""

    value: float
    low: float
    high: float


def skills(fitted: Fits, confidence: float = 0.95) -> dict[str, Skill]:
    """Annotator -> skill, for those who have a vote on something that somebody else judged, or that is known.

    Where people answered several kinds of questions: the mean, weighted by such votes; the errors of the kinds are
    taken as independent.
    """
    z = float(ndtri((1 + confidence) / 2))
    parts: dict[str, list[tuple[int, Skill]]] = {}
    if fitted.pairs is not None:
        votes, pairs = fitted.pairs
        low_A, high_A = pairs.accuracy_interval(z)
        columns = np.stack([pairs.accuracy_A, low_A, high_A], axis=1)
        _add(parts, votes, columns, _told(votes, "", fitted))
    for task, (votes, labels) in fitted.labels.items():
        error_A = _label_error(votes, labels)
        skill_A = labels.skill_A
        columns = np.clip(np.stack([skill_A, skill_A - z * error_A, skill_A + z * error_A], axis=1), 0, 1)
        _add(parts, votes, columns, _told(votes, task, fitted))
    for votes, ratings in fitted.ratings.values():
        columns, told_V = _correlations(votes, ratings, z)
        _add(parts, votes, columns, told_V)
    return {name: _mean(found) for name, found in parts.items()}


def support_by_answer(evidence: Evidence, fitted: Fits) -> dict[int, float]:
    """Number of an answer -> the probability that the consensus of the others gives to what it says.

    Of decided comparisons, of labels and of flags (the mean over flags), where somebody else answered or the truth
    is known. Rankings and ratings are left out.
    """
    found: dict[int, list[float]] = {}
    if fitted.pairs is not None:
        votes, fit = fitted.pairs
        kept_V = _told(votes, "", fitted) & (votes.value_V != 0.5)
        for row, value in zip(votes.answer_V[kept_V].tolist(), _pair_support(votes, fit)[kept_V].tolist(), strict=True):
            if evidence.forms[row] == "comparison":
                found.setdefault(row, []).append(value)
    for task, (votes, labels) in fitted.labels.items():
        kept_V = _told(votes, task, fitted)
        value_V = _label_support(votes, labels)[kept_V]
        for row, value in zip(votes.answer_V[kept_V].tolist(), value_V.tolist(), strict=True):
            found.setdefault(row, []).append(value)
    return {row: sum(values) / len(values) for row, values in sorted(found.items())}


def first_shown(evidence: Evidence, fitted: Fits) -> dict[str, Share]:
    """Annotator -> how often they chose the side shown first, of decided comparisons whose display order is known."""
    if fitted.pairs is None:
        return {}
    votes, _ = fitted.pairs
    compared = np.array([evidence.forms[row] == "comparison" for row in votes.answer_V.tolist()])
    kept_V = compared & (votes.side_V != 0) & (votes.value_V != 0.5)
    first_V = (votes.value_V == 1) == (votes.side_V == 1)
    A = len(votes.annotators)
    asked_A = np.bincount(votes.annotator_V[kept_V], minlength=A).tolist()
    first_A = np.bincount(votes.annotator_V[kept_V & first_V], minlength=A).tolist()
    return {name: share(first_A[i], asked_A[i]) for name, i in votes.annotators.items() if asked_A[i]}


def agreement_by_answer(evidence: Evidence, fitted: Fits) -> dict[int, float]:
    """Number of an answer -> the share of other people's answers to the same question that say the same.

    Of comparisons by their choice, of labels by the thumb, of flags by the set of names. Where nobody else answered,
    and for rankings, ratings and texts, there is none.
    """
    said: dict[int, tuple[str, object]] = {}
    for row, (given, form) in enumerate(zip(evidence.answers, evidence.forms, strict=True)):
        if form in ("comparison", "label"):
            said[row] = given.question_id, given.answer["choice" if form == "comparison" else "thumb"]
        elif form == "flags":
            said[row] = given.question_id, frozenset(flags_of(given.answer))
    same = Counter(said.values())
    asked = Counter(question for question, _ in said.values())
    return {
        row: (same[question, value] - 1) / (asked[question] - 1)
        for row, (question, value) in said.items()
        if asked[question] > 1
    }


def _pair_support(votes: Votes, fit: ItemResponse) -> Floats:
    """P(the others find this vote's side the better one; alike is half), from the pair without the vote itself."""
    own_VS = log_probabilities(votes.value_V, fit.parameters_AK[votes.annotator_V], votes.side_V)
    log_VS = np.log(np.maximum(fit.posterior_NS[votes.item_V], TINY)) - own_VS
    weight_VS = np.exp(log_VS - log_VS.max(axis=1, keepdims=True))
    verdict_VC = verdicts(weight_VS / weight_VS.sum(axis=1, keepdims=True))
    first_V = verdict_VC[:, 0] + verdict_VC[:, 1] / 2
    return np.where(votes.value_V == 1, first_V, np.where(votes.value_V == 0, 1 - first_V, 0.5))


def _label_support(votes: Votes, fit: DawidSkene) -> Floats:
    """P(the others find this vote's label true)."""
    label_V = votes.value_V.astype(np.int64)
    own_VC = fit.confusion_ACC[votes.annotator_V, :, label_V]
    weight_VC = fit.posterior_NC[votes.item_V] / np.maximum(own_VC, TINY)
    weight_VC = weight_VC / weight_VC.sum(axis=1, keepdims=True)
    return np.asarray(weight_VC[np.arange(len(label_V)), label_V], dtype=np.float64)


def _label_error(votes: Votes, fit: DawidSkene) -> Floats:
    """Standard error of each labeller's skill: of a mean of shares, each of the items expected in one class."""
    A, C = fit.confusion_ACC.shape[:2]
    expected_AC = np.zeros((A, C))
    np.add.at(expected_AC, votes.annotator_V, fit.posterior_NC[votes.item_V])
    right_AC = np.diagonal(fit.confusion_ACC, axis1=1, axis2=2)
    return np.asarray(np.sqrt((right_AC * (1 - right_AC) / (expected_AC + C + 3)).sum(axis=1)) / C, dtype=np.float64)


def _correlations(votes: Votes, fit: Ratings, z: float) -> tuple[Floats, np.ndarray]:
    """((1 + r) / 2 of each rater with the mean of the others, with Fisher's bounds; which votes count)."""
    others_V, count_V = without_own(votes.item_V, fit.z_V)
    shared_V = count_V > 0
    A = len(votes.annotators)
    number_A = np.bincount(votes.annotator_V[shared_V], minlength=A)
    told_V = shared_V & (number_A[votes.annotator_V] >= LEAST_RATINGS)
    r_A = np.zeros(A)
    for a in np.unique(votes.annotator_V[told_V]):
        rows = told_V & (votes.annotator_V == a)
        x, y = fit.z_V[rows], others_V[rows]
        flat = np.ptp(x) == 0 or np.ptp(y) == 0
        r_A[a] = 0.0 if flat else np.corrcoef(x, y)[0, 1]
    centre_A = np.arctanh(np.clip(r_A, -0.999, 0.999))
    half_A = z / np.sqrt(np.maximum(number_A - 3, 1))
    bounds = [r_A, np.tanh(centre_A - half_A), np.tanh(centre_A + half_A)]
    return (1 + np.stack(bounds, axis=1)) / 2, told_V


def _told(votes: Votes, task: str, fitted: Fits) -> np.ndarray:
    """Whether each vote is on something that somebody else judged, or whose truth is known."""
    names = ((task, name) if task else name for name in votes.items)
    known_N = np.array([name in fitted.known_items for name in names])
    return np.asarray(votes.shared_V | known_N[votes.item_V])


def _add(parts: dict[str, list[tuple[int, Skill]]], votes: Votes, columns_A3: Floats, told_V: np.ndarray) -> None:
    number_A = np.bincount(votes.annotator_V[told_V], minlength=len(votes.annotators)).tolist()
    for (name, i), (value, low, high) in zip(votes.annotators.items(), columns_A3.tolist(), strict=True):
        if number_A[i]:
            parts.setdefault(name, []).append((number_A[i], Skill(value, low, high)))


def _mean(found: list[tuple[int, Skill]]) -> Skill:
    total = sum(count for count, _ in found)
    weights = [count / total for count, _ in found]
    value = math.fsum(w * skill.value for w, (_, skill) in zip(weights, found, strict=True))
    below = math.hypot(*(w * (skill.value - skill.low) for w, (_, skill) in zip(weights, found, strict=True)))
    above = math.hypot(*(w * (skill.high - skill.value) for w, (_, skill) in zip(weights, found, strict=True)))
    return Skill(value, max(value - below, 0.0), min(value + above, 1.0))
