"""Methods of different names that are the same thing, each as an exact test.

 1  A2C is PPO with one epoch and one minibatch
    tests/learning/algorithms/test_a2c.py::test_it_is_ppo_with_one_epoch_and_one_minibatch
 2  RLOO is G / (G - 1) (r - mean); GRPO is that direction over the deviation
    tests/learning/test_advantages.py::test_leave_one_out_identities
    tests/learning/test_advantages.py::test_standardised_groups_have_deviation_one_and_the_direction_of_leave_one_out
 3  COACH is the policy gradient with people's signal, by traces, for an advantage
    tests/learning/human_signal/test_coach.py::test_the_update_is_the_sum_over_steps_of_signal_times_trace
    tests/test_equivalence.py::test_coach_is_the_policy_gradient_with_the_signal_as_advantage
 4  picking the best is the first factor of Plackett-Luce, and of two it is Bradley-Terry
    tests/test_equivalence.py::test_picking_the_best_is_the_first_factor_of_plackett_luce
    tests/test_equivalence.py::test_picking_the_better_of_two_is_bradley_terry
 5  margin, tie, label smoothing, noise floor and Crowd-BT are Bradley-Terry, shifted, softened or mixed
    tests/learning/test_preference.py::test_the_margin_is_asked_of_whichever_side_is_preferred
    tests/learning/test_preference.py::test_one_soft_target_equals_its_votes_one_by_one
    tests/learning/direct/test_dpo.py::test_smoothing_by_hand
    tests/test_equivalence.py::test_crowd_bt_with_everybody_equally_reliable_is_the_noise_floor
 6  preferences over stretches are Bradley-Terry on sums; a completion's score is the last step's reward
    tests/test_equivalence.py::test_a_score_of_completions_is_a_stretch_whose_last_step_alone_is_worth_something
 7  SPIN is DPO on demonstration, own sample and the self of before
    tests/learning/direct/test_spin.py::test_it_is_dpo_on_demonstration_and_own_sample
 8  online DPO is DPO on fresh samples and a scorer
    tests/test_equivalence.py::test_online_dpo_is_dpo_on_what_the_scorer_finds_best_and_worst
 9  a model's votes teach what people's votes teach
    tests/stages/test_stories.py::test_the_same_votes_teach_the_same_whoever_gave_them
10  RLGAF is the policy gradient with a refitted discriminator for a scorer, which is GAIL
    tests/test_equivalence.py::test_rlgaf_is_the_policy_gradient_on_a_refitted_discriminators_log_odds
11  PPO-ptx is the policy gradient and a second source of text
    tests/learning/test_pretraining.py::test_each_part_is_divided_by_its_own_count
12  inverse Q-learning at lambda 0 is imitation
    tests/learning/offline/test_irl.py::test_lambda_0_is_plain_imitation_bit_for_bit
13  context distillation is imitation with the prompted self's distributions for targets
    tests/language/test_distilling.py::test_the_loss_by_hand
14  MetaRM is any loss with its gradient taken at perturbed weights
    tests/learning/test_meta_rm.py::test_the_gradient_is_that_at_the_perturbed_weights_by_finite_differences
    tests/test_equivalence.py::test_metarm_moves_the_gradient_of_any_loss
15  TAMER is a Q learner that does not look ahead, and whose reward is people's signal
    tests/test_equivalence.py::test_tamer_is_q_learning_without_a_future
16  gates, rules, ensembles, KL, length and penalties are scorers made of scorers
    tests/reward/test_combining.py::test_they_can_be_put_into_one_another_and_under_the_leash
    tests/test_equivalence.py::test_leash_and_penalty_are_a_weighted_sum_of_scorers
    tests/test_equivalence.py::test_each_combination_has_a_setting_at_which_it_is_what_it_is_made_of
17  declining to answer is a threshold on a scorer
    tests/test_equivalence.py::test_declining_is_a_threshold_and_the_best_of_n_is_given_unless_all_are_declined
18  best of n, rejection sampling, active queries and optimal designs choose candidates by a criterion
    tests/test_equivalence.py::test_winners_of_a_step_are_the_best_of_n
    tests/test_equivalence.py::test_an_active_query_is_a_choice_by_doubt
    tests/test_equivalence.py::test_an_optimal_design_is_a_choice_by_information
19  NLPO is PPO and a mask on the logits
    tests/learning/algorithms/test_nlpo.py::test_with_nothing_masked_it_is_ppo_bit_for_bit
    tests/language/test_guided.py::test_at_one_the_whole_loop_is_ppos_bit_for_bit
20  decoding by ILQL is a rule for logits
    tests/language/test_decoding.py::test_the_rule_by_hand
    tests/language/test_decoding.py::test_sampling_follows_the_rule_and_the_model_is_left_alone
21  credit by attention is a way of spreading a score whose sum stays the score
    tests/learning/test_credit.py::test_the_sum_is_the_score_whatever_beta
"""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from tests.learning.conftest import Descent, a_scored_batch
from torch import Tensor

from heedful.evaluation.best_of import choose as best_of
from heedful.feedback.quality.crowd_bt import CrowdBTPrior
from heedful.feedback.quality.crowd_bt import loss as crowd_bt_loss
from heedful.feedback.quality.votes import pair_votes
from heedful.feedback.selection import choose as choose_questions
from heedful.learning.algorithms import REINFORCE, OnlineDPO
from heedful.learning.algorithms.best_of import winners
from heedful.learning.direct import DPO
from heedful.learning.direct.pairs import Pairs, Side
from heedful.learning.human_signal import COACH, deep_tamer_loss
from heedful.learning.kl import FixedKL, at_last_token
from heedful.learning.meta_rm import at_perturbed
from heedful.learning.offline.ilql import ILQL, Outlook
from heedful.learning.preference import bradley_terry, over_steps, pick_best
from heedful.learning.tabular import TabularPolicy
from heedful.records import Prompt
from heedful.reward.combining import DECLINED, Abstaining, Ensemble, Gate, LengthPrice, Weighted, scores_of
from heedful.reward.discriminator import Discriminator
from heedful.reward.shaping import Shaping
from heedful.rollouts import Metrics, Reward, Rollouts
from heedful.seeds import generator

ROOT = Path(__file__).parents[1]


def drawn(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(generator(0, name).standard_normal(shape))


# The table above


def table() -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Each identity's number and the tests that prove it."""
    for part in re.split(r"\n(?= ?\d+  )", __doc__ or "")[1:]:
        yield int(part.split()[0]), re.findall(r"(tests/\S+\.py)::(\w+)", part)


def test_there_are_twenty_one_and_each_has_its_test() -> None:
    rows = list(table())
    assert [number for number, _ in rows] == list(range(1, 22))
    assert all(found for _, found in rows)


@pytest.mark.parametrize(("file", "name"), [test for _, found in table() for test in found])
def test_a_test_that_the_table_names_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


# People's signal


def test_coach_is_the_policy_gradient_with_the_signal_as_advantage() -> None:
    """With full traces it is REINFORCE without a baseline, to the bit; with none, the signal is the advantage."""
    policy, rollouts = a_scored_batch()
    assert rollouts.rewards_BT is not None
    now = policy.evaluate(rollouts)
    gradients = []
    for algorithm in (COACH(decay=1.0), REINFORCE(baseline="none")):
        loss_sum, count, _ = algorithm.loss(now, rollouts, *algorithm.credit(rollouts))
        gradients.append(torch.autograd.grad(loss_sum / count, policy.logits, retain_graph=True)[0])
    assert torch.equal(*gradients)
    advantages_BT, _ = COACH(decay=0.0).credit(rollouts)
    assert torch.equal(advantages_BT, torch.where(rollouts.mask_BT, rollouts.rewards_BT, 0.0))


def test_tamer_is_q_learning_without_a_future() -> None:
    """ILQL's Q loss at gamma 0, with people's signal for the reward and every signal meant for its own step."""
    rows, steps, tokens = 3, 4, 5
    mask_BT = torch.tensor([[True] * 4, [True, True, False, False], [True, False, True, True]])
    tokens_BT = torch.from_numpy(generator(0, "tokens").integers(0, tokens, (rows, steps)))
    signals_BT, expected_BTV = drawn("signals", rows, steps), drawn("expected", rows, steps, tokens).requires_grad_()
    outlook = Outlook(
        drawn("logits", rows, steps, tokens),
        expected_BTV[None],
        drawn("target", 1, rows, steps),
        drawn("values", rows, steps),
    )
    losses = {
        gamma: ILQL(gamma=gamma).loss(outlook, tokens_BT, signals_BT, mask_BT)[2]["q_loss"][0] for gamma in (0, 0.5)
    }
    taken_N = expected_BTV.gather(-1, tokens_BT[..., None])[..., 0][mask_BT]
    own_NN = torch.eye(len(taken_N), dtype=torch.float64)
    tamer, count = deep_tamer_loss(taken_N.expand(len(taken_N), -1), own_NN, signals_BT[mask_BT])
    torch.testing.assert_close(tamer, losses[0])
    slopes = [torch.autograd.grad(loss, expected_BTV, retain_graph=True)[0] for loss in (tamer, losses[0])]
    torch.testing.assert_close(*slopes)
    assert int(count) == int(mask_BT.sum())
    assert abs(float((tamer - losses[0.5]).detach())) > 0.1


# Preferences


def test_picking_the_best_is_the_first_factor_of_plackett_luce() -> None:
    """The chance of being picked is that of standing first, added up over all orders of a ranking."""
    scores = [0.3, -1.2, 2.0, 0.5]
    first = [0.0] * 4
    for order in itertools.permutations(range(4)):
        left, chance = list(order), 1.0
        for place in order:
            chance *= math.exp(scores[place]) / sum(math.exp(scores[other]) for other in left)
            left.remove(place)
        first[order[0]] += chance
    assert sum(first) == pytest.approx(1)
    scores_N4 = torch.tensor(scores, dtype=torch.float64).expand(4, 4)
    for best in range(4):
        picked, _ = pick_best(scores_N4[:1], torch.eye(4, dtype=torch.float64)[best : best + 1])
        assert float(picked) == pytest.approx(-math.log(first[best]))


def test_picking_the_better_of_two_is_bradley_terry() -> None:
    """With soft targets and weights, the gradient too."""
    scores_N2 = (3 * drawn("scores", 30, 2)).requires_grad_()
    target_N, weight_N = drawn("targets", 30).sigmoid(), drawn("weights", 30).exp()
    picked = pick_best(scores_N2, torch.stack([target_N, 1 - target_N], 1), weight_N)
    compared = bradley_terry(scores_N2[:, 0], scores_N2[:, 1], target_N, weight_N)
    torch.testing.assert_close(picked, compared)
    slopes = [torch.autograd.grad(loss, scores_N2)[0] for loss, _ in (picked, compared)]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("noise_floor", [0.02, 0.1, 0.6])
def test_crowd_bt_with_everybody_equally_reliable_is_the_noise_floor(noise_floor: float) -> None:
    """eta p + (1 - eta)(1 - p) = (1 - e) p + e / 2 where eta = 1 - e / 2: Crowd-BT learns Christiano's e of each."""
    random = generator(0, "votes")
    first, second = np.array([random.choice(6, 2, replace=False) for _ in range(80)]).T
    outcome, annotator = random.choice([0.0, 0.5, 1.0], 80), random.integers(0, 3, 80)
    votes = pair_votes(first, second, annotator, outcome, items=6, annotators=3)
    scores_I = drawn("items", 6).requires_grad_()
    eta = 1 - noise_floor / 2
    parameters = np.concatenate([scores_I.detach().numpy(), np.full(3, math.log(eta / (1 - eta)))])
    value, slope = crowd_bt_loss(parameters, votes, CrowdBTPrior(virtual=0.0, right=0.0, wrong=0.0))
    total, count = bradley_terry(
        scores_I[first.tolist()], scores_I[second.tolist()], torch.from_numpy(outcome), noise_floor=noise_floor
    )
    assert value == pytest.approx(float(total.detach()), rel=1e-10)
    np.testing.assert_allclose(slope[:6], torch.autograd.grad(total, scores_I)[0].numpy(), rtol=1e-8, atol=1e-10)
    assert int(count) == 80


def test_a_score_of_completions_is_a_stretch_whose_last_step_alone_is_worth_something() -> None:
    mask_a_NT = torch.tensor([[True] * 3, [True, True, False]])
    mask_b_NT = torch.tensor([[True, False, False, False], [True, True, True, True]])
    a_N, b_N, target_N = drawn("a", 2), drawn("b", 2), torch.tensor([1.0, 0.25], dtype=torch.float64)
    steps = over_steps(at_last_token(a_N, mask_a_NT), mask_a_NT, at_last_token(b_N, mask_b_NT), mask_b_NT, target_N)
    whole = bradley_terry(a_N, b_N, target_N)
    assert all(torch.equal(one, other) for one, other in zip(steps, whole, strict=True))


def test_online_dpo_is_dpo_on_what_the_scorer_finds_best_and_worst() -> None:
    """For a policy that has moved far from its reference, where DPO weighs each pair by itself."""
    policy, given = a_scored_batch()
    assert given.scores_B is not None
    rollouts = given.with_(rewards_BT=at_last_token(given.scores_B, given.mask_BT))
    assert rollouts.ref_logprobs_BT is not None
    rows = [range(4 * prompt, 4 * prompt + 4) for prompt in range(3)]
    scores = given.scores_B.tolist()
    best, worst = ([pick(group, key=lambda row: scores[row]) for group in rows] for pick in (max, min))
    now_B, ref_B = policy.evaluate(rollouts).logprobs_BT.sum(1), rollouts.ref_logprobs_BT.sum(1)
    tokens_B = rollouts.mask_BT.sum(1)
    sides = [Side(now_B[side], tokens_B[side], ref_B[side]) for side in (best, worst)]
    total, count, _ = DPO(0.3)(Pairs(sides[0], sides[1], torch.ones(3, dtype=torch.float64)))
    assert float(total.detach() / count) != pytest.approx(math.log(2), abs=0.02)
    compute, algorithm = Descent(), OnlineDPO(0.3)
    compute.prepare([([policy.logits], 0.0)])
    stats = algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=0)
    torch.testing.assert_close(compute.gradients[0][0], torch.autograd.grad(total / count, policy.logits)[0])
    assert stats["policy_loss"] == pytest.approx(float((total / count).detach()))


# Rewards


class Words(torch.nn.Module):
    """Logistic regression on how often each token was written."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.2, -0.5, 1.0, 0.3], dtype=torch.float64))

    def forward(self, rollouts: Rollouts) -> Tensor:
        return torch.where(rollouts.mask_BT, self.weight[rollouts.inputs["tokens_BT"]], 0.0).sum(1)


def test_rlgaf_is_the_policy_gradient_on_a_refitted_discriminators_log_odds() -> None:
    """A step of logistic regression, then REINFORCE with log D - log(1 - D), GAIL's reward, each written out here."""
    policy, own = a_scored_batch()
    people = TabularPolicy(3, 4, 3, seed=9).sample(torch.arange(3).repeat_interleave(2), seed=1)
    rate, weight = 0.3, Words().weight.detach().clone().requires_grad_()

    def odds(rollouts: Rollouts) -> Tensor:
        return torch.stack([(weight[tokens[real]]).sum() for tokens, real in zip(*seen(rollouts), strict=True)])

    def seen(rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        return rollouts.inputs["tokens_BT"], rollouts.mask_BT

    said = (torch.log1p(torch.exp(-odds(people))).mean() + torch.log1p(torch.exp(odds(own))).mean()) / 2
    (slope,) = torch.autograd.grad(said, weight)
    with torch.no_grad():
        weight -= rate * slope
        chance_B = torch.sigmoid(odds(own))
        reward_B = torch.log(chance_B) - torch.log(1 - chance_B)
    wanted = torch.autograd.grad(-(reward_B * policy.evaluate(own).logprobs_BT.sum(1)).mean(), policy.logits)[0]

    plain: Any = Descent()
    judge = Discriminator(Words(), lambda *_: people, plain, steps=1, learning_rate=rate)
    scored = judge(own)
    assert scored.scores_B is not None
    torch.testing.assert_close(scored.scores_B, reward_B)
    scored = scored.with_(rewards_BT=at_last_token(scored.scores_B, scored.mask_BT))
    compute, algorithm = Descent(), REINFORCE(baseline="none")
    compute.prepare([([policy.logits], 0.0)])
    algorithm.update(policy, compute, scored, *algorithm.credit(scored), seed=0)
    torch.testing.assert_close(compute.gradients[0][0], wanted)


def test_metarm_moves_the_gradient_of_any_loss() -> None:
    """Of |theta - a|^2 / 2 with J = b theta, the gradient at theta + eta b is theta + eta b - a."""
    theta = torch.nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
    a, b, eta = torch.tensor([3.0, -1.0]), torch.tensor([0.5, 0.25]), 2.0

    def loss(_: None) -> tuple[Tensor, Tensor, Metrics]:
        return ((theta - a) ** 2).sum() / 2, torch.ones(()), {}

    total, _, _ = at_perturbed(loss, lambda: ((b * theta).sum() * 3, torch.tensor(3.0)), [theta], eta)(None)
    total.backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
    assert float(total.detach()) == ((1 + 1 - 3) ** 2 + (2 + 0.5 + 1) ** 2) / 2
    assert theta.grad is not None
    assert theta.grad.tolist() == [1 + 1 - 3, 2 + 0.5 + 1]
    assert theta.tolist() == [1, 2]


def gives(scores_B: Tensor) -> Reward:
    return lambda rollouts: rollouts.with_(scores_B=scores_B)


def rewarded() -> Rollouts:
    """Twelve completions with prompts, of which three did not end."""
    _, rollouts = a_scored_batch()
    finished_B = torch.arange(12) % 4 != 3
    return rollouts.with_(prompts=tuple(Prompt.of(str(row)) for row in range(12)), finished_B=finished_B)


def test_leash_and_penalty_are_a_weighted_sum_of_scorers() -> None:
    rollouts = rewarded()
    assert rollouts.ref_logprobs_BT is not None
    assert rollouts.finished_B is not None
    scorer = gives(drawn("scores", 12))
    kl = gives((rollouts.logprobs_BT - rollouts.ref_logprobs_BT).sum(1))
    unfinished = gives((~rollouts.finished_B).double())
    shaped = Shaping(scorer, FixedKL(0.2), missing_stop_penalty=1.5)(rollouts).rewards_BT
    assert shaped is not None
    whole = Weighted([(scorer, 1.0), (kl, -0.2), (unfinished, -1.5)])
    torch.testing.assert_close(shaped.sum(1), scores_of(whole, rollouts))
    length = gives(rollouts.mask_BT.sum(1).double())
    priced = scores_of(LengthPrice(scorer, 0.3), rollouts)
    torch.testing.assert_close(priced, scores_of(Weighted([(scorer, 1.0), (length, -0.3)]), rollouts))


def test_each_combination_has_a_setting_at_which_it_is_what_it_is_made_of() -> None:
    rollouts, one, other = rewarded(), drawn("one", 12), drawn("other", 12)
    a, b = gives(one), gives(other)
    same: list[tuple[Reward, Tensor]] = [
        (Gate(a, b, threshold=-math.inf), other),
        (Gate(a, b, threshold=math.inf), one),
        (Weighted([(a, 1.0)]), one),
        (Weighted([(a, 1.0), (b, 0.0)]), one),
        (Ensemble([a, a], "worst"), one),
        (Ensemble([a, a], "uncertainty", price=7.0), one),
        (Ensemble([a, b], "worst"), torch.minimum(one, other)),
        (LengthPrice(a, 0.0), one),
        (Abstaining(a, 0.3), one),
    ]
    for combination, expected in same:
        assert torch.equal(scores_of(combination, rollouts), expected), combination
    mean = scores_of(Weighted([(a, 0.5), (b, 0.5)]), rollouts)
    torch.testing.assert_close(scores_of(Ensemble([a, b]), rollouts), mean)
    torch.testing.assert_close(scores_of(Ensemble([a, b], "uncertainty", price=0.0), rollouts), mean)


# Choosing


def test_declining_is_a_threshold_and_the_best_of_n_is_given_unless_all_are_declined() -> None:
    rollouts, scores_B = rewarded(), drawn("scores", 12)
    for threshold in (-3.0, 0.0, 0.8, 3.0):
        declined_B = Abstaining(gives(scores_B), threshold)(rollouts).extras[DECLINED]
        assert torch.equal(declined_B, scores_B < threshold)
        best_P = winners(scores_B, rollouts.group_B)
        assert declined_B[best_P].tolist() == declined_B.view(3, 4).all(1).tolist()


@pytest.mark.parametrize("keep", [1, 2, 4])
def test_winners_of_a_step_are_the_best_of_n(keep: int) -> None:
    """With equal scores among them, and groups of unequal size whose rows do not stand together."""
    random = generator(0, "scores")
    scores_B = torch.from_numpy(random.integers(0, 4, 40).astype(float))
    group_B = torch.from_numpy(random.permutation(np.repeat(np.arange(6), [4, 5, 6, 7, 8, 10])))
    chosen = winners(scores_B, group_B, keep)
    for group in range(6):
        rows = (group_B == group).nonzero()[:, 0].tolist()
        wanted = best_of(rows, scores_B[rows].tolist(), keep)
        assert sorted(wanted) == [row for row in rows if chosen[row]]


def test_an_active_query_is_a_choice_by_doubt() -> None:
    """Without a random share: the pairs whose sides are nearest, and the pairs on which the models differ most."""
    scores_EN, pool = drawn("ensemble", 4, 30).numpy(), list(range(30))

    def asked(policy: str, scores: ArrayLike) -> list[int]:
        return sorted(choice.item for choice in choose_questions(pool, 7, policy, scores=scores, random_share=0.0))

    nearest = best_of(pool, (-np.abs(scores_EN[0])).tolist(), 7)
    assert asked("margin", scores_EN[0]) == sorted(nearest)
    differ = best_of(pool, (1 / (1 + np.exp(-scores_EN))).var(0).tolist(), 7)
    assert asked("disagreement", scores_EN) == sorted(differ)


def test_an_optimal_design_is_a_choice_by_information() -> None:
    """The pairs of questions compared by brute force: the one with the largest determinant is asked."""
    features_ND = np.array([[3.0, 0.1], [0.2, 3.0], [0.2, 0.1], [0.1, -0.3], [0.3, 0.3]])
    pairs = list(itertools.combinations(range(5), 2))
    information = [float(np.linalg.det(features_ND[list(pair)].T @ features_ND[list(pair)])) for pair in pairs]
    ((first, second),) = best_of(pairs, information)
    choices = choose_questions(range(5), 2, "d_optimal", features=features_ND, random_share=0.0)
    assert sorted(choice.item for choice in choices) == [first, second]
    assert min(choice.propensity for choice in choices) > 0.99
