from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.algorithms import NLPO, PPO
from heedful.learning.algorithms.nlpo import likely
from heedful.learning.tabular import STOP, TabularPolicy
from heedful.rollouts import Rollouts

Batch = Callable[..., tuple[TabularPolicy, Rollouts]]


def nucleus(logits: list[float], top_p: float, top_k: int) -> set[int]:
    """The definition in words: take the likeliest tokens until their probability is top_p, at most top_k of them."""
    weights = np.exp(np.array(logits) - max(logits))
    chances = (weights / weights.sum()).tolist()
    taken: set[int] = set()
    total = 0.0
    for token in sorted(range(len(chances)), key=lambda token: -chances[token]):
        if taken and (total >= top_p or (top_k and len(taken) >= top_k)):
            break
        taken.add(token)
        total += chances[token]
    return taken


@pytest.mark.parametrize(("top_p", "top_k"), [(0.5, 0), (0.9, 0), (0.01, 0), (1.0, 3), (0.8, 2), (1.0, 0)])
def test_the_likely_tokens_are_those_of_the_definition(top_p: float, top_k: int) -> None:
    logits_BTV = torch.from_numpy(np.random.default_rng(0).normal(0, 2, size=(3, 4, 7)))
    found_BTV = likely(logits_BTV, top_p, top_k)
    for row in range(3):
        for t in range(4):
            expected = nucleus(logits_BTV[row, t].tolist(), top_p, top_k)
            assert set(found_BTV[row, t].nonzero()[:, 0].tolist()) == expected


def test_at_one_every_token_is_likely_even_after_rounding() -> None:
    logits_XV = torch.zeros(1, 50_000)
    logits_XV[0, 7] = 40.0
    assert bool(likely(logits_XV, 1.0, 0).all())


def masked_batch(algorithm: NLPO) -> tuple[TabularPolicy, Rollouts]:
    """Under a guide that has lagged behind, many completions."""
    policy = TabularPolicy(2, 6, 3, seed=0, spread=2.0, rule=algorithm.rule([STOP]))
    with torch.no_grad():
        policy.logits.add_(torch.from_numpy(np.random.default_rng(1).normal(size=policy.logits.shape)))
    return policy, policy.sample(torch.arange(2).repeat_interleave(200), seed=0)


@pytest.mark.parametrize("algorithm", [NLPO(top_p=0.6), NLPO(top_p=1.0, top_k=2), NLPO(top_p=0.9, top_k=1)])
def test_nothing_is_written_that_the_guide_does_not_allow(algorithm: NLPO) -> None:
    policy, rollouts = masked_batch(algorithm)
    written = stopped_beyond = 0
    for prompt, tokens, mask in zip(
        rollouts.group_B.tolist(), rollouts.inputs["tokens_BT"].tolist(), rollouts.mask_BT.tolist(), strict=True
    ):
        prefix = 0
        for token, real in zip(tokens, mask, strict=True):
            if real:
                allowed = nucleus(policy.guide[prompt, prefix].tolist(), algorithm.top_p, algorithm.top_k)
                assert token in allowed | {STOP}
                written += 1
                stopped_beyond += token not in allowed
            prefix = prefix * 6 + token + 1
    assert written > 500
    assert stopped_beyond > 0  # the stop token is always allowed


def test_old_and_new_log_probabilities_are_both_masked(descent: Callable[..., Any]) -> None:
    algorithm = NLPO(PPO(epochs=1), top_p=0.6)
    policy, rollouts = masked_batch(algorithm)
    assert not torch.equal(rollouts.logprobs_BT, rollouts.extras["bare_logprobs_BT"])
    logits = policy.logits[rollouts.group_B, 0].detach().numpy()
    for row in range(10):
        allowed = sorted(nucleus(policy.guide[rollouts.group_B[row], 0].tolist(), 0.6, 0) | {STOP})
        token = int(rollouts.inputs["tokens_BT"][row, 0])
        expected = logits[row][token] - np.log(np.exp(logits[row][allowed]).sum())
        assert float(rollouts.logprobs_BT[row, 0]) == pytest.approx(expected)
        bare = logits[row][token] - np.log(np.exp(logits[row]).sum())
        assert float(rollouts.extras["bare_logprobs_BT"][row, 0]) == pytest.approx(bare)
    compute = descent()
    compute.prepare([(policy.parameters(), 0.1)])
    scored = rollouts.with_(rewards_BT=torch.from_numpy(np.random.default_rng(2).normal(size=(400, 3))))
    stats = algorithm.update(policy, compute, scored, *algorithm.credit(scored), seed=0)
    assert stats["ratio_mean"] == stats["ratio_max"] == 1.0
    assert stats["clip_fraction"] == 0.0
    gradient = compute.gradients[0][0]
    assert bool(torch.isfinite(gradient).all())
    forbidden = ~likely(policy.guide[0, 0], 0.6, 0)
    forbidden[STOP] = False
    assert bool(forbidden.any())
    assert not gradient[0, 0][forbidden].any()


def trained(algorithm: NLPO | PPO, descent: Callable[..., Any]) -> list[Tensor]:
    """The policy after some rounds, under the rule where the algorithm has one."""
    rule = algorithm.rule([STOP]) if isinstance(algorithm, NLPO) else None
    policy = TabularPolicy(2, 5, 3, seed=0, rule=rule)
    compute = descent()
    compute.prepare([(policy.parameters(), 0.5)])
    for step in range(7):
        if isinstance(algorithm, NLPO) and algorithm.refresh_due(step):
            policy.refresh()
        rollouts = policy.sample(torch.arange(2).repeat_interleave(8), seed=step)
        scores_BT = torch.from_numpy(np.random.default_rng(step).normal(size=(16, 3)))
        rollouts = rollouts.with_(rewards_BT=scores_BT * rollouts.mask_BT)
        algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=step)
    return [parameter.detach() for parameter in policy.parameters()]


def test_with_nothing_masked_it_is_ppo_bit_for_bit(descent: Callable[..., Any]) -> None:
    ppo = PPO(epochs=2, minibatches=2)
    free = trained(NLPO(ppo, top_p=1.0, refresh_every=3), descent)
    assert all(torch.equal(a, b) for a, b in zip(free, trained(ppo, descent), strict=True))
    masked = trained(NLPO(ppo, top_p=0.7, refresh_every=3), descent)
    assert not torch.equal(masked[0], free[0])


def test_the_copy_is_refreshed_every_so_many_updates() -> None:
    assert [step for step in range(12) if NLPO(refresh_every=5).refresh_due(step)] == [0, 5, 10]
    assert all(NLPO(refresh_every=1).refresh_due(step) for step in range(5))


def test_its_settings_are_ppos() -> None:
    algorithm = NLPO(PPO(epochs=3, minibatches=2, approx_kl_limit=0.1))
    assert (algorithm.epochs, algorithm.minibatches, algorithm.approx_kl_limit) == (3, 2, 0.1)


@pytest.mark.parametrize("settings", [{"top_p": 0.0}, {"top_p": 1.1}, {"top_k": -1}, {"refresh_every": 0}])
def test_impossible_masks_are_problems(settings: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="make no mask"):
        NLPO(**settings)
