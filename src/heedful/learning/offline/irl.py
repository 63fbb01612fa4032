"""Imitation as inverse reinforcement learning: what were the writers after, and not just what did they write?

Paper: Wulfmeier et al. 2024, "Imitating Language via Scalable Inverse Reinforcement Learning" (arXiv:2409.01369),
equation 14: maximum likelihood with a temporal-difference regulariser,

    E_human[ lambda (v(s) + log pi(a|s) - gamma v(s'))^2 - log pi(a|s) ],     v = 0 at the end.

The bracket that is squared is the reward that the model ascribes to a token, r(s, a). One configuration has four
modes; only the source of the data and the second term differ between them:

    mle           no second term: supervised fine-tuning, bit for bit
    offline       lambda r^2 on human tokens
    online        lambda ((1 - alpha) r^2 on human tokens + alpha r^2 on the model's own)
    adversarial   lambda (softplus(-r) on human tokens + softplus(r) on the model's own)

Deviations: the adversarial mode is a discriminator in the manner of Ho and Ermon 2016 (GAIL) whose logit is r itself;
the paper trains a separate one. There, the human and the model's own completions are to be equally many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.learning.offline.successors import value_after
from heedful.rollouts import Metrics

Mode = Literal["mle", "offline", "online", "adversarial"]


@dataclass(frozen=True)
class IRL:
    """Maximum likelihood with a temporal-difference term."""

    mode: Mode = "offline"
    """mle (plain imitation), offline (IQLearn), online (with own samples), adversarial (tell own from human)."""
    td: float = 0.01
    """Lambda, the weight of the temporal-difference term; 0 is plain imitation in every mode."""
    gamma: float = 1.0
    """Discount per token."""
    own_share: float = 0.5
    """Alpha: in the online mode, the share of the term that is taken over the model's own completions."""

    def __post_init__(self) -> None:
        if self.td < 0:
            raise Problem(f"td is {self.td:g}, it must not be negative", where='setting "td"')
        if not 0 <= self.own_share <= 1:
            raise Problem(f"own_share is {self.own_share:g}, it must lie in 0..1", where='setting "own_share"')

    @property
    def looks_ahead(self) -> bool:
        """Whether there is a second term, so that values are needed."""
        return self.mode != "mle" and self.td > 0

    @property
    def samples(self) -> bool:
        """Whether the model's own completions are needed, one for each demonstration."""
        return self.looks_ahead and (self.mode == "adversarial" or (self.mode == "online" and self.own_share > 0))

    def loss(
        self, logprobs_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, own_B: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """The imitation of human rows plus the mode's second term, summed over tokens.

        Args:
            logprobs_BT: log pi of the tokens, nats.
            values_BT: v of the state before each token; not looked at without a second term.
            mask_BT: True at written tokens.
            own_B: bool, True at the model's own completions; the others are human.

        Returns:
            (loss sum, number of human tokens, metrics).
        """
        human_BT = mask_BT & ~own_B[:, None]
        count = human_BT.sum()
        imitation_sum = -masks.kept(logprobs_BT, human_BT).sum()
        metrics = {"imitation_loss": (imitation_sum, count)}
        if not self.looks_ahead:
            return imitation_sum, count, metrics
        rewards_BT = extracted_rewards(logprobs_BT, values_BT, mask_BT, self.gamma)
        term_BT = masks.kept(self._term(rewards_BT, own_B[:, None]), mask_BT)
        term_sum = term_BT.sum()
        metrics |= {
            "td_loss": (term_sum, count),
            "human_reward": (masks.kept(rewards_BT, human_BT).sum(), (~own_B & mask_BT.any(1)).sum()),
        }
        return imitation_sum + self.td * term_sum, count, metrics

    def _term(self, rewards_BT: Tensor, own_B1: Tensor) -> Tensor:
        match self.mode:
            case "adversarial":
                return F.softplus(torch.where(own_B1, rewards_BT, -rewards_BT))
            case "online":
                share_B1 = torch.where(own_B1, self.own_share, 1 - self.own_share)
                return share_B1 * rewards_BT**2
            case _:
                return torch.where(own_B1, 0.0, rewards_BT**2)


def extracted_rewards(logprobs_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, gamma: float) -> Tensor:
    """rewards_BT = log pi(a|s) + v(s) - gamma v(s'): what the policy's behaviour says that a token is worth.

    v after the last token is 0. Without discount the sum over a completion is log pi + v(first state): the
    log-probability, measured from a level of the prompt's own.
    """
    values_BT = masks.kept(values_BT, mask_BT)
    return masks.kept(logprobs_BT, mask_BT) + values_BT - gamma * value_after(values_BT, mask_BT)
