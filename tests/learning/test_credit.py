"""A score is spread, never changed; and what that does to the speed of learning."""

from __future__ import annotations

from typing import Literal

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.learning.algorithms import PPO
from heedful.learning.credit import even_shares, spread, step_shares
from heedful.learning.kl import at_last_token
from heedful.rollouts import Evaluation, Rollouts
from heedful.seeds import generator

MASK_BT = torch.tensor([[True, True, True, True], [True, True, False, False]])
NAN = float("nan")
Kind = Literal["abc", "terminal", "uniform"]
KINDS: tuple[Kind, ...] = ("abc", "terminal", "uniform")


def test_half_by_shares_half_at_the_end() -> None:
    shares_BT = torch.tensor([[1.0, 0, 2, 1], [3, 1, NAN, 7]])
    token_scores_BT = spread(torch.tensor([8.0, -2]), shares_BT, MASK_BT, 0.5)
    # Half of 8 as 1:0:2:1, half of -2 as 3:1; the other halves at the last tokens.
    assert token_scores_BT.tolist() == [[1, 0, 2, 5], [-0.75, -1.25, 0, 0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    beta=st.floats(0, 1),
    seed=st.integers(0, 10**6),
    score=st.floats(-20, 20, width=32),
)
def test_the_sum_is_the_score_whatever_beta(dtype: torch.dtype, beta: float, seed: int, score: float) -> None:
    random = generator(seed, "shares")
    mask_BT = torch.from_numpy(random.random((3, 40)) < 0.7)
    mask_BT[:, 0] = True
    shares_BT = torch.from_numpy(random.random((3, 40)) ** 4)
    scores_B = torch.tensor([score, -score, 1.0], dtype=dtype)
    total_B = spread(scores_B, shares_BT, mask_BT, beta).double().sum(1)
    assert bool(((total_B - scores_B).abs() <= 1e-6 * scores_B.abs().clamp(min=1)).all())


def test_beta_zero_is_the_reward_at_the_last_token_to_the_bit() -> None:
    scores_B = torch.tensor([0.1, -0.3])
    token_scores_BT = spread(scores_B, torch.rand(2, 4, generator=torch.Generator().manual_seed(0)), MASK_BT, 0.0)
    at_end_BT = at_last_token(scores_B, MASK_BT)
    assert token_scores_BT.numpy().tobytes() == at_end_BT.numpy().tobytes()


def test_a_model_that_looked_elsewhere_pays_at_the_end() -> None:
    token_scores_BT = spread(torch.tensor([2.0, 3]), torch.tensor([[0.0, 0, 0, 0], [0, 0, 5, 5]]), MASK_BT, 0.7)
    torch.testing.assert_close(token_scores_BT, torch.tensor([[0.0, 0, 0, 2], [0, 3, 0, 0]]))


def test_even_shares_and_shares_of_steps() -> None:
    assert even_shares(MASK_BT).tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    ends_BT = torch.tensor([[False, True, False, False], [False, False, True, False]])
    assert step_shares(ends_BT, MASK_BT).tolist() == [[0, 1, 0, 1], [0, 1, 0, 0]]


@pytest.mark.parametrize(("share", "said"), [(-1.0, "-1"), (NAN, "nan"), (float("inf"), "inf")])
def test_shares_that_are_none_are_refused(share: float, said: str) -> None:
    shares_BT = torch.tensor([[1.0, 1, 1, 1], [1, share, 1, 1]])
    with pytest.raises(Problem, match=f"row 1 of the batch, token 1: a share of the credit is {said}"):
        spread(torch.ones(2), shares_BT, MASK_BT)


@pytest.mark.parametrize("beta", [-0.1, 1.1, NAN])
def test_beta_lies_between_nothing_and_everything(beta: float) -> None:
    with pytest.raises(Problem, match="beta"):
        spread(torch.ones(2), torch.ones(2, 4), MASK_BT, beta)


class Places(torch.nn.Module):
    """A policy with logits and a value of its own for each of T places, whatever stands before."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.zeros(steps, 4))
        self.values = torch.nn.Parameter(torch.zeros(steps))

    def evaluate(self, rollouts: Rollouts) -> Evaluation:
        logprobs_TV, tokens_BT = self.logits.log_softmax(-1), rollouts.inputs["tokens_BT"]
        logprobs_BT = logprobs_TV.expand(len(tokens_BT), -1, -1).gather(-1, tokens_BT[..., None])[..., 0]
        return Evaluation(logprobs_BT, torch.zeros_like(logprobs_BT), self.values.expand_as(logprobs_BT))


def updates_to_80_percent(kind: Kind, *, steps: int, seed: int) -> int:
    """How many updates until 80 % of the tokens are right, where the score is the share of right ones.

    The attention of the toy reward model sees what is right, through noise.
    """
    right_T = torch.from_numpy(generator(seed, "right").integers(0, 4, steps))
    mask_BT = torch.ones(16, steps, dtype=torch.bool)
    policy, compute = Places(steps), LocalCompute()
    compute.prepare([(policy.parameters(), 0.1)])
    algorithm = PPO(epochs=1, value_clip=0)
    for update in range(300):
        p_TV = policy.logits.detach().softmax(-1)
        if float(p_TV[torch.arange(steps), right_T].mean()) >= 0.8:
            return update
        random = generator(seed, "update", update)
        uniform_BT1 = torch.from_numpy(random.random((16, steps, 1))).float()
        tokens_BT = (uniform_BT1 > p_TV.cumsum(-1)[:, :-1]).sum(-1)
        hit_BT = (tokens_BT == right_T).float()
        noise_BT = torch.from_numpy(random.standard_normal((16, steps))).float()
        shares_BT: Tensor = even_shares(mask_BT) if kind == "uniform" else (2 * hit_BT + noise_BT / 2).softmax(-1)
        beta = {"terminal": 0.0, "uniform": 1.0, "abc": 0.5}[kind]
        bare = Rollouts({"tokens_BT": tokens_BT}, mask_BT, torch.arange(16), torch.zeros(0))
        now = policy.evaluate(bare)
        rollouts = bare.with_(
            logprobs_BT=now.logprobs_BT.detach(),
            values_BT=now.values_BT.detach() if now.values_BT is not None else None,
            rewards_BT=spread(hit_BT.mean(1), shares_BT, mask_BT, beta),
        )
        advantages_BT, returns_BT = algorithm.credit(rollouts)
        algorithm.update(policy, compute, rollouts, advantages_BT, returns_BT, seed=update)
    return 300


def test_credit_by_attention_learns_at_least_as_fast() -> None:
    """With a critic and GAE. Over 4 seeds: 27 updates by attention, 33 at the end, 53 evenly (at 64 tokens 86, 255
    and 163: on long texts even credit overtakes the end, as the paper found)."""
    abc, terminal, uniform = (
        np.mean([updates_to_80_percent(kind, steps=24, seed=seed) for seed in range(2)]) for kind in KINDS
    )
    assert abc <= 1.1 * terminal
    assert abc < uniform
