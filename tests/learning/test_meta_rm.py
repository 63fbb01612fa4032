"""MetaRM's step is the one of its definition: checked against finite differences, and against leaving it out."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.learning.fit import fit
from heedful.learning.meta_rm import at_perturbed, difference, perturbed
from heedful.learning.preference import bradley_terry
from heedful.rollouts import Metrics
from heedful.runs import Run
from heedful.seeds import generator

ETA, FEATURES = 0.7, 3


def features(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(generator(0, name).standard_normal((*shape, FEATURES)))


PAIRS_N2F, GROUPS_PGF = features("pairs", 6, 2), features("groups", 4, 3)
TARGET_N = torch.tensor([1.0, 0.0, 1.0, 0.5, 1.0, 0.0], dtype=torch.float64)


class Scorer(torch.nn.Module):
    """tanh(features W) v, and a weight that nothing depends on."""

    def __init__(self) -> None:
        super().__init__()
        random = generator(1, "weights")
        self.inner = torch.nn.Parameter(torch.from_numpy(random.standard_normal((FEATURES, 2))))
        self.outer = torch.nn.Parameter(torch.from_numpy(random.standard_normal(2)))
        self.unused = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, features_XF: Tensor) -> Tensor:
        return torch.tanh(features_XF @ self.inner) @ self.outer


def objective(model: Scorer) -> Callable[[], tuple[Tensor, Tensor]]:
    return lambda: difference(model(GROUPS_PGF))


def loss_of(model: Scorer) -> Callable[[list[int]], tuple[Tensor, Tensor, Metrics]]:
    """Bradley-Terry on these rows."""

    def loss(rows: list[int]) -> tuple[Tensor, Tensor, Metrics]:
        a_N, b_N = model(PAIRS_N2F[rows]).unbind(1)
        total, count = bradley_terry(a_N, b_N, TARGET_N[rows])
        return total, count, {"accuracy": (total, count)}

    return loss


def flat(model: Scorer) -> NDArray[np.float64]:
    return torch.cat([model.inner.detach().flatten(), model.outer.detach()]).numpy().copy()


def slope(value: Callable[[NDArray[np.float64]], float], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """By central differences."""
    steps = 1e-6 * np.eye(len(at))
    return np.array([(value(at + step) - value(at - step)) / 2e-6 for step in steps])


def scores_at(weights: NDArray[np.float64], rows_XF: Tensor) -> NDArray[np.float64]:
    inner, outer = weights[: FEATURES * 2].reshape(FEATURES, 2), weights[FEATURES * 2 :]
    found: NDArray[np.float64] = np.tanh(rows_XF.numpy() @ inner) @ outer
    return found


def j_at(weights: NDArray[np.float64]) -> float:
    """J as in the paper, pair by pair."""
    total = 0.0
    for row in scores_at(weights, GROUPS_PGF):
        apart = [abs(row[i] - row[j]) for i in range(3) for j in range(i + 1, 3)]
        total += 2 / 9 * sum(1 / (1 + math.exp(-x)) for x in apart)
    return total / 4


def loss_at(weights: NDArray[np.float64]) -> float:
    gaps = scores_at(weights, PAIRS_N2F) @ np.array([1.0, -1.0])
    target = TARGET_N.numpy()
    return float((target * np.log1p(np.exp(-gaps)) + (1 - target) * np.log1p(np.exp(gaps))).sum())


def test_the_objective_by_hand() -> None:
    # Distances 1, 3 and 2 of three scores; 0 of two equal ones, each by 2 / k^2.
    total, count = difference(torch.tensor([[0.0, 1.0, 3.0]], dtype=torch.float64))
    assert float(total) == pytest.approx(2 / 9 * sum(1 / (1 + math.exp(-x)) for x in (1, 3, 2)))
    assert (float(count), float(difference(torch.zeros(5, 2))[0])) == (1, 5 * 2 / 4 * 0.5)
    with pytest.raises(Problem, match="two or more"):
        difference(torch.zeros(3, 1))


def test_the_gradient_is_that_at_the_perturbed_weights_by_finite_differences() -> None:
    model = Scorer()
    before = flat(model)
    moved = before + ETA * slope(j_at, before)
    assert np.abs(moved - before).max() > 0.01
    total, count, metrics = at_perturbed(loss_of(model), objective(model), model.parameters(), ETA)(list(range(6)))
    total.backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
    assert float(total.detach()) == pytest.approx(loss_at(moved), rel=1e-6)
    assert float(metrics["accuracy"][0]) == float(total.detach())
    assert float(count) == 6
    assert model.inner.grad is not None
    assert model.outer.grad is not None
    found = torch.cat([model.inner.grad.flatten(), model.outer.grad]).numpy()
    np.testing.assert_allclose(found, slope(loss_at, moved), rtol=1e-5, atol=1e-8)
    assert np.abs(found - slope(loss_at, before)).max() > 1e-3, "it is not the gradient where the weights are"
    assert model.unused.grad is None


def test_the_weights_come_back_bit_for_bit_whatever_happens_inside() -> None:
    model = Scorer()
    before = flat(model)
    with perturbed([model.inner, model.outer], objective(model), ETA):
        assert not np.array_equal(flat(model), before)
    assert np.array_equal(flat(model), before)

    def broken() -> None:
        with perturbed([model.inner, model.outer], objective(model), ETA):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert np.array_equal(flat(model), before)
    assert model.inner.grad is None


def test_what_was_not_differentiated_inside_is_refused_afterwards() -> None:
    """Not silently taken at other weights than it was computed at."""
    model = Scorer()
    with perturbed([model.inner, model.outer], objective(model), ETA):
        total, *_ = loss_of(model)([0, 1])
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here


def trained(folder: Path, eta: float | None, micro_batches: list[list[int]]) -> list[Tensor]:
    """The weights after five steps of `fit`; None: without the wrapper."""
    model, compute = Scorer(), LocalCompute()
    compute.prepare([(model.parameters(), 0.05)])
    plain = loss_of(model)
    loss = plain if eta is None else at_perturbed(plain, objective(model), model.parameters(), eta)
    fit({"reward": model}, lambda _: micro_batches, loss, compute, Run.open(folder, "reward", {}), steps=5, seed=0)
    return [parameter.detach() for parameter in model.parameters()]


def test_without_a_perturbation_training_is_as_it_was_bit_for_bit(tmp_path: Path) -> None:
    whole = [list(range(6))]
    plain = trained(tmp_path / "plain", None, whole)
    assert all(torch.equal(a, b) for a, b in zip(plain, trained(tmp_path / "zero", 0.0, whole), strict=True))
    assert not torch.equal(plain[0], trained(tmp_path / "some", ETA, whole)[0])


def test_micro_batches_change_nothing(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", ETA, [list(range(6))])
    pieces = trained(tmp_path / "pieces", ETA, [[0, 1], [2], [3, 4, 5]])
    for one, other in zip(whole, pieces, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
