import math

import numpy as np
import pytest
import torch

from heedful.learning.metrics import Totals, describe, explained_variance
from heedful.rollouts import Rollouts

NAN = float("nan")


def pair(value: float, count: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(value), torch.tensor(count)


def test_totals_divide_once_and_keep_maxima() -> None:
    totals = Totals()
    totals.add({"length": pair(6, 2), "ratio_max": pair(1.5, 2), "none": pair(0, 0)})
    totals.add({"length": pair(1, 3), "ratio_max": pair(1.2, 3), "entropy": pair(4, 8)})
    assert totals.means() == pytest.approx({"length": 7 / 5, "ratio_max": 1.5, "entropy": 0.5})
    assert totals.count("length") == 5


def test_explained_variance_under_the_mask() -> None:
    rng = np.random.default_rng(0)
    values, returns = rng.normal(size=(2, 3, 4))
    mask = rng.random((3, 4)) < 0.7
    junk = np.where(mask, returns, np.nan)
    found = explained_variance(torch.from_numpy(values), torch.from_numpy(junk), torch.from_numpy(mask))
    assert found == pytest.approx(1 - np.var((returns - values)[mask]) / np.var(returns[mask]))
    ones = torch.ones(2, 2)
    assert explained_variance(torch.zeros(2, 2), ones, ones.bool()) is None


def test_describe_by_hand() -> None:
    rollouts = Rollouts(
        inputs={},
        mask_BT=torch.tensor([[True, True, False], [True, False, False]]),
        group_B=torch.tensor([0, 0]),
        logprobs_BT=torch.tensor([[-1.0, -2.0, NAN], [-3.0, NAN, NAN]]),
        sampler_logprobs_BT=torch.tensor([[-1.5, -2.0, NAN], [-2.0, NAN, NAN]]),
        ref_logprobs_BT=torch.tensor([[-2.0, -1.5, NAN], [-3.0, NAN, NAN]]),
        values_BT=torch.tensor([[1.0, 2.0, NAN], [3.0, NAN, NAN]]),
        finished_B=torch.tensor([True, False]),
        completions=("so it is so it is", "one two"),
        scores_B=torch.tensor([4.0, 5.0]),
        gold_B=torch.tensor([1.0, -2.0]),
        rewards_BT=torch.tensor([[0.5, 1.0, NAN], [2.0, NAN, NAN]]),
        extras={"kl_coefficient_B": torch.tensor([0.25, 0.25])},
    )
    advantages_BT = torch.tensor([[1.0, 2.0, NAN], [6.0, NAN, NAN]])
    returns_BT = torch.tensor([[2.0, 2.0, NAN], [5.0, NAN, NAN]])
    k3 = (math.exp(-1) - 1 + 1) + (math.exp(0.5) - 1 - 0.5)
    assert describe(rollouts, advantages_BT, returns_BT) == pytest.approx(
        {
            "length": 1.5,
            "kl": (1.0 - 0.5) / 2,
            "kl_k3": k3 / 2,
            "sampler_gap": (0.5 + 0 + 1) / 3,
            "reference_nll": (1.75 + 3.0) / 2,
            "reference_nll_std": (3.0 - 1.75) / 2,
            "repetition": 0.25,  # of four trigrams "so it is" stands twice; two words have none, and do not count
            "score": 4.5,
            "score_std": 0.5,
            "gold": -0.5,
            "reward": 3.5 / 2,
            "finished_fraction": 0.5,
            "kl_coefficient": 0.25,
            "non_score_reward": -0.25 * (1.0 - 0.5) / 2,
            "return_mean": 3.0,
            "explained_variance": 1 - np.var([1, 0, 2]) / np.var([2, 2, 5]),
            "advantage_mean": 3.0,
            "advantage_std": np.std([1, 2, 6]),
        }
    )


def test_what_is_unknown_is_left_out() -> None:
    mask_BT = torch.ones(1, 2, dtype=torch.bool)
    bare = Rollouts({}, mask_BT, torch.zeros(1), torch.zeros(1, 2))
    found = describe(bare, torch.zeros(1, 2), torch.zeros(1, 2))
    assert set(found) == {"length", "return_mean", "advantage_mean", "advantage_std"}
