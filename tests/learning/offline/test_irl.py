"""IRL: its modes term by term, its reward against soft value iteration, and what it is good for on a small table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.learning.offline.irl import IRL, Mode, extracted_rewards
from heedful.learning.schedules import linear
from heedful.seeds import generator

LOGPROBS_BT = torch.tensor([[-1.0, -2.0, -0.5], [-3.0, -1.0, 0.0]], dtype=torch.float64)
VALUES_BT = torch.tensor([[2.0, 1.0, 4.0], [0.5, 3.0, 7.0]], dtype=torch.float64)
MASK_BT = torch.tensor([[True, True, True], [True, True, False]])
OWN_B = torch.tensor([False, True])
REWARDS = [[-1 + 2 - 0.5 * 1, -2 + 1 - 0.5 * 4, -0.5 + 4], [-3 + 0.5 - 0.5 * 3, -1 + 3]]
"""log pi + v - 0.5 v', and v' = 0 after the last token."""


def test_the_reward_by_hand_and_the_value_of_the_end_is_zero() -> None:
    found_BT = extracted_rewards(LOGPROBS_BT, VALUES_BT, MASK_BT, 0.5)
    assert found_BT[0].tolist() == pytest.approx(REWARDS[0])
    assert found_BT[1].tolist() == pytest.approx([*REWARDS[1], 0.0])


def test_without_discount_the_rewards_add_up_to_the_log_probability_and_the_first_value() -> None:
    found_B = extracted_rewards(LOGPROBS_BT, VALUES_BT, MASK_BT, 1.0).sum(1)
    assert found_B.tolist() == pytest.approx([-3.5 + 2.0, -4.0 + 0.5])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_modes_differ_in_the_source_of_the_data_and_the_second_term_only() -> None:
    """On the same tensors: one imitation term, one count, and four second terms, each by hand."""
    human, own = REWARDS
    expected: dict[Mode, float] = {
        "mle": 0.0,
        "offline": sum(r**2 for r in human),
        "online": 0.7 * sum(r**2 for r in human) + 0.3 * sum(r**2 for r in own),
        "adversarial": sum(softplus(-r) for r in human) + sum(softplus(r) for r in own),
    }
    samples: dict[Mode, bool] = {"mle": False, "offline": False, "online": True, "adversarial": True}
    for mode, term in expected.items():
        settings = IRL(mode=mode, td=0.2, gamma=0.5, own_share=0.3)
        total, count, metrics = settings.loss(LOGPROBS_BT, VALUES_BT, MASK_BT, OWN_B)
        assert float(metrics["imitation_loss"][0]) == 3.5, "of the human row alone"
        assert float(count) == 3
        assert float(total) == pytest.approx(3.5 + 0.2 * term), mode
        assert settings.samples is samples[mode]


def test_own_samples_with_share_0_are_offline() -> None:
    online, offline = IRL(mode="online", own_share=0.0), IRL(mode="offline")
    assert not online.samples
    found = [s.loss(LOGPROBS_BT, VALUES_BT, MASK_BT, OWN_B)[0] for s in (online, offline)]
    assert torch.equal(*found)


@pytest.mark.parametrize("mode", ["mle", "offline", "online", "adversarial"])
def test_lambda_0_is_plain_imitation_bit_for_bit(mode: Mode) -> None:
    logprobs_BT = torch.from_numpy(generator(0, "logprobs").standard_normal((4, 5))).float().requires_grad_()
    values_BT = torch.full((4, 5), math.nan)
    mask_BT, own_B = torch.ones(4, 5, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)
    settings = IRL(mode=mode, td=0.0)
    total, _, _ = settings.loss(logprobs_BT, values_BT, mask_BT, own_B)
    assert torch.equal(total, -logprobs_BT.sum())
    assert not settings.samples
    total.backward()  # type: ignore[no-untyped-call]
    assert logprobs_BT.grad is not None
    assert torch.equal(logprobs_BT.grad, -torch.ones(4, 5))


def test_the_second_term_sends_its_gradient_through_all_three_parts() -> None:
    parts = [LOGPROBS_BT.clone().requires_grad_(), VALUES_BT.clone().requires_grad_()]
    total, _, _ = IRL(td=1.0, gamma=0.5).loss(parts[0], parts[1], MASK_BT, torch.zeros(2, dtype=torch.bool))
    total.backward()  # type: ignore[no-untyped-call]
    r = REWARDS[0]
    assert parts[0].grad is not None
    assert parts[1].grad is not None
    assert parts[0].grad[0].tolist() == pytest.approx([2 * x - 1 for x in r])
    expected = [2 * r[0], 2 * r[1] - 0.5 * 2 * r[0], 2 * r[2] - 0.5 * 2 * r[1]]
    assert parts[1].grad[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("wrong", [{"td": -0.1}, {"own_share": -0.1}, {"own_share": 1.5}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Problem):
        IRL(**wrong)


def test_the_reward_of_a_soft_optimal_writer_is_the_true_one() -> None:
    """By soft value iteration on a tree: V = log sum exp Q, pi = exp(Q - V), and log pi + V - gamma V' = r."""
    tokens, depth, gamma = 3, 3, 0.9
    prefixes = sum(tokens**t for t in range(depth))
    truth = generator(1, "truth").standard_normal((prefixes, tokens))
    q, v = truth.copy(), np.zeros(prefixes)
    for prefix in reversed(range(prefixes)):
        for token in range(tokens):
            child = prefix * tokens + token + 1
            if child < prefixes:
                q[prefix, token] += gamma * v[child]
        v[prefix] = np.log(np.exp(q[prefix]).sum())
    walk = [2, 0, 1]
    before = [0, 3, 10]
    logprobs = [q[p, a] - v[p] for p, a in zip(before, walk, strict=True)]
    found_BT = extracted_rewards(
        torch.tensor([logprobs]), torch.from_numpy(v[before])[None], torch.ones(1, 3, dtype=torch.bool), gamma
    )
    assert found_BT[0].tolist() == pytest.approx([truth[p, a] for p, a in zip(before, walk, strict=True)])


# What it is good for: prompts that can be answered in few or many words for the same thing

PROMPTS, WORDINGS, QUALITIES = 8, 6, 5
GOLD = np.linspace(-2, 2, QUALITIES)


def answers(seed: int, each: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(prompt_N, tokens_N3): two tokens of wording, of which a prompt has 1 to 6 kinds, and one of quality.

    People choose the quality with probability in proportion to exp(gold), alike for every prompt.
    """
    rng = generator(seed, "answers")
    prompt_N = np.arange(PROMPTS).repeat(each)
    kinds_N = 1 + prompt_N % WORDINGS
    wording_N2 = (rng.random((len(prompt_N), 2)) * kinds_N[:, None]).astype(np.int64)
    chances = np.exp(GOLD) / np.exp(GOLD).sum()
    quality_N = rng.choice(QUALITIES, len(prompt_N), p=chances)
    return prompt_N, np.concatenate([wording_N2, quality_N[:, None]], 1)


class Table(nn.Module):
    """Logits, read as soft Q values, for each prompt and each of the three places; wording is forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(PROMPTS, 3, WORDINGS, dtype=torch.float64))

    def evaluate(self, prompt_N: Tensor, tokens_N3: Tensor) -> tuple[Tensor, Tensor]:
        """(logprobs, soft values), both (N, 3)."""
        logits_N3V = self.logits[prompt_N]
        values_N3 = logits_N3V.logsumexp(-1)
        return logits_N3V.gather(-1, tokens_N3[..., None])[..., 0] - values_N3, values_N3


def rank_correlations(seed: int, td: float) -> tuple[float, float]:
    """(of the extracted reward, of the log-probability) with the quality of held-out answers, after training."""
    settings = IRL(td=td)
    model, compute = Table(), LocalCompute()
    compute.prepare([(model.parameters(), 0.1)])
    prompt_N, tokens_N3 = map(torch.from_numpy, answers(seed, 100))
    mask_N3, own_N = torch.ones_like(tokens_N3, dtype=torch.bool), torch.zeros_like(prompt_N, dtype=torch.bool)
    for step in range(150):
        total, count, _ = settings.loss(*model.evaluate(prompt_N, tokens_N3), mask_N3, own_N)
        compute.backward(total)
        compute.step(float(count), learning_rate_scale=linear(step, 150))
    held_out = answers(seed + 100, 50)
    prompt_N, tokens_N3 = map(torch.from_numpy, held_out)
    with torch.no_grad():
        logprobs_N3, values_N3 = model.evaluate(prompt_N, tokens_N3)
        mask_N3 = torch.ones_like(tokens_N3, dtype=torch.bool)
        rewards_N = extracted_rewards(logprobs_N3, values_N3, mask_N3, settings.gamma).sum(1)
    gold_N = GOLD[held_out[1][:, 2]]
    return spearmanr(rewards_N, gold_N).statistic, spearmanr(logprobs_N3.sum(1), gold_N).statistic


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_reward_knows_quality_better_than_the_log_probability(seed: int) -> None:
    """A good answer to a prompt with many wordings is improbable: its log-probability says so, its reward does not.

    It is the temporal-difference term that tells them apart: maximum likelihood alone leaves the values as they were.
    """
    by_reward, by_logprob = rank_correlations(seed, 0.1)
    control, _ = rank_correlations(seed, 0.0)
    assert by_reward > by_logprob + 0.2
    assert by_reward > 0.55
    assert by_reward > control + 0.1
