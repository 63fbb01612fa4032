"""The natural gradient under a bound on the KL: one step, taken whole or not at all.

    maximise  L(theta) = mean over tokens of A * pi / pi_old     subject to  mean KL(pi_old || pi) <= delta

To first order in L and second order in the KL the step is sqrt(2 delta / x F x) * x with F x = g, where g is the
gradient of L and F the Hessian of the mean KL at pi = pi_old, the Fisher matrix. F is never built: its products with
vectors come from differentiating the KL twice, and conjugate gradient needs nothing else (Schulman et al. 2015, "Trust
Region Policy Optimization", section 6 and appendix C). A line search then shortens the step until the true KL keeps
the bound and L has truly grown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from heedful.learning import masks
from heedful.rollouts import Distributions, Evaluation, Rollouts, Stats

Parameters = Sequence[torch.nn.Parameter]

Surrogate = Callable[[Evaluation, Rollouts, Tensor], Tensor]
"""(evaluation, some rows, their advantages_BT) -> what is to grow, summed over tokens."""


class Bound(Protocol):
    """The settings of a trust region."""

    @property
    def kl_limit(self) -> float:
        """delta: mean over tokens of KL(pi_old || pi), in nats."""
        ...

    @property
    def damping(self) -> float:
        """Is added to the diagonal of F while F x = g is solved."""
        ...

    @property
    def solver_iterations(self) -> int:
        """Iterations of conjugate gradient."""
        ...

    @property
    def shrink(self) -> float:
        """Each trial's step is this much of the one before."""
        ...

    @property
    def trials(self) -> int:
        """So many steps are tried before the policy stays where it was."""
        ...

    def surrogate(self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor) -> Tensor:
        """Sum over tokens of A * pi / pi_old."""
        ...


def trust_region_step(
    bound: Bound,
    policy: Distributions,
    pieces: Sequence[tuple[Rollouts, Tensor]],
    *,
    length_scale: float = 1.0,
    surrogate: Surrogate | None = None,
    besides: Sequence[Callable[[], Tensor]] = (),
) -> tuple[Stats, Parameters]:
    """Take the step, or leave every weight bit for bit as it was.

    Args:
        bound: its settings.
        policy: changed in place. Only parameters that its log-probabilities depend on are moved.
        pieces: (rows, their advantages_BT); together they are the batch, one by one they fit into memory.
        length_scale: what the step's length is multiplied by; the KL bound is multiplied by its square.
        surrogate: what is to grow instead of the bound's own (the same with more terms).
        besides: what is to grow as well and does not depend on the rows, such as the likelihood of other text, each in
            units of the summed surrogate. One by one they fit into memory.

    Returns:
        (step_kl, step_accepted, step_trials, surrogate_gain; the parameters that could be moved).
    """
    count = float(sum(int(rows.mask_BT.sum()) for rows, _ in pieces))
    wanted = [partial(_of_rows, surrogate or bound.surrogate, policy, *piece) for piece in pieces]
    before, gradient, parameters = _gradient([*wanted, *besides], policy)
    limit = bound.kl_limit * length_scale**2
    product = fisher(policy, [rows for rows, _ in pieces], parameters)
    direction = conjugate_gradient(
        lambda vector: product(vector) + bound.damping * vector, gradient / count, bound.solver_iterations
    )
    curvature = float(direction @ product(direction))
    if not curvature > 0 or not limit > 0:
        return _said(), parameters
    full = (2 * limit / curvature) ** 0.5 * direction
    old = [parameter.data for parameter in parameters]
    for trial in range(bound.trials):
        new = [start + part for start, part in zip(old, _split(bound.shrink**trial * full, parameters), strict=True)]
        kl, after = _compare([*wanted, *besides], policy, [rows for rows, _ in pieces], parameters, new)
        gain = (after - before) / count
        if kl / count <= limit and gain > 0:
            for start, there in zip(old, new, strict=True):
                start.copy_(there)
            return _said(kl / count, 1.0, trial + 1, gain), parameters
    return _said(trials=bound.trials), parameters


def _said(kl: float = 0.0, accepted: float = 0.0, trials: int = 0, gain: float = 0.0) -> Stats:
    return {"step_kl": kl, "step_accepted": accepted, "step_trials": float(trials), "surrogate_gain": gain}


def conjugate_gradient(product: Callable[[Tensor], Tensor], target: Tensor, iterations: int) -> Tensor:
    """x with product(x) = target, for a symmetric positive definite product (Hestenes and Stiefel 1952).

    Ends early once the residual is a 10^-10th of the target.
    """
    x, residual = torch.zeros_like(target), target.clone()
    direction, size = residual, residual @ residual
    enough = 1e-20 * size
    for _ in range(iterations):
        if not size > enough:
            break
        along = product(direction)
        step = size / (direction @ along)
        x, residual = x + step * direction, residual - step * along
        smaller = residual @ residual
        direction, size = residual + smaller / size * direction, smaller
    return x


def fisher(policy: Distributions, pieces: Sequence[Rollouts], parameters: Parameters) -> Callable[[Tensor], Tensor]:
    """vector -> F vector, F the mean over tokens of the Fisher matrix of the policy's distributions, undamped.

    A batch in a single piece keeps its graph from one product to the next; several are computed again each time.
    """
    count = sum(int(rows.mask_BT.sum()) for rows in pieces)
    once = [_kl_slope(policy, rows, parameters) for rows in pieces] if len(pieces) == 1 else None

    def product(vector: Tensor) -> Tensor:
        total = torch.zeros_like(vector)
        for slope in once or (_kl_slope(policy, rows, parameters) for rows in pieces):
            total += _flat_gradient(slope @ vector, parameters, keep=once is not None)
        return total / count

    return product


def _kl_slope(policy: Distributions, rows: Rollouts, parameters: Parameters) -> Tensor:
    """Gradient of the summed KL(pi_old || pi) at pi = pi_old: it is 0, its own gradient is the Fisher matrix."""
    now_BTK = policy.distributions(rows)
    kl_sum = masks.kept(policy.divergence(now_BTK.detach(), now_BTK), rows.mask_BT).sum()
    return _flat_gradient(kl_sum, parameters, differentiable=True)


def _of_rows(surrogate: Surrogate, policy: Distributions, rows: Rollouts, advantages_BT: Tensor) -> Tensor:
    return surrogate(policy.evaluate(rows), rows, advantages_BT)


def _gradient(wanted: Sequence[Callable[[], Tensor]], policy: Distributions) -> tuple[float, Tensor, Parameters]:
    """(the sum of what is to grow, its flat gradient, the parameters it depends on)."""
    everything = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    sums: dict[int, Tensor] = {}
    before = 0.0
    for part in wanted:
        total = part()
        before += float(total.detach())
        for place, found in enumerate(torch.autograd.grad(total, everything, allow_unused=True)):
            if found is not None:
                sums[place] = sums[place] + found if place in sums else found
    gradient = torch.cat([sums[place].flatten() for place in sorted(sums)])
    return before, gradient, [everything[place] for place in sorted(sums)]


@torch.no_grad()
def _compare(
    wanted: Sequence[Callable[[], Tensor]],
    policy: Distributions,
    pieces: Sequence[Rollouts],
    parameters: Parameters,
    new: Sequence[Tensor],
) -> tuple[float, float]:
    """(summed KL(pi_old || pi), sum of what is to grow) of the weights `new`, a piece at a time; the old come back."""
    kl = 0.0
    for rows in pieces:
        old_BTK = policy.distributions(rows)
        with _weights(parameters, new):
            kl_BT = policy.divergence(old_BTK, policy.distributions(rows))
        kl += float(masks.kept(kl_BT, rows.mask_BT).sum())
    with _weights(parameters, new):
        return kl, sum(float(part()) for part in wanted)


@contextmanager
def _weights(parameters: Parameters, values: Sequence[Tensor]) -> Iterator[None]:
    """Let the parameters be these values for a while; nothing is copied."""
    old = [parameter.data for parameter in parameters]
    try:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.data = value
        yield
    finally:
        for parameter, value in zip(parameters, old, strict=True):
            parameter.data = value


def _split(vector: Tensor, parameters: Parameters) -> list[Tensor]:
    """The parts of a flat vector in the shapes of the parameters."""
    parts = torch.split(vector, [parameter.numel() for parameter in parameters])
    return [part.view_as(parameter).to(parameter.dtype) for part, parameter in zip(parts, parameters, strict=True)]


def _flat_gradient(
    scalar: Tensor, parameters: Parameters, *, differentiable: bool = False, keep: bool = False
) -> Tensor:
    """The gradient as one vector; 0 where the scalar does not depend on a parameter."""
    found = torch.autograd.grad(
        scalar, parameters, create_graph=differentiable, retain_graph=differentiable or keep, materialize_grads=True
    )
    return torch.cat([part.flatten() for part in found])
