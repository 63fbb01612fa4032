"""DPO: its value, its gradient, and where it ends on a table whose every completion can be counted."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from heedful.learning.direct import DPO
from heedful.learning.direct.pairs import Pairs, Side
from heedful.learning.tabular import TabularPolicy
from heedful.seeds import generator

MakeSide = Callable[..., Side]


def test_by_hand(side: MakeSide) -> None:
    """beta 1/2; log-ratios 2 and -2 log 3 + 2: rewards differ by log 3, so P = 3/4."""
    pairs = Pairs(side([-3.0], ref=[-5.0]), side([-7.0 - 2 * math.log(3)], ref=[-9.0]), torch.ones(1))
    total, count, metrics = DPO(0.5)(pairs)
    assert float(total) == pytest.approx(math.log(4 / 3))
    assert float(count) == 1
    assert float(metrics["reward_margin"][0]) == pytest.approx(math.log(3))
    assert float(metrics["reward_preferred"][0]) == pytest.approx(1)


def test_smoothing_by_hand(side: MakeSide) -> None:
    pairs = Pairs(side([0.0], ref=[-math.log(3)]), side([0.0], ref=[0.0]), torch.ones(1))
    total, _, _ = DPO(1.0, label_smoothing=0.25)(pairs)
    assert float(total) == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))


def test_a_margin_by_hand(side: MakeSide) -> None:
    """A gap of log 9 less a margin of log 3 leaves log 3."""
    margin_N = torch.tensor([math.log(3)]).double()
    pairs = Pairs(side([0.0], ref=[-math.log(9)]), side([0.0], ref=[0.0]), torch.ones(1), margin_N=margin_N)
    assert float(DPO(1.0)(pairs)[0]) == pytest.approx(math.log(4 / 3))


def test_a_policy_that_is_its_reference_loses_log_2(side: MakeSide) -> None:
    pairs = Pairs(side([-3.0, -4.0], ref=[-3.0, -4.0]), side([-7.0, -2.0], ref=[-7.0, -2.0]), torch.ones(2))
    total, _, metrics = DPO()(pairs)
    assert float(total) == pytest.approx(2 * math.log(2))
    assert float(metrics["accuracy"][0]) == 1, "two halves"


def all_pairs(policy: TabularPolicy, prompt: int) -> tuple[Callable[[], tuple[Side, Side]], Tensor, Tensor]:
    """(sides of all ordered pairs of completions under the weights of now, their indices i, j)."""
    every = policy.every_completion(prompt)
    assert every.ref_logprobs_BT is not None
    ref_B, tokens_B = every.ref_logprobs_BT.sum(1), every.mask_BT.sum(1)
    i, j = torch.combinations(torch.arange(len(every))).unbind(1)

    def sides() -> tuple[Side, Side]:
        now_B = policy.evaluate(every).logprobs_BT.sum(1)
        return Side(now_B[i], tokens_B[i], ref_B[i]), Side(now_B[j], tokens_B[j], ref_B[j])

    return sides, i, j


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_bradley_terry_labels_lead_to_the_tilted_reference(beta: float) -> None:
    """argmin DPO under labels P(a > b) = sigmoid(r_a - r_b) is pi_ref exp(r / beta) / Z."""
    policy = TabularPolicy(prompts=2, vocabulary=3, limit_tokens=2, seed=1)
    scores = 0.5 * torch.from_numpy(generator(0, "scores").standard_normal((2, 7)))
    problems = [all_pairs(policy, prompt) for prompt in range(2)]
    optimiser = torch.optim.LBFGS([policy.logits], lr=1, max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        total, votes = torch.zeros((), dtype=torch.float64), 0.0
        for prompt, (sides, i, j) in enumerate(problems):
            target_N = torch.sigmoid(scores[prompt, i] - scores[prompt, j])
            loss_sum, count, _ = DPO(beta)(Pairs(*sides(), target_N))
            total, votes = total + loss_sum, votes + float(count)
        (total / votes).backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
        return total / votes

    for _ in range(5):
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    for prompt in range(2):
        every = policy.every_completion(prompt)
        assert every.ref_logprobs_BT is not None
        pi, ref = every.logprobs_BT.sum(1).exp().numpy(), every.ref_logprobs_BT.sum(1).exp().numpy()
        tilted = ref * np.exp(scores[prompt].numpy() / beta)
        tilted /= tilted.sum()
        assert np.abs(ref - tilted).sum() / 2 > 0.1
        assert np.abs(pi - tilted).sum() / 2 < 0.01
