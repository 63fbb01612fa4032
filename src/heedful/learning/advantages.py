"""Credit assignment: from rewards to advantages.

Shapes: B sequences, T steps; a row's real steps are those where `mask_BT` is True, padding may stand on
either side of them or in between. Nothing here carries a gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.learning.surrogates import critic_values, rewards_of
from heedful.rollouts import Rollouts

FEWEST_WHITENED = 8
"""So many completions a batch must have for its rewards to be whitened."""


def gae(
    rewards_BT: Tensor,
    values_BT: Tensor,
    mask_BT: Tensor,
    gamma: float = 1.0,
    lam: float = 0.95,
    *,
    last_values_B: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al. 2016, equations 11 and 16).

        delta_t = r_t + gamma V_{t+1} - V_t          A_t = delta_t + gamma lam A_{t+1}

    where t+1 is the next *real* step and the value after the last one is 0, or `last_values_B` where
    behaviour was cut off from outside and would have gone on.

    Returns:
        (advantages_BT, returns_BT), returns = advantages + values; both 0 where masked.
    """
    advantages_BT = torch.zeros_like(values_BT)
    advantage_B = torch.zeros_like(values_BT[:, 0])
    value_B = torch.zeros_like(advantage_B) if last_values_B is None else last_values_B.to(values_BT.dtype)
    for t in reversed(range(values_BT.shape[1])):
        real_B = mask_BT[:, t]
        delta_B = rewards_BT[:, t] + gamma * value_B - values_BT[:, t]
        advantage_B = torch.where(real_B, delta_B + gamma * lam * advantage_B, advantage_B)
        value_B = torch.where(real_B, values_BT[:, t], value_B)
        advantages_BT[:, t] = masks.kept(advantage_B, real_B)
    return advantages_BT, masks.kept(advantages_BT + values_BT, mask_BT)


def look_ahead(advantages_BT: Tensor, mask_BT: Tensor, steps: int, decay: float) -> Tensor:
    """advantages_BT that look `steps` real steps ahead and trust the critic there: A_t - decay^steps A_{t+steps}.

    A_t is a discounted sum of errors, so this is the sum of its first `steps` terms. With `gae` at lambda 1 and
    decay = gamma it is the n-step return less the value (Mnih et al. 2016, section 4, A3C).
    """
    return masks.kept(advantages_BT - decay**steps * steps_later(advantages_BT, mask_BT, steps), mask_BT)


def steps_later(x_BT: Tensor, mask_BT: Tensor, steps: int) -> Tensor:
    """What stands `steps` real steps further on; 0 beyond the last one, and where masked."""
    rows, width = mask_BT.shape
    number_BT = torch.where(mask_BT, mask_BT.cumsum(1) - 1, width + steps)  # masked ones share a place beyond the end
    real_BN = x_BT.new_zeros(rows, width + steps + 1).scatter(1, number_BT, masks.kept(x_BT, mask_BT))
    return masks.kept(real_BN.gather(1, torch.where(mask_BT, number_BT + steps, 0)), mask_BT)


def reward_to_go(rewards_BT: Tensor, mask_BT: Tensor, gamma: float = 1.0) -> Tensor:
    """returns_BT: G_t = r_t + gamma G_{t+1} over the real steps, 0 where masked (Williams 1992)."""
    zeros_BT = torch.zeros_like(rewards_BT)
    return gae(rewards_BT, zeros_BT, mask_BT, gamma, 1.0)[0]


def whiten(x_BT: Tensor, mask_BT: Tensor, *, centre: bool = True) -> Tensor:
    """Scale to variance 1 under the mask, and to mean 0 if `centre` (else the mean stays what it was).

    Population variance, 1e-8 added to it, as in the 2019 code of Ziegler et al. Masked positions become 0.
    """
    mean, variance = masks.mean(x_BT, mask_BT), masks.variance(x_BT, mask_BT)
    white_BT = (x_BT - mean) * torch.rsqrt(variance + 1e-8)
    return masks.kept(white_BT if centre else white_BT + mean, mask_BT)


def leave_one_out(scores_B: Tensor, group_B: Tensor) -> Tensor:
    """advantages_B: A_i = r_i - mean of the *other* scores in its group.

    Kool et al. 2019; Ahmadian et al. 2024, equation 8. Equal to G / (G - 1) * (r_i - mean of the group), so they
    sum to 0 in every group.

    Raises:
        Problem: a group has one member only.
    """
    place_B, size_P = _groups(group_B)
    if bool((size_P < 2).any()):
        raise Problem(
            "leave-one-out needs at least two completions of every prompt",
            mend="ask for two or more completions per prompt, or choose another algorithm",
        )
    size_B = size_P[place_B].to(scores_B.dtype)
    return _centred(scores_B, place_B, size_P) * size_B / (size_B - 1)


def standardise_in_group(scores_B: Tensor, group_B: Tensor) -> Tensor:
    """advantages_B: (r_i - mean) / std of its group (Shao et al. 2024, DeepSeekMath, section 4.1.2).

    Population standard deviation and no epsilon, so that it is 1 in every group afterwards. A group whose scores
    are equal (up to a millionth of their size, which is rounding) has nothing to say and gets 0.
    """
    place_B, size_P = _groups(group_B)
    centred_B = _centred(scores_B, place_B, size_P)
    variance_P = _sum_by(centred_B**2, place_B, size_P) / size_P
    largest_P = torch.zeros_like(variance_P).scatter_reduce(0, place_B, scores_B.abs(), "amax")
    equal_P = variance_P.sqrt() <= 1e-6 * largest_P
    std_P = torch.where(equal_P, torch.ones_like(variance_P), variance_P.sqrt())
    return torch.where(equal_P[place_B], torch.zeros_like(centred_B), centred_B / std_P[place_B])


def centre_in_group(scores_B: Tensor, group_B: Tensor) -> Tensor:
    """advantages_B: r_i - mean of its group (Liu et al. 2025, "Dr. GRPO")."""
    return _centred(scores_B, *_groups(group_B))


def over_tokens(advantages_B: Tensor, mask_BT: Tensor) -> Tensor:
    """Every real step of a sequence gets the sequence's advantage; masked ones get 0."""
    return masks.kept(advantages_B[:, None].expand(mask_BT.shape), mask_BT)


def by_critic(
    rollouts: Rollouts, algorithm: str, *, gamma: float, lam: float, whiten_rewards: bool = False
) -> tuple[Tensor, Tensor]:
    """(advantages_BT, returns_BT) by `gae` against the critic's values, going on from `last_values_B` where given.

    Raises:
        Problem: no values, or rewards are to be whitened over fewer than 8 completions.
    """
    rewards_BT, values_BT = rewards_of(rollouts, algorithm), critic_values(rollouts, algorithm)
    if whiten_rewards:
        if len(rollouts) < FEWEST_WHITENED:
            raise Problem(
                f"rewards cannot be whitened over {len(rollouts)} completions: so few say too little of their spread",
                where=f'setting "whiten_rewards" of {algorithm}',
                mend=f"take {FEWEST_WHITENED} or more completions per step, or turn whiten_rewards off",
            )
        rewards_BT = whiten(rewards_BT, rollouts.mask_BT, centre=False)
    last_values_B = rollouts.extras.get("last_values_B")
    return gae(rewards_BT, values_BT, rollouts.mask_BT, gamma, lam, last_values_B=last_values_B)


def by_group(
    rollouts: Rollouts, algorithm: str, relative: Callable[[Tensor, Tensor], Tensor], *, bonus_B: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(advantages_BT, returns_BT): a completion's standing among its siblings and its reward, at each of its tokens.

    Args:
        rollouts: their rewards are summed over each completion.
        algorithm: whose name a `Problem` says.
        relative: (rewards_B, group_B) -> advantages_B.
        bonus_B: is added to the rewards first.
    """
    rewards_B = masks.kept(rewards_of(rollouts, algorithm), rollouts.mask_BT).sum(1)
    if bonus_B is not None:
        rewards_B = rewards_B + bonus_B.to(rewards_B.dtype)
    advantages_B = relative(rewards_B, rollouts.group_B)
    return over_tokens(advantages_B, rollouts.mask_BT), over_tokens(rewards_B, rollouts.mask_BT)


def _groups(group_B: Tensor) -> tuple[Tensor, Tensor]:
    """(place_B, size_P): the number 0..P-1 of each row's group, and how many rows each group has."""
    _, place_B, size_P = torch.unique(group_B, return_inverse=True, return_counts=True)
    return place_B, size_P


def _sum_by(x_B: Tensor, place_B: Tensor, size_P: Tensor) -> Tensor:
    """Sum of each group, in the same order of additions on every device (`index_add` is not, on a GPU)."""
    member_PB = place_B == torch.arange(len(size_P), device=place_B.device)[:, None]
    return masks.kept(x_B.expand(member_PB.shape), member_PB).sum(1)


def _centred(scores_B: Tensor, place_B: Tensor, size_P: Tensor) -> Tensor:
    return scores_B - (_sum_by(scores_B, place_B, size_P) / size_P)[place_B]
