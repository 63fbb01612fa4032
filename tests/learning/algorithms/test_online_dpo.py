"""Online DPO: who is compared with whom, pairs that are never torn, and more learnt from as many labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.learning.algorithms.online_dpo import OnlineDPO, unleashed
from heedful.learning.direct import DPO
from heedful.learning.direct.pairs import Pairs, Side
from heedful.learning.kl import at_last_token, leashed_rewards
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Rollouts
from heedful.seeds import generator, seed_of

BETA, STEPS, PAIRS, RATE = 0.2, 60, 8, 0.1


def rewarded(rollouts: Rollouts, *scores: float) -> Rollouts:
    scores_B = torch.tensor(scores, dtype=torch.float64)
    return rollouts.with_(scores_B=scores_B, rewards_BT=at_last_token(scores_B, rollouts.mask_BT))


@pytest.fixture
def policy() -> TabularPolicy:
    return TabularPolicy(prompts=2, vocabulary=3, limit_tokens=2, seed=1)


def test_the_best_and_the_worst_of_each_prompt_are_compared(policy: TabularPolicy) -> None:
    rollouts = rewarded(policy.sample(torch.tensor([0, 0, 0, 1, 1]), seed=0), 1.0, 3.0, -2.0, 5.0, 5.0)
    advantages_BT, returns_BT = OnlineDPO().credit(rollouts)
    sign_B = advantages_BT.sum(1) / rollouts.mask_BT.sum(1)
    assert sign_B.tolist() == [0, 1, -1, 0, 0]
    assert not advantages_BT[~rollouts.mask_BT].any()
    assert (returns_BT.amax(1) - torch.tensor([1.0, 3, 0, 5, 5])).abs().max() == 0


def test_what_the_leash_took_is_given_back(policy: TabularPolicy) -> None:
    rollouts = policy.sample(torch.tensor([0, 0, 1, 1]), seed=0)
    with torch.no_grad():
        policy.logits.add_(torch.randn(policy.logits.shape, generator=torch.Generator().manual_seed(0)))
    rollouts = policy.sample(torch.tensor([0, 0, 1, 1]), seed=0)
    assert rollouts.ref_logprobs_BT is not None
    scores_B = torch.tensor([1.0, 2.0, 3.0, 4.0]).double()
    shaped_BT = leashed_rewards(scores_B, rollouts.logprobs_BT, rollouts.ref_logprobs_BT, rollouts.mask_BT, 0.7)
    shaped = rollouts.with_(rewards_BT=shaped_BT, extras={"kl_coefficient_B": torch.full((4,), 0.7)})
    assert (shaped_BT.sum(1) - scores_B).abs().min() > 0.01
    torch.testing.assert_close(unleashed(shaped), scores_B, atol=1e-6, rtol=0)


def test_the_first_loss_is_log_2_and_its_step_is_dpos(policy: TabularPolicy, descent: type) -> None:
    """The gradient is that of DPO on the two completions, computed here by itself."""
    rollouts = rewarded(policy.sample(torch.tensor([0, 0, 1, 1]), seed=4), 1.0, 0.0, 0.0, 1.0)
    compute = descent()
    compute.prepare([([policy.logits], 0.0)])
    algorithm = OnlineDPO(BETA)
    stats = algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=0)
    assert stats["policy_loss"] == pytest.approx(math.log(2))
    assert stats["tied_fraction"] == 0
    logprobs_B = policy.evaluate(rollouts).logprobs_BT.sum(1)
    gap = BETA * (logprobs_B[0] - logprobs_B[1] + logprobs_B[3] - logprobs_B[2])
    # d/dx -log sigmoid(x) = -1/2 at 0, and there are two pairs.
    (expected,) = torch.autograd.grad(-0.5 * gap / 2, policy.logits)
    torch.testing.assert_close(compute.gradients[0][0], expected)
    assert compute.counts == [2]


def test_micro_batches_change_nothing(policy: TabularPolicy, descent: type) -> None:
    prompt_B = torch.tensor([0, 0, 0, 1, 1, 1]).repeat(2)
    rollouts = policy.sample(prompt_B, seed=5).with_(group_B=torch.arange(4).repeat_interleave(3))
    rollouts = rewarded(rollouts, *generator(0, "scores").standard_normal(12).tolist())
    found = []
    for micro_batch in (0, 2, 4):
        compute = descent(micro_batch=micro_batch)
        compute.prepare([([policy.logits], 0.0)])
        algorithm = OnlineDPO(minibatches=2)
        stats = algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=0)
        found.append((compute.gradients, compute.counts, stats["reward_margin"]))
    for gradients, counts, margin in found[1:]:
        for (mine,), (theirs,) in zip(gradients, found[0][0], strict=True):
            torch.testing.assert_close(mine, theirs)
        assert counts == found[0][1] == [2, 2]
        assert margin == pytest.approx(found[0][2])


def test_where_all_are_worth_the_same_nothing_is_done(policy: TabularPolicy, descent: type) -> None:
    rollouts = rewarded(policy.sample(torch.tensor([0, 0]), seed=0), 1.0, 1.0)
    compute = descent()
    compute.prepare([([policy.logits], 1.0)])
    stats = OnlineDPO().update(policy, compute, rollouts, *OnlineDPO().credit(rollouts), seed=0)
    assert stats == {"tied_fraction": 1.0}
    assert compute.counts == []


def test_what_cannot_be_compared_is_refused(policy: TabularPolicy, descent: type) -> None:
    with pytest.raises(Problem, match="only one"):
        OnlineDPO().credit(rewarded(policy.sample(torch.tensor([0, 1]), seed=0), 1.0, 2.0))
    rollouts = rewarded(policy.sample(torch.tensor([0, 0]), seed=0), 1.0, 2.0)
    with pytest.raises(Problem, match="even"):
        OnlineDPO().update(policy, descent(micro_batch=3), rollouts, *OnlineDPO().credit(rollouts), seed=0)


# The same number of labels, of own fresh completions or of the first policy's.


def truth(rollouts: Rollouts) -> Tensor:
    """How many tokens are the wanted one."""
    return ((rollouts.inputs["tokens_BT"] == 1) & rollouts.mask_BT).sum(1).double()


def true_score(policy: TabularPolicy) -> float:
    """The exact mean of the true score over both prompts."""
    every = [policy.every_completion(prompt) for prompt in range(2)]
    return float(np.mean([float((each.logprobs_BT.sum(1).exp() * truth(each)).sum()) for each in every]))


def asked(policy: TabularPolicy, seed: int, step: int) -> Rollouts:
    """Pairs of the policy's completions, scored by the noisy vote of one person each: 1 and 0."""
    prompt_B = torch.arange(2).repeat_interleave(PAIRS)
    rollouts = policy.sample(prompt_B, seed=seed_of(seed, "sample", step))
    true_B = truth(rollouts)
    chance_N = torch.sigmoid(true_B[0::2] - true_B[1::2])
    first_N = torch.from_numpy(generator(seed, "people", step).random(PAIRS)) < chance_N
    votes_B = torch.stack([first_N, ~first_N], 1).flatten().double()
    rollouts = rollouts.with_(group_B=torch.arange(2 * PAIRS) // 2)
    return rewarded(rollouts, *votes_B.tolist())


def online(seed: int) -> float:
    policy, compute, algorithm = *begun(seed), OnlineDPO(BETA)
    for step in range(STEPS):
        rollouts = asked(policy, seed, step)
        algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=step)
    return true_score(policy)


def offline(seed: int) -> float:
    """As many pairs and as many optimiser steps, but all pairs are of the policy that it began from."""
    policy, compute = begun(seed)
    for rollouts in [asked(policy, seed, step) for step in range(STEPS)]:
        assert rollouts.ref_logprobs_BT is not None
        assert rollouts.scores_B is not None
        logprobs_B, ref_B = policy.evaluate(rollouts).logprobs_BT.sum(1), rollouts.ref_logprobs_BT.sum(1)
        tokens_B = rollouts.mask_BT.sum(1)
        a, b = (Side(logprobs_B[at::2], tokens_B[at::2], ref_B[at::2]) for at in (0, 1))
        total, count, _ = DPO(BETA)(Pairs(a, b, rollouts.scores_B[0::2]))
        compute.backward(total)
        compute.step(float(count))
    return true_score(policy)


def begun(seed: int) -> tuple[TabularPolicy, LocalCompute]:
    policy = TabularPolicy(prompts=2, vocabulary=4, limit_tokens=3, seed=seed)
    compute = LocalCompute(max_gradient_norm=0)
    compute.prepare([([policy.logits], RATE)])
    return policy, compute


def test_as_many_labels_teach_more_when_they_are_of_what_the_policy_writes() -> None:
    scores = [(online(seed), offline(seed)) for seed in range(5)]
    first = [true_score(begun(seed)[0]) for seed in range(5)]
    assert all(start < min(pair) for start, pair in zip(first, scores, strict=True))
    assert sum(fresh > old for fresh, old in scores) >= 4, scores
