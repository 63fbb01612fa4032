from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback import selection
from heedful.feedback.selection import choose, select
from heedful.feedback.selection.curves import fit_pairs


def test_random_chooses_each_item_with_its_propensity() -> None:
    pool, budget, draws = "abcde", 2, 4000
    counts: Counter[str] = Counter()
    pairs: Counter[frozenset[str]] = Counter()
    for seed in range(draws):
        chosen = select(pool, budget, seed=seed)
        assert [propensity for _, propensity in chosen] == [0.4, 0.4]
        assert len({item for item, _ in chosen}) == 2
        counts.update(item for item, _ in chosen)
        pairs[frozenset(item for item, _ in chosen)] += 1
    # Inclusion 2/5 each (standard deviation 31 of 1600), and every pair alike: chi-squared, 9 degrees of freedom,
    # exceeds 27.9 once in a thousand.
    assert all(abs(count - 1600) < 4 * 31 for count in counts.values())
    assert len(pairs) == 10
    assert sum((count - 400) ** 2 / 400 for count in pairs.values()) < 27.9


def test_inverse_propensity_weights_give_the_pools_total() -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0]
    estimates = [sum(value / propensity for value, propensity in select(values, 2, seed=seed)) for seed in range(3000)]
    error = np.std(estimates) / len(estimates) ** 0.5
    assert abs(np.mean(estimates) - sum(values)) < 4 * error


def test_the_same_seed_chooses_the_same() -> None:
    pool = list(range(100))
    assert select(pool, 10, seed=3) == select(pool, 10, seed=3)
    assert select(pool, 10, seed=3) != select(pool, 10, seed=4)


@pytest.mark.parametrize("budget", [3, 4, 100])
def test_a_budget_for_all_takes_all_with_certainty(budget: int) -> None:
    assert select("abc", budget) == [("a", 1.0), ("b", 1.0), ("c", 1.0)]


def test_nothing_can_be_chosen_of_nothing() -> None:
    assert select([], 5) == []
    assert select("abc", 0) == []


def test_bad_settings_are_one_problem() -> None:
    with pytest.raises(Problem, match=r"no selection policy 'best'\n.*use one of random"):
        select("abc", 1, policy="best")
    with pytest.raises(Problem, match="cannot be negative"):
        select("abc", -1)


def test_another_policy_is_one_more_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        selection.POLICIES, "first", lambda known, budget: np.array([float(i < budget) for i in range(known.size)])
    )
    assert {item for item, _ in select("abcdef", 2, policy="first", random_share=0.0)} == {"a", "b"}


@pytest.mark.parametrize("policy", ["margin", "disagreement", "thompson", "d_optimal"])
def test_a_policy_without_what_it_goes_by_says_so(policy: str) -> None:
    with pytest.raises(Problem, match=f"the selection policy {policy} needs"):
        choose("abcdef", 2, policy)


@pytest.mark.parametrize("policy", list(selection.POLICIES))
def test_a_fifth_is_chosen_at_random_and_marked(policy: str) -> None:
    random = np.random.default_rng(0)
    scores, features = random.normal(size=(4, 100)), random.normal(size=(100, 3))
    chosen = choose(range(100), 20, policy, 1, scores=scores, features=features)
    marks = Counter(choice.selection for choice in chosen)
    assert marks == ({"random": 20} if policy == "random" else {"random": 4, policy: 16})
    assert len({choice.item for choice in chosen}) == 20
    assert choose(range(100), 20, policy, 1, scores=scores, features=features) == chosen
    everything = choose(range(100), 100, policy, 1, scores=scores, features=features)
    assert [choice.item for choice in everything] == list(range(100))
    assert {choice.propensity for choice in everything} == {1.0}
    assert Counter(choice.selection for choice in everything)["random"] == (100 if policy == "random" else 20)


def test_the_random_share_can_be_set() -> None:
    scores = np.arange(50.0)
    for share, count in ((0.0, 0), (0.5, 5), (1.0, 10)):
        chosen = choose(range(50), 10, "margin", scores=scores, random_share=share)
        assert sum(choice.selection == "random" for choice in chosen) == count
    with pytest.raises(Problem, match="random share"):
        choose(range(50), 10, "margin", scores=scores, random_share=1.2)


@pytest.mark.parametrize("policy", ["margin", "disagreement", "thompson", "d_optimal"])
def test_propensities_are_the_frequencies_over_seeds_and_recover_the_pools_mean(policy: str) -> None:
    random = np.random.default_rng(3)
    size, budget, draws = 24, 10, 2000
    features = random.normal(size=(size, 3)) * [2.0, 1.0, 0.3]
    scores = random.normal(size=(5, 3)) @ features.T
    values = scores.mean(axis=0) ** 2 + 1.0  # what the policies look at and what is measured hang together
    counts, stored, estimates, control = np.zeros(size), np.zeros(size), [], np.zeros(size)
    for seed in range(draws):
        chosen = choose(range(size), budget, policy, seed, scores=scores, features=features, random_share=0.3)
        assert len(chosen) == budget
        for choice in chosen:
            counts[choice.item] += 1
            stored[choice.item] = choice.propensity
            control[choice.item] += choice.selection == "random"
        estimates.append(sum(values[choice.item] / choice.propensity for choice in chosen) / size)
    error = np.sqrt(stored * (1 - stored) / draws)
    assert (np.abs(counts / draws - stored) <= 4.5 * error + 1e-12).all()
    assert stored.sum() == pytest.approx(budget)
    assert abs(np.mean(estimates) - values.mean()) < 4 * np.std(estimates) / draws**0.5
    share = 3 / size  # the control share is a simple random sample of the whole pool
    assert (np.abs(control / draws - share) < 4.5 * np.sqrt(share * (1 - share) / draws)).all()


def accuracy_after(seed: int, policy: str, size: int = 900, dimensions: int = 8) -> float:
    """Accuracy, in every direction alike, of a linear Bradley-Terry model after 40 random labels and 100 chosen ones.

    The pool is anisotropic: 94 of 100 pairs differ in two directions, the rest in the other six.
    """
    random = np.random.default_rng(seed)
    wide = np.array([2.0] * 2 + [0.25] * (dimensions - 2))
    rare = random.random(size) < 0.06
    other = np.array([0.25] * 2 + [2.0] * (dimensions - 2))
    x_ND = random.normal(size=(size, dimensions)) * np.where(rare[:, None], other, wide)
    truth_D = random.normal(size=dimensions)
    truth_D *= 2 / np.linalg.norm(truth_D)
    y_N = (random.random(size) < 1 / (1 + np.exp(-x_ND @ truth_D))).astype(float)
    known = random.permutation(size)[:40]
    rest = np.setdiff1d(np.arange(size), known)
    mean_D = fit_pairs(x_ND[known], y_N[known], 0.5)
    spread_DD = np.linalg.inv(0.15 * x_ND[known].T @ x_ND[known] + 0.5 * np.eye(dimensions))
    ensemble_ED = mean_D + random.normal(size=(10, dimensions)) @ np.linalg.cholesky(spread_DD).T
    chosen = choose(rest.tolist(), 100, policy, seed, scores=ensemble_ED @ x_ND[rest].T, features=x_ND[rest])
    learned = [*known.tolist(), *(choice.item for choice in chosen)]
    w_D = fit_pairs(x_ND[learned], y_N[learned], 0.5)
    everywhere = random.normal(size=(2000, dimensions))
    return float(np.mean((everywhere @ w_D > 0) == (everywhere @ truth_D > 0)))


def test_every_policy_beats_or_ties_random_on_an_anisotropic_pool() -> None:
    seeds = range(24)
    found = {name: np.array([accuracy_after(seed, name) for seed in seeds]) for name in selection.POLICIES}
    means = {name: round(float(each.mean()), 3) for name, each in found.items()}
    for name in ("margin", "disagreement", "thompson", "d_optimal"):
        gain = found[name] - found["random"]
        assert gain.mean() > 0, (name, means)
        assert (gain >= 0).sum() >= 16, (name, means)
