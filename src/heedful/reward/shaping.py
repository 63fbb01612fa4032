"""Scores to rewards: the KL leash at every token, the score at the last, and a price for never stopping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from heedful.learning import masks
from heedful.learning.kl import KLController, k1, leashed_logprobs, leashed_rewards
from heedful.rollouts import Reward, Rollouts


class Shaping:
    """A scorer under a KL leash; a `Reward` that remembers its coefficient.

    rewards_t = -coefficient * (log pi - log pi_ref)_t, plus the score at the last real token (or token scores
    where they lie), minus `missing_stop_penalty` for completions that reached the length limit
    (Ziegler et al. 2019, equation 2; Huang et al. 2024, arXiv:2403.17031, detail 23). The coefficient is
    updated after each batch from the batch's mean KL per sequence.
    """

    def __init__(self, scorer: Reward, leash: KLController, *, missing_stop_penalty: float = 0.0) -> None:
        self.scorer, self.leash, self.missing_stop_penalty = scorer, leash, missing_stop_penalty

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """Attach `scores_B` and `rewards_BT`."""
        scored = self.scorer(rollouts)
        assert scored.scores_B is not None
        assert scored.ref_logprobs_BT is not None
        mask_BT, coefficient = scored.mask_BT, self.leash.coefficient
        shaped_B, logprobs_BT = scored.scores_B, leashed_logprobs(scored)
        if self.missing_stop_penalty and scored.finished_B is not None:
            shaped_B = shaped_B - self.missing_stop_penalty * (~scored.finished_B)
        if scored.token_scores_BT is not None:
            rest_B = shaped_B - scored.scores_B
            rewards_BT = leashed_rewards(rest_B, logprobs_BT, scored.ref_logprobs_BT, mask_BT, coefficient)
            rewards_BT = rewards_BT + masks.kept(scored.token_scores_BT, mask_BT)
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
