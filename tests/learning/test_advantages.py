import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.advantages import (
    by_critic,
    by_group,
    centre_in_group,
    gae,
    leave_one_out,
    look_ahead,
    over_tokens,
    reward_to_go,
    standardise_in_group,
    whiten,
)
from heedful.rollouts import Rollouts

NAN = float("nan")


def quadratic_gae(rewards: list[float], values: list[float], gamma: float, lam: float, last: float) -> list[float]:
    """Equation 16 of Schulman et al. 2016 as a double sum over one episode without padding."""
    following = [*values, last][1:]
    deltas = [r + gamma * after - v for r, v, after in zip(rewards, values, following, strict=True)]
    steps = len(rewards)
    return [sum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, steps)) for t in range(steps)]


def episode(seed: int, batch: int, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    rewards_BT, values_BT = (torch.from_numpy(rng.normal(size=(batch, steps))) for _ in range(2))
    mask_BT = torch.from_numpy(rng.random((batch, steps)) < 0.6)
    return rewards_BT, values_BT, mask_BT


def test_gae_by_hand() -> None:
    # delta = (0 + .9*.4 - .5, 0 + .9*.3 - .4, 1 - .3) = (-.14, -.13, .7); gamma * lambda = .72
    rewards_BT = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    values_BT = torch.tensor([[0.5, 0.4, 0.3]], dtype=torch.float64)
    advantages_BT, returns_BT = gae(rewards_BT, values_BT, torch.ones(1, 3, dtype=torch.bool), 0.9, 0.8)
    assert advantages_BT[0].tolist() == pytest.approx([0.12928, 0.374, 0.7])
    assert returns_BT[0].tolist() == pytest.approx([0.62928, 0.774, 1.0])


@given(st.integers(0, 10**6), st.integers(1, 9), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=60)
def test_gae_equals_the_double_sum_wherever_the_padding_stands(seed: int, steps: int, gamma: float, lam: float) -> None:
    rewards_BT, values_BT, mask_BT = episode(seed, 3, steps)
    last_B = torch.tensor([0.7, -1.0, 0.0], dtype=torch.float64)
    advantages_BT, returns_BT = gae(
        rewards_BT.masked_fill(~mask_BT, NAN),
        values_BT.masked_fill(~mask_BT, NAN),
        mask_BT,
        gamma,
        lam,
        last_values_B=last_B,
    )
    for row in range(3):
        real = mask_BT[row]
        rewards, values = rewards_BT[row][real].tolist(), values_BT[row][real].tolist()
        expected = quadratic_gae(rewards, values, gamma, lam, float(last_B[row]))
        assert advantages_BT[row][real].tolist() == pytest.approx(expected, abs=1e-12)
        assert returns_BT[row][real].tolist() == pytest.approx(np.add(expected, values).tolist(), abs=1e-12)
        assert not advantages_BT[row][~real].any()
        assert not returns_BT[row][~real].any()


def test_right_padding_changes_nothing() -> None:
    rewards_BT, values_BT, _ = episode(3, 4, 5)
    short_BT = torch.ones(4, 5, dtype=torch.bool)
    junk_BT = torch.full((4, 3), 1e9, dtype=torch.float64)
    alone = gae(rewards_BT, values_BT, short_BT)
    padded = gae(
        torch.cat([rewards_BT, junk_BT], 1),
        torch.cat([values_BT, junk_BT], 1),
        torch.cat([short_BT, torch.zeros(4, 3, dtype=torch.bool)], 1),
    )
    for plain_BT, wide_BT in zip(alone, padded, strict=True):
        assert torch.equal(plain_BT, wide_BT[:, :5])
        assert not wide_BT[:, 5:].any()


def test_reward_to_go_by_hand() -> None:
    rewards_BT = torch.tensor([[1.0, 2.0, 4.0, NAN]], dtype=torch.float64)
    mask_BT = torch.tensor([[True, True, True, False]])
    assert reward_to_go(rewards_BT, mask_BT).tolist() == [[7.0, 6.0, 4.0, 0.0]]
    assert reward_to_go(rewards_BT, mask_BT, gamma=0.5).tolist() == [[3.0, 4.0, 4.0, 0.0]]


@pytest.mark.parametrize("centre", [True, False])
def test_whiten_is_exact_under_the_mask(centre: bool) -> None:
    x_BT, _, mask_BT = episode(1, 6, 7)
    white_BT = whiten(x_BT.masked_fill(~mask_BT, NAN), mask_BT, centre=centre)
    real = x_BT[mask_BT].numpy()
    expected = (real - real.mean()) / np.sqrt(real.var() + 1e-8) + (0 if centre else real.mean())
    assert white_BT[mask_BT].tolist() == pytest.approx(expected.tolist(), abs=1e-12)
    assert not white_BT[~mask_BT].any()


def test_whiten_of_equal_values_is_zero() -> None:
    assert not whiten(torch.full((2, 3), 5.0), torch.ones(2, 3, dtype=torch.bool)).any()


def test_leave_one_out_by_brute_force_in_any_order() -> None:
    scores = [1.0, 5.0, 2.0, 4.0, 9.0, -1.0, 0.5]
    groups = [70, 3, 70, 3, 70, 3, 3]
    expected = []
    for i, score in enumerate(scores):
        others = [s for j, (s, g) in enumerate(zip(scores, groups, strict=True)) if g == groups[i] and j != i]
        expected.append(score - sum(others) / len(others))
    advantages_B = leave_one_out(torch.tensor(scores, dtype=torch.float64), torch.tensor(groups))
    assert advantages_B.tolist() == pytest.approx(expected)


def test_leave_one_out_identities() -> None:
    scores_B = torch.from_numpy(np.random.default_rng(0).normal(size=20))
    group_B = torch.arange(5).repeat_interleave(4)
    advantages_PG = leave_one_out(scores_B, group_B).view(5, 4)
    assert advantages_PG.sum(1).tolist() == pytest.approx([0] * 5, abs=1e-12)
    centred_PG = scores_B.view(5, 4) - scores_B.view(5, 4).mean(1, keepdim=True)
    torch.testing.assert_close(advantages_PG, centred_PG * 4 / 3)
    torch.testing.assert_close(centre_in_group(scores_B, group_B).view(5, 4), centred_PG)


def test_leave_one_out_refuses_a_lonely_completion() -> None:
    with pytest.raises(Problem, match="two completions"):
        leave_one_out(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 0, 1]))


def test_standardised_groups_have_deviation_one_and_the_direction_of_leave_one_out() -> None:
    scores_B = torch.from_numpy(np.random.default_rng(0).normal(3, 7, size=20))
    group_B = torch.arange(5).repeat(4)
    standard_B = standardise_in_group(scores_B, group_B)
    for group in range(5):
        inside = scores_B[group_B == group].numpy()
        found = standard_B[group_B == group]
        assert float(found.std(correction=0)) == pytest.approx(1, abs=1e-12)
        expected = leave_one_out(torch.from_numpy(inside), torch.zeros(4)) * 3 / 4 / inside.std()
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_group_of_equal_scores_gets_zero(dtype: torch.dtype) -> None:
    rounding = 1 + 4 * torch.finfo(dtype).eps
    scores_B = torch.tensor([0.1, 0.1, 0.1, 7.0, 7.0 * rounding, 7.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0], dtype=dtype)
    standard_B = standardise_in_group(scores_B, torch.arange(4).repeat_interleave(3))
    assert standard_B[:9].tolist() == [0.0] * 9
    assert standard_B[9:].tolist() == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)])


def test_over_tokens() -> None:
    mask_BT = torch.tensor([[True, True, False], [True, False, False]])
    assert over_tokens(torch.tensor([2.0, 3.0]), mask_BT).tolist() == [[2, 2, 0], [3, 0, 0]]


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 10))
@settings(deadline=None, max_examples=60)
def test_looking_ahead_equals_the_n_step_return_wherever_the_padding_stands(seed: int, steps: int, ahead: int) -> None:
    rewards_BT, values_BT, mask_BT = episode(seed, 3, steps)
    last_B, gamma = torch.tensor([0.7, -1.0, 0.0], dtype=torch.float64), 0.9
    whole_BT, _ = gae(rewards_BT, values_BT, mask_BT, gamma, 1.0, last_values_B=last_B)
    near_BT = look_ahead(whole_BT.masked_fill(~mask_BT, NAN), mask_BT, ahead, gamma)
    for row in range(3):
        real = mask_BT[row]
        rewards, values = rewards_BT[row][real].tolist(), [*values_BT[row][real].tolist(), float(last_B[row])]
        expected = []
        for t in range(len(rewards)):
            end = min(t + ahead, len(rewards))
            total = sum(gamma ** (k - t) * rewards[k] for k in range(t, end))
            expected.append(total + gamma ** (end - t) * values[end] - values[t])
        assert near_BT[row][real].tolist() == pytest.approx(expected, abs=1e-12)
        assert not near_BT[row][~real].any()


def test_credit_by_group_sums_rewards_and_adds_the_bonus() -> None:
    rollouts = Rollouts(
        {},
        torch.tensor([[True, True], [True, False]]),
        torch.tensor([0, 0]),
        torch.zeros(2, 2),
        rewards_BT=torch.tensor([[1.0, 2.0], [5.0, NAN]]),
    )
    advantages_BT, returns_BT = by_group(rollouts, "A", centre_in_group, bonus_B=torch.tensor([4, 0]))
    assert advantages_BT.tolist() == [[1, 1], [-1, 0]]
    assert returns_BT.tolist() == [[7, 7], [5, 0]]
    with pytest.raises(Problem, match="A needs rewards"):
        by_group(rollouts.with_(rewards_BT=None), "A", centre_in_group)
    with pytest.raises(Problem, match="B needs the critic's values"):
        by_critic(rollouts, "B", gamma=1.0, lam=1.0)
