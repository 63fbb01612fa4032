from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from heedful.errors import Problem
from heedful.learning.exploration import Exploring, optimism, thompson
from heedful.rollouts import Rollouts
from heedful.seeds import generator, seed_of

SCORES_BE = torch.tensor([[1.0, 3.0], [2.0, 2.0], [0.0, 4.0]])
ROLLOUTS = Rollouts({}, torch.ones(3, 1, dtype=torch.bool), torch.tensor([7, 7, 4]), torch.zeros(3, 1))


def test_thompson_believes_one_member_a_group_each_as_often() -> None:
    drawn = torch.stack([thompson(SCORES_BE, ROLLOUTS.group_B, seed=seed) for seed in range(400)])
    of_first_group = drawn[:, :2]
    assert {tuple(row) for row in of_first_group.tolist()} == {(1, 2), (3, 2)}
    assert abs(int((drawn[:, 0] == 1).sum()) - 200) < 40
    assert abs(int(((drawn[:, 0] == 1) == (drawn[:, 2] == 0)).sum()) - 200) < 40  # another lot for another group
    assert torch.equal(thompson(SCORES_BE, ROLLOUTS.group_B, seed=5), drawn[5])


def test_optimism_adds_deviations() -> None:
    assert optimism(SCORES_BE, 0.5).tolist() == [2.5, 2, 3]
    assert optimism(SCORES_BE, -1.0).tolist() == [1, 2, 0]


def test_as_a_reward_it_draws_anew_each_time_and_goes_on_after_a_resume() -> None:
    def run(calls: int, exploring: Exploring) -> list[float]:
        found: list[float] = []
        for _ in range(calls):
            scores_B = exploring(ROLLOUTS).scores_B
            assert scores_B is not None
            found += scores_B.tolist()
        return found

    whole, broken, resumed = (Exploring(lambda _: SCORES_BE, seed=3) for _ in range(3))
    wanted = run(8, whole)
    first = run(3, broken)
    resumed.load_state_dict(broken.state_dict())
    assert first + run(5, resumed) == wanted
    assert len(set(wanted[::3])) > 1
    optimistic = Exploring(lambda _: SCORES_BE, "optimism", bonus=1.0)(ROLLOUTS)
    assert optimistic.scores_B is not None
    assert optimistic.scores_B.tolist() == [3, 2, 4]
    assert optimistic.extras["doubt_B"].tolist() == [1, 0, 2]


def test_one_member_cannot_doubt() -> None:
    with pytest.raises(Problem, match="two members"):
        Exploring(lambda _: torch.ones(3, 1))(ROLLOUTS)


ARMS, OPTIMUM, MEMBERS = 10, 9, 12
Kind = Literal["greedy", "thompson", "optimism"]
KINDS: tuple[Kind, ...] = ("greedy", "thompson", "optimism")


def finds_the_optimum(kind: Kind, seed: int) -> bool:
    """A deceptive bandit: five of ten answers are liked well enough (.5), one is liked best (1), the rest are not.

    Each member of the ensemble begins with a prior of its own and learns from its own resampling of the feedback
    (exponential weights); whether the mean favours the best answer in the end.
    """
    random = generator(seed, "bandit")
    liked_A = np.array([0.5] * 5 + [0.0] * 4 + [1.0])
    sums_EA, weights_EA = random.standard_normal((MEMBERS, ARMS)), np.ones((MEMBERS, ARMS))
    for turn in range(150):
        scores_AE = torch.from_numpy((sums_EA / weights_EA).T.copy())
        if kind == "thompson":
            scores_A = thompson(scores_AE, torch.zeros(ARMS), seed=seed_of(seed, turn))
        else:
            scores_A = optimism(scores_AE, 1.0 if kind == "optimism" else 0.0)
        arm = int(scores_A.argmax())
        heard = liked_A[arm] + 0.1 * random.standard_normal()
        own_E = random.exponential(size=MEMBERS)
        sums_EA[:, arm] += own_E * heard
        weights_EA[:, arm] += own_E
    return int((sums_EA / weights_EA).mean(0).argmax()) == OPTIMUM


def test_a_deceptive_bandit_is_solved_by_doubt_and_not_by_greed() -> None:
    """Over 200 seeds greed finds the best answer in 18 %, Thompson in 99 %, optimism in 92 %."""
    share = {kind: np.mean([finds_the_optimum(kind, seed) for seed in range(20)]) for kind in KINDS}
    assert share["greedy"] <= 0.3
    assert share["thompson"] >= 0.8
    assert share["optimism"] >= 0.8
