"""Crowd-BT: Bradley-Terry scores of items, and how reliable each annotator is, from their votes alone.

Chen et al. (2013), "Pairwise ranking aggregation in a crowdsourced setting", WSDM: annotator k prefers i to j with
probability

    q = eta_k p + (1 - eta_k)(1 - p),    p = sigma(s_i - s_j)

so eta = 1 always follows the scores, 1/2 tosses a coin, 0 answers the opposite. Right where the same items meet in
many pairs; where every pair is one of a kind, `item_response` is the method.

Regularisation: lambda virtual wins and losses of every item against a virtual item of score 0 (their virtual node),
and a Beta density of the log-odds theta = log(eta / (1 - eta)), alpha log eta + beta log(1 - eta), with its mode at
alpha / (alpha + beta). Without the latter scores and reliabilities could be turned round together. What differs: the
fit is by L-BFGS on all votes at once, not online; a tie is half a vote for each side.
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
class CrowdBTPrior:
    """The regularisation."""

    virtual: float = 0.5
    """lambda: virtual wins, and as many losses, of each item."""
    right: float = 4.0
    """alpha: pseudo-votes of each annotator that follow the scores."""
    wrong: float = 1.0
    """beta: pseudo-votes that do not."""


@dataclass(frozen=True)
class CrowdBT:
    """What was found."""

    score_I: Floats
    """Log-odds of an always right annotator's choice; 0 is the virtual item."""
    reliability_A: Floats
    """eta: the probability of following the scores."""
    error_A: Floats
    """Standard error of the log-odds of eta, from the observed information."""
    log_posterior: float

    def interval(self, z: float = 1.96) -> tuple[Floats, Floats]:
        """Bounds of every annotator's reliability, `z` standard errors away in log-odds."""
        centre = logit(np.clip(self.reliability_A, TINY, 1 - TINY))
        return expit(centre - z * self.error_A), expit(centre + z * self.error_A)


def crowd_bt(votes: PairVotes, prior: CrowdBTPrior | None = None, *, steps: int = 500) -> CrowdBT:
    """Fit scores and reliabilities together, beginning with everybody at the prior's mode and all scores 0.

    Args:
        votes: from `heedful.feedback.quality.votes.pair_votes`; their sides do not matter here.
        prior: the regularisation.
        steps: L-BFGS steps at most.
    """
    prior = prior or CrowdBTPrior()
    start = np.zeros(votes.items + votes.annotators)
    start[votes.items :] = np.log(prior.right / prior.wrong)
    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-12, "gtol": 1e-7 * len(votes.outcome_V)}
    found = minimize(loss, start, args=(votes, prior), jac=True, method="L-BFGS-B", options=options)
    score_I, theta_A = found.x[: votes.items], found.x[votes.items :]
    error_A = annotator_errors(votes, _curvature(score_I, theta_A, votes, prior))[:, 0]
    return CrowdBT(score_I, expit(theta_A), error_A, -float(found.fun))


def loss(parameters: Floats, votes: PairVotes, prior: CrowdBTPrior) -> tuple[float, Floats]:
    """Minus the log-posterior in nats and its gradient; parameters are the I scores, then the A log-odds theta."""
    score_I, theta_A = parameters[: votes.items], parameters[votes.items :]
    eta_A = expit(theta_A)
    eta, y = eta_A[votes.annotator_V], votes.outcome_V
    p = expit(score_I[votes.first_V] - score_I[votes.second_V])
    q = np.clip(eta * p + (1 - eta) * (1 - p), TINY, 1 - TINY)
    value = -float((y * np.log(q) + (1 - y) * np.log(1 - q)).sum())
    value += prior.virtual * float(np.logaddexp(0, score_I).sum() + np.logaddexp(0, -score_I).sum())
    value += float((prior.right * np.logaddexp(0, -theta_A) + prior.wrong * np.logaddexp(0, theta_A)).sum())
    by_q = -(y - q) / (q * (1 - q))
    by_difference = by_q * (2 * eta - 1) * p * (1 - p)
    gradient_I = np.bincount(votes.first_V, by_difference, votes.items)
    gradient_I -= np.bincount(votes.second_V, by_difference, votes.items)
    gradient_I += prior.virtual * (2 * expit(score_I) - 1)
    gradient_A = np.bincount(votes.annotator_V, by_q * (2 * p - 1) * eta * (1 - eta), votes.annotators)
    gradient_A += (prior.right + prior.wrong) * eta_A - prior.right
    return value, np.concatenate([gradient_I, gradient_A])


def _curvature(score_I: Floats, theta_A: Floats, votes: PairVotes, prior: CrowdBTPrior) -> Curvature:
    eta = expit(theta_A)[votes.annotator_V]
    p = expit(score_I[votes.first_V] - score_I[votes.second_V])
    q = np.clip(eta * p + (1 - eta) * (1 - p), TINY, 1 - TINY)
    p1, eta1 = p * (1 - p), eta * (1 - eta)
    slopes_VP = np.stack([(2 * eta - 1) * p1, (2 * p - 1) * eta1], axis=1)
    mixed = 2 * eta1 * p1
    bends_VPP = np.stack(
        [
            np.stack([(2 * eta - 1) * p1 * (1 - 2 * p), mixed], axis=1),
            np.stack([mixed, (2 * p - 1) * eta1 * (1 - 2 * eta)], axis=1),
        ],
        axis=1,
    )
    dd_V, dk_VK, kk_VKK = mixture_curvature(votes.outcome_V, q, slopes_VP, bends_VPP)
    prior_I = prior.virtual * 2 * expit(score_I) * expit(-score_I)
    prior_A = (prior.right + prior.wrong) * expit(theta_A) * expit(-theta_A)
    return Curvature(dd_V, dk_VK, kk_VKK, prior_I, prior_A[:, None])
