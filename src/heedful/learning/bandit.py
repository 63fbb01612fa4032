"""Learning from a log: one response to each prompt, one number for it, and no second try.

A deployed system shows each user one response and hears at most a thumb. From such a log the policy is improved
without sampling anything: the reward of what was logged is weighted by how much likelier the present policy would
have made it.

    V(pi) = mean of rho_i r_i,      rho_i = pi(y_i | x_i) / pi_0(y_i | x_i)

Papers: Bottou et al. 2013, "Counterfactual Reasoning and Learning Systems" (weights, clipped); Swaminathan and
Joachims 2015, "The Self-Normalized Estimator for Counterfactual Learning" (divide by the sum of the weights);
Lawrence, Sokolov and Riezler 2017, "Counterfactual Learning from Bandit Feedback under Deterministic Logging" (logs
without propensities: rho = pi, reweighed); Lawrence and Riezler 2018, "Improving a Neural Semantic Parser by
Counterfactual Learning from Human Bandit Feedback" (the normaliser computed one step late over the whole log, so that
the loss stays a sum over responses); Dudik, Langford and Li 2011, "Doubly Robust Policy Evaluation and Learning".

The gradient is that of sum_i min(rho_i, clip) (r_i - baseline) with the weight taken as it is now, which is the
gradient of V itself wherever nothing is clipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class Bandit:
    """Learning from logged completions by importance weights."""

    estimator: Literal["self_normalised", "ips"] = "self_normalised"
    """Weights divided by their mean over the log, and rewards less the policy's value; or weights as they are."""
    clip: float = 10.0
    """The largest weight; self_normalised counts it in mean weights."""
    reweigh_every: int = 10
    """Steps between looks at the log: for its mean weight, the policy's value and the effective sample size."""
    looked_at: int = 512
    """How many completions of the log are looked at, drawn anew each time; 0: all."""

    def __post_init__(self) -> None:
        if not self.clip > 0:
            raise Problem(f"clip is {self.clip}, it must be above 0", where='setting "clip" of learning from a log')
        if self.reweigh_every < 1:
            raise Problem(
                f"reweigh_every is {self.reweigh_every}", where='setting "reweigh_every"', mend="use 1 or more"
            )


@dataclass(frozen=True)
class Reweighing:
    """What the weights of a whole log are at some policy: computed now and then, used until the next time."""

    log_scale: float
    """Log of what weights are divided by; 0 for plain importance weights."""
    baseline: float
    """What is subtracted from the feedback: the value of the policy by the self-normalised estimate."""


PLAIN = Reweighing(log_scale=0.0, baseline=0.0)
"""Importance weights as they are, no baseline."""


def log_weights(logprobs_B: Tensor, logged_logprobs_B: Tensor | None) -> Tensor:
    """log rho_B = log pi - log pi_0 of whole responses; log pi alone where the log has no propensities."""
    return logprobs_B if logged_logprobs_B is None else logprobs_B - logged_logprobs_B


@torch.no_grad()
def reweigh(log_weights_N: Tensor, feedback_N: Tensor, clip: float = 10.0) -> Reweighing:
    """The normaliser and the baseline of a whole log (Swaminathan and Joachims 2015, equation 9).

    Args:
        log_weights_N: of every response in the log under the policy of now.
        feedback_N: what was said of each, any unit.
        clip: the largest weight, in units of the mean weight.
    """
    largest = log_weights_N.max()
    log_scale = largest + torch.log(torch.exp(log_weights_N - largest).mean())
    weights_N = torch.exp(log_weights_N - log_scale).clamp(max=clip)
    return Reweighing(float(log_scale), float((weights_N * feedback_N).sum() / weights_N.sum()))


@dataclass(frozen=True)
class Worth:
    """What a policy would have earned on a log that others wrote, by importance weights."""

    value: float
    """In the unit of the feedback."""
    each_N: Tensor
    """Numbers whose mean is the value and whose spread is that of the estimate: for its interval."""
    effective: float
    """Effective sample size (Kish): responses that would say as much if the policy had written them itself."""


@torch.no_grad()
def worth(log_weights_N: Tensor, feedback_N: Tensor, settings: Bandit) -> Worth:
    """The off-policy estimate of a policy's value.

    `ips`: V = mean of min(w, clip) r. `self_normalised`: V = sum of w r / sum of w, w cut at `clip` times their mean;
    as a ratio it is linearised, and response i counts as V + w_i (r_i - V) / mean w. The effective sample size
    (sum w)^2 / sum w^2 is that of the weights before they are cut.

    Args:
        log_weights_N: see `log_weights`; nats.
        feedback_N: what each response earned.
        settings: estimator and clip.
    """
    logs_N, feedback_N = log_weights_N.double(), feedback_N.double()
    effective = float(torch.exp(2 * torch.logsumexp(logs_N, 0) - torch.logsumexp(2 * logs_N, 0)))
    if settings.estimator == "ips":
        each_N = torch.exp(logs_N).clamp(max=settings.clip) * feedback_N
        return Worth(float(each_N.mean()), each_N, effective)
    found = reweigh(logs_N, feedback_N, settings.clip)
    weights_N = torch.exp(logs_N - found.log_scale).clamp(max=settings.clip)
    each_N = found.baseline + weights_N * (feedback_N - found.baseline) / weights_N.mean()
    return Worth(found.baseline, each_N, effective)


def bandit_loss(
    logprobs_BT: Tensor,
    mask_BT: Tensor,
    feedback_B: Tensor,
    logged_logprobs_B: Tensor | None = None,
    *,
    clip: float = 10.0,
    reweighing: Reweighing = PLAIN,
) -> tuple[Tensor, Tensor, Metrics]:
    """-sum over responses of min(rho, clip) (r - baseline) log pi; for `learning.fit.fit`.

    Args:
        logprobs_BT: of logged tokens under the policy of now, with gradients; nats.
        mask_BT: True at response tokens.
        feedback_B: the number that was logged with each response.
        logged_logprobs_B: log-probability of each whole response under the policy that wrote it; None where nobody
            wrote it down: then use `reweigh`, or all likely responses are pushed up whatever they earned.
        clip: the largest weight: less variance for some bias.
        reweighing: what `reweigh` gave for the whole log; `PLAIN` for unbiased weights without a baseline.

    Returns:
        (sum, number of responses, metrics `importance_mean`, `importance_max`, `importance_clipped`).

    Raises:
        Problem: the clip is not above 0, or feedback is not finite.
    """
    if not clip > 0:
        raise Problem(f"clip is {clip}, it must be above 0", where='setting "clip" of learning from a log')
    if not bool(torch.isfinite(feedback_B).all()):
        row = int((~torch.isfinite(feedback_B)).nonzero()[0])
        raise Problem(f"the feedback is {float(feedback_B[row])}", where=f"row {row} of the batch", mend="correct it")
    logprobs_B = masks.kept(logprobs_BT, mask_BT).sum(1)
    raw_B = torch.exp(log_weights(logprobs_B.detach(), logged_logprobs_B) - reweighing.log_scale)
    weights_B = raw_B.clamp(max=clip)
    loss_sum = -(weights_B * (feedback_B - reweighing.baseline) * logprobs_B).sum()
    count = torch.tensor(float(len(feedback_B)), device=loss_sum.device)
    return (
        loss_sum,
        count,
        {
            "importance_mean": (weights_B.sum(), count),
            "importance_max": (weights_B.max(), count),
            "importance_clipped": ((raw_B > clip).float().sum(), count),
        },
    )


def doubly_robust_loss(
    logprobs_BK: Tensor,
    chosen_B: Tensor,
    feedback_B: Tensor,
    predicted_BK: Tensor,
    logged_logprobs_B: Tensor,
    *,
    clip: float = float("inf"),
) -> tuple[Tensor, Tensor, Metrics]:
    """-sum over rows of [sum_k pi_k r^_k + rho (r - r^_chosen)], r^ being the predictions.

    Dudik, Langford and Li 2011, equation 1: unbiased if either the predictions or the propensities are right. For a
    log whose alternatives are known (the candidates that were not shown): K responses to each prompt, of which one was
    shown. The policy is over those K.

    Args:
        logprobs_BK: of the K candidates, normalised over K here, with gradients.
        chosen_B: int64, which of them was shown.
        feedback_B: what was said of it.
        predicted_BK: what a reward model expects of each.
        logged_logprobs_B: log-probability with which the shown one was chosen among the K.
        clip: the largest weight.
    """
    policy_BK = logprobs_BK.log_softmax(1)
    shown_B1 = chosen_B[:, None]
    weights_B = torch.exp(policy_BK.gather(1, shown_B1)[:, 0] - logged_logprobs_B).clamp(max=clip)
    surprise_B = feedback_B - predicted_BK.gather(1, shown_B1)[:, 0]
    value_B = (policy_BK.exp() * predicted_BK).sum(1) + weights_B * surprise_B
    count = torch.tensor(float(len(value_B)), device=value_B.device)
    return -value_B.sum(), count, {"doubly_robust_value": (value_B.sum(), count)}
