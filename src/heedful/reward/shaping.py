"""Scores to rewards: the KL leash at every token, the score at the last, and a price for never stopping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from heedful.learning import masks
from heedful.learning.kl import KLController, k1, leashed_logprobs, leashed_rewards
from heedful.rollouts import Reward, Rollouts

SAME = 1e-8
"""Standard deviations below this are rounding."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A scorer's mean and standard deviation on the reference's own completions (Ziegler et al. 2019, section 2.1)."""

    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def of(cls, scores_B: Tensor) -> Scale:
        """What these scores are brought to mean 0 and variance 1 by; where all are equal, only to mean 0."""
        std = float(scores_B.double().std(correction=0))
        return cls(float(scores_B.double().mean()), std if std > SAME else 1.0)


class Shaping:
    """A scorer under a KL leash; a `Reward` that remembers its coefficient.

    rewards_t = -coefficient * (log pi - log pi_ref)_t, plus the score at the last real token (or token scores
    where they lie), minus `missing_stop_penalty` for completions that reached the length limit
    (Ziegler et al. 2019, equation 2; Huang et al. 2024, arXiv:2403.17031, detail 23). The coefficient is
    updated after each batch from the batch's mean KL per sequence.

    Args:
        scorer: attaches `scores_B`, which stay as they are.
        leash: gives the coefficient.
        scale: brings scores to the units of the other two: each less the mean, by the standard deviation. Token
            scores are divided only, and the mean is taken off at the last token.
        missing_stop_penalty: in those units.
    """

    def __init__(
        self, scorer: Reward, leash: KLController, *, scale: Scale = Scale(), missing_stop_penalty: float = 0.0
    ) -> None:
        self.scorer, self.leash, self.scale = scorer, leash, scale
        self.missing_stop_penalty = missing_stop_penalty

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """Attach `scores_B` and `rewards_BT`."""
        scored = self.scorer(rollouts)
        assert scored.scores_B is not None
        assert scored.ref_logprobs_BT is not None
        mask_BT, coefficient = scored.mask_BT, self.leash.coefficient
        logprobs_BT, scale = leashed_logprobs(scored), self.scale
        shaped_B = (scored.scores_B - scale.mean) / scale.std
        if self.missing_stop_penalty and scored.finished_B is not None:
            shaped_B = shaped_B - self.missing_stop_penalty * (~scored.finished_B)
        if scored.token_scores_BT is not None:
            rest_B = shaped_B - scored.scores_B / scale.std
            rewards_BT = leashed_rewards(rest_B, logprobs_BT, scored.ref_logprobs_BT, mask_BT, coefficient)
            rewards_BT = rewards_BT + masks.kept(scored.token_scores_BT / scale.std, mask_BT)
        else:
            rewards_BT = leashed_rewards(shaped_B, logprobs_BT, scored.ref_logprobs_BT, mask_BT, coefficient)
        kl = float(masks.kept(k1(logprobs_BT, scored.ref_logprobs_BT), mask_BT).sum(1).mean())
        self.leash.update(kl, len(scored))
        used_B = torch.full((len(scored),), coefficient, device=mask_BT.device)
        return scored.with_(rewards_BT=rewards_BT, extras={**scored.extras, "kl_coefficient_B": used_B})

    def state_dict(self) -> dict[str, Any]:
        """The leash's coefficient."""
        return {"leash": self.leash.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go back to a saved coefficient."""
        self.leash.load_state_dict(state_dict["leash"])
