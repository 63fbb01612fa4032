from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.kl import AdaptiveKL, FixedKL, at_last_token, k1, k2, k3, leashed_logprobs, leashed_rewards
from heedful.rollouts import Rollouts

Estimator = Callable[[Tensor, Tensor], Tensor]


@pytest.mark.parametrize(
    ("shift", "estimator", "bias", "deviation"),
    [
        (0.1, k1, 0, 20),
        (0.1, k2, 0.002, 1.42),
        (0.1, k3, 0, 1.42),
        (1.0, k1, 0, 2),
        (1.0, k2, 0.25, 1.73),
        (1.0, k3, 0, 1.7),
    ],
)
def test_bias_and_deviation_between_gaussians(
    shift: float, estimator: Estimator, bias: float, deviation: float
) -> None:
    """Schulman's table: samples from N(0, 1), reference N(shift, 1), as shares of the true KL, by integration."""
    x = np.linspace(-12, 13, 200_001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    found = estimator(torch.from_numpy(-(x**2) / 2), torch.from_numpy(-((x - shift) ** 2) / 2)).numpy()
    true = shift**2 / 2
    mean = np.trapezoid(density * found, x)
    second = np.trapezoid(density * found**2, x)
    assert mean / true - 1 == pytest.approx(bias, abs=1e-3)
    assert np.sqrt(second - mean**2) / true == pytest.approx(deviation, rel=0.02)


@pytest.fixture
def arms() -> tuple[Tensor, Tensor]:
    """Logits of a policy and of a reference over 6 arms."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(size=6)).requires_grad_(), torch.from_numpy(rng.normal(size=6))


def expected_gradient(arms: tuple[Tensor, Tensor], term: Callable[[Tensor, Tensor], Tensor]) -> list[float]:
    """Gradient of a loss term averaged over samples of the policy, by enumeration of the arms."""
    logits, reference = arms
    logprobs, ref_logprobs = logits.log_softmax(0), reference.log_softmax(0)
    average = (logprobs.detach().exp() * term(logprobs, ref_logprobs)).sum()
    return [float(x) for x in torch.autograd.grad(average, logits)[0]]


def exact_gradients(arms: tuple[Tensor, Tensor]) -> tuple[list[float], list[float]]:
    """(of KL(pi || ref), of KL(ref || pi)) with respect to the logits: pi (log pi/ref - KL) and pi - ref."""
    pi, ref = (np.exp(x - np.log(np.exp(x).sum())) for x in (arms[0].detach().numpy(), arms[1].numpy()))
    kl = (pi * np.log(pi / ref)).sum()
    return (pi * (np.log(pi / ref) - kl)).tolist(), (pi - ref).tolist()


def test_k1_as_a_loss_does_nothing_on_average(arms: tuple[Tensor, Tensor]) -> None:
    assert expected_gradient(arms, k1) == pytest.approx([0] * 6, abs=1e-12)


def test_k2_as_a_loss_descends_the_reverse_kl(arms: tuple[Tensor, Tensor]) -> None:
    assert expected_gradient(arms, k2) == pytest.approx(exact_gradients(arms)[0], abs=1e-12)


def test_k3_as_a_loss_descends_the_forward_kl(arms: tuple[Tensor, Tensor]) -> None:
    assert expected_gradient(arms, k3) == pytest.approx(exact_gradients(arms)[1], abs=1e-12)
    assert exact_gradients(arms)[0] != pytest.approx(exact_gradients(arms)[1], abs=1e-2)


def test_k1_in_the_reward_descends_the_reverse_kl(arms: tuple[Tensor, Tensor]) -> None:
    def policy_gradient(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
        return k1(logprobs, ref_logprobs).detach() * logprobs

    assert expected_gradient(arms, policy_gradient) == pytest.approx(exact_gradients(arms)[0], abs=1e-12)


def test_leashed_rewards_by_hand() -> None:
    nan = float("nan")
    rewards_BT = leashed_rewards(
        torch.tensor([10.0, 20.0, 30.0]),
        torch.tensor([[-1.0, -2.0, nan], [-1.0, -1.0, -3.0], [nan, nan, nan]], requires_grad=True),
        torch.tensor([[-2.0, -1.5, nan], [-1.0, -1.0, -1.0], [nan, nan, nan]]),
        torch.tensor([[True, True, False], [True, False, True], [False, False, False]]),
        0.5,
    )
    # k1 = (1, -.5) and (0, 2 at the third); the score falls on the last real token.
    assert rewards_BT.tolist() == [[-0.5, 10.25, 0.0], [0.0, 0.0, 21.0], [0.0, 0.0, 0.0]]
    assert not rewards_BT.requires_grad


def test_the_score_lies_on_the_last_real_token() -> None:
    mask_BT = torch.tensor([[True, False, False], [True, True, True], [False, True, False]])
    found_BT = at_last_token(torch.tensor([1.0, 2.0, 3.0]), mask_BT)
    assert found_BT.tolist() == [[1, 0, 0], [0, 0, 2], [0, 3, 0]]


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (9.0, 0.151536),  # error clipped to .2: .15 * (1 + .2 * 512 / 10000)
        (5.4, 0.149232),  # error -.1: .15 * (1 - .00512)
        (0.0, 0.148464),  # clipped to -.2
        (6.0, 0.15),
    ],
)
def test_the_adaptive_coefficient_by_hand(kl: float, expected: float) -> None:
    controller = AdaptiveKL(0.15, 6.0, 10_000)
    controller.update(kl, 512)
    assert controller.coefficient == pytest.approx(expected)


def test_controllers_keep_their_coefficient_through_a_checkpoint() -> None:
    first, second = AdaptiveKL(0.15, 6.0, 10_000), AdaptiveKL(0.9, 6.0, 10_000)
    first.update(9.0, 512)
    second.load_state_dict(first.state_dict())
    assert second.coefficient == first.coefficient == pytest.approx(0.151536)
    fixed = FixedKL(0.2)
    fixed.update(100.0, 512)
    assert fixed.state_dict() == {"coefficient": 0.2}
    fixed.load_state_dict({"coefficient": 0.1})
    assert fixed.coefficient == 0.1


@pytest.mark.parametrize("settings", [(0.0, 6.0, 10.0), (0.1, -1.0, 10.0), (0.1, 6.0, 0.0), (float("nan"), 6.0, 1.0)])
def test_impossible_settings_are_refused(settings: tuple[float, float, float]) -> None:
    with pytest.raises(Problem, match="must be above 0"):
        AdaptiveKL(*settings)


def test_a_fixed_coefficient_may_be_zero_but_not_negative() -> None:
    assert FixedKL(0.0).coefficient == 0
    with pytest.raises(Problem, match="coefficient"):
        FixedKL(-0.1)


def test_the_leash_pays_for_log_probabilities_without_a_rule() -> None:
    restricted_BT, bare_BT = torch.zeros(1, 2), torch.full((1, 2), -1.0)
    rollouts = Rollouts({}, torch.ones(1, 2, dtype=torch.bool), torch.zeros(1), restricted_BT)
    assert leashed_logprobs(rollouts) is restricted_BT
    assert leashed_logprobs(rollouts.with_(extras={"bare_logprobs_BT": bare_BT})) is bare_BT
