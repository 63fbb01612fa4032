"""The KL leash: three estimators, what each of them does to a gradient, and who holds its coefficient.

All estimators take per-token log-probabilities (nats) of tokens that were sampled from the policy pi and
return a tensor of the same shape. With u = pi_ref / pi (Schulman 2020, "Approximating KL divergence"):

    k1 = -log u            unbiased, may be negative, high variance
    k2 = (log u)^2 / 2     biased, low variance
    k3 = u - 1 - log u     unbiased, never negative, low variance

As a *metric*, read k1 or k3. As a *loss*, differentiated through log pi with fixed samples, their expected
gradients are not those of their values (each is checked by enumeration in the tests):

    k1:  0                         it does nothing, on average
    k2:  grad KL(pi || pi_ref)     the reverse KL that RLHF means
    k3:  grad KL(pi_ref || pi)     the forward KL: another regulariser with another optimum

As a *reward*, -coefficient * k1 per token, without gradient, gives the policy gradient exactly
-coefficient * grad KL(pi || pi_ref): that is where k1 belongs (Ziegler et al. 2019, section 2.2).
"""

from __future__ import annotations

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.rollouts import Evaluation, Rollouts


def k1(logprobs_BT: Tensor, ref_logprobs_BT: Tensor) -> Tensor:
    """log pi - log pi_ref. For rewards and metrics; as a loss its expected gradient is 0."""
    return logprobs_BT - ref_logprobs_BT


def k2(logprobs_BT: Tensor, ref_logprobs_BT: Tensor) -> Tensor:
    """(log pi - log pi_ref)^2 / 2. As a loss its expected gradient is that of KL(pi || pi_ref)."""
    return (logprobs_BT - ref_logprobs_BT) ** 2 / 2


def k3(logprobs_BT: Tensor, ref_logprobs_BT: Tensor) -> Tensor:
    """u - 1 - log u, u = pi_ref / pi. As a loss its expected gradient is that of KL(pi_ref || pi)."""
    log_u_BT = ref_logprobs_BT - logprobs_BT
    return torch.expm1(log_u_BT) - log_u_BT


def leashed_rewards(
    scores_B: Tensor, logprobs_BT: Tensor, ref_logprobs_BT: Tensor, mask_BT: Tensor, coefficient: float
) -> Tensor:
    """rewards_BT = -coefficient * k1 at every token, and the sequence's score at its last token.

    Ziegler et al. 2019, equation 2, in the per-token form of their code. The score lies on the last token
    that counts, not one after it. Masked positions are 0; a row without a token loses its score.
    """
    rewards_BT = -coefficient * masks.kept(k1(logprobs_BT, ref_logprobs_BT).detach(), mask_BT)
    return rewards_BT + at_last_token(scores_B.to(rewards_BT.dtype), mask_BT)


def leashed_logprobs(rollouts: Rollouts) -> Tensor:
    """logprobs_BT whose KL to the reference the leash pays for: where a rule restricts the policy, those without it."""
    return rollouts.extras.get("bare_logprobs_BT", rollouts.logprobs_BT)


def present_logprobs(evaluation: Evaluation) -> Tensor:
    """The same of the policy of now, with gradients: what a KL in the loss is taken of."""
    return evaluation.logprobs_BT if evaluation.bare_logprobs is None else evaluation.bare_logprobs()


def kl_per_sequence(rollouts: Rollouts) -> float:
    """The batch's mean KL from the reference, by k1: what a controller is told.

    Raises:
        ValueError: the rollouts have no reference.
    """
    if rollouts.ref_logprobs_BT is None:
        raise ValueError("a KL needs the reference's log-probabilities")
    kl_BT = masks.kept(k1(leashed_logprobs(rollouts), rollouts.ref_logprobs_BT), rollouts.mask_BT)
    return float(kl_BT.sum(1).mean())


def at_last_token(scores_B: Tensor, mask_BT: Tensor) -> Tensor:
    """A (B, T) tensor that holds each sequence's score at its last True position and 0 elsewhere."""
    later_BT = mask_BT.flip(1).cumsum(1).flip(1)
    return masks.kept(scores_B[:, None].expand(mask_BT.shape), mask_BT & (later_BT == 1))


class FixedKL:
    """A coefficient that stays as it is."""

    def __init__(self, coefficient: float) -> None:
        self.coefficient = _not_negative("coefficient", coefficient)

    def update(self, kl: float, episodes: int) -> None:
        """Nothing follows from the `kl` that was measured."""

    def state_dict(self) -> dict[str, float]:
        """The coefficient."""
        return {"coefficient": self.coefficient}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go back to a saved coefficient."""
        self.coefficient = state_dict["coefficient"]


class AdaptiveKL:
    """A coefficient that seeks a target KL (Ziegler et al. 2019, section 2.2, in the log-space form of their code).

        error = clip(kl / target - 1, -0.2, 0.2)
        coefficient <- coefficient * (1 + error * episodes / horizon)

    Args:
        coefficient: to begin with (0.15 in 2019); above 0, for a product never leaves 0.
        target: wanted KL in nats per sequence (6 for stylistic continuation).
        horizon: in episodes (10,000): how many episodes of full error change the coefficient by 20 %.
    """

    def __init__(self, coefficient: float, target: float, horizon: float) -> None:
        self.coefficient = _positive("coefficient", coefficient)
        self.target = _positive("target", target)
        self.horizon = _positive("horizon", horizon)

    def update(self, kl: float, episodes: int) -> None:
        """Take in the mean KL (nats per sequence) that `episodes` sequences showed."""
        error = min(max(kl / self.target - 1, -0.2), 0.2)
        self.coefficient *= 1 + error * episodes / self.horizon

    def state_dict(self) -> dict[str, float]:
        """The coefficient; target and horizon are settings."""
        return {"coefficient": self.coefficient}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go back to a saved coefficient."""
        self.coefficient = state_dict["coefficient"]


KLController = FixedKL | AdaptiveKL


def _positive(name: str, value: float) -> float:
    if not 0 < value < float("inf"):
        raise Problem(f"{name} is {value}, it must be above 0", where=f'setting "{name}" of the KL leash')
    return value


def _not_negative(name: str, value: float) -> float:
    return value if value == 0 else _positive(name, value)
