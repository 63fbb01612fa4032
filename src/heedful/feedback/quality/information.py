"""How surely an annotator's parameters are known when the items' scores were estimated from the same votes.

The observed information of a fit of item scores s (I) and of K parameters for each of A annotators is

    [ L   B ]      L = sum over votes of -l_dd (e_i - e_j)(e_i - e_j)^T + the prior's
    [ B^T D ]      B = sum of -l_dk (e_i - e_j), D = block diagonal with sum of -l_kk + the prior's

with d = s_i - s_j. The covariance of annotator k's parameters is D_k^-1 + D_k^-1 B_k^T S^-1 B_k D_k^-1 with
S = L - B D^-1 B^T: what they would have if the scores were known, and what not knowing these adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from heedful.feedback.quality.votes import Floats, PairVotes

ITEMS_AT_MOST = 3000
"""With more items the scores are taken as known: S would no longer fit into memory comfortably."""


@dataclass(frozen=True)
class Curvature:
    """Second derivatives of each vote's log-likelihood, and the information of the prior."""

    dd_V: Floats
    """By the difference of scores, twice."""
    dk_VK: Floats
    """By the difference and by each parameter of the vote's annotator."""
    kk_VKK: Floats
    """By the parameters, twice."""
    prior_I: Floats
    """Minus the second derivative of the prior of each score."""
    prior_AK: Floats
    """Likewise of each annotator's parameters."""


def mixture_curvature(
    outcome_V: Floats, probability_V: Floats, slopes_VP: Floats, bends_VPP: Floats
) -> tuple[Floats, Floats, Floats]:
    """Second derivatives of y log q + (1 - y) log(1 - q): by the difference, mixed, by the parameters.

    Args:
        outcome_V: y.
        probability_V: q.
        slopes_VP: the derivatives of q by the difference of scores (first) and by the annotator's parameters.
        bends_VPP: the second derivatives of q by the same.
    """
    q, y = probability_V, outcome_V
    first_V = y / q - (1 - y) / (1 - q)
    second_V = -y / q**2 - (1 - y) / (1 - q) ** 2
    found_VPP = second_V[:, None, None] * slopes_VP[:, :, None] * slopes_VP[:, None, :]
    found_VPP = found_VPP + first_V[:, None, None] * bends_VPP
    return found_VPP[:, 0, 0], found_VPP[:, 0, 1:], found_VPP[:, 1:, 1:]


def annotator_errors(votes: PairVotes, curvature: Curvature) -> Floats:
    """The standard errors of every annotator's parameters, (A, K), in the parameters' units."""
    A, K = votes.annotators, curvature.dk_VK.shape[1]
    blocks_AKK = np.zeros((A, K, K))
    np.add.at(blocks_AKK, votes.annotator_V, -curvature.kk_VKK)
    blocks_AKK += curvature.prior_AK[:, :, None] * np.eye(K)
    inverse_AKK = np.asarray(np.linalg.inv(blocks_AKK), dtype=np.float64)
    known_AK = np.diagonal(inverse_AKK, axis1=1, axis2=2)
    if votes.items > ITEMS_AT_MOST:
        return np.sqrt(np.maximum(known_AK, 0.0))
    rows = np.arange(len(votes.first_V))
    ends = np.concatenate([votes.first_V, votes.second_V])
    signs = np.concatenate([np.ones(len(rows)), -np.ones(len(rows))])
    incidence_VI = sparse.csr_array((signs, (np.concatenate([rows, rows]), ends)), shape=(len(rows), votes.items))
    scores_II = (incidence_VI.T @ sparse.diags_array(-curvature.dd_V) @ incidence_VI).toarray()
    scores_II += np.diag(curvature.prior_I)
    columns = votes.annotator_V[:, None] * K + np.arange(K)
    spread = sparse.csr_array(
        (-curvature.dk_VK.ravel(), (np.repeat(rows, K), columns.ravel())), shape=(len(rows), A * K)
    )
    mixed_IM = (incidence_VI.T @ spread).tocsc()
    inverse_MM = sparse.block_diag(list(inverse_AKK), format="csc")
    carried_IM = mixed_IM @ inverse_MM
    schur_II = scores_II - (carried_IM @ mixed_IM.T).toarray()
    added_M = (carried_IM.toarray() * np.linalg.solve(schur_II, carried_IM.toarray())).sum(axis=0)
    return np.asarray(np.sqrt(np.maximum(known_AK + added_M.reshape(A, K), 0.0)), dtype=np.float64)
