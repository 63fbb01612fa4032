"""SPIN is DPO with demonstrations above own samples; where the two are alike, it stands still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.direct import DPO, SPIN
from heedful.learning.direct.pairs import Pairs, Side
from heedful.learning.tabular import TabularPolicy


def test_it_is_dpo_on_demonstration_and_own_sample(random_pairs: Callable[[int, int], Pairs]) -> None:
    pairs = replace(random_pairs(8, 0), target_N=torch.ones(8).double())
    for ours, theirs in zip(SPIN(0.3)(pairs)[:2], DPO(0.3)(pairs)[:2], strict=True):
        assert float(ours) == float(theirs)
    assert torch.equal(SPIN(0.3).rewards(pairs.a), DPO(0.3).rewards(pairs.a))


def test_the_sample_is_never_the_preferred_one(random_pairs: Callable[[int, int], Pairs]) -> None:
    with pytest.raises(Problem, match="demonstration"):
        SPIN()(random_pairs(8, 0))


def test_a_round_of_self_play_takes_the_log_ratio_to_people_times_one_over_beta() -> None:
    """Population minimum: pi = pi_before (people / pi_before)^(1 / beta) / Z; at beta 2 rounds end at the people's."""
    policy = TabularPolicy(prompts=1, vocabulary=3, limit_tokens=1, seed=0)
    people = torch.tensor([0.1, 0.7, 0.2], dtype=torch.float64)
    every = policy.every_completion(0)

    def distribution() -> Tensor:
        return policy.evaluate(every).logprobs_BT.sum(1)

    i, j = torch.cartesian_prod(torch.arange(3), torch.arange(3)).unbind(1)
    distances = []
    for _ in range(6):
        ref_B = distribution().detach()
        distances.append(float((ref_B.exp() - people).abs().sum() / 2))
        chance_N = people[i] * ref_B.exp()[j]  # of this demonstration beside this sample
        optimiser = torch.optim.LBFGS([policy.logits], max_iter=100, line_search_fn="strong_wolfe")

        def closure(ref_B: Tensor = ref_B, chance_N: Tensor = chance_N) -> Tensor:
            now_B, one_N = distribution(), torch.ones(9)
            pairs = Pairs(Side(now_B[i], one_N, ref_B[i]), Side(now_B[j], one_N, ref_B[j]), one_N, chance_N)
            total, count, _ = SPIN(2.0)(pairs)
            policy.zero_grad()
            (total / count).backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
            return total / count

        optimiser.step(closure)  # type: ignore[no-untyped-call]  # nor here
        wanted = (ref_B.exp() * people).sqrt()
        torch.testing.assert_close(distribution().exp().detach(), wanted / wanted.sum(), atol=1e-3, rtol=0)
    assert distances[0] > 0.3
    assert distances[-1] < 0.03
