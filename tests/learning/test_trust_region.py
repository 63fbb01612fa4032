"""The natural gradient against a Fisher matrix that was built by enumeration, on a softmax of 252 parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.linalg import block_diag
from torch import Tensor

from heedful.learning.algorithms import TRPO
from heedful.learning.tabular import TabularPolicy
from heedful.learning.trust_region import conjugate_gradient, fisher, trust_region_step
from heedful.rollouts import Evaluation, Rollouts

Batch = Callable[..., tuple[TabularPolicy, Rollouts]]


def dense_fisher(policy: TabularPolicy, rollouts: Rollouts) -> Tensor:
    """(252, 252): for each visited state its share of the tokens times sum_a p_a s_a s_a', s_a the score of token a."""
    prompts, prefixes, words = policy.logits.shape
    total = torch.zeros(prompts, prefixes, words, words, dtype=torch.float64)
    tokens_BT, mask_BT = rollouts.inputs["tokens_BT"].tolist(), rollouts.mask_BT.tolist()
    for prompt, tokens, mask in zip(rollouts.inputs["prompt_B"].tolist(), tokens_BT, mask_BT, strict=True):
        prefix = 0
        for token, real in zip(tokens, mask, strict=True):
            if real:
                p = np.exp(policy.logits[prompt, prefix].detach().numpy())
                p /= p.sum()
                scores = np.eye(words) - p  # row a: the gradient of log p_a with respect to the logits
                total[prompt, prefix] += torch.from_numpy(np.einsum("a,ai,aj->ij", p, scores, scores))
            prefix = prefix * words + token + 1
    blocks = total.reshape(-1, words, words) / int(rollouts.mask_BT.sum())
    return torch.from_numpy(block_diag(*blocks.numpy()))


def pieces_of(rollouts: Rollouts, advantages_BT: Tensor, size: int = 0) -> list[tuple[Rollouts, Tensor]]:
    index = torch.split(torch.arange(len(rollouts)), size or len(rollouts))
    return [(rollouts.rows(part), advantages_BT[part]) for part in index]


@pytest.mark.parametrize("size", [0, 5])
def test_fisher_products_are_those_of_the_enumerated_matrix(size: int, batch: Batch) -> None:
    policy, rollouts = batch()
    assert policy.logits.numel() == 252
    vector = torch.from_numpy(np.random.default_rng(0).normal(size=252))
    rows = [rows for rows, _ in pieces_of(rollouts, rollouts.logprobs_BT, size)]
    product = fisher(policy, rows, [policy.logits])
    expected = dense_fisher(policy, rollouts) @ vector
    for _ in range(2):
        torch.testing.assert_close(product(vector), expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("damping", "iterations"), [(0.1, 10), (1e-3, 60)])
def test_the_solution_is_that_of_the_dense_system(damping: float, iterations: int, batch: Batch) -> None:
    policy, rollouts = batch()
    gradient = torch.from_numpy(np.random.default_rng(1).normal(size=252))
    product = fisher(policy, [rollouts], [policy.logits])
    found = conjugate_gradient(lambda vector: product(vector) + damping * vector, gradient, iterations)
    expected = np.linalg.solve(dense_fisher(policy, rollouts).numpy() + damping * np.eye(252), gradient.numpy())
    assert np.linalg.norm(found.numpy() - expected) <= 1e-3 * np.linalg.norm(expected)


def test_conjugate_gradient_ends_in_as_many_steps_as_there_are_dimensions() -> None:
    root = torch.from_numpy(np.random.default_rng(2).normal(size=(5, 5)))
    matrix, target = root @ root.T + torch.eye(5), torch.arange(5, dtype=torch.float64)
    calls: list[int] = []

    def product(vector: Tensor) -> Tensor:
        calls.append(1)
        return matrix @ vector

    found = conjugate_gradient(product, target, 1000)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, target))
    assert len(calls) <= 7
    assert not conjugate_gradient(product, torch.zeros(5, dtype=torch.float64), 10).any()


def exact(policy: TabularPolicy, old: Tensor, rollouts: Rollouts, advantages_BT: Tensor) -> tuple[float, float]:
    """(mean KL(old || now), mean A * pi / pi_old) over the tokens, from the tables."""
    kl = surrogate = 0.0
    for row, tokens in enumerate(rollouts.inputs["tokens_BT"].tolist()):
        prompt, prefix = int(rollouts.inputs["prompt_B"][row]), 0
        for t, token in enumerate(tokens):
            if rollouts.mask_BT[row, t]:
                before, now = (x[prompt, prefix].log_softmax(0).detach().numpy() for x in (old, policy.logits))
                kl += float((np.exp(before) * (before - now)).sum())
                surrogate += float(advantages_BT[row, t]) * float(np.exp(now[token] - before[token]))
            prefix = prefix * policy.vocabulary + token + 1
    count = int(rollouts.mask_BT.sum())
    return kl / count, surrogate / count


@pytest.mark.parametrize("size", [0, 5])
@pytest.mark.parametrize("limit", [0.003, 0.3])
def test_an_accepted_step_keeps_the_bound_and_improves(size: int, limit: float, batch: Batch) -> None:
    policy, rollouts = batch()
    algorithm, old = TRPO(kl_limit=limit), policy.logits.detach().clone()
    advantages_BT, _ = algorithm.credit(rollouts)
    stats, moved = trust_region_step(algorithm, policy, pieces_of(rollouts, advantages_BT, size))
    kl, after = exact(policy, old, rollouts, advantages_BT)
    assert [parameter is policy.logits for parameter in moved] == [True]
    assert stats["step_accepted"] == 1
    assert limit / 4 < kl <= limit
    assert stats["step_kl"] == pytest.approx(kl)
    assert stats["surrogate_gain"] == pytest.approx(after - float(advantages_BT.sum() / rollouts.mask_BT.sum()))
    assert stats["surrogate_gain"] > 0


def test_the_first_trial_is_the_step_of_the_formula(batch: Batch) -> None:
    policy, rollouts = batch()
    algorithm, old = TRPO(kl_limit=1e-6, damping=1e-2, solver_iterations=200), policy.logits.detach().clone()
    advantages_BT, _ = algorithm.credit(rollouts)
    matrix = dense_fisher(policy, rollouts)
    logprobs_BT = policy.evaluate(rollouts).logprobs_BT
    count = rollouts.mask_BT.sum()
    (gradient,) = torch.autograd.grad((advantages_BT * logprobs_BT).sum() / count, policy.logits)
    direction = torch.linalg.solve(matrix + 1e-2 * torch.eye(252, dtype=torch.float64), gradient.flatten())
    expected = (2e-6 / (direction @ matrix @ direction)).sqrt() * direction
    stats, _ = trust_region_step(algorithm, policy, pieces_of(rollouts, advantages_BT))
    shorter = 0.8 ** (stats["step_trials"] - 1)
    assert stats["step_trials"] <= 2  # the KL of the whole step is the limit itself, up to third order
    torch.testing.assert_close((policy.logits.detach() - old).flatten(), shorter * expected, rtol=1e-4, atol=1e-10)


def test_half_the_length_is_a_quarter_of_the_bound(batch: Batch) -> None:
    policy, rollouts = batch()
    algorithm = TRPO(kl_limit=1e-4)
    advantages_BT, _ = algorithm.credit(rollouts)
    stats, _ = trust_region_step(algorithm, policy, pieces_of(rollouts, advantages_BT), length_scale=0.5)
    assert 0.25e-4 * 0.6 < stats["step_kl"] <= 0.25e-4
    policy, rollouts = batch()
    before = policy.logits.detach().clone()
    stats, _ = trust_region_step(algorithm, policy, pieces_of(rollouts, advantages_BT), length_scale=0.0)
    assert stats["step_accepted"] == 0
    assert torch.equal(policy.logits, before)


@dataclass(frozen=True)
class Insatiable(TRPO):
    """A surrogate that nothing improves but the first look at it."""

    def surrogate(self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor) -> Tensor:
        total = super().surrogate(evaluation, rollouts, advantages_BT)
        return total if total.requires_grad else total - 1e9


def test_a_failed_search_restores_every_weight_bit_for_bit(batch: Batch) -> None:
    policy, rollouts = batch()
    algorithm = Insatiable(trials=7)
    advantages_BT, _ = algorithm.credit(rollouts)
    before, place = policy.logits.detach().clone(), policy.logits.data_ptr()
    stats, _ = trust_region_step(algorithm, policy, pieces_of(rollouts, advantages_BT))
    assert stats == {"step_kl": 0.0, "step_accepted": 0.0, "step_trials": 7.0, "surrogate_gain": 0.0}
    assert torch.equal(policy.logits, before)
    assert policy.logits.data_ptr() == place


def test_weights_come_back_when_the_policy_fails_in_the_search(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, rollouts = batch()
    algorithm = TRPO()
    advantages_BT, _ = algorithm.credit(rollouts)
    before = policy.logits.detach().clone()

    def broken(_old: Tensor, _new: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            raise RuntimeError("out of memory")
        return TabularPolicy.divergence(policy, _old, _new)

    monkeypatch.setattr(policy, "divergence", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        trust_region_step(algorithm, policy, pieces_of(rollouts, advantages_BT))
    assert torch.equal(policy.logits, before)


def test_an_accepted_step_stays_in_the_same_memory(batch: Batch) -> None:
    policy, rollouts = batch()
    place = policy.logits.data_ptr()
    advantages_BT, _ = TRPO().credit(rollouts)
    stats, _ = trust_region_step(TRPO(), policy, pieces_of(rollouts, advantages_BT))
    assert stats["step_accepted"] == 1
    assert policy.logits.data_ptr() == place
    assert policy.logits.grad is None


def test_equal_advantages_leave_the_policy_where_it_is(batch: Batch) -> None:
    policy, rollouts = batch()
    before = policy.logits.detach().clone()
    stats, _ = trust_region_step(TRPO(), policy, pieces_of(rollouts, torch.zeros_like(rollouts.logprobs_BT)))
    assert stats["step_trials"] == 0
    assert torch.equal(policy.logits, before)
