"""COACH by literal sums: which actions a signal credits, and that step by step it is the same as by episodes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.learning.conftest import a_scored_batch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.human_signal import COACH, Traces
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Rollouts

NAN = math.nan
GRID = list(itertools.product([0.0, 0.5, 1.0], [0, 1, 2]))


def heard(signals: list[list[float]]) -> Rollouts:
    """What people said at each step; NaN is padding, wherever it stands."""
    signals_BT = torch.tensor(signals, dtype=torch.float64)
    mask_BT = ~signals_BT.isnan()
    return Rollouts({}, mask_BT, torch.arange(len(signals)), torch.zeros(mask_BT.shape), rewards_BT=signals_BT)


def test_a_signal_credits_what_went_before_it_less_and_less() -> None:
    advantages_BT, returns_BT = COACH(decay=0.5).credit(heard([[0.0, NAN, 1.0, -4.0], [NAN, 2.0, NAN, 0.0]]))
    # Steps 1, 3, 4 of the first: 0 + .5 * 1 + .25 * -4; 1 + .5 * -4; -4.
    assert advantages_BT.tolist() == [[-0.5, 0, -1, -4], [0, 2, 0, 0]]
    assert torch.equal(advantages_BT, returns_BT)


def test_with_a_delay_it_credits_none_of_the_last_steps() -> None:
    advantages_BT, _ = COACH(decay=0.5, delay_steps=1).credit(heard([[8.0, NAN, 1.0, -4.0]]))
    # What is said at a step is of the one before: step 1 hears 1 and half of -4, step 3 hears -4, step 4 nothing.
    assert advantages_BT.tolist() == [[-1, 0, -4, 0]]


def signalled() -> tuple[TabularPolicy, Rollouts]:
    """A policy that has left its reference, twelve episodes of it, and random signals, most of them silence."""
    policy, rollouts = a_scored_batch()
    random = np.random.default_rng(4)
    shape = rollouts.mask_BT.shape
    signals_BT = torch.from_numpy(random.choice([-1.0, 0.0, 0.0, 1.0], size=shape))
    return policy, rollouts.with_(rewards_BT=torch.where(rollouts.mask_BT, signals_BT, NAN))


def logprob_of(policy: TabularPolicy, rollouts: Rollouts, row: int, step: int) -> Callable[[], Tensor]:
    return lambda: policy.evaluate(rollouts).logprobs_BT[row, step]


@pytest.mark.parametrize(("decay", "delay_steps"), GRID)
def test_the_update_is_the_sum_over_steps_of_signal_times_trace(
    decay: float, delay_steps: int, descent: Callable[..., Any]
) -> None:
    """theta + rate * sum_t f_t e_t with weights that stand still, each gradient of log pi taken by itself."""
    policy, rollouts = signalled()
    assert rollouts.rewards_BT is not None
    wanted = torch.zeros_like(policy.logits)
    for row in range(len(rollouts)):
        real = rollouts.mask_BT[row].nonzero()[:, 0].tolist()
        trace = torch.zeros_like(policy.logits)
        for number, step in enumerate(real):
            if number >= delay_steps:
                meant = logprob_of(policy, rollouts, row, real[number - delay_steps])()
                trace = decay * trace + torch.autograd.grad(meant, policy.logits)[0]
            wanted += rollouts.rewards_BT[row, step] * trace
    compute, algorithm = descent(), COACH(decay=decay, delay_steps=delay_steps)
    compute.prepare([([policy.logits], 0.5)])
    algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=0)
    torch.testing.assert_close(compute.gradients[0][0], -wanted / len(rollouts))
    assert compute.counts == [len(rollouts)]
    assert bool(wanted.any())


@pytest.mark.parametrize(("decay", "delay_steps"), GRID)
def test_step_by_step_it_is_the_same_where_the_weights_hardly_move(decay: float, delay_steps: int) -> None:
    policy, rollouts = signalled()
    rate, before = 1e-7, policy.logits.detach().clone()
    live = Traces([policy.logits], rate=rate, decay=decay, delay_steps=delay_steps)
    assert rollouts.rewards_BT is not None
    for row in range(len(rollouts)):
        live.forget()
        for step in rollouts.mask_BT[row].nonzero()[:, 0].tolist():
            live.acted(logprob_of(policy, rollouts, row, step))
            live.heard(float(rollouts.rewards_BT[row, step]))
    moved = (policy.logits.detach() - before) / rate
    algorithm = COACH(decay=decay, delay_steps=delay_steps)
    with torch.no_grad():
        policy.logits.copy_(before)
    loss_sum, *_ = algorithm.loss(policy.evaluate(rollouts), rollouts, *algorithm.credit(rollouts))
    torch.testing.assert_close(moved, -torch.autograd.grad(loss_sum, policy.logits)[0], atol=1e-5, rtol=1e-4)


def test_three_steps_by_hand() -> None:
    """One weight w, log pi = w * x of the step, so each gradient is x: 2, then 3, then 5."""
    weight = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
    live = Traces([weight], rate=0.1, decay=0.5)
    seen = []
    for x, signal in ((2.0, 0.0), (3.0, 1.0), (5.0, -1.0)):
        logprob = weight * x
        live.acted(lambda logprob=logprob: logprob)  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
        live.heard(signal)
        seen.append(float(weight.detach()))
    # Traces 2, 4, 7.
    assert seen == pytest.approx([0.0, 0.4, -0.3])


def test_a_late_answer_meets_the_weights_of_now() -> None:
    """log pi = -w^2 / 2 of both actions: at the time of the answer the gradient is -w of then, not of the act."""
    weight = torch.nn.Parameter(torch.ones((), dtype=torch.float64))
    live = Traces([weight], rate=1.0, decay=0.0, delay_steps=1)
    live.acted(lambda: -(weight**2) / 2)
    live.heard(5.0)
    assert float(weight.detach()) == 1, "nobody can have answered yet"
    with torch.no_grad():
        weight.fill_(3.0)
    live.acted(lambda: -(weight**2) / 2)
    live.heard(0.5)
    assert float(weight.detach()) == pytest.approx(3.0 - 0.5 * 3.0)


def test_an_episode_that_is_over_earns_nothing_and_traces_survive_a_crash() -> None:
    weight, frozen = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(2), requires_grad=False)
    live = Traces([weight, frozen], rate=1.0, decay=1.0)
    live.acted(lambda: weight[0])
    again = Traces([weight, frozen], rate=1.0, decay=1.0)
    again.load_state_dict(live.state_dict())
    again.acted(lambda: weight[1])
    assert again.traces[0].tolist() == [1, 1]
    assert live.traces[0].tolist() == [1, 0]
    again.forget()
    again.heard(1.0)
    assert weight.tolist() == [0, 0]


@pytest.mark.parametrize("wrong", [{"decay": 1.1}, {"decay": -0.1}, {"delay_steps": -1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Problem, match=next(iter(wrong))):
        COACH(**wrong)
    with pytest.raises(Problem, match=next(iter(wrong))):
        Traces([], rate=1.0, **wrong)


def test_without_signals_it_says_so() -> None:
    with pytest.raises(Problem, match="COACH needs rewards"):
        COACH().credit(heard([[0.0]]).with_(rewards_BT=None))
