"""Advantage actor-critic: one plain policy gradient step per batch, against a critic.

Paper: Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning" (section 4, A3C; A2C is its synchronous
form). The loss is -A log pi + value_coefficient * (V - R)^2 / 2 - entropy_coefficient * H. Its gradient is exactly that
of PPO with one epoch, one minibatch and no value clip, since the ratio is then 1 everywhere.

With `kl_share` it is the loss of Menick et al. 2022 ("Teaching language models to support answers with verified
quotes", GopherCite): (1 - alpha) * A2C + alpha * KL(pi || pi_ref), the KL by k2, which has the right gradient.

Deviations: with `look_ahead_tokens` every step looks the same number of steps ahead; the paper's steps look to the
end of their chunk of t_max steps. The critic has its own trunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from heedful.errors import Problem
from heedful.learning.advantages import by_critic, look_ahead, whiten
from heedful.learning.regularisers import KLInLoss
from heedful.learning.surrogates import averaged, critic_values, observe, value_loss
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts


@dataclass(frozen=True)
class A2C:
    """One policy gradient step per batch, against a learned critic."""

    value_coefficient: float = 0.5
    """Weight of the critic's loss beside the policy's."""
    entropy_coefficient: float = 0.0
    """Weight of the bonus for entropy (per token)."""
    kl_share: float = 0.0
    """GopherCite's alpha, 0..1: how much of the loss is the KL to the reference instead of all the rest."""
    gamma: float = 1.0
    """Discount per token."""
    lam: float = 1.0
    """GAE's lambda: 1 for the returns of the paper, below 1 for less noise."""
    look_ahead_tokens: int = 0
    """After so many tokens the critic's value stands for the rest of the return; 0: the return to the end."""
    whiten_advantages: bool = False
    """Scale a batch's advantages to mean 0 and variance 1."""
    needs_critic: ClassVar[bool] = True
    epochs: ClassVar[int] = 1
    minibatches: ClassVar[int] = 1
    approx_kl_limit: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        if not 0 <= self.kl_share <= 1:
            raise Problem(f"kl_share is {self.kl_share}, it must lie in 0..1", where='setting "kl_share" of A2C')

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT); returns = advantages before whitening + values."""
        advantages_BT, returns_BT = by_critic(rollouts, "A2C", gamma=self.gamma, lam=self.lam)
        if self.look_ahead_tokens:
            near_BT = look_ahead(advantages_BT, rollouts.mask_BT, self.look_ahead_tokens, self.gamma * self.lam)
            advantages_BT, returns_BT = near_BT, returns_BT + near_BT - advantages_BT
        if self.whiten_advantages:
            advantages_BT = whiten(advantages_BT, rollouts.mask_BT)
        return advantages_BT, returns_BT

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): every token counts the same."""
        return averaged(x_BT, mask_BT, "token")

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """(1 - kl_share) * (policy + value - entropy) + kl_share * k2, summed over tokens; the count is theirs."""
        mask_BT = rollouts.mask_BT
        values_BT, old_values_BT = critic_values(evaluation, "A2C"), critic_values(rollouts, "A2C")
        policy_BT = -advantages_BT * evaluation.logprobs_BT
        value_BT = value_loss(values_BT, old_values_BT, returns_BT, mask_BT, clip=0)
        loss_BT = policy_BT + self.value_coefficient * value_BT - self.entropy_coefficient * evaluation.entropy_BT
        loss_sum, count = self.averaged(loss_BT, mask_BT)
        observed = {
            **observe(evaluation, rollouts),
            "policy_loss": self.averaged(policy_BT, mask_BT),
            "value_loss": (value_BT.sum(), count),
        }
        if self.kl_share:
            kl_sum, _ = self.averaged(KLInLoss(self.kl_share)(evaluation, rollouts), mask_BT)
            loss_sum = (1 - self.kl_share) * loss_sum + self.kl_share * kl_sum
            observed["kl_loss"] = (kl_sum, count)
        return loss_sum, count, observed

    update = by_gradient
