"""What the answers to each question say together, and how surely: one consensus for every kind of question.

Pairs (comparisons, rankings) by `item_response`, labels and flags by `dawid_skene`, ratings by `ratings`; votes of
reliable annotators count more, and a side bias is taken out. Questions on the same two completions share their votes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from heedful.feedback.quality.evidence import Evidence, Form, compared
from heedful.feedback.quality.fits import THUMB, Fits, fits
from heedful.feedback.quality.reading import evidence
from heedful.feedback.store import Names, Store

Verdict = tuple[float, float, float]
"""P(the first is better), P(alike), P(the second is better)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean between its bounds (95 %), in units of the scale."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the answers to one question say together."""

    question_id: str
    form: Form
    probabilities: Mapping[str, float]
    """comparison: `a` and `b`, that it is the better one, and `tie`, that they are alike; ranking: completion number
    from `0` -> its share of the pairs that it is expected to win (half of those alike), in sum 1; label: `up` and
    `down`; flags: flag -> that it applies; rating: none."""
    sure: float
    """As `reliability.sureness` means it."""
    votes: int
    """Answers to this question; skips do not count."""
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    """rating: aspect -> mean."""


def consensus(store: Store, campaign: Names | None = None) -> list[Consensus]:
    """The consensus on every question of a campaign (or of all) that has an answer, in the questions' order.

    Critiques, edits and demonstrations have none. Gold items are as their known answer says. Fits the models to all
    answers: takes a second or so for 20,000.
    """
    found = evidence(store, campaign)
    return consensus_of(found, fits(found))


def consensus_of(found: Evidence, fitted: Fits) -> list[Consensus]:
    """The same, from what was read and fitted already."""
    forms: dict[str, Form] = {}
    counts: dict[str, int] = {}
    for given, form in zip(found.answers, found.forms, strict=True):
        if form != "skip":
            forms.setdefault(given.question_id, form)
            counts[given.question_id] = counts.get(given.question_id, 0) + 1
    pairs, labels = _verdicts(fitted), _labels_by_question(fitted)
    estimates, sure = _ratings_by_question(fitted)
    result = []
    for name, question in found.questions.items():
        form = forms.get(name, "skip")
        if form == "comparison":
            verdict = dict(zip(("a", "tie", "b"), pairs[compared(question)[:2]], strict=True))
            result.append(Consensus(name, form, verdict, max(verdict.values()), counts[name]))
        elif form == "ranking":
            result.append(_ranking(name, compared(question), pairs, counts[name]))
        elif form == "label":
            up = labels[name][THUMB]
            result.append(Consensus(name, form, {"up": up, "down": 1 - up}, max(up, 1 - up), counts[name]))
        elif form == "flags":
            flags = {task.removeprefix("flag:"): p for task, p in labels.get(name, {}).items()}
            least = min((max(p, 1 - p) for p in flags.values()), default=1.0)
            result.append(Consensus(name, form, flags, least, counts[name]))
        elif form == "rating":
            result.append(Consensus(name, form, {}, sure[name], counts[name], estimates[name]))
    return result


def _verdicts(fitted: Fits) -> dict[object, Verdict]:
    """Pair of completions, in both orders -> P(the first is better), P(alike), P(the second is better)."""
    if fitted.pairs is None:
        return {}
    votes, fit = fitted.pairs
    found: dict[object, Verdict] = {}
    for pair, (first, alike, second) in zip(votes.items, fit.verdict_NC.tolist(), strict=True):
        a, b = pair
        found[a, b], found[b, a] = (first, alike, second), (second, alike, first)
    return found


def _ranking(name: str, completion_ids: tuple[str, ...], pairs: Mapping[object, Verdict], votes: int) -> Consensus:
    wins = dict.fromkeys(range(len(completion_ids)), 0.0)
    sure = []
    for i, j in combinations(wins, 2):
        first, alike, second = pairs[completion_ids[i], completion_ids[j]]
        wins[i] += first + alike / 2
        wins[j] += second + alike / 2
        sure.append(max(first, alike, second))
    shares = {str(i): won / len(sure) for i, won in wins.items()}
    return Consensus(name, "ranking", shares, float(np.mean(sure)), votes)


def _labels_by_question(fitted: Fits) -> dict[str, dict[str, float]]:
    """Question -> task -> probability of yes."""
    result: dict[str, dict[str, float]] = {}
    for task, (votes, fit) in fitted.labels.items():
        for item, yes in zip(votes.items, fit.posterior_NC[:, 1].tolist(), strict=True):
            result.setdefault(str(item), {})[task] = yes
    return result


def _ratings_by_question(fitted: Fits) -> tuple[dict[str, dict[str, Estimate]], dict[str, float]]:
    """(Question -> aspect -> estimate, question -> how sure the least sure aspect is)."""
    estimates: dict[str, dict[str, Estimate]] = {}
    sure: dict[str, float] = {}
    for task, (votes, fit) in fitted.ratings.items():
        columns = zip(votes.items, *(column.tolist() for column in (*fit.on_scale(), fit.sure_N)), strict=True)
        for item, mean, low, high, close in columns:
            name = str(item)
            estimates.setdefault(name, {})[task.removeprefix("rating:")] = Estimate(mean, low, high)
            sure[name] = min(sure.get(name, 1.0), close)
    return estimates, sure
