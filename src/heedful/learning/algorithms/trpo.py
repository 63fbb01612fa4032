"""Trust region policy optimisation: the longest step of the natural gradient that the KL allows.

Paper: Schulman et al. 2015, "Trust Region Policy Optimization" (equation 14, section 6, appendix C); advantages as in
Schulman et al. 2016. Christiano et al. 2017 train their MuJoCo agents so. The policy takes one step per batch (see
`heedful.learning.trust_region`); the critic is fitted by gradient afterwards, and what it shares with the policy, if
anything, is held still meanwhile: otherwise its steps would break the bound unseen.

Deviations: none in the step. The bound is on the mean KL per token, and the schedule shortens the step, so the KL
bound falls with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.learning.advantages import by_critic, whiten
from heedful.learning.surrogates import averaged, critic_values, log_ratio, observe, value_loss
from heedful.learning.trust_region import Surrogate, trust_region_step
from heedful.learning.updates import by_gradient
from heedful.rollouts import Compute, Distributions, Evaluation, Loss, Metrics, Policy, Rollouts, Stats


@dataclass(frozen=True)
class TRPO:
    """One natural gradient step per batch, as long as the KL allows, against a learned critic."""

    kl_limit: float = 0.01
    """The largest mean over tokens of KL(pi_old || pi) that a step may make, in nats."""
    damping: float = 0.1
    """Is added to the diagonal of the Fisher matrix while the step's direction is sought."""
    solver_iterations: int = 10
    """Iterations of conjugate gradient; each costs about two passes through the policy."""
    shrink: float = 0.8
    """Each trial's step is this much of the one before."""
    trials: int = 10
    """So many steps are tried before the policy stays where it was."""
    gamma: float = 1.0
    """Discount per token."""
    lam: float = 0.95
    """GAE's lambda: 0 trusts the critic, 1 trusts the sampled return."""
    whiten_advantages: bool = True
    """Scale a batch's advantages to mean 0 and variance 1."""
    epochs: int = 4
    """Passes of the critic's fit over each batch."""
    minibatches: int = 1
    """The critic's optimiser steps per pass."""
    needs_critic: ClassVar[bool] = True
    approx_kl_limit: ClassVar[float | None] = None

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT) by GAE; returns come from advantages that are not yet whitened."""
        advantages_BT, returns_BT = by_critic(rollouts, "TRPO", gamma=self.gamma, lam=self.lam)
        return (whiten(advantages_BT, rollouts.mask_BT) if self.whiten_advantages else advantages_BT), returns_BT

    def surrogate(self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor) -> Tensor:
        """Sum over tokens of A * pi / pi_old: what the step enlarges."""
        return masks.kept(advantages_BT * torch.exp(log_ratio(evaluation, rollouts)), rollouts.mask_BT).sum()

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): every token counts the same."""
        return averaged(x_BT, mask_BT, "token")

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """The critic's alone: (V - R)^2 / 2, summed over tokens."""
        values_BT, old_values_BT = critic_values(evaluation, "TRPO"), critic_values(rollouts, "TRPO")
        loss_sum = value_loss(values_BT, old_values_BT, returns_BT, rollouts.mask_BT, clip=0).sum()
        count = rollouts.mask_BT.sum()
        return loss_sum, count, {**observe(evaluation, rollouts), "value_loss": (loss_sum, count)}

    def update(
        self,
        policy: Policy,
        compute: Compute,
        rollouts: Rollouts,
        advantages_BT: Tensor,
        returns_BT: Tensor,
        *,
        seed: int,
        learning_rate_scale: float = 1.0,
        loss: Loss | None = None,
        surrogate: Surrogate | None = None,
        besides: Sequence[Callable[[], Tensor]] = (),
    ) -> Stats:
        """The policy's step, then the critic's fit.

        Args:
            loss: of the critic's fit, instead of its own; of the policy it can only observe.
            surrogate, besides: of the policy's step, see `trust_region_step`.

        Raises:
            Problem: the policy does not show its whole distributions.
        """
        if not isinstance(policy, Distributions):
            raise Problem(
                "TRPO needs a policy that shows its whole distributions, and this one shows only what was chosen",
                mend="choose another algorithm: ppo, rloo",
            )
        size = compute.micro_batch or len(rollouts)
        index = torch.split(torch.arange(len(rollouts)), size)
        pieces = [(rollouts.rows(index_m), advantages_BT[index_m]) for index_m in index]
        stats, moved = trust_region_step(
            self, policy, pieces, length_scale=learning_rate_scale, surrogate=surrogate, besides=besides
        )
        for parameter in moved:
            parameter.requires_grad = False
        try:
            given = (rollouts, advantages_BT, returns_BT)
            how: dict[str, Any] = {"seed": seed, "learning_rate_scale": learning_rate_scale, "loss": loss}
            fitted = by_gradient(self, policy, compute, *given, **how)
        finally:
            for parameter in moved:
                parameter.requires_grad = True
        return {**fitted, **stats}
