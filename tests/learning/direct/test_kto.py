"""KTO: its value by hand, a reference point without gradient, and learning from thumbs alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.learning.direct import KTO
from heedful.learning.direct.kto import Marks, reference_point
from heedful.learning.direct.pairs import Side
from heedful.learning.fit import fit
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Metrics
from heedful.runs import Run

MakeSide = Callable[..., Side]


def test_by_hand(side: MakeSide) -> None:
    """beta 1, z 1: log-ratios 1 + log 3 (good) and 1 (bad); 1 - sigmoid(log 3) = 1/4 and 1 - sigmoid(0) = 1/2."""
    marks = Marks(
        side([-2.0, -5.0], ref=[-3.0 - math.log(3), -6.0]),
        torch.tensor([1.0, 0.0]),
        torch.tensor([1.0, 3.0]),
        torch.tensor(1.0),
    )
    total, count, metrics = KTO(1.0, desirable_weight=2.0, undesirable_weight=1.5)(marks)
    assert float(total) == pytest.approx(2 * 1 / 4 + 3 * 1.5 / 2)
    assert float(count) == 4
    assert [float(x) for x in metrics["accuracy"]] == [1, 2], "a gain of 0 is not below the reference point"
    assert float(metrics["reference_point"][0] / metrics["reference_point"][1]) == 1


def test_soft_labels_equal_labels_one_by_one(side: MakeSide) -> None:
    ratio, ref = [-2.0] * 4, [-2.7] * 4
    each = Marks(side(ratio, ref=ref), torch.tensor([1.0, 1, 1, 0]), torch.ones(4), torch.tensor(0.3))
    pooled = Marks(side(ratio[:1], ref=ref[:1]), torch.tensor([0.75]), torch.tensor([4.0]), torch.tensor(0.3))
    loss = KTO(0.5, 1.3, 0.9)
    assert float(loss(pooled)[0]) == pytest.approx(float(loss(each)[0]))


def test_the_reference_point_is_a_mean_clamped_at_zero(side: MakeSide) -> None:
    assert float(reference_point(side([-1.0, -2.0], ref=[-4.0, -3.0]))) == pytest.approx(2)
    assert float(reference_point(side([-5.0, -2.0], ref=[-4.0, -3.0]))) == 0
    assert float(reference_point(side([-9.0], ref=[-4.0]))) == 0


def test_no_gradient_goes_through_the_reference_point(side: MakeSide) -> None:
    """Neither where it is made nor where it is used, even when somebody hands in one that has a gradient."""
    mismatched = side([-1.0, -2.0], ref=[-4.0, -3.0])
    mismatched.logprobs_N.requires_grad_()
    assert not reference_point(mismatched).requires_grad
    side_N = side([-2.0, -5.0], ref=[-3.0, -6.0])
    side_N.logprobs_N.requires_grad_()
    z = mismatched.log_ratio().mean()
    total, _, _ = KTO()(Marks(side_N, torch.tensor([1.0, 0.0]), torch.ones(2), z))
    found = torch.autograd.grad(total, [side_N.logprobs_N, mismatched.logprobs_N], allow_unused=True)
    assert found[0] is not None
    assert found[1] is None


def test_the_gradient_is_that_of_finite_differences(side: MakeSide) -> None:
    marked = side([-2.0, -5.0, -4.0], ref=[-3.0, -4.4, -4.0])
    marks = Marks(marked, torch.tensor([1.0, 0.0, 0.4]), torch.tensor([1.0, 2.0, 3.0]), torch.tensor(0.4))

    def total(logprobs_N: Tensor) -> Tensor:
        return KTO(0.7)(replace(marks, side=replace(marked, logprobs_N=logprobs_N)))[0]

    assert torch.autograd.gradcheck(total, (marked.logprobs_N.clone().requires_grad_(),))


def test_votes_that_nobody_can_give_are_refused(side: MakeSide) -> None:
    with pytest.raises(Problem, match="target"):
        KTO()(Marks(side([-1.0], ref=[-1.0]), torch.tensor([1.5]), torch.ones(1), torch.tensor(0.0)))


def test_a_policy_learns_from_thumbs_alone(tmp_path: Path) -> None:
    """Completions with the token 1 are called good, others bad; no two are ever compared."""
    policy = TabularPolicy(prompts=2, vocabulary=3, limit_tokens=2, seed=1)
    method = KTO(0.5)

    def wanted(rollouts_prompt: int) -> tuple[float, float]:
        every = policy.every_completion(rollouts_prompt)
        assert every.ref_logprobs_BT is not None
        good_B = ((every.inputs["tokens_BT"] == 1) & every.mask_BT).any(1)
        before_B, after_B = every.ref_logprobs_BT.sum(1).exp(), every.logprobs_BT.sum(1).exp()
        return float(before_B[good_B].sum()), float(after_B[good_B].sum())

    samples = policy.sample(torch.arange(2).repeat(128), seed=0)
    good_N = ((samples.inputs["tokens_BT"] == 1) & samples.mask_BT).any(1).double()
    assert samples.ref_logprobs_BT is not None
    ref_N, tokens_N = samples.ref_logprobs_BT.sum(1), samples.mask_BT.sum(1)
    # The mismatched partner of a row is a completion of the other prompt; on a table only its prompt changes.
    turned = samples.with_(inputs={**samples.inputs, "prompt_B": 1 - samples.inputs["prompt_B"]})
    turned_ref_N = policy.evaluate(turned).logprobs_BT.sum(1).detach()

    def loss(_: int) -> tuple[Tensor, Tensor, Metrics]:
        now_N = policy.evaluate(samples).logprobs_BT.sum(1)
        z = reference_point(Side(policy.evaluate(turned).logprobs_BT.sum(1), tokens_N, turned_ref_N))
        return method(Marks(Side(now_N, tokens_N, ref_N), good_N, torch.ones(256), z))

    compute = LocalCompute()
    compute.prepare([([policy.logits], 0.1)])
    run = Run.open(tmp_path, "prefer", {})
    fit({"policy": policy}, lambda step: [step], loss, compute, run, steps=60, seed=0)
    for prompt in range(2):
        before, after = wanted(prompt)
        assert before < 0.7
        assert after > 0.95
