"""Noisy Bradley-Terry: scores of items from annotators who look only sometimes, and else follow the side.

Bugakova et al. (2019), "Aggregation of pairwise comparisons with reduction of biases", arXiv:1906.03711. With
probability expit(gamma_k) annotator k follows the scores, otherwise the side shown:

    P(y) = expit(gamma_k) sigma(y (s_i - s_j)) + (1 - expit(gamma_k)) sigma(y x q_k),    y = +1 or -1

x = +1 when i was shown first, -1 when j was, 0 when that is not known (then a coin is tossed). gamma is the skill, q
the pull of the side shown first in log-odds. Somebody who answers the opposite cannot be told from one who never
looks: for these see `crowd_bt`. Right where the same items meet in many pairs.

Regularisation: virtual wins and losses of every item against a virtual item of score 0; gamma and q normal. What
differs: only the side is a bias, a tie is half a vote for each side, and the gradient is checked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from heedful.feedback.quality.information import Curvature, annotator_errors, mixture_curvature
from heedful.feedback.quality.votes import Floats, PairVotes

TINY = 1e-12


@dataclass(frozen=True, slots=True)
class NoisyBTPrior:
    """The regularisation."""

    virtual: float = 0.5
    """Virtual wins, and as many losses, of each item."""
    skill: float = 1.0
    """Mean of gamma: expit(1) = 0.73 of the answers follow the scores."""
    skill_spread: float = 1.5
    """Standard deviation of gamma."""
    side_spread: float = 2.0
    """Standard deviation of q; its mean is 0."""


@dataclass(frozen=True)
class NoisyBT:
    """What was found."""

    score_I: Floats
    """Log-odds of an attentive annotator's choice; 0 is the virtual item."""
    skill_A: Floats
    """gamma, in log-odds: expit(gamma) is the share of answers that follow the scores."""
    side_A: Floats
    """q, in log-odds: above 0 the side shown first is preferred."""
    skill_error_A: Floats
    """Standard error of gamma, from the observed information."""
    side_error_A: Floats
    log_posterior: float

    def interval(self, z: float = 1.96) -> tuple[Floats, Floats]:
        """Bounds of every annotator's share of attentive answers, `z` standard errors away in log-odds."""
        return expit(self.skill_A - z * self.skill_error_A), expit(self.skill_A + z * self.skill_error_A)


def noisy_bt(votes: PairVotes, prior: NoisyBTPrior | None = None, *, steps: int = 500) -> NoisyBT:
    """Fit scores, skills and side biases together.

    It begins with all scores 0, all skills at the prior's mean, and the side biases at the log-odds of the share of
    votes that each annotator gave to the side shown first.

    Args:
        votes: from `heedful.feedback.quality.votes.pair_votes`, with the sides as shown.
        prior: the regularisation.
        steps: L-BFGS steps at most.
    """
    prior = prior or NoisyBTPrior()
    items, A = votes.items, votes.annotators
    seen = votes.side_V != 0
    first_V = np.where(votes.side_V > 0, votes.outcome_V, 1 - votes.outcome_V)
    picks_A = np.bincount(votes.annotator_V[seen], first_V[seen], A)
    asked_A = np.bincount(votes.annotator_V[seen], minlength=A)
    start = np.concatenate([np.zeros(items), np.full(A, prior.skill), logit((picks_A + 1) / (asked_A + 2))])
    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-12, "gtol": 1e-7 * len(votes.outcome_V)}
    found = minimize(loss, start, args=(votes, prior), jac=True, method="L-BFGS-B", options=options)
    score_I, skill_A, side_A = found.x[:items], found.x[items : items + A], found.x[items + A :]
    error_AK = annotator_errors(votes, _curvature(score_I, skill_A, side_A, votes, prior))
    return NoisyBT(score_I, skill_A, side_A, error_AK[:, 0], error_AK[:, 1], -float(found.fun))


def loss(parameters: Floats, votes: PairVotes, prior: NoisyBTPrior) -> tuple[float, Floats]:
    """Minus the log-posterior in nats and its gradient; parameters are the I scores, the A gammas, the A biases q."""
    items, A = votes.items, votes.annotators
    score_I, skill_A, side_A = parameters[:items], parameters[items : items + A], parameters[items + A :]
    follows, y, x = expit(skill_A)[votes.annotator_V], votes.outcome_V, votes.side_V
    p = expit(score_I[votes.first_V] - score_I[votes.second_V])
    b = expit(x * side_A[votes.annotator_V])
    q = np.clip(follows * p + (1 - follows) * b, TINY, 1 - TINY)
    value = -float((y * np.log(q) + (1 - y) * np.log(1 - q)).sum())
    value += prior.virtual * float(np.logaddexp(0, score_I).sum() + np.logaddexp(0, -score_I).sum())
    value += 0.5 * float((((skill_A - prior.skill) / prior.skill_spread) ** 2).sum())
    value += 0.5 * float(((side_A / prior.side_spread) ** 2).sum())
    by_q = -(y - q) / (q * (1 - q))
    by_difference = by_q * follows * p * (1 - p)
    gradient_I = np.bincount(votes.first_V, by_difference, items)
    gradient_I -= np.bincount(votes.second_V, by_difference, items)
    gradient_I += prior.virtual * (2 * expit(score_I) - 1)
    by_skill_A = np.bincount(votes.annotator_V, by_q * (p - b) * follows * (1 - follows), A)
    slope_A = by_skill_A + (skill_A - prior.skill) / prior.skill_spread**2
    by_side_A = np.bincount(votes.annotator_V, by_q * (1 - follows) * b * (1 - b) * x, A)
    return value, np.concatenate([gradient_I, slope_A, by_side_A + side_A / prior.side_spread**2])


def _curvature(score_I: Floats, skill_A: Floats, side_A: Floats, votes: PairVotes, prior: NoisyBTPrior) -> Curvature:
    e, x = expit(skill_A)[votes.annotator_V], votes.side_V
    p = expit(score_I[votes.first_V] - score_I[votes.second_V])
    b = expit(x * side_A[votes.annotator_V])
    q = np.clip(e * p + (1 - e) * b, TINY, 1 - TINY)
    p1, e1, b1 = p * (1 - p), e * (1 - e), b * (1 - b)
    slopes_VP = np.stack([e * p1, (p - b) * e1, (1 - e) * b1 * x], axis=1)
    bends_VPP = np.zeros((len(q), 3, 3))
    bends_VPP[:, 0, 0] = e * p1 * (1 - 2 * p)
    bends_VPP[:, 1, 1] = (p - b) * e1 * (1 - 2 * e)
    bends_VPP[:, 2, 2] = (1 - e) * b1 * (1 - 2 * b) * x**2
    bends_VPP[:, 0, 1] = bends_VPP[:, 1, 0] = e1 * p1
    bends_VPP[:, 1, 2] = bends_VPP[:, 2, 1] = -e1 * b1 * x
    dd_V, dk_VK, kk_VKK = mixture_curvature(votes.outcome_V, q, slopes_VP, bends_VPP)
    prior_I = prior.virtual * 2 * expit(score_I) * expit(-score_I)
    prior_AK = np.tile([1 / prior.skill_spread**2, 1 / prior.side_spread**2], (votes.annotators, 1))
    return Curvature(dd_V, dk_VK, kk_VKK, prior_I, prior_AK)
