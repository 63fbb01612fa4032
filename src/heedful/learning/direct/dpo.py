"""DPO: preferences teach the policy directly; the reward is what the policy has moved from the reference.

Paper: Rafailov et al. 2023, "Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
equation 7. With r = beta (log pi - log pi_ref) it is Bradley-Terry on r, and that is how it is computed here.
`label_smoothing` is conservative DPO (Mitchell 2023, "A note on DPO with noisy preferences & relationship to IPO"):
each label is taken to be wrong with that probability.

Additions: soft targets (ties, shares of votes), weights, and margins as in `heedful.learning.preference`.
With labels that are Bradley-Terry of a true reward, the minimum is pi_ref exp(r / beta) / Z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from heedful.learning.direct.pairs import Pairs, Side, observe, positive, share, smoothed
from heedful.learning.preference import bradley_terry
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class DPO:
    """Bradley-Terry on the rewards that the policy implies."""

    beta: float = 0.1
    """How dear a nat of distance from the reference is: the smaller, the farther the policy goes."""
    label_smoothing: float = 0.0
    """The chance that a vote is wrong (cDPO); below one half."""
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("beta", self.beta)
        share("label_smoothing", self.label_smoothing)

    def rewards(self, side: Side) -> Tensor:
        """rewards_N: beta (log pi - log pi_ref)."""
        return self.beta * side.log_ratio()

    def __call__(self, pairs: Pairs) -> tuple[Tensor, Tensor, Metrics]:
        """-w [t log sigmoid(r_a - r_b - m) + (1 - t) log sigmoid(r_b - r_a - m)], summed; count: the weights."""
        a_N, b_N = self.rewards(pairs.a), self.rewards(pairs.b)
        target_N = smoothed(pairs.target_N, self.label_smoothing)
        total, count = bradley_terry(a_N, b_N, target_N, pairs.weight_N, pairs.margin_N)
        return total, count, observe(a_N, b_N, pairs.target_N)
