"""MetaRM: the gradient of a preference loss, taken where a reward model tells the policy's own completions apart.

Paper: Dou et al. 2024, "MetaRM: Shifted Distributions Alignment via Meta-Learning" (arXiv:2405.00438). As the policy
moves, its completions become alike and a reward model hardly tells them apart. One step with S, groups of k unlabelled
completions of the policy of now, and X, labelled comparisons:

    J(theta)  = (2 / k^2) sum over i < j of sigmoid(|r(x, s_i) - r(x, s_j)|)      mean over the groups of S
    theta'    = theta + eta grad J(theta)
    theta    <- theta - alpha grad L(theta') on X, by whatever optimiser

The gradient at theta' is applied at theta as it is; the derivative of theta' by theta is left out, as in the authors'
code. With eta 0 this is plain training, bit for bit. It is "the gradient at perturbed weights" for any loss. On a small
test problem of ours it gave no gain over Bradley-Terry, so nothing is claimed here but that the step is this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.rollouts import Metrics

Batch = TypeVar("Batch")


def difference(scores_PG: Tensor) -> tuple[Tensor, Tensor]:
    """(sum over prompts of J, prompts): how far apart the scores of each prompt's G completions are.

    At equal scores it has no slope, so two completions that are the same text move nothing.

    Raises:
        Problem: there is only one completion of each prompt.
    """
    size = scores_PG.shape[1]
    if size < 2:
        raise Problem("one completion cannot be told apart from others", mend="sample two or more of each prompt")
    one_X, other_X = torch.triu_indices(size, size, offset=1, device=scores_PG.device)
    apart_PX = torch.sigmoid((scores_PG[:, one_X] - scores_PG[:, other_X]).abs())
    return apart_PX.sum() * 2 / size**2, scores_PG.new_tensor(len(scores_PG))


@contextmanager
def perturbed(
    parameters: Sequence[torch.nn.Parameter], objective: Callable[[], tuple[Tensor, Tensor]], rate: float
) -> Iterator[None]:
    """Inside, `parameters` stand at theta + rate grad J(theta); afterwards they are what they were, to the bit.

    What is differentiated of a loss inside must be differentiated inside: PyTorch refuses it afterwards.

    Args:
        parameters: all of them require a gradient; their `.grad` is not touched.
        objective: () -> (sum, count) of J at the weights of now.
        rate: eta; 0 leaves everything where it is, and does not even ask for J.
    """
    before = [parameter.detach().clone() for parameter in parameters]
    if rate:
        total, count = objective()
        slopes = torch.autograd.grad(total / count, parameters, allow_unused=True)
        with torch.no_grad():
            for parameter, slope in zip(parameters, slopes, strict=True):
                if slope is not None:
                    parameter.add_(slope, alpha=rate)
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(parameters, before, strict=True):
                parameter.copy_(value)


def at_perturbed(
    loss: Callable[[Batch], tuple[Tensor, Tensor, Metrics]],
    objective: Callable[[], tuple[Tensor, Tensor]],
    parameters: Iterable[torch.nn.Parameter],
    rate: float,
) -> Callable[[Batch], tuple[Tensor, Tensor, Metrics]]:
    """The same loss for `heedful.learning.fit`, but its value and its gradient are those at the perturbed weights.

    What it returns is a number whose gradient, at the weights that are back in their place, is the one found at
    theta'. So optimiser, micro-batches and clipping stay as they are. J is asked for again in each micro-batch: let
    `objective` be the same for all micro-batches of a step.

    Args:
        loss: micro-batch -> (sum, count, metrics).
        objective, rate: as in `perturbed`.
        parameters: those that are trained; frozen ones are left out.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]

    def moved(batch: Batch) -> tuple[Tensor, Tensor, Metrics]:
        with perturbed(trained, objective, rate):
            total, count, metrics = loss(batch)
            slopes = torch.autograd.grad(total, trained, allow_unused=True)
            metrics = {name: (value.detach(), number.detach()) for name, (value, number) in metrics.items()}
        parts = [(weight * slope).sum() for weight, slope in zip(trained, slopes, strict=True) if slope is not None]
        line = torch.stack(parts).sum()
        return total.detach() + (line - line.detach()), count, metrics

    return moved
