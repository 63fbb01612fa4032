"""COACH: what people say of an action is its advantage, and a trace says which actions they meant.

Paper: MacGlashan et al. 2017, "Interactive Learning from Policy-Dependent Human Feedback" (arXiv:1701.06049), real-time
COACH. People praise what is better than usual and fall silent once it is usual: their signal follows the policy as an
advantage does. With f_t the signal at step t, and d steps that people need to answer:

    e_t = decay * e_(t-1) + grad log pi(a_(t-d) | s_(t-d)),          theta <- theta + rate * f_t * e_t

`Traces` is this, for a policy that learns while it is watched. Over an episode in which the weights stand still,

    sum over t of f_t e_t = sum over k of A_k grad log pi(a_k | s_k),    A_k = sum over t >= k + d of decay^(t-d-k) f_t

which is the plain policy gradient with people's signal in the place of an advantage: `COACH`, an algorithm like any
other. Deviation: one trace; the paper's robot keeps several, of different decay, and takes the pressed button's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.advantages import reward_to_go, steps_later
from heedful.learning.algorithms.reinforce import REINFORCE
from heedful.learning.surrogates import rewards_of
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts


@dataclass(frozen=True)
class COACH:
    """The policy gradient with people's signal as the advantage; the rewards are what they said at each step."""

    decay: float = 0.95
    """How much of an action's credit is left a step later; 0 credits the last action alone."""
    delay_steps: int = 0
    """How many steps people need to answer."""
    needs_critic: ClassVar[bool] = False
    epochs: ClassVar[int] = 1
    minibatches: ClassVar[int] = 1
    approx_kl_limit: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        _check(self.decay, self.delay_steps)

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): what was said from `delay_steps` later on, decaying; both are the same."""
        mask_BT = rollouts.mask_BT
        to_go_BT = reward_to_go(rewards_of(rollouts, "COACH"), mask_BT, self.decay)
        advantages_BT = steps_later(to_go_BT, mask_BT, self.delay_steps)
        return advantages_BT, advantages_BT

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): sums over episodes, averaged over the episodes."""
        return REINFORCE().averaged(x_BT, mask_BT)

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """-A log pi, summed over steps; the count is the number of episodes."""
        return REINFORCE().loss(evaluation, rollouts, advantages_BT, returns_BT)

    update = by_gradient


class Traces:
    """COACH step by step: `acted` after every action, then `heard` with what people said, `forget` between episodes.

    Args:
        parameters: the policy's, changed in place.
        rate: alpha, the step's size for a signal of 1.
        decay: lambda.
        delay_steps: how many steps people need to answer.
    """

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], *, rate: float, decay: float = 0.95, delay_steps: int = 0
    ) -> None:
        _check(decay, delay_steps)
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self.rate, self.decay, self.delay_steps = rate, decay, delay_steps
        self.traces = [torch.zeros_like(parameter) for parameter in self.parameters]
        self._waiting: deque[Callable[[], Tensor]] = deque()

    def acted(self, logprob: Callable[[], Tensor]) -> None:
        """An action was taken; the one that people can answer by now enters the trace.

        Args:
            logprob: () -> its log-probability (nats, a scalar) under the weights of the moment when it is asked.
        """
        self._waiting.append(logprob)
        if len(self._waiting) <= self.delay_steps:
            return
        slopes = torch.autograd.grad(self._waiting.popleft()(), self.parameters, allow_unused=True)
        for trace, slope in zip(self.traces, slopes, strict=True):
            trace.mul_(self.decay)
            if slope is not None:
                trace.add_(slope)

    @torch.no_grad()
    def heard(self, signal: float) -> None:
        """People said this; 0, or no call, where they said nothing."""
        for parameter, trace in zip(self.parameters, self.traces, strict=True):
            parameter.add_(trace, alpha=self.rate * signal)

    def forget(self) -> None:
        """An episode is over: what comes next earned nothing of it."""
        self._waiting.clear()
        for trace in self.traces:
            trace.zero_()

    def state_dict(self) -> dict[str, Any]:
        """The traces; actions that still wait for their delay are not kept, so save between episodes."""
        return {"traces": [trace.clone() for trace in self.traces]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go back to what `state_dict` gave."""
        self.forget()
        for trace, kept in zip(self.traces, state_dict["traces"], strict=True):
            trace.copy_(kept)


def _check(decay: float, delay_steps: int) -> None:
    if not 0 <= decay <= 1:
        raise Problem(f"decay is {decay}, it must lie in 0..1", where='setting "decay" of COACH')
    if delay_steps < 0:
        raise Problem(
            f"delay_steps is {delay_steps}: nobody answers before the act", where='setting "delay_steps" of COACH'
        )
