import itertools
import math
from pathlib import Path

import choix
import numpy as np
import pytest
import torch
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.learning.fit import fit
from heedful.learning.preference import bradley_terry, over_steps, pick_best, plackett_luce
from heedful.rollouts import Metrics
from heedful.runs import Run


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_by_hand() -> None:
    # P(a > b) is 3/4 at a gap of log 3; the second pair is a tie at equal scores: log 2, with weight 3.
    total, count = bradley_terry(
        numbers(math.log(3), 1.0), numbers(0.0, 1.0), numbers(1.0, 0.5), weight_N=numbers(1.0, 3.0)
    )
    assert float(total) == pytest.approx(math.log(4 / 3) + 3 * math.log(2))
    assert float(count) == 4


def test_one_soft_target_equals_its_votes_one_by_one() -> None:
    votes = numbers(1, 1, 0, 0.5, 1)
    a, b = torch.full((5,), 0.7), torch.full((5,), -0.2)
    each, _ = bradley_terry(a.double(), b.double(), votes)
    pooled, count = bradley_terry(numbers(0.7), numbers(-0.2), numbers(3.5 / 5), weight_N=numbers(5.0))
    # float32 scores above cost a little accuracy
    assert float(pooled) == pytest.approx(float(each), rel=1e-6)
    assert float(count) == 5


def test_a_constant_added_to_all_scores_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    a, b, target = (torch.from_numpy(rng.random(50)) for _ in range(3))
    plain, _ = bradley_terry(a, b, target)
    shifted, _ = bradley_terry(a + 100, b + 100, target)
    assert float(shifted) == pytest.approx(float(plain), rel=1e-12)


def test_the_gradient_is_prediction_minus_target() -> None:
    gap = numbers(-2.0, 0.3, 4.0).requires_grad_()
    target = numbers(0.0, 0.5, 1.0)
    bradley_terry(gap, torch.zeros(3, dtype=torch.float64), target)[0].backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
    assert gap.grad is not None
    expected = [1 / (1 + math.exp(-g)) - t for g, t in zip([-2.0, 0.3, 4.0], [0.0, 0.5, 1.0], strict=True)]
    assert gap.grad.tolist() == pytest.approx(expected)


def test_the_margin_is_asked_of_whichever_side_is_preferred() -> None:
    plain = float(bradley_terry(numbers(2.0), numbers(0.5), numbers(1.0))[0])
    a_wins = float(bradley_terry(numbers(2.0), numbers(0.5), numbers(1.0), margin_N=numbers(1.0))[0])
    b_wins = float(bradley_terry(numbers(0.5), numbers(2.0), numbers(0.0), margin_N=numbers(1.0))[0])
    assert plain == pytest.approx(math.log(1 + math.exp(-1.5)))
    assert a_wins == b_wins == pytest.approx(math.log(1 + math.exp(-0.5)))


def test_a_margin_of_zero_is_bradley_terry() -> None:
    """Against choix, which has no margin: soft targets are votes for either side."""
    rng = np.random.default_rng(1)
    scores, zero = rng.normal(size=12), torch.zeros(6, dtype=torch.float64)
    a, b = torch.from_numpy(scores[:6]).requires_grad_(), torch.from_numpy(scores[6:]).requires_grad_()
    votes = [(i, i + 6) if i % 3 else (i + 6, i) for i in range(6)]
    target = numbers(*(float(winner < 6) for winner, _ in votes))
    found, plain = bradley_terry(a, b, target, margin_N=zero)[0], bradley_terry(a, b, target)[0]
    assert float(found.detach()) == pytest.approx(-choix.log_likelihood_pairwise(votes, scores), rel=1e-12)
    assert torch.equal(found, plain)
    slopes = (torch.autograd.grad(loss, (a, b)) for loss in (found, plain))
    assert all(torch.equal(one, other) for one, other in zip(*slopes, strict=True))


def test_the_noise_floor_bounds_one_wrong_answer() -> None:
    wrong, right = numbers(-50.0), numbers(0.0)
    assert float(bradley_terry(wrong, right, numbers(1.0))[0]) == pytest.approx(50)
    floored = float(bradley_terry(wrong, right, numbers(1.0), noise_floor=0.1)[0])
    assert floored == pytest.approx(math.log(20))
    # At a gap of 0 it is a coin toss with or without the floor.
    assert float(bradley_terry(right, right, numbers(1.0), noise_floor=0.1)[0]) == pytest.approx(math.log(2))


def test_extreme_gaps_stay_finite() -> None:
    gap = numbers(1e4, -1e4).requires_grad_()
    total, _ = bradley_terry(gap, numbers(0.0, 0.0), numbers(1.0, 1.0))
    total.backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
    assert gap.grad is not None
    assert float(total.detach()) == pytest.approx(1e4)
    assert gap.grad.tolist() == [0.0, -1.0]


@pytest.mark.parametrize(
    ("target", "weight", "field"),
    [([0.5, 1.1], [1.0, 1.0], "target"), ([0.5, math.nan], [1.0, 1.0], "target"), ([1.0, 0.0], [1.0, -1.0], "weight")],
)
def test_a_wrong_number_is_named_with_its_row(target: list[float], weight: list[float], field: str) -> None:
    with pytest.raises(Problem, match=f'comparison 1 of the batch, field "{field}"'):
        bradley_terry(numbers(0, 0), numbers(0, 0), numbers(*target), weight_N=numbers(*weight))


def test_an_impossible_noise_floor_is_refused() -> None:
    with pytest.raises(Problem, match="noise_floor"):
        bradley_terry(numbers(0), numbers(0), numbers(1), noise_floor=1.0)


# Stretches of behaviour


def stretches() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two pairs of stretches of unequal length; what is masked is not a number."""
    nan = math.nan
    a = torch.tensor([[0.5, 0.5, 0.5], [nan, -1.0, 3.0]], dtype=torch.float64)
    b = torch.tensor([[1.0, nan], [0.25, 0.25]], dtype=torch.float64)
    return a, ~a.isnan(), b, ~b.isnan()


def test_a_stretch_is_worth_the_sum_of_its_steps_not_their_mean() -> None:
    # 1.5 against 1 and 2 against 1/2; by their means it would be 1/2 against 1.
    total, count = over_steps(*stretches(), numbers(1.0, 0.0), numbers(1.0, 3.0))
    assert float(total) == pytest.approx(math.log(1 + math.exp(-0.5)) + 3 * math.log(1 + math.exp(1.5)))
    assert float(count) == 4


def test_every_real_step_has_the_gradient_of_its_sum_and_no_masked_one_any() -> None:
    a, mask_a, b, mask_b = stretches()
    a.requires_grad_()
    over_steps(a, mask_a, b, mask_b, numbers(1.0, 0.0), noise_floor=0.1)[0].backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here

    def loss(gap: float, target: float) -> float:
        first = 0.9 / (1 + math.exp(-gap)) + 0.05
        return -target * math.log(first) - (1 - target) * math.log(1 - first)

    slopes = [(loss(gap + 1e-6, t) - loss(gap - 1e-6, t)) / 2e-6 for gap, t in ((0.5, 1.0), (1.5, 0.0))]
    assert a.grad is not None
    assert a.grad[0].tolist() == pytest.approx([slopes[0]] * 3, rel=1e-6)
    assert a.grad[1].tolist() == pytest.approx([0, slopes[1], slopes[1]], rel=1e-6)


# Picking the best


def test_picking_the_best_by_hand() -> None:
    # Chances 1 : 2 : 1 of the first three; two voters disagree about the second row, whose third place is empty.
    scores = torch.tensor([[0.0, math.log(2), 0.0], [math.log(3), 0.0, math.nan]], dtype=torch.float64)
    shares = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.5, math.nan]], dtype=torch.float64)
    total, count = pick_best(scores, shares, numbers(1.0, 2.0), ~scores.isnan())
    assert float(total) == pytest.approx(math.log(2) + math.log(4 / 3) + math.log(4))
    assert float(count) == 3


def test_picking_the_best_is_the_cross_entropy_of_a_softmax() -> None:
    random = torch.Generator().manual_seed(0)
    scores = torch.randn(20, 4, generator=random, dtype=torch.float64, requires_grad=True)
    best = torch.randint(4, (20,), generator=random)
    ours, count = pick_best(scores, torch.nn.functional.one_hot(best, 4))
    theirs = torch.nn.functional.cross_entropy(scores, best, reduction="sum")
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-12)
    assert float(count) == 20
    torch.testing.assert_close(*(torch.autograd.grad(loss, scores)[0] for loss in (ours, theirs)))


def test_an_empty_place_has_no_gradient_and_a_constant_changes_nothing() -> None:
    scores = torch.tensor([[1.0, -1.0, math.nan]], dtype=torch.float64, requires_grad=True)
    mask, shares = ~scores.isnan(), torch.tensor([[1.0, 0.0, 0.0]])
    total, _ = pick_best(scores, shares, mask_NK=mask)
    (slope,) = torch.autograd.grad(total, scores)
    chance = 1 / (1 + math.exp(2))
    assert slope[0].tolist() == pytest.approx([-chance, chance, 0])
    assert float(pick_best(scores.detach() + 100, shares, mask_NK=mask)[0]) == pytest.approx(float(total.detach()))


@pytest.mark.parametrize("shares", [[0.5, 0.6, 0.0], [1.5, -0.5, 0.0], [0.5, 0.0, 0.5], [math.nan, 0.0, 0.0]])
def test_shares_that_are_none_are_named_with_their_row(shares: list[float]) -> None:
    mask = torch.tensor([[True, True, True], [True, True, False]])
    targets = torch.tensor([[0.0, 0.0, 1.0], shares])
    with pytest.raises(Problem, match='choice 1 of the batch, field "target"'):
        pick_best(torch.zeros(2, 3), targets, mask_NK=mask)
    with pytest.raises(Problem, match='field "weight"'):
        pick_best(torch.zeros(1, 3), targets[:1], torch.tensor([-1.0]))


def test_fit_recovers_known_strengths_and_agrees_with_an_independent_library(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    strengths = np.array([-1.0, -0.5, 0.0, 0.3, 1.2])
    pairs = np.array([rng.choice(5, 2, replace=False) for _ in range(10_000)])
    gaps = strengths[pairs[:, 0]] - strengths[pairs[:, 1]]
    target = (rng.random(len(pairs)) < 1 / (1 + np.exp(-gaps))).astype(float)
    learned = torch.nn.Embedding(5, 1, dtype=torch.float64, _weight=torch.zeros(5, 1, dtype=torch.float64))

    def loss(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Metrics]:
        scores = learned(batch[0])[..., 0]
        return (*bradley_terry(scores[:, 0], scores[:, 1], batch[1]), {})

    compute = LocalCompute()
    compute.prepare([(learned.parameters(), 0.05)])
    everything = (torch.from_numpy(pairs), torch.from_numpy(target))
    fit(
        {"learned": learned},
        lambda step: [everything],
        loss,
        compute,
        Run.open(tmp_path, "reward", {}),
        steps=300,
        seed=0,
        schedule=lambda step: 1 - step / 300,
    )
    found = learned.weight.detach().numpy()[:, 0]
    found = found - found.mean()
    assert np.abs(found - (strengths - strengths.mean())).max() < 0.1
    wins = [(a, b) if t else (b, a) for (a, b), t in zip(pairs.tolist(), target, strict=True)]
    assert found == pytest.approx(choix.opt_pairwise(5, wins), abs=1e-3)


# Plackett-Luce


def by_hand(scores: list[float], order: tuple[int, ...]) -> float:
    """The probability of an order: the best is picked of all, the next of the rest."""
    rest, probability = list(order), 1.0
    while rest:
        probability *= math.exp(scores[rest[0]]) / sum(math.exp(scores[k]) for k in rest)
        rest.pop(0)
    return probability


def test_plackett_luce_is_picking_the_best_again_and_again() -> None:
    scores = [0.7, -1.1, 0.2, 1.9]
    scores_NK = torch.tensor([scores], dtype=torch.float64)
    orders = list(itertools.permutations(range(4)))
    found = [math.exp(-float(plackett_luce(scores_NK, torch.tensor([order]))[0])) for order in orders]
    assert found == pytest.approx([by_hand(scores, order) for order in orders], rel=1e-12)
    assert sum(found) == pytest.approx(1.0, abs=1e-12)
    total, _ = plackett_luce(scores_NK.expand(24, 4), torch.tensor(orders))
    assert float(total) == pytest.approx(-choix.log_likelihood_rankings(orders, np.array(scores)), rel=1e-9)
    for best in range(4):
        target_NK = torch.eye(4, dtype=torch.float64)[best : best + 1]
        first = sum(p for p, order in zip(found, orders, strict=True) if order[0] == best)
        assert math.exp(-float(pick_best(scores_NK, target_NK)[0])) == pytest.approx(first, rel=1e-12)


def test_an_order_of_two_is_bradley_terry() -> None:
    scores_NK = torch.tensor([[0.4, 1.3], [0.1, -0.2]], dtype=torch.float64, requires_grad=True)
    loss, count = plackett_luce(scores_NK, torch.tensor([[0, 1], [1, 0]]), torch.tensor([2.0, 3.0]))
    one_N, other_N = scores_NK.unbind(1)
    wanted, votes = bradley_terry(one_N, other_N, torch.tensor([1.0, 0.0]), torch.tensor([2.0, 3.0]))
    torch.testing.assert_close(loss, wanted)
    assert float(count) == float(votes) == 5
    torch.testing.assert_close(torch.autograd.grad(loss, scores_NK), torch.autograd.grad(wanted, scores_NK))


def test_missing_candidates_of_an_order_change_nothing() -> None:
    scores_NK = torch.tensor([[0.4, math.nan, 1.3], [0.1, 0.7, -0.2]], requires_grad=True)
    mask_NK = torch.tensor([[True, False, True], [True, True, True]])
    loss, _ = plackett_luce(scores_NK, torch.tensor([[2, 0, 1], [1, 0, 2]]), mask_NK=mask_NK)
    wanted = by_hand([0.4, 1.3], (1, 0)) * by_hand([0.1, 0.7, -0.2], (1, 0, 2))
    assert float(loss.detach()) == pytest.approx(-math.log(wanted), rel=1e-6)
    (gradient_NK,) = torch.autograd.grad(loss, scores_NK)
    assert gradient_NK[0, 1] == 0
    assert torch.isfinite(gradient_NK).all()
    assert gradient_NK.sum(1).tolist() == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("order", [[0, 0, 1], [0, 1, 3], [2, 0, 1]])
def test_an_order_that_is_none_is_refused(order: list[int]) -> None:
    mask_NK = torch.tensor([[True, True, True], [True, True, False]])
    with pytest.raises(Problem, match="ranking 1"):
        plackett_luce(torch.zeros(2, 3), torch.tensor([[0, 1, 2], order]), mask_NK=mask_NK)
