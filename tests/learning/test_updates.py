from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.algorithms import (
    A2C,
    CISPO,
    DAPO,
    GRPO,
    GSPO,
    NLPO,
    PPO,
    REINFORCE,
    RLOO,
    Algorithms,
    AnyAlgorithm,
    dr_grpo,
)
from heedful.learning.tabular import TabularPolicy
from heedful.learning.updates import begins_with_a_whole_pass, by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts, Stats

Descent = Any
"""The plain gradient descent of conftest.py."""

Batch = Callable[..., tuple[TabularPolicy, Rollouts]]
"""Makes the scored batch of conftest.py."""

ALGORITHMS: dict[str, AnyAlgorithm] = {
    "ppo": PPO(epochs=2, minibatches=3, entropy_coefficient=0.1),
    "ppo-sequence": PPO(epochs=2, minibatches=3, entropy_coefficient=0.1, average="sequence"),
    "rloo": RLOO(epochs=2, minibatches=3, entropy_coefficient=0.1),
    "grpo": GRPO(epochs=2, minibatches=3, kl_coefficient=0.3, entropy_coefficient=0.1),
    "grpo-token": GRPO(epochs=2, minibatches=3, average="token", kl_coefficient=0.3, kl_estimator="k2"),
    "dr-grpo": replace(dr_grpo(3), epochs=2, minibatches=3),
    "dapo": DAPO(GRPO(epochs=2, minibatches=3, average="token"), limit_tokens=3, buffer_tokens=2),
    "gspo": GSPO(epochs=2, minibatches=3, entropy_coefficient=0.1),
    "cispo": CISPO(epochs=2, minibatches=3, clip_high=0.1, entropy_coefficient=0.1),
    "reinforce": REINFORCE(entropy_coefficient=0.1),
    "a2c": A2C(entropy_coefficient=0.1, look_ahead_tokens=2),
    "gophercite": A2C(kl_share=0.3),
    "nlpo": NLPO(PPO(epochs=2, minibatches=3)),
}
"""Every algorithm that steps by gradients, with settings that reach all parts of its loss."""

FIRST = [PPO(epochs=1), RLOO(), GRPO(), DAPO(), GSPO(minibatches=1), CISPO(minibatches=1), NLPO(PPO(epochs=1))]


def wider(rollouts: Rollouts, junk: float) -> Rollouts:
    """The same behaviour with three more columns of padding full of junk on the right."""

    def pad(tensor: Tensor | None, value: float) -> Tensor | None:
        return None if tensor is None else torch.nn.functional.pad(tensor, (0, 3), value=value)

    mask_BT, logprobs_BT = pad(rollouts.mask_BT, False), pad(rollouts.logprobs_BT, junk)
    tokens_BT = pad(rollouts.inputs["tokens_BT"], 1)
    assert mask_BT is not None
    assert logprobs_BT is not None
    assert tokens_BT is not None
    return rollouts.with_(
        inputs={**rollouts.inputs, "tokens_BT": tokens_BT},
        mask_BT=mask_BT,
        logprobs_BT=logprobs_BT,
        ref_logprobs_BT=pad(rollouts.ref_logprobs_BT, junk),
        values_BT=pad(rollouts.values_BT, junk),
        rewards_BT=pad(rollouts.rewards_BT, junk),
    )


def updated(
    algorithm: AnyAlgorithm, descent: Descent, batch: Batch, junk: float | None = None
) -> tuple[list[list[Tensor]], Stats]:
    policy, rollouts = batch()
    if junk is not None:
        rollouts = wider(rollouts, junk)
    descent.prepare([(policy.parameters(), 0.5)])
    stats = algorithm.update(policy, descent, rollouts, *algorithm.credit(rollouts), seed=7)
    return descent.gradients, stats


@pytest.mark.parametrize("algorithm", FIRST, ids=lambda algorithm: type(algorithm).__name__)
def test_at_the_first_minibatch_the_ratio_is_one_and_nothing_is_clipped(
    algorithm: AnyAlgorithm, descent: Callable[..., Descent], batch: Batch
) -> None:
    gradients, stats = updated(algorithm, descent(), batch)
    assert len(gradients) == 1
    assert stats["ratio_mean"] == stats["ratio_max"] == 1.0
    assert stats["clip_fraction"] == stats["approx_kl"] == 0.0


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
@pytest.mark.parametrize("micro_batch", [1, 3])
def test_micro_batches_change_neither_gradients_nor_metrics(
    algorithm: AnyAlgorithm, micro_batch: int, descent: Callable[..., Descent], batch: Batch
) -> None:
    whole, stats = updated(algorithm, descent(), batch)
    pieces, piece_stats = updated(algorithm, descent(micro_batch=micro_batch), batch)
    assert any(bool(g.any()) for g in whole[0])
    torch.testing.assert_close(pieces, whole, rtol=1e-12, atol=1e-14)
    assert piece_stats == pytest.approx(stats, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
@pytest.mark.parametrize("junk", [5.0, float("nan")])
def test_padding_changes_neither_advantages_nor_gradients_nor_metrics(
    algorithm: AnyAlgorithm, junk: float, descent: Callable[..., Descent], batch: Batch
) -> None:
    _, rollouts = batch()
    narrow_pair = algorithm.credit(rollouts)
    wide_pair = algorithm.credit(wider(rollouts, junk))
    for narrow_BT, wide_BT in zip(narrow_pair, wide_pair, strict=True):
        torch.testing.assert_close(wide_BT[:, :3], narrow_BT, rtol=1e-12, atol=1e-14)
        assert not wide_BT[:, 3:].any()
    narrow, stats = updated(algorithm, descent(), batch)
    wide, wide_stats = updated(algorithm, descent(), batch, junk)
    torch.testing.assert_close(wide, narrow, rtol=1e-12, atol=1e-14)
    assert wide_stats == pytest.approx(stats, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("micro_batch", [0, 5])
@pytest.mark.parametrize("algorithm", [PPO(epochs=3), RLOO(epochs=2), A2C()], ids=lambda each: type(each).__name__)
def test_provisional_logprobs_give_way_to_those_of_the_first_pass(
    algorithm: AnyAlgorithm, micro_batch: int, descent: Callable[..., Descent], batch: Batch
) -> None:
    settled, stats = updated(algorithm, descent(), batch)
    policy, rollouts = batch()
    advantages_BT, returns_BT = algorithm.credit(rollouts)
    sampled_BT = torch.where(rollouts.mask_BT, rollouts.logprobs_BT + 0.25, 0.0)
    rollouts = rollouts.with_(logprobs_BT=sampled_BT, sampler_logprobs_BT=sampled_BT, provisional=True)
    compute = descent(micro_batch=micro_batch)
    compute.prepare([(policy.parameters(), 0.5)])
    provisional_stats = algorithm.update(policy, compute, rollouts, advantages_BT, returns_BT, seed=7)
    torch.testing.assert_close(compute.gradients, settled, rtol=1e-12, atol=1e-14)
    assert provisional_stats.pop("sampler_gap") == pytest.approx(0.25, rel=1e-12)
    assert provisional_stats == pytest.approx(stats, rel=1e-12, abs=1e-14)


def test_provisional_logprobs_are_refused_where_only_the_first_minibatch_would_see_the_old_weights(
    descent: Callable[..., Descent], batch: Batch
) -> None:
    policy, rollouts = batch()
    algorithm = PPO(minibatches=2)
    credit = algorithm.credit(rollouts)
    with pytest.raises(ValueError, match="several minibatches"):
        algorithm.update(policy, descent(), rollouts.with_(provisional=True), *credit, seed=0)


def test_which_algorithms_begin_with_a_whole_pass() -> None:
    whole = {name for name, algorithm in vars(Algorithms()).items() if begins_with_a_whole_pass(algorithm)}
    assert whole == {"ppo", "rloo", "grpo", "dr_grpo", "reinforce", "a2c", "nlpo", "reward_weighted", "mixer"}
    assert not begins_with_a_whole_pass(PPO(minibatches=2))


@dataclass(frozen=True)
class Recorder:
    """Notes which rows it was given, by their advantages, and counts tokens."""

    seen: list[list[int]] = field(default_factory=list)
    epochs: int = 1
    minibatches: int = 1
    approx_kl_limit: float | None = None

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        self.seen.append([int(row) for row in advantages_BT[:, 0]])
        count = rollouts.mask_BT.sum()
        return evaluation.logprobs_BT.sum(), count, {"approx_kl": (torch.tensor(2.0) * count, count)}


def test_every_row_is_seen_once_an_epoch_in_a_fresh_order_that_follows_from_the_seed(
    descent: Callable[..., Descent],
    batch: Batch,
) -> None:
    policy, rollouts = batch()
    number_BT = torch.arange(12)[:, None].expand(12, 3)
    runs = []
    for seed in (1, 1, 2):
        seen: list[list[int]] = []
        compute = descent()
        compute.prepare([(policy.parameters(), 0.0)])
        by_gradient(Recorder(seen, 2, 4), policy, compute, rollouts, number_BT, number_BT, seed=seed)
        assert [len(rows) for rows in seen] == [3] * 8
        for epoch in (seen[:4], seen[4:]):
            assert sorted(row for rows in epoch for row in rows) == list(range(12))
        assert seen[:4] != seen[4:]
        runs.append(seen)
    assert runs[0] == runs[1] != runs[2]


def test_groups_can_stay_together(descent: Callable[..., Descent], batch: Batch) -> None:
    policy, rollouts = batch()
    number_BT = torch.arange(12)[:, None].expand(12, 3)
    seen: list[list[int]] = []
    compute = descent()
    compute.prepare([(policy.parameters(), 0.0)])
    recorder = Recorder(seen, minibatches=2)
    by_gradient(recorder, policy, compute, rollouts, number_BT, number_BT, seed=0, keep_groups=True)
    assert sorted(len(rows) for rows in seen) == [4, 8]
    for rows in seen:
        for group in {row // 4 for row in rows}:
            assert {4 * group + k for k in range(4)} <= set(rows)


def test_the_whole_count_of_a_minibatch_divides_its_gradient_once(
    descent: Callable[..., Descent], batch: Batch
) -> None:
    policy, rollouts = batch()
    compute = descent(micro_batch=5)
    compute.prepare([(policy.parameters(), 0.0)])
    zeros_BT = torch.zeros(12, 3)
    by_gradient(Recorder(), policy, compute, rollouts, zeros_BT, zeros_BT, seed=0)
    assert compute.counts == [float(rollouts.mask_BT.sum())]
    expected = torch.autograd.grad(policy.evaluate(rollouts).logprobs_BT.sum(), policy.logits)[0]
    torch.testing.assert_close(compute.gradients[0][0], expected / rollouts.mask_BT.sum())


def test_updates_stop_before_the_step_that_passes_the_limit(descent: Callable[..., Descent], batch: Batch) -> None:
    algorithm = PPO(epochs=4, minibatches=2, approx_kl_limit=1e-4)
    compute = descent()
    gradients, stats = updated(algorithm, compute, batch)
    # The first minibatch has approx_kl 0 and is taken; a step of this size shows in the second, which is dropped.
    assert len(gradients) == 1
    assert compute.discarded == 1
    assert stats["early_stop"] == 7 / 8
    assert stats["approx_kl"] > 0
    _, free = updated(PPO(epochs=4, minibatches=2), descent(), batch)
    assert free["early_stop"] == 0


def test_a_batch_stopped_at_once_has_no_gradient_norm(descent: Callable[..., Descent], batch: Batch) -> None:
    policy, rollouts = batch()
    compute = descent()
    compute.prepare([(policy.parameters(), 0.5)])
    zeros_BT = torch.zeros(12, 3)
    stats = by_gradient(Recorder(approx_kl_limit=1.0), policy, compute, rollouts, zeros_BT, zeros_BT, seed=0)
    assert stats == {"approx_kl": 2.0, "early_stop": 1.0}
    assert compute.gradients == []


@pytest.mark.parametrize(("minibatches", "keep_groups"), [(13, False), (4, True), (0, False)])
def test_too_many_minibatches_are_a_problem(
    minibatches: int, keep_groups: bool, descent: Callable[..., Descent], batch: Batch
) -> None:
    policy, rollouts = batch()
    zeros_BT = torch.zeros(12, 3)
    recorder = Recorder(minibatches=minibatches)
    with pytest.raises(Problem, match="cannot be cut"):
        by_gradient(recorder, policy, descent(), rollouts, zeros_BT, zeros_BT, seed=0, keep_groups=keep_groups)
