from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.algorithms import (
    A2C,
    CISPO,
    DAPO,
    GRPO,
    GSPO,
    MIXER,
    NLPO,
    PPO,
    REINFORCE,
    RLOO,
    TRPO,
    BestOf,
    OnlineDPO,
    RewardWeighted,
    dr_grpo,
)
from heedful.learning.algorithms.mixer import GIVEN
from heedful.learning.kl import AdaptiveKL
from heedful.learning.pretraining import Pretraining
from heedful.learning.regularisers import EntropyBonus, GradientAlgorithm, KLInLoss, LeashInLoss, Regularised, Term
from heedful.learning.tabular import STOP, TabularPolicy
from heedful.rollouts import Evaluation, Rollouts

Batch = Callable[..., tuple[TabularPolicy, Rollouts]]
NAN = float("nan")
ROLLOUTS = Rollouts(
    inputs={},
    mask_BT=torch.tensor([[True, True, True], [True, False, False]]),
    group_B=torch.tensor([0, 0]),
    logprobs_BT=torch.tensor([[-1.0, -1, -1], [-2, NAN, NAN]], dtype=torch.float64),
    ref_logprobs_BT=torch.tensor([[-1.5, -1, -2], [-1, NAN, NAN]], dtype=torch.float64),
    rewards_BT=torch.tensor([[0.0, 0, 3], [1, NAN, NAN]], dtype=torch.float64),
    extras={GIVEN: torch.tensor([1, 0])},
)
NOW = Evaluation(ROLLOUTS.logprobs_BT, torch.tensor([[0.1, 0.2, 0.6], [0.5, NAN, NAN]], dtype=torch.float64))

ALGORITHMS: dict[str, GradientAlgorithm] = {
    "ppo": PPO(minibatches=2, entropy_coefficient=0.1),
    "ppo-sequence": PPO(average="sequence"),
    "rloo": RLOO(entropy_coefficient=0.1),
    "grpo": GRPO(kl_coefficient=0.3, entropy_coefficient=0.1),
    "dr-grpo": dr_grpo(3),
    "dapo": DAPO(),
    "gspo": GSPO(minibatches=2),
    "cispo": CISPO(minibatches=2),
    "reinforce": REINFORCE(),
    "a2c": A2C(),
    "nlpo": NLPO(),
    "online-dpo": OnlineDPO(epochs=2),
    "best-of": BestOf(),
    "reward-weighted": RewardWeighted(minibatches=2),
    "mixer": MIXER(),
    "trpo": TRPO(),
}


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_the_kl_term_by_hand(estimator: Literal["k2", "k3"]) -> None:
    gaps = [0.5, 0, 1, -1]  # log pi - log pi_ref
    by_name = {"k2": [g * g / 2 for g in gaps], "k3": [math.exp(-g) - 1 + g for g in gaps]}
    found_BT = KLInLoss(0.1, estimator)(NOW, ROLLOUTS)
    assert found_BT[ROLLOUTS.mask_BT].tolist() == pytest.approx(by_name[estimator])
    assert not found_BT[~ROLLOUTS.mask_BT].any()


@pytest.mark.parametrize(
    ("algorithm", "kl", "entropy"),
    [
        # k2 of the tokens .125, 0, .5 and .5; entropies .1, .2, .6 and .5. Each mean is the algorithm's own.
        (GRPO(average="token"), 1.125, 1.4),
        (GRPO(), 0.625 / 3 + 0.5, 0.9 / 3 + 0.5),
        (dr_grpo(10), 1.125 / 10, 1.4 / 10),
        (REINFORCE(), 1.125, 1.4),
        (RLOO(), 1.125, 1.4),
        (GSPO(), 0.625 / 3 + 0.5, 0.9 / 3 + 0.5),
        (CISPO(), 1.125, 1.4),
        (OnlineDPO(), 1.125 / 2, 1.4 / 2),
        (BestOf(), 1.125, 1.4),
        (RewardWeighted(), 1.125, 1.4),
        (MIXER(), 1.125, 1.4),
    ],
    ids=[
        "token",
        "sequence",
        "constant",
        "reinforce",
        "rloo",
        "gspo",
        "cispo",
        "online-dpo",
        "best-of",
        "reward-weighted",
        "mixer",
    ],
)
def test_terms_are_averaged_as_the_algorithm_averages(algorithm: GradientAlgorithm, kl: float, entropy: float) -> None:
    pair = algorithm.credit(ROLLOUTS)
    bare_sum, bare_count, _ = algorithm.loss(NOW, ROLLOUTS, *pair)
    wrapped = Regularised(algorithm, (KLInLoss(0.4), EntropyBonus(0.3)))
    loss_sum, count, metrics = wrapped.loss(NOW, ROLLOUTS, *wrapped.credit(ROLLOUTS))
    assert float(loss_sum - bare_sum) == pytest.approx(0.4 * kl - 0.3 * entropy)
    assert float(count) == float(bare_count)
    assert float(metrics["kl_loss"][0]) == pytest.approx(kl)
    assert float(metrics["entropy_loss"][0]) == pytest.approx(-entropy)
    assert float(metrics["kl_loss"][1]) == float(bare_count)


def under_a_mask(moved: float) -> tuple[TabularPolicy, NLPO]:
    """A policy that may write only what its first self thought likely, some way from its reference."""
    algorithm = NLPO(top_p=0.6)
    policy = TabularPolicy(1, 4, 2, seed=0, spread=2.0, rule=algorithm.rule([STOP]))
    with torch.no_grad():
        policy.logits.add_(moved * torch.from_numpy(np.random.default_rng(1).normal(size=policy.logits.shape)))
    return policy, algorithm


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_under_a_mask_it_is_the_kl_of_the_bare_log_probabilities(estimator: Literal["k2", "k3"]) -> None:
    """Value and gradient at every completion there is, token by token from the tables of logits."""
    policy, _ = under_a_mask(1.0)
    every = policy.every_completion(0)
    possible = every.rows((every.logprobs_BT.sum(1) > math.log(1e-6)).nonzero()[:, 0])
    assert 1 < len(possible) < len(every)
    loss = KLInLoss(0.1, estimator)(policy.evaluate(possible), possible).sum()
    now, ref = policy.logits[0].detach().numpy(), policy.reference[0].numpy()
    expected, slope = 0.0, np.zeros_like(now)
    for tokens, mask in zip(possible.inputs["tokens_BT"].tolist(), possible.mask_BT.tolist(), strict=True):
        prefix = 0
        for token in (token for token, real in zip(tokens, mask, strict=True) if real):
            p, q = (np.exp(table[prefix]) / np.exp(table[prefix]).sum() for table in (now, ref))
            gap = np.log(p[token] / q[token])
            expected += gap**2 / 2 if estimator == "k2" else np.exp(-gap) - 1 + gap
            by_gap = gap if estimator == "k2" else 1 - np.exp(-gap)
            slope[prefix] += by_gap * (np.eye(4)[token] - p)
            prefix = prefix * 4 + token + 1
    assert float(loss.detach()) == pytest.approx(expected)
    np.testing.assert_allclose(torch.autograd.grad(loss, policy.logits)[0][0].numpy(), slope, atol=1e-12)


def test_at_its_reference_a_masked_policy_pays_nothing_however_narrow_the_mask(descent: Callable[..., Any]) -> None:
    after = []
    for terms in ((), (KLInLoss(5.0), KLInLoss(5.0, "k3"))):
        policy, algorithm = under_a_mask(0.0)
        rollouts = policy.sample(torch.zeros(32, dtype=torch.int64), seed=0)
        assert not torch.equal(rollouts.logprobs_BT, rollouts.extras["bare_logprobs_BT"])
        rollouts = rollouts.with_(rewards_BT=torch.from_numpy(np.random.default_rng(2).normal(size=(32, 2))))
        compute = descent()
        compute.prepare([(policy.parameters(), 0.5)])
        once = Regularised(replace(algorithm, ppo=PPO(epochs=1)), terms)
        once.update(policy, compute, rollouts, *once.credit(rollouts), seed=0)
        after.append(policy.logits.detach())
    torch.testing.assert_close(after[1], after[0], rtol=0, atol=1e-12)


def stepped(
    algorithm: GradientAlgorithm | Regularised, batch: Batch, descent: Callable[..., Any], micro_batch: int = 0
) -> list[Tensor]:
    policy, rollouts = batch()
    rollouts = rollouts.with_(extras={GIVEN: torch.ones(len(rollouts))})
    compute = descent(micro_batch=micro_batch)
    compute.prepare([(policy.parameters(), 0.5)])
    algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=3)
    return [parameter.detach() for parameter in policy.parameters()]


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_with_every_coefficient_at_zero_nothing_changes_bit_for_bit(
    algorithm: GradientAlgorithm, batch: Batch, descent: Callable[..., Any]
) -> None:
    bare = stepped(algorithm, batch, descent)
    terms: tuple[Term, ...] = (KLInLoss(0.0), KLInLoss(0.0, "k3"), EntropyBonus(0.0))
    wrapped = Regularised(algorithm, terms)
    assert all(torch.equal(a, b) for a, b in zip(stepped(wrapped, batch, descent), bare, strict=True))
    assert wrapped.needs_critic == algorithm.needs_critic


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_terms_reach_the_gradient_of_every_algorithm_and_micro_batches_change_nothing(
    algorithm: GradientAlgorithm, batch: Batch, descent: Callable[..., Any]
) -> None:
    wrapped = Regularised(algorithm, (KLInLoss(0.2), EntropyBonus(0.1)))
    whole = stepped(wrapped, batch, descent)
    assert not torch.equal(whole[0], stepped(algorithm, batch, descent)[0])
    torch.testing.assert_close(
        stepped(wrapped, batch, descent, 4 if isinstance(algorithm, OnlineDPO) else 5), whole, rtol=1e-12, atol=1e-14
    )


def test_an_algorithms_own_terms_are_the_same_as_those_put_around_it(batch: Batch, descent: Callable[..., Any]) -> None:
    inside = GRPO(kl_coefficient=0.3, kl_estimator="k3", entropy_coefficient=0.1)
    around = Regularised(GRPO(), (KLInLoss(0.3, "k3"), EntropyBonus(0.1)))
    pair = zip(stepped(inside, batch, descent), stepped(around, batch, descent), strict=True)
    for a, b in pair:
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("micro_batch", [0, 5])
def test_a_natural_gradient_begins_with_the_gradient_of_surrogate_terms_and_text(
    micro_batch: int, batch: Batch, descent: Callable[..., Any]
) -> None:
    """Under so much damping that the step goes straight up the gradient; the critic learns as it does without them."""
    policy, rollouts = batch()
    bare = TRPO(damping=1e6, whiten_advantages=False)
    mask_BT, count = rollouts.mask_BT, rollouts.mask_BT.sum()
    now, (advantages_BT, _) = policy.evaluate(rollouts), bare.credit(rollouts)
    assert rollouts.ref_logprobs_BT is not None
    gap_BT = torch.where(mask_BT, now.logprobs_BT - rollouts.ref_logprobs_BT, 0.0)
    text = policy.sample(torch.tensor([0, 1, 2]), seed=9)
    likelihood = policy.evaluate(text).logprobs_BT.sum()
    wanted = (advantages_BT * torch.exp(now.logprobs_BT - rollouts.logprobs_BT)).sum() / count
    wanted = wanted - 0.4 * (gap_BT**2).sum() / 2 / count + 0.3 * now.entropy_BT.sum() / count
    wanted = wanted + 0.5 * likelihood / text.mask_BT.sum()
    (expected,) = torch.autograd.grad(wanted, policy.logits)
    pretraining: Pretraining[Rollouts] = Pretraining(
        0.5,
        lambda _seed: [text.rows(torch.tensor([0])), text.rows(torch.tensor([1, 2]))],
        lambda rows: (-policy.evaluate(rows).logprobs_BT.sum(), rows.mask_BT.sum(), {}),
        lambda rows: float(rows.mask_BT.sum()),
    )
    before, after = policy.logits.detach().clone(), []
    for algorithm in (Regularised(bare, (KLInLoss(0.4), EntropyBonus(0.3)), pretraining), bare):
        compute = descent(micro_batch=micro_batch)
        compute.prepare([(policy.parameters(), 0.5)])
        with torch.no_grad():
            policy.logits.copy_(before)
            policy.values.copy_(batch()[0].values)
        stats = algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=3)
        assert stats["step_accepted"] == 1
        assert stats["step_kl"] <= bare.kl_limit
        after.append((policy.logits.detach() - before, policy.values.detach().clone(), stats))
    (with_terms, critic, stats), (without, critic_alone, _) = after
    torch.testing.assert_close(with_terms / with_terms.norm(), expected / expected.norm(), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(without / without.norm(), expected / expected.norm(), atol=0.1)
    assert torch.equal(critic, critic_alone)
    assert stats["pretraining_loss"] == pytest.approx(-float((likelihood / text.mask_BT.sum()).detach()))
    assert {"kl_loss", "entropy_loss"} <= set(stats)


class WithoutLoss:
    """An algorithm of somebody's that has no loss to add to."""

    def update(self) -> None: ...


def test_the_price_of_the_kl_seeks_its_target_as_the_leash_in_the_reward_does(
    batch: Batch, descent: Callable[..., Any]
) -> None:
    """coefficient * (1 + clip(KL / target - 1, -.2, .2) * episodes / horizon) after a batch, by k1 per completion."""
    policy, rollouts = batch()
    assert rollouts.ref_logprobs_BT is not None
    gap_BT = torch.where(rollouts.mask_BT, rollouts.logprobs_BT - rollouts.ref_logprobs_BT, 0.0)
    kl = float(gap_BT.sum()) / 12
    for target, error in ((kl / 3, 0.2), (kl / 1.1, 0.1), (kl * 3, -0.2)):
        term = LeashInLoss(AdaptiveKL(0.5, target, 60.0))
        algorithm = Regularised(RLOO(), (term,))
        compute = descent()
        compute.prepare([(policy.parameters(), 0.0)])
        seen = [algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=0) for _ in range(2)]
        once = 0.5 * (1 + error * 12 / 60)
        assert [stats["kl_loss_coefficient"] for stats in seen] == pytest.approx([0.5, once])
        assert term.coefficient == pytest.approx(once * (1 + error * 12 / 60))
        again = Regularised(RLOO(), (LeashInLoss(AdaptiveKL(0.5, target, 60.0)),))
        again.load_state_dict(algorithm.state_dict())
        assert again.terms[0].coefficient == term.coefficient
    assert Regularised(RLOO(), (KLInLoss(0.1),)).state_dict() == {}


@pytest.mark.parametrize("algorithm", [RLOO(), TRPO(), OnlineDPO()], ids=["rloo", "trpo", "online-dpo"])
def test_at_the_same_price_it_is_the_fixed_term(
    algorithm: GradientAlgorithm, batch: Batch, descent: Callable[..., Any]
) -> None:
    moving = stepped(Regularised(algorithm, (LeashInLoss(AdaptiveKL(0.3, 1.0, 10.0), "k3"),)), batch, descent)
    fixed = stepped(Regularised(algorithm, (KLInLoss(0.3, "k3"),)), batch, descent)
    assert all(torch.equal(a, b) for a, b in zip(moving, fixed, strict=True))


def test_what_has_no_loss_cannot_be_regularised() -> None:
    with pytest.raises(Problem, match="WithoutLoss does not descend a loss"):
        Regularised(WithoutLoss(), (KLInLoss(0.1),))  # type: ignore[arg-type]  # what a user might write


@pytest.mark.parametrize("estimator", ["k1", "K3", ""])
def test_only_what_descends_a_kl_is_taken_into_the_loss(estimator: Any) -> None:
    """k1 would be 0 on average, and nothing else may quietly be taken for k3."""
    with pytest.raises(Problem, match="is no KL to put into a loss"):
        KLInLoss(0.1, estimator)
    with pytest.raises(Problem, match="is no KL to put into a loss"):
        GRPO(kl_coefficient=0.1, kl_estimator=estimator).loss(NOW, ROLLOUTS, *GRPO().credit(ROLLOUTS))


def test_the_kl_needs_a_reference() -> None:
    with pytest.raises(Problem, match="KL in the loss needs a reference"):
        KLInLoss(0.1)(NOW, ROLLOUTS.with_(ref_logprobs_BT=None))
