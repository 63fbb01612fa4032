"""TAMER's credit window against the integral that defines it, and both losses by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.human_signal import credit_window, deep_tamer_loss, tamer_loss


def seconds(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_window_by_hand() -> None:
    """A signal at 2 s, meant for what was there 0.2 to 0.6 s before: from 1.4 s to 1.8 s."""
    ends = seconds(1.0, 1.5, 1.7, 1.9, 2.0)
    weights_NT = credit_window(ends - 0.5, ends, seconds(2.0), earliest_s=0.2, latest_s=0.6)
    # The steps [.5, 1], [1, 1.5], [1.2, 1.7], [1.4, 1.9], [1.5, 2] hold 0, .1, .3, .4 and .3 s of it.
    assert weights_NT[0].tolist() == pytest.approx([0, 0.25, 0.75, 1, 0.75])


def test_the_weights_are_the_integral_of_the_delay_and_sum_to_one_over_steps_without_gaps() -> None:
    random = np.random.default_rng(0)
    edges = np.concatenate([[-1.0], np.sort(random.uniform(0, 10, 30)), [11.0]])
    heard = np.sort(random.uniform(5, 10, 8))
    weights_NT = credit_window(
        torch.from_numpy(edges[:-1]), torch.from_numpy(edges[1:]), torch.from_numpy(heard), earliest_s=0.28, latest_s=4
    )
    delays = 0.28 + (np.arange(100_000) + 0.5) / 100_000 * (4 - 0.28)
    for number, moment in enumerate(heard):
        counted, _ = np.histogram(moment - delays, edges)
        np.testing.assert_allclose(weights_NT[number].numpy(), counted / len(delays), atol=2e-5)
    torch.testing.assert_close(weights_NT.sum(1), torch.ones(8, dtype=torch.float64))


def test_what_lies_outside_the_steps_is_nobodys() -> None:
    """Half of the window is before the first step: the row sums to one half."""
    weights_NT = credit_window(seconds(0.0), seconds(1.0), seconds(1.0), earliest_s=0.0, latest_s=2.0)
    assert weights_NT.tolist() == [[0.5]]
    assert credit_window(seconds(0.0), seconds(1.0), seconds(0.0), earliest_s=0.0, latest_s=2.0).tolist() == [[0.0]]


WEIGHTS_NT = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.0, 0.0], [0.0, 0.5, 0.5]], dtype=torch.float64)
SIGNALS_N = seconds(1.0, -1.0, -1.0)


def expected() -> Tensor:
    """What is predicted of the steps; not a number where no signal reaches."""
    nan = math.nan
    rows = [[2.0, 0.0, nan], [nan, nan, nan], [nan, 1.0, -1.0]]
    return torch.tensor(rows, dtype=torch.float64, requires_grad=True)


def test_the_loss_of_2009_by_hand() -> None:
    expected_NT = expected()
    total, count = tamer_loss(expected_NT, WEIGHTS_NT, SIGNALS_N)
    # .25 * 2 - 1 = -1/2 and .5 * 1 + .5 * -1 + 1 = 1; the second signal reached no step.
    assert (float(total.detach()), int(count)) == (0.25 + 1, 2)
    (slope_NT,) = torch.autograd.grad(total, expected_NT)
    assert slope_NT.tolist() == [[-0.25, -0.75, 0], [0, 0, 0], [0, 1, 1]]


def test_the_loss_of_2018_by_hand() -> None:
    expected_NT = expected()
    total, count = deep_tamer_loss(expected_NT, WEIGHTS_NT, SIGNALS_N)
    # .25 * 1^2 + .75 * 1^2 of the first, .5 * 2^2 + 0 of the third.
    assert (float(total.detach()), int(count)) == (1 + 2, 4)
    (slope_NT,) = torch.autograd.grad(total, expected_NT)
    assert slope_NT.tolist() == [[0.5, -1.5, 0], [0, 0, 0], [0, 2, 0]]


def test_where_a_signal_has_one_step_only_both_are_the_same() -> None:
    torch.testing.assert_close(
        tamer_loss(torch.ones(4, 4), torch.eye(4), torch.arange(4.0)),
        deep_tamer_loss(torch.ones(4, 4), torch.eye(4), torch.arange(4.0)),
    )


def test_a_window_or_a_step_that_cannot_be_is_refused() -> None:
    for earliest_s, latest_s in ((-0.1, 1.0), (1.0, 1.0)):
        with pytest.raises(Problem, match="nobody answers after"):
            credit_window(seconds(0.0), seconds(1.0), seconds(1.0), earliest_s=earliest_s, latest_s=latest_s)
    with pytest.raises(Problem, match="step 1"):
        credit_window(seconds(0.0, 2.0), seconds(1.0, 1.0), seconds(1.0))
