"""Where in a sequence its score is paid: at the end, evenly, at the ends of steps, or where a model looked.

A score comes once per sequence; a policy gradient learns faster when it is told which tokens earned it. Here
the score is only spread, never changed: a row's token scores always sum to its score, so the best policy stays
the same.

    r_t = beta * share_t * R + (1 - beta) * R * [t is the last token],     sum over t of share_t = 1

Chan et al. 2024, "Dense Reward for Free in Reinforcement Learning from Human Feedback" (arXiv:2402.00782,
section 3). With beta 0 it is the usual reward at the last token; with the attention of the reward model as
shares it is their ABC, with the policy's own ABC-D (see `heedful.reward.credit`), with `even_shares` their
uniform baseline.
"""

from __future__ import annotations

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.learning.kl import at_last_token


def spread(scores_B: Tensor, shares_BT: Tensor, mask_BT: Tensor, beta: float = 0.5) -> Tensor:
    """token_scores_BT: the share `beta` of each score as `shares_BT` says, the rest at the last token.

    Args:
        scores_B: one number per sequence, any unit.
        shares_BT: not negative; scaled here to sum to 1 over a row's real tokens. A row of zeros (a model that
            looked elsewhere) is paid at its last token.
        mask_BT: True at real tokens; masked ones get 0. A row without a token loses its score.
        beta: 0 for everything at the last token (exactly `at_last_token`), 1 for everything by shares.

    Raises:
        Problem: beta is not in 0..1, or a share is negative or not finite.
    """
    if not 0 <= beta <= 1:
        raise Problem(f"beta is {beta}, it must lie in 0..1", where='setting "beta" of the credit')
    shares_BT = masks.kept(shares_BT.to(scores_B.dtype), mask_BT)
    wrong_BT = ~((shares_BT >= 0) & torch.isfinite(shares_BT))
    if bool(wrong_BT.any()):
        row, token = wrong_BT.nonzero()[0].tolist()
        raise Problem(
            f"a share of the credit is {float(shares_BT[row, token]):g}",
            where=f"row {row} of the batch, token {token}",
            mend="shares are finite and not negative",
        )
    at_end_BT = at_last_token(scores_B, mask_BT)
    total_B1 = shares_BT.sum(1, keepdim=True)
    seen_B1 = total_B1 > 0
    by_share_BT = scores_B[:, None] * shares_BT / torch.where(seen_B1, total_B1, 1.0)
    return beta * torch.where(seen_B1, by_share_BT, at_end_BT) + (1 - beta) * at_end_BT


def even_shares(mask_BT: Tensor) -> Tensor:
    """shares_BT: every real token the same."""
    return mask_BT.float()


def step_shares(ends_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """shares_BT: every step of a sequence (a line, a sentence, a turn) the same, paid at its last token.

    Args:
        ends_BT: True at the last token of a step. A row's last real token always ends one.
        mask_BT: True at real tokens.
    """
    last_BT = at_last_token(torch.ones_like(mask_BT[:, 0], dtype=torch.float32), mask_BT) > 0
    return ((ends_BT | last_BT) & mask_BT).float()
