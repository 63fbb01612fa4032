"""Who answers how: skill, agreement, side bias, pace, gold items, and whether any of it changes over time.

Everything comes from one reading of the store and one fit of the models (see `fits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.feedback.quality import pace
from heedful.feedback.quality.evidence import Evidence, Given
from heedful.feedback.quality.fits import Fits, fits
from heedful.feedback.quality.reading import evidence
from heedful.feedback.quality.shares import Share, difference, two_sided
from heedful.feedback.quality.skills import Skill, agreement_by_answer, first_shown, skills, support_by_answer
from heedful.feedback.steering.gold import agrees
from heedful.feedback.store import Names, Store

LEAST_DRIFT = 10
"""Answers with a consensus of others, in each half, from which drift is computed."""


@dataclass(frozen=True, slots=True)
class AnnotatorProfile:
    """One annotator. None stands for what their answers cannot tell."""

    annotator_id: str
    name: str
    answers: int
    skips: int
    skill: float | None
    """How often they would see what is true: 1 always, 1/2 by chance, below it they answer the opposite. The mean
    over what they were asked (pairs: `item_response`, labels and flags: `dawid_skene`, ratings: their correlation r
    with others, as (1 + r) / 2), weighted by the votes that others judged too. None without any such vote."""
    skill_interval: tuple[float, float] | None
    """95 %."""
    agreement: float | None
    """The share of other people's answers to the same questions that equal theirs; as it is, chance included."""
    left_share: float | None
    """The share of their decided comparisons in which they chose the side shown first; 1/2 is no bias."""
    left_interval: tuple[float, float] | None
    """95 % (Wilson)."""
    left_p: float | None
    """How probable so uneven a share is by chance (two-sided binomial test)."""
    median_s: float | None
    """Median seconds an answer."""
    too_fast_share: float | None
    """The share of their timed answers that came sooner than the texts can be skimmed (see `pace`)."""
    pasted_share: float | None
    """The share of their written texts of which more was pasted than typed, as the judging page counts it."""
    gold_right: int
    gold_seen: int
    """Gold items in the stream of work; a skip counts as seen and not right."""
    drift: float | None
    """How much more often they agree with the consensus of the others in the second half of their answers than in
    the first; below 0 they got worse. Of decided comparisons, labels and flags."""
    drift_interval: tuple[float, float] | None
    """95 % (Welch)."""


def profile(store: Store, campaign: Names | None = None) -> list[AnnotatorProfile]:
    """Everybody who answered or skipped a question of a campaign (or any), those with most answers first.

    Retracted annotators are left out; training items are not counted. Takes a second or so for 20,000 answers.
    """
    found = evidence(store, campaign)
    return profile_of(found, fits(found))


def profile_of(found: Evidence, fitted: Fits) -> list[AnnotatorProfile]:
    """The same, from what was read and fitted already."""
    rows: dict[str, list[int]] = {}
    for row, given in enumerate(found.answers):
        rows.setdefault(given.annotator_id, []).append(row)
    skilled, left = skills(fitted), first_shown(found, fitted)
    agreement, support = agreement_by_answer(found, fitted), support_by_answer(found, fitted)
    profiles = [
        _profile(name, own, found, skilled.get(name), left.get(name), agreement, support) for name, own in rows.items()
    ]
    return sorted(profiles, key=lambda each: (-each.answers, each.annotator_id))


def _profile(
    name: str,
    rows: Sequence[int],
    found: Evidence,
    skill: Skill | None,
    left: Share | None,
    agreement: Mapping[int, float],
    support: Mapping[int, float],
) -> AnnotatorProfile:
    given = [found.answers[row] for row in rows]
    answered = [found.answers[row] for row in rows if found.forms[row] != "skip"]
    agreed = [agreement[row] for row in rows if row in agreement]
    drift = _drift([support[row] for row in rows if row in support])
    timed = [each.duration_s for each in answered if each.duration_s is not None]
    fast = pace.too_fast(answered, found.characters)
    texts = [each for each in answered if "text" in each.answer]
    right, seen = _gold(given, found)
    return AnnotatorProfile(
        annotator_id=name,
        name=found.names.get(name, ""),
        answers=len(answered),
        skips=len(given) - len(answered),
        skill=None if skill is None else skill.value,
        skill_interval=None if skill is None else (skill.low, skill.high),
        agreement=float(np.mean(agreed)) if agreed else None,
        left_share=None if left is None else left.value,
        left_interval=None if left is None else (left.low, left.high),
        left_p=None if left is None else two_sided(left.hits, left.count),
        median_s=float(np.median(timed)) if timed else None,
        too_fast_share=float(np.mean(fast)) if fast else None,
        pasted_share=float(np.mean([_pasted(each) for each in texts])) if texts else None,
        gold_right=right,
        gold_seen=seen,
        drift=None if drift is None else drift[0],
        drift_interval=None if drift is None else (drift[1], drift[2]),
    )


def _drift(support: Sequence[float]) -> tuple[float, float, float] | None:
    half = len(support) // 2
    return difference(support[:half], support[len(support) - half :]) if half >= LEAST_DRIFT else None


def _gold(given: Sequence[Given], found: Evidence) -> tuple[int, int]:
    """(right, seen)."""
    seen = [each for each in given if each.question_id in found.hidden]
    right = [agrees(found.questions[each.question_id], found.known[each.question_id], each.answer) for each in seen]
    return sum(right), len(seen)


def _pasted(given: Given) -> bool:
    signals = given.answer.get("metadata", {}).get("signals", {})
    return bool(signals.get("pasted_characters", 0) > signals.get("typed_characters", 0))
