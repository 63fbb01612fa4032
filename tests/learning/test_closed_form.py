"""The whole online loop against exact answers, on a table whose every completion can be counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.learning.algorithms import (
    A2C,
    CISPO,
    DAPO,
    GRPO,
    GSPO,
    NLPO,
    PPO,
    REINFORCE,
    RLOO,
    TRPO,
    AnyAlgorithm,
    BestOf,
    OnlineDPO,
    RewardWeighted,
    dr_grpo,
)
from heedful.learning.improve import improve
from heedful.learning.kl import AdaptiveKL, FixedKL, KLController, leashed_logprobs, leashed_rewards
from heedful.learning.regularisers import KLInLoss, Regularised
from heedful.learning.schedules import Shape, schedule
from heedful.learning.tabular import STOP, TabularPolicy
from heedful.rollouts import Algorithm, Policy, Rollouts
from heedful.runs import Run
from heedful.seeds import generator, seed_of

Vector = NDArray[np.float64]


def random_scores(rollouts: Rollouts) -> Tensor:
    """A fixed random score for every completion of every prompt, of standard deviation 1."""
    tokens = rollouts.inputs["tokens_BT"].masked_fill(~rollouts.mask_BT, 0).tolist()
    found = [drawn(prompt, *completion) for prompt, completion in zip(rollouts.group_B.tolist(), tokens, strict=True)]
    return torch.tensor(found, dtype=torch.float64)


@cache
def drawn(*completion: int) -> float:
    return float(generator("score", *completion).standard_normal())


def wanted_tokens(rollouts: Rollouts) -> Tensor:
    """How many tokens are the one that the prompt wants: 1 for the first prompt, 2 for the second."""
    wanted_BT = rollouts.inputs["tokens_BT"] == rollouts.group_B[:, None] + 1
    return (wanted_BT & rollouts.mask_BT).sum(1).double()


def distribution(policy: TabularPolicy, prompt: int) -> tuple[Vector, Vector, Rollouts]:
    """(pi, pi_ref) over the completions of a prompt, and the completions."""
    every = policy.every_completion(prompt)
    assert every.ref_logprobs_BT is not None
    return every.logprobs_BT.sum(1).exp().numpy(), every.ref_logprobs_BT.sum(1).exp().numpy(), every


def distance(p: Vector, q: Vector) -> float:
    """Total variation."""
    return float(np.abs(p - q).sum() / 2)


def train(
    folder: Path,
    policy: TabularPolicy,
    algorithm: Algorithm,
    controller: KLController,
    *,
    steps: int,
    rate: float,
    completions: int,
    scale: float = 1.0,
    score: Callable[[Rollouts], Tensor] = random_scores,
    shape: Shape = "linear",
) -> Run:
    prompt_B = torch.arange(policy.logits.shape[0]).repeat_interleave(completions)

    def collect(_: Policy, step: int) -> Rollouts:
        if isinstance(algorithm, NLPO) and algorithm.refresh_due(step):
            policy.refresh()
        return policy.sample(prompt_B, seed=seed_of(0, "collect", step))

    def reward(rollouts: Rollouts) -> Rollouts:
        scores_B = scale * score(rollouts)
        assert rollouts.ref_logprobs_BT is not None
        coefficient = controller.coefficient
        logprobs_BT = leashed_logprobs(rollouts)
        rewards_BT = leashed_rewards(scores_B, logprobs_BT, rollouts.ref_logprobs_BT, rollouts.mask_BT, coefficient)
        kl_B = (logprobs_BT - rollouts.ref_logprobs_BT).sum(1)
        controller.update(float(kl_B.mean()), len(rollouts))
        extras = {"kl_coefficient_B": torch.full((len(rollouts),), coefficient)}
        return rollouts.with_(scores_B=scores_B, rewards_BT=rewards_BT, extras=extras)

    compute = LocalCompute()
    compute.prepare([([policy.logits], rate), ([policy.values], 3 * rate)])
    run = Run.open(folder, "improve", {})
    improve(
        policy,
        collect,
        reward,
        algorithm,
        compute,
        run,
        steps=steps,
        seed=0,
        state={"policy": policy, "kl": controller},
        schedule=schedule(shape, steps),
    )
    return run


@pytest.mark.parametrize(
    ("algorithm", "steps", "completions"),
    [
        (PPO(epochs=2), 150, 64),
        (RLOO(), 150, 64),
        (GRPO(standardise=False, average="token"), 150, 64),
        (dr_grpo(2), 150, 64),
        (REINFORCE(), 150, 64),
        (A2C(), 150, 64),
        (TRPO(kl_limit=0.02, whiten_advantages=False, epochs=1), 60, 128),
    ],
    ids=["ppo", "rloo", "grpo", "dr-grpo", "reinforce", "a2c", "trpo"],
)
def test_the_leashed_optimum_is_the_exponentially_tilted_reference(
    tmp_path: Path, algorithm: AnyAlgorithm, steps: int, completions: int
) -> None:
    """argmax E[r] - c KL(pi || ref) = ref exp(r / c) / Z."""
    coefficient = 0.5
    policy = TabularPolicy(prompts=2, vocabulary=3, limit_tokens=2, seed=1)
    leash = FixedKL(coefficient)
    train(tmp_path, policy, algorithm, leash, steps=steps, rate=0.1, completions=completions, scale=0.5)
    for prompt in range(2):
        pi, ref, every = distribution(policy, prompt)
        tilted = ref * np.exp(0.5 * random_scores(every).numpy() / coefficient)
        tilted /= tilted.sum()
        assert distance(ref, tilted) > 0.15
        assert distance(pi, tilted) < 0.02


def test_k3_in_the_loss_leads_to_the_forward_kl_optimum_instead(tmp_path: Path) -> None:
    """argmax E[r] - c KL(ref || pi) has pi = c ref / (nu - r), nu such that it sums to 1."""
    coefficient = 0.5
    policy = TabularPolicy(prompts=1, vocabulary=5, limit_tokens=1, seed=1)
    algorithm = GRPO(standardise=False, kl_coefficient=coefficient, kl_estimator="k3")
    train(tmp_path, policy, algorithm, FixedKL(0.0), steps=300, rate=0.1, completions=128, scale=1.5)
    pi, ref, every = distribution(policy, 0)
    scores = 1.5 * random_scores(every).numpy()
    low, high = scores.max() + 1e-9, scores.max() + 100
    for _ in range(200):
        nu = (low + high) / 2
        low, high = (nu, high) if (coefficient * ref / (nu - scores)).sum() > 1 else (low, nu)
    forward = coefficient * ref / (high - scores)
    tilted = ref * np.exp(scores / coefficient)
    tilted /= tilted.sum()
    assert forward.sum() == pytest.approx(1)
    assert distance(forward, tilted) > 0.05
    assert distance(pi, forward) < 0.02


@pytest.mark.parametrize(
    "algorithm",
    [
        GRPO(standardise=False, kl_coefficient=0.5, kl_estimator="k2"),
        Regularised(REINFORCE(), (KLInLoss(0.5),)),
        A2C(kl_share=1 / 3),
    ],
    ids=["grpo", "reinforce", "gophercite"],
)
def test_k2_in_the_loss_leads_to_the_tilted_reference(tmp_path: Path, algorithm: Algorithm) -> None:
    """GopherCite's alpha is a third where the KL weighs half of what the rewards do."""
    policy = TabularPolicy(prompts=1, vocabulary=5, limit_tokens=1, seed=1)
    train(tmp_path, policy, algorithm, FixedKL(0.0), steps=150, rate=0.1, completions=128, scale=0.5)
    pi, ref, every = distribution(policy, 0)
    tilted = ref * np.exp(0.5 * random_scores(every).numpy() / 0.5)
    assert distance(pi, tilted / tilted.sum()) < 0.02


@pytest.mark.parametrize(
    ("algorithm", "first"),
    [(PPO(epochs=2), 3.0), (RLOO(), 0.02), (RLOO(), 3.0)],
    ids=["ppo-tight", "rloo-loose", "rloo-tight"],
)
def test_the_adaptive_coefficient_ends_at_its_target(tmp_path: Path, algorithm: AnyAlgorithm, first: float) -> None:
    """From far too loose and far too tight a leash, the exact KL ends within 15 % of what was asked for."""
    target = 0.3
    policy = TabularPolicy(prompts=2, vocabulary=3, limit_tokens=2, seed=1)
    controller = AdaptiveKL(first, target, horizon=2000)
    run = train(tmp_path, policy, algorithm, controller, steps=400, rate=0.05, completions=64, shape="constant")
    exact = []
    for prompt in range(2):
        pi, ref, _ = distribution(policy, prompt)
        exact.append(float((pi * np.log(pi / ref)).sum()))
    assert np.mean(exact) == pytest.approx(target, rel=0.15)
    coefficients = [line["kl_coefficient"] for line in run.metrics()]
    assert coefficients[0] == pytest.approx(first)
    assert coefficients[-1] == pytest.approx(controller.coefficient, rel=0.05)


SEEKERS: dict[str, AnyAlgorithm] = {
    "ppo": PPO(),
    "ppo-minibatches": PPO(epochs=2, minibatches=4, approx_kl_limit=0.05),
    "ppo-sequence": PPO(average="sequence"),
    "rloo": RLOO(epochs=2),
    "grpo": GRPO(epochs=2),
    "dr-grpo": replace(dr_grpo(3), epochs=3),
    "dapo": DAPO(GRPO(epochs=2, minibatches=2, average="token", clip_high=0.28)),
    "gspo": GSPO(epochs=2, minibatches=1, clip=0.2, clip_high=0.2),
    "cispo": CISPO(epochs=2, minibatches=2),
    "reinforce": REINFORCE(scale=True),
    "a2c": A2C(whiten_advantages=True),
    "trpo": TRPO(epochs=2),
    "nlpo": NLPO(PPO(epochs=2)),
    "online-dpo": OnlineDPO(beta=0.02),  # beta is its leash
    "best-of": BestOf(keep=4),
    "reward-weighted": RewardWeighted(beta=0.5),
}


@pytest.mark.parametrize("algorithm", SEEKERS.values(), ids=SEEKERS)
def test_every_algorithm_learns_to_write_what_is_wanted(tmp_path: Path, algorithm: AnyAlgorithm) -> None:
    """Without a leash, nine of ten tokens and more are the wanted one in the end, with a critic and without, each from
    as many completions: two standard deviations of the start's score above its mean, 90 % of what PPO can have."""
    rule = algorithm.rule([STOP]) if isinstance(algorithm, NLPO) else None
    policy = TabularPolicy(prompts=2, vocabulary=4, limit_tokens=3, seed=2, rule=rule)
    train(tmp_path, policy, algorithm, FixedKL(0.0), steps=100, rate=0.1, completions=64, score=wanted_tokens)
    for prompt in range(2):
        pi, ref, every = distribution(policy, prompt)
        scores = wanted_tokens(every).numpy()
        begun, ended = (ref * scores).sum(), (pi * scores).sum()
        assert begun < 0.4 * 3
        assert ended > 0.9 * 3
        assert ended - begun >= 2 * np.sqrt((ref * (scores - begun) ** 2).sum())
