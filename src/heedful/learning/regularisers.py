"""Terms that any policy gradient can carry beside its own loss, and the wrapper that adds them.

    gradient = policy gradient + c_1 * term_1 + c_2 * term_2 + ... + gamma * pretraining

A term is one number per token and is averaged as the algorithm averages its own loss (over tokens, over
completions, ...), so it weighs the same against the rewards whatever the lengths. Pretraining has a batch and a
count of its own (`heedful.learning.pretraining`). With every coefficient at 0 nothing changes, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.learning.kl import KLController, k2, k3, kl_per_sequence, present_logprobs
from heedful.learning.metrics import Totals
from heedful.learning.pretraining import Pretraining
from heedful.learning.surrogates import needed
from heedful.rollouts import Compute, Evaluation, Loss, Metrics, Policy, Rollouts, Stats


class Term(Protocol):
    """Something to descend besides the algorithm's loss."""

    @property
    def coefficient(self) -> float:
        """What it is multiplied by."""
        ...

    @property
    def metric(self) -> str:
        """Under which name its mean is logged."""
        ...

    def __call__(self, evaluation: Evaluation, rollouts: Rollouts) -> Tensor:
        """loss_BT, before the coefficient; masked positions may hold anything."""
        ...


@dataclass(frozen=True)
class KLInLoss:
    """The KL to the reference as a loss, by samples of the present policy.

    k2 descends KL(pi || pi_ref), the reverse KL of RLHF; k3 descends KL(pi_ref || pi), the forward KL (see
    `heedful.learning.kl`). Either is the divergence at each token, the tokens before it taken as they are: that
    other prefixes would have been less divergent it does not see, as k1 in the reward does. Where a rule restricts the
    policy (`heedful.learning.algorithms.nlpo`), it is the KL of the bare log-probabilities, at the tokens that the rule
    let through.
    """

    coefficient: float
    """Price of a nat, in units of the advantages."""
    estimator: Literal["k2", "k3"] = "k2"
    """Which of the two."""
    metric: ClassVar[str] = "kl_loss"

    def __post_init__(self) -> None:
        if self.estimator not in ("k2", "k3"):
            raise Problem(
                f"{self.estimator!r} is no KL to put into a loss",
                where='setting "estimator" of KLInLoss',
                mend="use k2 for the reverse KL or k3 for the forward KL; as a loss k1 moves nothing on average, "
                "its place is the rewards (heedful.learning.kl)",
            )

    def __call__(self, evaluation: Evaluation, rollouts: Rollouts) -> Tensor:
        """loss_BT; 0 where masked.

        Raises:
            Problem: the rollouts have no reference.
        """
        mend = "attach ref_logprobs_BT to the rollouts"
        ref_BT = needed(rollouts.ref_logprobs_BT, "a KL in the loss", "a reference", mend)
        gap_BT = masks.kept(present_logprobs(evaluation) - ref_BT, rollouts.mask_BT)
        return (k2 if self.estimator == "k2" else k3)(gap_BT, torch.zeros_like(gap_BT))


class LeashInLoss:
    """`KLInLoss` at a price that is moved after every batch by the KL that the batch showed.

    The controller is that of the KL leash in the reward (Ziegler et al. 2019, section 2.2), and so is what it measures:
    k1, summed over a completion. It changes, and must survive a crash (`Regularised.state_dict`).

    Args:
        controller: holds the price of a nat, in units of the advantages.
        estimator: as of `KLInLoss`.
    """

    metric: ClassVar[str] = KLInLoss.metric

    def __init__(self, controller: KLController, estimator: Literal["k2", "k3"] = "k2") -> None:
        self.controller, self.kl = controller, KLInLoss(1.0, estimator)

    @property
    def coefficient(self) -> float:
        """The controller's of now."""
        return self.controller.coefficient

    def __call__(self, evaluation: Evaluation, rollouts: Rollouts) -> Tensor:
        """loss_BT; 0 where masked."""
        return self.kl(evaluation, rollouts)

    def take_in(self, rollouts: Rollouts) -> Stats:
        """Move the price by a batch that was learnt from; returns at which price that was."""
        used = self.coefficient
        self.controller.update(kl_per_sequence(rollouts), len(rollouts))
        return {"kl_loss_coefficient": used}


@dataclass(frozen=True)
class EntropyBonus:
    """Pays for entropy (Williams and Peng 1991; Mnih et al. 2016, section 4); its loss is the entropy, negative."""

    coefficient: float
    """Price of a nat, in units of the advantages."""
    metric: ClassVar[str] = "entropy_loss"

    def __call__(self, evaluation: Evaluation, rollouts: Rollouts) -> Tensor:
        """loss_BT = -entropy."""
        return -evaluation.entropy_BT


@runtime_checkable
class GradientAlgorithm(Protocol):
    """An algorithm whose `update` descends a loss, and lets another loss stand in for its own."""

    @property
    def needs_critic(self) -> bool:
        """Whether it reads values."""
        ...

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT)"""
        ...

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): how the loss averages over tokens."""
        ...

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """See `heedful.rollouts.Loss`."""
        ...

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
    ) -> Stats:
        """`by_gradient`, or something that ends in it: with another `loss` than its own if one is given."""
        ...


@runtime_checkable
class NaturalAlgorithm(Protocol):
    """An algorithm whose policy takes a natural gradient step on a surrogate, and lets another stand in for its own.

    Its `loss` is the critic's; `update` takes `surrogate` and `besides` too, as `trust_region_step` does.
    """

    def surrogate(self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor) -> Tensor:
        """What is to grow, summed over tokens."""
        ...


@dataclass(frozen=True)
class Regularised:
    """An algorithm with terms added to its loss, and pretraining to its gradient; itself an algorithm.

    Where the policy's step is a natural gradient, the terms are taken off the surrogate and pretraining is added to it:
    direction and line search then see both, and the bound on the KL holds for the whole step.
    """

    algorithm: GradientAlgorithm
    """Whose credit and update are used."""
    terms: tuple[Term, ...] = ()
    """Added to its loss."""
    pretraining: Pretraining[Any] | None = None
    """Added to its gradient, at every optimiser step."""

    def __post_init__(self) -> None:
        if not isinstance(self.algorithm, GradientAlgorithm):
            raise Problem(
                f"{type(self.algorithm).__name__} does not descend a loss that terms could be added to",
                mend="set the coefficients of the terms to 0, or choose another algorithm: ppo, rloo",
            )

    @property
    def needs_critic(self) -> bool:
        """Whether the algorithm reads values."""
        return self.algorithm.needs_critic

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """The algorithm's."""
        return self.algorithm.credit(rollouts)

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """The algorithm's loss and count, with the terms in the sum."""
        loss_sum, count, metrics = self.algorithm.loss(evaluation, rollouts, advantages_BT, returns_BT)
        for term in self.terms:
            if term.coefficient:
                term_sum, _ = self.algorithm.averaged(term(evaluation, rollouts), rollouts.mask_BT)
                loss_sum = loss_sum + term.coefficient * term_sum
                metrics = {**metrics, term.metric: (term_sum, count)}
        return loss_sum, count, metrics

    def surrogate(self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor) -> Tensor:
        """The surrogate of a natural gradient, less the terms."""
        assert isinstance(self.algorithm, NaturalAlgorithm)
        total = self.algorithm.surrogate(evaluation, rollouts, advantages_BT)
        for term in self.terms:
            if term.coefficient:
                term_sum, _ = self.algorithm.averaged(term(evaluation, rollouts), rollouts.mask_BT)
                total = total - term.coefficient * term_sum
        return total

    def update(
        self, policy: Policy, compute: Compute, rollouts: Rollouts, *credit: Tensor, seed: int, **how: Any
    ) -> Stats:
        """The algorithm's update, with this loss in place of its own; other arguments pass through."""
        stats = self._updated(policy, compute, rollouts, *credit, seed=seed, **how)
        for term in self._moving():
            stats |= term.take_in(rollouts)
        return stats

    def state_dict(self) -> dict[str, Any]:
        """What the controllers of terms hold; empty where no price moves."""
        return {term.metric: term.controller.state_dict() for term in self._moving()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go back to saved prices."""
        for term in self._moving():
            term.controller.load_state_dict(state_dict[term.metric])

    def _moving(self) -> list[LeashInLoss]:
        return [term for term in self.terms if isinstance(term, LeashInLoss)]

    def _updated(
        self, policy: Policy, compute: Compute, rollouts: Rollouts, *credit: Tensor, seed: int, **how: Any
    ) -> Stats:
        used = self.pretraining if self.pretraining is not None and self.pretraining.coefficient else None
        if isinstance(self.algorithm, NaturalAlgorithm):
            seen = Totals()
            count = float(self.algorithm.averaged(rollouts.logprobs_BT, rollouts.mask_BT)[1])
            besides = used.beside(count, seed, seen) if used else ()
            how |= {"surrogate": self.surrogate, "besides": besides}
            stats = self.algorithm.update(policy, compute, rollouts, *credit, seed=seed, loss=self.loss, **how)
            return {**stats, **seen.means()}
        mixed = used and used.mixed_into(compute, seed)
        stats = self.algorithm.update(policy, mixed or compute, rollouts, *credit, seed=seed, loss=self.loss, **how)
        return {**stats, **mixed.stats()} if mixed else stats
