"""Scorers made of scorers: a safety gate, weighted sums, cautious ensembles, a price for length, abstention.

Each is a `heedful.rollouts.Reward` of `Reward`s, so they can be put into one another and under the KL leash of
`heedful.reward.shaping`. A part that scores token by token counts with its sum. Papers:

    Gate        Touvron et al. 2023, "Llama 2" (section 3.2.3): safety first, where it matters
    Weighted    any sum; `sparrow` is that of Glaese et al. 2022, "Improving alignment of dialogue agents via targeted
                human judgements" (arXiv:2209.14375): a preference model plus the mean of its rules
    Ensemble    Coste et al. 2023, "Reward Model Ensembles Help Mitigate Overoptimization" (arXiv:2310.02743): the worst
                member (WCO), or the mean less a price on the variance (UWO); they mitigate, they do not cure
    Abstaining  Menick et al. 2022 (GopherCite): an answer below a score is not given
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.rollouts import Reward, Rollouts

DECLINED = "declined_B"
"""Under this name in `Rollouts.extras`: bool, True where `Abstaining` would rather say nothing."""


@dataclass(frozen=True)
class Gate:
    """The safety score where a prompt is marked or the completion is unsafe, the helpfulness score elsewhere.

    Deviation: Llama 2 then whitens the logits of the result; here both scorers' scores are used in their own units.
    """

    safety: Reward
    helpfulness: Reward
    threshold: float = 0.15
    """A completion whose safety score lies below is unsafe; in units of that score (a probability in the paper)."""
    mark: str = "safety"
    """A prompt whose metadata has something true under this name is marked."""

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """Attach `scores_B`; see `heedful.rollouts.Reward`."""
        safe_B, helpful_B = scores_of(self.safety, rollouts), scores_of(self.helpfulness, rollouts)
        marked = [bool(prompt.metadata.get(self.mark)) for prompt in rollouts.prompts]
        marked_B = torch.tensor(marked, dtype=torch.bool, device=safe_B.device)
        return _with_scores(rollouts, torch.where(marked_B | (safe_B < self.threshold), safe_B, helpful_B))


@dataclass(frozen=True)
class Weighted:
    """A sum of scores, each with its weight; a weight below 0 makes a penalty."""

    parts: Sequence[tuple[Reward, float]]
    """(scorer, weight)"""

    def __post_init__(self) -> None:
        if not self.parts or not all(math.isfinite(weight) for _, weight in self.parts):
            raise Problem(
                f"the weights are {[weight for _, weight in self.parts]}", mend="give one finite weight to each scorer"
            )

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """Attach `scores_B`; see `heedful.rollouts.Reward`."""
        weighted = [weight * scores_of(scorer, rollouts) for scorer, weight in self.parts]
        return _with_scores(rollouts, torch.stack(weighted).sum(0))


def sparrow(preference: Reward, rules: Sequence[Reward]) -> Weighted:
    """The preference score plus the mean of the rules' scores (each: how far the completion keeps the rule)."""
    return Weighted(((preference, 1.0), *((rule, 1 / len(rules)) for rule in rules)))


@dataclass(frozen=True)
class Ensemble:
    """Several scorers of the same thing as one; attaches their deviation as `doubt_B` in the extras."""

    members: Sequence[Reward]
    kind: Literal["mean", "worst", "uncertainty"] = "mean"
    """The mean, the worst member's score (WCO), or the mean less `price` times the variance (UWO)."""
    price: float = 0.5
    """UWO's lambda: of a unit of variance over the members."""

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise Problem(
                f"an ensemble of {len(self.members)} cannot be in doubt",
                mend="train several reward models on different judgements or seeds",
            )

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """Attach `scores_B`; see `heedful.rollouts.Reward`."""
        scores_BE = torch.stack([scores_of(member, rollouts) for member in self.members], 1)
        match self.kind:
            case "mean":
                scores_B = scores_BE.mean(1)
            case "worst":
                scores_B = worst_case(scores_BE)
            case "uncertainty":
                scores_B = less_variance(scores_BE, self.price)
        doubt = {"doubt_B": scores_BE.std(1, correction=0)}
        return _with_scores(rollouts.with_(extras={**rollouts.extras, **doubt}), scores_B)


def worst_case(scores_BE: Tensor) -> Tensor:
    """scores_B: the lowest of the members' scores (Coste et al. 2023, WCO)."""
    return scores_BE.amin(1)


def less_variance(scores_BE: Tensor, price: float) -> Tensor:
    """scores_B: mean - price * population variance over the members (Coste et al. 2023, UWO)."""
    return scores_BE.mean(1) - price * scores_BE.var(1, correction=0)


@dataclass(frozen=True)
class LengthPrice:
    """A scorer whose score falls with every token beyond a free number of them."""

    scorer: Reward
    per_token: float
    """What a token costs, in units of the score."""
    free_tokens: int = 0
    """So many cost nothing."""

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """Attach `scores_B`; see `heedful.rollouts.Reward`."""
        paid_B = (rollouts.mask_BT.sum(1) - self.free_tokens).clamp(min=0)
        return _with_scores(rollouts, scores_of(self.scorer, rollouts) - self.per_token * paid_B)


@dataclass(frozen=True)
class Abstaining:
    """A scorer that also says which completions it would rather not give (`declined_B` in the extras)."""

    scorer: Reward
    threshold: float
    """Scores below it are declined; `threshold_for` finds the one for a wanted share of answers."""

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """Attach `scores_B`; see `heedful.rollouts.Reward`."""
        scores_B = scores_of(self.scorer, rollouts)
        declined = {DECLINED: scores_B < self.threshold}
        return _with_scores(rollouts.with_(extras={**rollouts.extras, **declined}), scores_B)


def threshold_for(scores_B: Tensor, coverage: float) -> float:
    """The highest threshold at which at least the share `coverage` of these scores is answered.

    Raises:
        Problem: there are no scores, or the share is not in 0..1.
    """
    if not len(scores_B) or not 0 <= coverage <= 1:
        raise Problem(f"a share of {coverage} of {len(scores_B)} answers has no threshold", mend="use a share of 0..1")
    answered = math.ceil(round(coverage * len(scores_B), 9))
    return float(scores_B.sort(descending=True).values[answered - 1]) if answered else math.inf


def scores_of(scorer: Reward, rollouts: Rollouts) -> Tensor:
    """scores_B that a scorer gives.

    Raises:
        Problem: it gives none.
    """
    scores_B = scorer(rollouts).scores_B
    if scores_B is None:
        raise Problem("a scorer gave no scores_B", where=type(scorer).__name__, mend="let it attach one to each row")
    return scores_B


def _with_scores(rollouts: Rollouts, scores_B: Tensor) -> Rollouts:
    return rollouts.with_(scores_B=scores_B, token_scores_BT=None)
