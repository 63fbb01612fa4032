from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.algorithms import A2C, PPO, AnyAlgorithm
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Evaluation, Rollouts

Batch = Callable[..., tuple[TabularPolicy, Rollouts]]
NAN = float("nan")
ROLLOUTS = Rollouts(
    inputs={},
    mask_BT=torch.tensor([[True, True, True, False]]),
    group_B=torch.arange(1),
    logprobs_BT=torch.tensor([[-1.0, -2.0, -3.0, NAN]], dtype=torch.float64),
    ref_logprobs_BT=torch.tensor([[-1.5, -2.0, -2.0, NAN]], dtype=torch.float64),
    values_BT=torch.tensor([[0.5, 0.4, 0.3, NAN]], dtype=torch.float64),
    rewards_BT=torch.tensor([[1.0, 0.0, 2.0, NAN]], dtype=torch.float64),
)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        # Returns, gamma .9: 1 + .9 * (0 + .9 * 2), .9 * 2, 2; less the values .5, .4, .3.
        (0, [2.12, 1.4, 1.7]),
        (3, [2.12, 1.4, 1.7]),
        # One token: r + .9 V' - V.
        (1, [1 + 0.36 - 0.5, 0.27 - 0.4, 1.7]),
        # Two: r + .9 r' + .81 V'' - V.
        (2, [1 + 0.81 * 0.3 - 0.5, 1.4, 1.7]),
    ],
)
def test_credit_is_the_n_step_return_less_the_value(tokens: int, expected: list[float]) -> None:
    advantages_BT, returns_BT = A2C(gamma=0.9, look_ahead_tokens=tokens).credit(ROLLOUTS)
    assert advantages_BT[0].tolist() == pytest.approx([*expected, 0])
    values = (0.5, 0.4, 0.3)
    assert returns_BT[0].tolist() == pytest.approx([*(a + v for a, v in zip(expected, values, strict=True)), 0])


def test_the_loss_and_its_gradient_by_hand() -> None:
    now = Evaluation(
        torch.tensor([[-1.0, -2.0, -3.0, NAN]], dtype=torch.float64, requires_grad=True),
        torch.full((1, 4), 0.25, dtype=torch.float64),
        torch.tensor([[0.5, 0.4, 0.3, NAN]], dtype=torch.float64, requires_grad=True),
    )
    algorithm = A2C(value_coefficient=0.5, entropy_coefficient=0.2)
    advantages_BT = torch.tensor([[2.0, -1.0, 3.0, 0.0]], dtype=torch.float64)
    returns_BT = torch.tensor([[1.5, 0.4, 0.0, 0.0]], dtype=torch.float64)
    loss_sum, count, metrics = algorithm.loss(now, ROLLOUTS, advantages_BT, returns_BT)
    # Policy 2 * 1 - 1 * 2 + 3 * 3 = 9; critic (1 + 0 + .09) / 2 = .545; entropy .75.
    assert float(loss_sum.detach()) == pytest.approx(9 + 0.5 * 0.545 - 0.2 * 0.75)
    assert int(count) == 3
    assert float(metrics["policy_loss"][0].detach()) == pytest.approx(9)
    assert float(metrics["value_loss"][0].detach()) == pytest.approx(0.545)
    assert now.values_BT is not None
    policy_BT, value_BT = torch.autograd.grad(loss_sum, [now.logprobs_BT, now.values_BT])
    assert policy_BT[0].tolist() == [-2, 1, -3, 0]
    assert value_BT[0].tolist() == pytest.approx([-0.5, 0, 0.15, 0])


def test_gophercites_loss_by_hand() -> None:
    now = Evaluation(ROLLOUTS.logprobs_BT, torch.zeros(1, 4, dtype=torch.float64), ROLLOUTS.values_BT)
    advantages_BT = torch.tensor([[2.0, -1.0, 3.0, 0.0]], dtype=torch.float64)
    assert ROLLOUTS.values_BT is not None
    loss_sum, _, metrics = A2C(kl_share=0.25).loss(now, ROLLOUTS, advantages_BT, ROLLOUTS.values_BT)
    # Gaps to the reference .5, 0, -1: k2 = .125 + 0 + .5. The rest of the loss is the 9 of above.
    assert float(metrics["kl_loss"][0]) == pytest.approx(0.625)
    assert float(loss_sum) == pytest.approx(0.75 * 9 + 0.25 * 0.625)


def test_gophercites_gradient_is_that_of_the_mixture(batch: Batch) -> None:
    """At alpha 1 it is the expected gradient of KL(pi || pi_ref) at each token, over all completions of a prompt."""
    policy, _ = batch(prompts=1, vocabulary=3, limit_tokens=2)
    every = policy.every_completion(0)
    chance_B1 = every.logprobs_BT.sum(1, keepdim=True).exp()
    zeros_BT = torch.zeros_like(every.logprobs_BT)
    now = policy.evaluate(every)
    with torch.no_grad():
        gap_BT = every.mask_BT * (every.logprobs_BT - _present(every.ref_logprobs_BT))
    expected = torch.autograd.grad((chance_B1 * gap_BT * now.logprobs_BT).sum(), policy.logits, retain_graph=True)[0]
    rows = [every.rows(torch.tensor([row])) for row in range(len(every))]
    found = torch.zeros_like(expected)
    for row, chance in zip(rows, chance_B1[:, 0].tolist(), strict=True):
        loss_sum, _, _ = A2C(kl_share=1.0).loss(policy.evaluate(row), row, zeros_BT[:1], zeros_BT[:1])
        found += chance * torch.autograd.grad(loss_sum, policy.logits)[0]
    torch.testing.assert_close(found, expected)
    exact = torch.autograd.grad(_kl_by_state(policy), policy.logits)[0]
    torch.testing.assert_close(found, exact)


def _kl_by_state(policy: TabularPolicy) -> Tensor:
    """Sum over prefixes of (how often pi comes there, held fixed) * KL(pi || pi_ref) of the next token."""
    logprobs_SV, ref_SV = policy.logits[0].log_softmax(-1), policy.reference[0].log_softmax(-1)
    kl_S = (logprobs_SV.exp() * (logprobs_SV - ref_SV)).sum(-1)
    first_V = logprobs_SV[0].exp().detach()
    # Prefix 0 is the empty one; prefix 1 would come after the stop token; 2 and 3 follow the tokens 1 and 2.
    return kl_S[0] + first_V[1] * kl_S[2] + first_V[2] * kl_S[3]


def _present(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return tensor


@pytest.mark.parametrize("value_coefficient", [0.0, 0.3])
@pytest.mark.parametrize("whiten", [False, True])
def test_it_is_ppo_with_one_epoch_and_one_minibatch(
    value_coefficient: float, whiten: bool, batch: Batch, descent: Callable[..., Any]
) -> None:
    """The first of the identities: the same gradient, the same step, up to rounding in the last digit."""
    same: dict[str, Any] = {"value_coefficient": value_coefficient, "lam": 0.95, "whiten_advantages": whiten}
    found: list[list[Tensor]] = []
    algorithms: list[AnyAlgorithm] = [A2C(**same), PPO(epochs=1, minibatches=1, value_clip=0, **same)]
    for algorithm in algorithms:
        policy, rollouts = batch()
        compute = descent()
        compute.prepare([(policy.parameters(), 0.5)])
        algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=3)
        found.append([*compute.gradients[0], policy.logits.detach(), policy.values.detach()])
    assert len(found[0]) == len(found[1]) == 4
    flat = [torch.cat([tensor.flatten() for tensor in tensors[:2]]) for tensors in found]
    assert float(torch.nn.functional.cosine_similarity(flat[0], flat[1], dim=0)) > 0.9999
    assert float(flat[0].norm()) == pytest.approx(float(flat[1].norm()), rel=1e-4)
    for a2c, ppo in zip(*found, strict=True):
        torch.testing.assert_close(a2c, ppo, rtol=1e-14, atol=1e-16)
    assert bool(found[0][1].any()) == (value_coefficient > 0)


def test_impossible_shares_and_a_missing_critic_are_problems() -> None:
    with pytest.raises(Problem, match=r"kl_share is 1\.5"):
        A2C(kl_share=1.5)
    with pytest.raises(Problem, match="A2C needs the critic's values"):
        A2C().credit(ROLLOUTS.with_(values_BT=None))
    now = Evaluation(ROLLOUTS.logprobs_BT, torch.zeros(1, 4), ROLLOUTS.values_BT)
    with pytest.raises(Problem, match="a reference"):
        A2C(kl_share=0.5).loss(now, ROLLOUTS.with_(ref_logprobs_BT=None), now.entropy_BT, now.entropy_BT)
