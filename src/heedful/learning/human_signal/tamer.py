"""TAMER: learn to predict what people will say of an action, so as to do what they will praise most.

Papers: Knox and Stone 2009, "Interactively Shaping Agents via Human Reinforcement: The TAMER Framework"; Warnell et al.
2018, "Deep TAMER: Interactive Agent Shaping in High-Dimensional State Spaces" (arXiv:1709.10163). H(s, a), the signal
to be expected, is learnt by regression; people look ahead themselves, so nothing is discounted or bootstrapped: it is
Q-learning with gamma 0. The policy takes argmax over a of H(s, a).

A signal comes late, so it is credited to several steps, each by the chance that people meant it: the delay's
probability over the time the step took. The two papers use this credit w differently,

    2009    (sum over t of w_t H_t - h)^2            the signal is shared out among the steps
    2018    sum over t of w_t (H_t - h)^2            every step is worth the signal, the likelier the more

Here the delay is uniform, as in Deep TAMER (0.28 to 4 s); silence teaches nothing.
"""

from __future__ import annotations

from torch import Tensor

from heedful.errors import Problem
from heedful.learning.masks import kept


def credit_window(
    begun_T: Tensor, ended_T: Tensor, heard_N: Tensor, *, earliest_s: float = 0.28, latest_s: float = 4.0
) -> Tensor:
    """weights_NT: the chance that a signal was meant for a step, the delay being uniform in [earliest, latest].

        w = length of [heard - ended, heard - begun] within [earliest, latest] / (latest - earliest)

    A row sums to 1 where the steps cover the whole window without gaps, to less where some of it is not theirs.

    Args:
        begun_T, ended_T: when each step began and ended, seconds.
        heard_N: when each signal came, seconds.
        earliest_s, latest_s: the shortest and the longest time that people need to answer.

    Raises:
        Problem: the window is empty or begins before the act, or a step ends before it begins.
    """
    if not 0 <= earliest_s < latest_s:
        raise Problem(
            f"nobody answers after {earliest_s} to {latest_s} seconds",
            where='settings "earliest_s" and "latest_s"',
            mend="let the window begin at 0 or later and end after that",
        )
    if bool((ended_T < begun_T).any()):
        step = int((ended_T < begun_T).nonzero()[0])
        raise Problem("a step ends before it begins", where=f"step {step}", mend="give begin and end in seconds")
    newest_NT = (heard_N[:, None] - ended_T).clamp(earliest_s, latest_s)
    oldest_NT = (heard_N[:, None] - begun_T).clamp(earliest_s, latest_s)
    return (oldest_NT - newest_NT) / (latest_s - earliest_s)


def tamer_loss(expected_NT: Tensor, weights_NT: Tensor, signals_N: Tensor) -> tuple[Tensor, Tensor]:
    """(sum over signals of (sum over t of w H - h)^2, signals that have a step in their window): TAMER of 2009.

    Args:
        expected_NT: H of the steps that each signal may be meant for; anything where the weight is 0.
        weights_NT: from `credit_window`.
        signals_N: what people said.
    """
    meant_NT = weights_NT > 0
    shared_N = (weights_NT * kept(expected_NT, meant_NT)).sum(1)
    some_N = meant_NT.any(1)
    return (kept(shared_N - signals_N, some_N) ** 2).sum(), some_N.sum()


def deep_tamer_loss(expected_NT: Tensor, weights_NT: Tensor, signals_N: Tensor) -> tuple[Tensor, Tensor]:
    """(sum over signals and steps of w (H - h)^2, pairs of a signal and a step in its window): Deep TAMER of 2018.

    Arguments as in `tamer_loss`.
    """
    meant_NT = weights_NT > 0
    error_NT = kept(expected_NT - signals_N[:, None], meant_NT)
    return (weights_NT * error_NT**2).sum(), meant_NT.sum()
