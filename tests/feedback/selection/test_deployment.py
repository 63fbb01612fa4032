from __future__ import annotations

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback.selection import active_queue
from heedful.feedback.selection.deployment import distances_in_turn, k_centre, nearest


def ridge(x_NF: np.ndarray, y_N: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.solve(x_NF.T @ x_NF + np.eye(x_NF.shape[1]), x_NF.T @ y_N))


def rare_slice(seed: int, size: int = 3000, dimensions: int = 6, rate: float = 0.03) -> tuple[float, float, float]:
    """Logs of which 3 of 100 are of a kind that the reward models never saw, and whose rewards go another way.

    Returns:
        The share of that kind in the queue over its share in the logs, and the squared error on it after 100 further
        labels from the queue and from a random queue.
    """
    random = np.random.default_rng(seed)
    x_ND, rare = random.normal(size=(size, dimensions)), random.random(size) < rate
    centre_D = random.normal(size=dimensions)
    centre_D *= 4.0 / np.linalg.norm(centre_D)
    x_ND[rare] = centre_D + 0.7 * random.normal(size=(int(rare.sum()), dimensions))
    truth_D = random.normal(size=dimensions)
    other_D = random.normal(size=dimensions) - truth_D
    y_N = np.where(rare, (x_ND - centre_D) @ other_D + 2, x_ND @ truth_D) + 0.3 * random.normal(size=size)
    known = random.permutation(np.flatnonzero(~rare))[:200]
    logs = np.setdiff1d(np.arange(size), known)
    waves, shifts = random.normal(size=(dimensions, 120)) / 2, random.uniform(0, 2 * np.pi, 120)
    x_NF = np.hstack([4 * np.cos(x_ND @ waves + shifts) / np.sqrt(60), np.ones((size, 1))])
    draws = [random.choice(known, len(known)) for _ in range(8)]
    scores = np.array([x_NF[logs] @ ridge(x_NF[draw], y_N[draw]) for draw in draws])
    queue = active_queue(x_ND[logs], scores, 100, labelled=x_ND[known], seed=seed)
    queued = logs[[each.position for each in queue]]

    def error(labels: np.ndarray) -> float:
        learned = np.concatenate([known, labels])
        aside = np.setdiff1d(np.flatnonzero(rare), labels)
        return float(np.mean((x_NF[aside] @ ridge(x_NF[learned], y_N[learned]) - y_N[aside]) ** 2))

    return float(rare[queued].mean() / rare[logs].mean()), error(queued), error(random.permutation(logs)[:100])


def test_a_rare_slice_is_found_and_learned() -> None:
    found = np.array([rare_slice(seed) for seed in range(20)])
    assert found[:, 0].mean() >= 3.0
    assert (found[:, 1] < found[:, 2]).sum() >= 15


def test_the_queue_says_how_each_came_into_it() -> None:
    random = np.random.default_rng(0)
    features, scores = random.normal(size=(200, 3)), random.normal(size=(5, 200))
    queue = active_queue(features, scores, 20, seed=4)
    assert len({each.position for each in queue}) == 20
    assert sum(each.selection == "random" for each in queue) == 4
    assert {each.selection for each in queue} == {"random", "active_queue"}
    for each in queue:
        assert each.doubt == pytest.approx(scores[:, each.position].std())
        assert 0 < each.propensity <= 1
    assert queue == active_queue(features, scores, 20, seed=4)
    assert queue != active_queue(features, scores, 20, seed=5)


def test_propensities_are_frequencies_over_seeds() -> None:
    random, draws = np.random.default_rng(0), 1000
    features, scores = random.normal(size=(30, 2)), random.normal(size=(3, 30))
    counts, stated = np.zeros(30), np.zeros(30)
    for seed in range(draws):
        for each in active_queue(features, scores, 8, random_share=0.5, seed=seed):
            counts[each.position] += 1
            stated[each.position] = each.propensity
    error = np.sqrt(stated * (1 - stated) / draws)
    assert (np.abs(counts / draws - stated) <= 4.5 * error + 1e-12).all()


def test_one_model_doubts_near_zero_and_small_logs_are_queued_whole() -> None:
    queue = active_queue(np.eye(3), [0.5, -2.0, 0.0], 10, random_share=0.0)
    assert {each.position: each.doubt for each in queue} == {0: -0.5, 1: -2.0, 2: 0.0}
    assert active_queue(np.zeros((0, 2)), np.zeros((1, 0)), 5) == []
    with pytest.raises(Problem):
        active_queue(np.eye(3), [0.0, 0.0, 0.0], -1)
    with pytest.raises(Problem):
        active_queue(np.eye(2), [0.0, 0.0, 0.0], 1)


def test_k_centre_covers() -> None:
    points = np.array([[0.0], [1.0], [10.0], [11.0], [5.0]])
    assert k_centre(points, 3, np.zeros((0, 1)))[0] == [4, 3, 0]  # nearest the mean, then the farthest each time
    chosen, reach = k_centre(points, 2, np.array([[0.0]]))
    assert (chosen, reach) == ([3, 4], [11.0, 5.0])
    assert k_centre(points, 99, np.zeros((0, 1)))[0] == [4, 3, 0, 1, 2]


def test_distances() -> None:
    points = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 3.0]])
    assert np.isinf(nearest(points, np.zeros((0, 2)))).all()
    assert nearest(points, np.array([[0.0, 0.0]]))[1] == 5.0
    assert distances_in_turn(points, np.zeros((0, 2))).tolist() == [0.0, 5.0, 1.0]
