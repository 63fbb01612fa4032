from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.algorithms import PPO, TRPO
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Evaluation, Rollouts, Stats

Batch = Callable[..., tuple[TabularPolicy, Rollouts]]


def test_credit_is_ppos(batch: Batch) -> None:
    _, rollouts = batch()
    other: dict[str, Any] = {"gamma": 0.9, "lam": 0.5, "whiten_advantages": False}
    for settings in ({}, other):
        pairs = zip(TRPO(**settings).credit(rollouts), PPO(**settings).credit(rollouts), strict=True)
        assert all(torch.equal(trpo_BT, ppo_BT) for trpo_BT, ppo_BT in pairs)


def test_the_surrogate_by_hand() -> None:
    rollouts = Rollouts({}, torch.tensor([[True, True, False]]), torch.zeros(1), torch.zeros(1, 3))
    now = Evaluation(torch.tensor([[1.5, 0.5, 9.0]]).log(), torch.zeros(1, 3))
    assert float(TRPO().surrogate(now, rollouts, torch.tensor([[2.0, -1.0, 5.0]]))) == pytest.approx(2 * 1.5 - 0.5)


def updated(
    batch: Batch, descent: Callable[..., Any], micro_batch: int = 0, junk: float | None = None
) -> tuple[TabularPolicy, Any, Stats]:
    policy, rollouts = batch()
    if junk is not None:
        widened: dict[str, Any] = {
            name: torch.nn.functional.pad(getattr(rollouts, name), (0, 2), value=junk)
            for name in ("logprobs_BT", "values_BT", "rewards_BT")
        }
        tokens_BT = torch.nn.functional.pad(rollouts.inputs["tokens_BT"], (0, 2), value=1)
        mask_BT = torch.nn.functional.pad(rollouts.mask_BT, (0, 2), value=False)
        rollouts = rollouts.with_(inputs={**rollouts.inputs, "tokens_BT": tokens_BT}, mask_BT=mask_BT, **widened)
    compute = descent(micro_batch=micro_batch)
    compute.prepare([(policy.parameters(), 0.5)])
    algorithm = TRPO(epochs=2, minibatches=3)
    stats = algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=7)
    return policy, compute, stats


@pytest.mark.parametrize("change", [{"micro_batch": 1}, {"micro_batch": 5}, {"junk": 5.0}, {"junk": float("nan")}])
def test_neither_micro_batches_nor_padding_change_anything(
    change: dict[str, Any], batch: Batch, descent: Callable[..., Any]
) -> None:
    whole, _, stats = updated(batch, descent)
    other, _, other_stats = updated(batch, descent, **change)
    torch.testing.assert_close(other.logits, whole.logits, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(other.values, whole.values, rtol=1e-10, atol=1e-12)
    assert other_stats == pytest.approx(stats, rel=1e-9, abs=1e-12)
    assert stats["step_accepted"] == 1


def test_the_critic_is_fitted_by_gradient_and_the_policy_is_not(batch: Batch, descent: Callable[..., Any]) -> None:
    policy, compute, stats = updated(batch, descent)
    assert len(compute.gradients) == 6
    before, _ = batch()
    for logits, values in compute.gradients:
        assert not logits.any()
        assert values.any()
    assert not torch.equal(policy.logits, before.logits)
    assert stats["value_loss"] > 0
    assert all(parameter.requires_grad for parameter in policy.parameters())


class SharedTrunk:
    """A policy whose critic reads the policy's own logits, through a head of its own."""

    def __init__(self, table: TabularPolicy) -> None:
        self.table = table
        self.head = torch.nn.Parameter(torch.ones(table.vocabulary, dtype=torch.float64))

    def evaluate(self, rollouts: Rollouts) -> Evaluation:
        now = self.table.evaluate(rollouts)
        values_BT = (self.table.distributions(rollouts) * self.head).sum(-1)
        return Evaluation(now.logprobs_BT, now.entropy_BT, values_BT)

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        yield self.table.logits
        yield self.head

    def distributions(self, rollouts: Rollouts) -> Tensor:
        return self.table.distributions(rollouts)

    def divergence(self, old_BTK: Tensor, new_BTK: Tensor) -> Tensor:
        return self.table.divergence(old_BTK, new_BTK)


def test_the_critic_does_not_move_what_it_shares_with_the_policy(batch: Batch, descent: Callable[..., Any]) -> None:
    after = []
    for epochs in (1, 4):
        table, rollouts = batch()
        policy = SharedTrunk(table)
        algorithm = TRPO(epochs=epochs)
        compute = descent()
        compute.prepare([(policy.parameters(), 0.1)])
        algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=0)
        after.append((table.logits.detach().clone(), policy.head.detach().clone()))
    assert torch.equal(after[0][0], after[1][0])
    assert not torch.equal(after[0][1], after[1][1])


class Opaque:
    """A policy that shows no distributions."""

    def evaluate(self, rollouts: Rollouts) -> Evaluation:
        raise AssertionError("it is refused before")

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        return []


def test_a_policy_without_distributions_is_a_problem(batch: Batch, descent: Callable[..., Any]) -> None:
    _, rollouts = batch()
    algorithm = TRPO()
    pair = algorithm.credit(rollouts)
    with pytest.raises(Problem, match="whole distributions"):
        algorithm.update(Opaque(), descent(), rollouts, *pair, seed=0)
    with pytest.raises(Problem, match="TRPO needs the critic's values"):
        algorithm.credit(rollouts.with_(values_BT=None))
