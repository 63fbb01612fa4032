"""What a training step logs: how sums become means, and what can be said of a batch. Names: `learning.formulas`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from heedful.learning import masks
from heedful.learning.kl import k1, k3, leashed_logprobs
from heedful.rollouts import Metrics, Rollouts, Stats


class Totals:
    """Adds up (sum, count) pairs and divides once; names that end in `_max` keep their maximum."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}

    def add(self, metrics: Metrics) -> None:
        """Take in what a loss observed of some rows."""
        for name, (value, count) in metrics.items():
            value, count = value.detach(), count.detach()
            if name not in self._sums:
                self._sums[name], self._counts[name] = value, count
            elif name.endswith("_max"):
                self._sums[name] = torch.maximum(self._sums[name], value)
            else:
                self._sums[name] = self._sums[name] + value
                self._counts[name] = self._counts[name] + count

    def pairs(self) -> Metrics:
        """The totals themselves, name -> (sum, count)."""
        return {name: (self._sums[name], self._counts[name]) for name in self._sums}

    def count(self, name: str) -> float:
        """The count that the sum of `name` is divided by; 0 for what was never seen."""
        return float(self._counts[name]) if name in self._counts else 0.0

    def means(self) -> Stats:
        """Name -> mean (or maximum). Names whose count is 0 are left out."""
        return {
            name: float(value) if name.endswith("_max") else float(value) / float(self._counts[name])
            for name, value in self._sums.items()
            if float(self._counts[name]) > 0
        }


def describe(rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor) -> Stats:
    """What can be said of a batch before the update; metrics whose ingredients are absent are left out."""
    mask_BT = rollouts.mask_BT
    stats = {"length": float(mask_BT.sum()) / len(rollouts)}
    if rollouts.ref_logprobs_BT is not None:
        k1_BT, k3_BT = (
            masks.kept(estimator(leashed_logprobs(rollouts), rollouts.ref_logprobs_BT), mask_BT)
            for estimator in (k1, k3)
        )
        stats |= {"kl": float(k1_BT.sum()) / len(rollouts), "kl_k3": float(k3_BT.sum()) / len(rollouts)}
        nll_B = -masks.kept(rollouts.ref_logprobs_BT, mask_BT).sum(1) / mask_BT.sum(1).clamp(min=1)
        coefficient_B = rollouts.extras.get("kl_coefficient_B")
        if coefficient_B is not None:
            stats["non_score_reward"] = -float((coefficient_B[:, None] * k1_BT).sum()) / len(rollouts)
        stats["reference_nll"] = float(nll_B.double().mean())
        stats["reference_nll_std"] = float(nll_B.double().std(correction=0))
    if rollouts.completions:
        stats["repetition"] = repetition(rollouts.completions)
    if rollouts.sampler_logprobs_BT is not None and not rollouts.provisional:
        gap_sum, count = sampler_gap(rollouts)
        stats["sampler_gap"] = float(gap_sum) / float(count)
    for name, value_B in _per_sequence(rollouts).items():
        stats[name] = float(value_B.double().mean())
    if rollouts.scores_B is not None:
        stats["score_std"] = float(rollouts.scores_B.double().std(correction=0))
    if rollouts.values_BT is not None:
        explained = explained_variance(rollouts.values_BT, returns_BT, mask_BT)
        stats |= {} if explained is None else {"explained_variance": explained}
    stats["return_mean"] = float(masks.mean(returns_BT, mask_BT))
    stats["advantage_mean"] = float(masks.mean(advantages_BT, mask_BT))
    stats["advantage_std"] = float(masks.variance(advantages_BT, mask_BT).sqrt())
    return stats


def sampler_gap(rollouts: Rollouts) -> tuple[Tensor, Tensor]:
    """(sum over tokens of how far the sampler's log-probabilities are from the trainer's, tokens)."""
    assert rollouts.sampler_logprobs_BT is not None
    gap_BT = masks.kept((rollouts.logprobs_BT - rollouts.sampler_logprobs_BT).abs(), rollouts.mask_BT)
    return gap_BT.sum(), rollouts.mask_BT.sum()


def repetition(completions: Sequence[str]) -> float:
    """Mean over completions of the share of word trigrams that stood in the same completion before; 0 without any."""
    shares = []
    for text in completions:
        words = text.split()
        trigrams = [tuple(words[at : at + 3]) for at in range(len(words) - 2)]
        if trigrams:
            shares.append(1 - len(set(trigrams)) / len(trigrams))
    return sum(shares) / len(shares) if shares else 0.0


def explained_variance(values_BT: Tensor, returns_BT: Tensor, mask_BT: Tensor) -> float | None:
    """1 - var(R - V) / var(R) under the mask: 1 a perfect critic, 0 one no better than a constant, below 0 worse.

    None where the returns do not vary.
    """
    total = float(masks.variance(returns_BT, mask_BT))
    if total == 0:
        return None
    return 1 - float(masks.variance(returns_BT - values_BT, mask_BT)) / total


def _per_sequence(rollouts: Rollouts) -> Mapping[str, Tensor]:
    rewards_BT = rollouts.rewards_BT
    found = {
        "score": rollouts.scores_B,
        "gold": rollouts.gold_B,
        "reward": None if rewards_BT is None else masks.kept(rewards_BT, rollouts.mask_BT).sum(1),
        "finished_fraction": rollouts.finished_B,
        "kl_coefficient": rollouts.extras.get("kl_coefficient_B"),
    }
    return {name: value_B for name, value_B in found.items() if value_B is not None}
