"""What all direct losses share: votes pool as they would one by one, nothing is divided, gradients are those of the
formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.direct import DPO, IPO, KTO, ORPO, SPIN, DirectMethods, SimPO, SLiC
from heedful.learning.direct.pairs import PairLoss, Pairs, Side, observe, smoothed

LOSSES: list[PairLoss] = [DPO(), DPO(0.3, 0.1), IPO(0.2), IPO(0.2, per_token=False), SimPO(), ORPO(0.5), SLiC(2.0)]
NAMES = [type(loss).__name__ + str(index) for index, loss in enumerate(LOSSES)]

RandomPairs = Callable[[int, int], Pairs]


def rows(pairs: Pairs, index: Tensor) -> Pairs:
    def pick(side: Side) -> Side:
        assert side.ref_logprobs_N is not None
        return Side(side.logprobs_N[index], side.tokens_N[index], side.ref_logprobs_N[index])

    assert pairs.weight_N is not None
    assert pairs.margin_N is not None
    return Pairs(pick(pairs.a), pick(pairs.b), pairs.target_N[index], pairs.weight_N[index], pairs.margin_N[index])


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_one_soft_target_equals_its_votes_one_by_one(loss: PairLoss, random_pairs: RandomPairs) -> None:
    pooled = replace(random_pairs(1, 0), target_N=torch.tensor([0.7]).double(), weight_N=torch.tensor([5.0]))
    votes = rows(pooled, torch.zeros(5, dtype=torch.int64))
    votes = replace(votes, target_N=torch.tensor([1, 1, 0.5, 0, 1.0]).double(), weight_N=torch.ones(5))
    assert float(loss(pooled)[0]) == pytest.approx(float(loss(votes)[0]))
    assert float(loss(pooled)[1]) == float(loss(votes)[1]) == 5


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_exchanging_the_sides_changes_nothing(loss: PairLoss, random_pairs: RandomPairs) -> None:
    pairs = random_pairs(20, 1)
    turned = replace(pairs, a=pairs.b, b=pairs.a, target_N=1 - pairs.target_N)
    assert float(loss(turned)[0]) == pytest.approx(float(loss(pairs)[0]))
    for name, (value, count) in loss(pairs)[2].items():
        assert float(loss(turned)[2][name][0]) == pytest.approx(float(value)), name
        assert float(loss(turned)[2][name][1]) == float(count), name


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_parts_add_up_to_the_whole(loss: PairLoss, random_pairs: RandomPairs) -> None:
    pairs = random_pairs(10, 2)
    whole, count, metrics = loss(pairs)
    parts = [loss(rows(pairs, index)) for index in (torch.arange(3), torch.arange(3, 10))]
    assert float(sum(part[0] for part in parts)) == pytest.approx(float(whole))
    assert float(sum(part[1] for part in parts)) == pytest.approx(float(count))
    for name, (value, _) in metrics.items():
        assert float(sum(part[2][name][0] for part in parts)) == pytest.approx(float(value)), name


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_the_gradient_is_that_of_finite_differences(loss: PairLoss, random_pairs: RandomPairs) -> None:
    pairs = random_pairs(6, 3)

    def total(a_N: Tensor, b_N: Tensor) -> Tensor:
        return loss(replace(pairs, a=replace(pairs.a, logprobs_N=a_N), b=replace(pairs.b, logprobs_N=b_N)))[0]

    assert torch.autograd.gradcheck(total, [each.logprobs_N.requires_grad_() for each in (pairs.a, pairs.b)])


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_the_preferred_side_is_raised_above_the_other(loss: PairLoss, side: Callable[..., Side]) -> None:
    a, b = side([-8.0], [4], [-8.0]), side([-6.0], [3], [-6.0])
    a.logprobs_N.requires_grad_()
    b.logprobs_N.requires_grad_()
    loss(Pairs(a, b, torch.ones(1)))[0].backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
    assert a.logprobs_N.grad is not None
    assert b.logprobs_N.grad is not None
    assert float(a.logprobs_N.grad) < 0 < float(b.logprobs_N.grad)


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_a_reference_is_read_only_where_one_is_needed(loss: PairLoss, side: Callable[..., Side]) -> None:
    pairs = Pairs(side([-6.0], [3]), side([-8.0], [4]), torch.ones(1))
    if loss.needs_reference:
        with pytest.raises(Problem, match="reference"):
            loss(pairs)
    else:
        assert torch.isfinite(loss(pairs)[0])


def test_what_is_observed_by_hand() -> None:
    """Right by 2, wrong by 1, a tie of votes that does not count, and equal rewards, which are half right."""
    a, b = torch.tensor([3.0, 1.0, 9.0, 5.0]), torch.tensor([1.0, 2.0, 0.0, 5.0])
    found = observe(a, b, torch.tensor([1.0, 1.0, 0.5, 0.0]))
    assert {name: (float(x), float(n)) for name, (x, n) in found.items()} == {
        "accuracy": (1.5, 3),
        "reward_margin": (1, 3),
        "reward_preferred": (9, 3),
        "reward_other": (8, 3),
    }


def test_smoothing_by_hand() -> None:
    assert smoothed(torch.tensor([1.0, 0.5, 0.0]), 0.1).tolist() == pytest.approx([0.9, 0.5, 0.1])


@pytest.mark.parametrize("make", [DPO, IPO, SimPO, ORPO, SLiC, KTO, SPIN])
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_must_be_positive(make: Callable[[float], object], value: float) -> None:
    with pytest.raises(Problem, match="must be above 0"):
        make(value)


def test_label_smoothing_stays_below_one_half() -> None:
    with pytest.raises(Problem, match="label_smoothing"):
        DPO(label_smoothing=0.5)


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_votes_that_nobody_can_give_are_refused(loss: PairLoss, random_pairs: RandomPairs) -> None:
    with pytest.raises(Problem, match="target"):
        loss(replace(random_pairs(2, 0), target_N=torch.tensor([0.5, 1.5])))


def test_the_registry_finds_each_by_name() -> None:
    methods = DirectMethods(dpo=DPO(beta=0.7))
    assert methods.named("dpo") == DPO(beta=0.7)
    assert methods.named("kto") == KTO()
    with pytest.raises(Problem, match="dpo, ipo, simpo"):
        methods.named("ppo")
