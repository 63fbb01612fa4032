"""Evaluating completions: padding must not matter, and only the response counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.language.acting import Acting, PromptTokens
from heedful.language.engines.local import LocalSampler
from heedful.language.heads import ScalarModel, ValueHead
from heedful.language.policy import LanguagePolicy, response_logprobs, response_values
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.language.tokens import pad
from heedful.learning.algorithms import PPO, TRPO
from heedful.learning.improve import improve
from heedful.learning.metrics import describe
from heedful.records import Prompt
from heedful.rollouts import Rollouts, Stats
from heedful.runs import Run

PROMPTS, COMPLETIONS = [[1, 5, 9], [1, 7]], [[4, 5, 2], [6, 6, 6, 6, 2]]


def rollouts(prompts: list[list[int]], completions: list[list[int]]) -> Rollouts:
    padded = pad(prompts, completions, torch.device("cpu"))
    mask_BT = padded.response_mask_BT
    return Rollouts(padded.inputs, mask_BT, torch.arange(len(prompts)), torch.zeros(mask_BT.shape))


def more_padding(given: Rollouts, left: int, right: int, junk: int) -> Rollouts:
    """The same rollouts with more columns of padding, filled with the token `junk`."""
    ids_BS, attend_BS = given.inputs["ids_BS"], given.inputs["attend_mask_BS"]
    widen = (left, right)
    return Rollouts(
        {
            "ids_BS": torch.nn.functional.pad(ids_BS, widen, value=junk),
            "attend_mask_BS": torch.nn.functional.pad(attend_BS, widen, value=False),
        },
        torch.nn.functional.pad(given.mask_BT, (0, right), value=False),
        given.group_B,
        torch.nn.functional.pad(given.logprobs_BT, (0, right)),
    )


def test_log_probabilities_equal_those_of_the_bare_model(any_model: LanguageModel) -> None:
    for prompt, completion in zip(PROMPTS, COMPLETIONS, strict=True):
        ids = torch.tensor([prompt + completion])
        expected = torch.log_softmax(any_model.module(ids).logits[0], -1)
        picked = [expected[len(prompt) - 1 + t, token] for t, token in enumerate(completion)]
        logprobs_BT, _ = response_logprobs(any_model, rollouts([prompt], [completion]))
        torch.testing.assert_close(logprobs_BT[0], torch.stack(picked), atol=1e-5, rtol=0)


def test_padding_changes_nothing(any_model: LanguageModel) -> None:
    given = rollouts(PROMPTS, COMPLETIONS)
    policy = LanguagePolicy(any_model, critic=ScalarModel(any_model, seed=1))
    plain = policy.evaluate(given)
    for junk in (0, 7):
        padded = policy.evaluate(more_padding(given, 3, 2, junk))
        assert plain.values_BT is not None
        assert padded.values_BT is not None
        torch.testing.assert_close(padded.logprobs_BT[:, :-2], plain.logprobs_BT, atol=1e-5, rtol=0)
        torch.testing.assert_close(padded.entropy_BT[:, :-2], plain.entropy_BT, atol=1e-5, rtol=0)
        torch.testing.assert_close(padded.values_BT[:, :-2], plain.values_BT, atol=1e-5, rtol=0)


def test_values_are_those_of_the_state_before_each_token(any_model: LanguageModel) -> None:
    critic = ScalarModel(any_model, seed=1)
    prompt, completion = PROMPTS[0], COMPLETIONS[0]
    values_BT = response_values(critic, rollouts([prompt], [completion]))
    ids = torch.tensor([prompt + completion])
    everywhere = critic(ids, torch.ones_like(ids, dtype=torch.bool))[0]
    torch.testing.assert_close(values_BT[0], everywhere[len(prompt) - 1 : -1], atol=1e-6, rtol=0)


def stepped_with(policy: LanguagePolicy, algorithm: PPO) -> Stats:
    """One step against the critic's values, on completions that are paid for their letters."""
    given = rollouts(PROMPTS * 3, COMPLETIONS * 3)
    with torch.no_grad():
        now = policy.evaluate(given)
    rewards_BT = torch.randn(given.mask_BT.shape, generator=torch.Generator().manual_seed(0))
    given = given.with_(logprobs_BT=now.logprobs_BT, values_BT=now.values_BT, rewards_BT=rewards_BT)
    compute = LocalCompute(max_gradient_norm=0)  # the norm is that of policy and critic together
    assert policy.critic is not None
    compute.prepare([(policy.model.parameters(), 1e-2), (policy.critic.parameters(), 1e-2)])
    return algorithm.update(policy, compute, given, *algorithm.credit(given), seed=0)


def test_a_head_on_the_policys_trunk_moves_the_policy_as_a_critic_of_its_own_with_its_values_does(
    make_model: Callable[[str, int], LanguageModel],
) -> None:
    """Its own loss reaches the head alone."""
    models = [make_model("llama", 0) for _ in range(2)]
    own, head = ScalarModel(models[0], seed=1), ValueHead(models[1])
    head.load_state_dict({"head.weight": own.head.weight, "head.bias": own.head.bias})
    assert {name for name, _ in head.named_parameters()} == {"head.weight", "head.bias"}
    given = rollouts(PROMPTS, COMPLETIONS)
    assert torch.equal(response_values(head, given), response_values(own, given))
    assert response_values(own, given).abs().max() > 0.1
    response_values(head, given).sum().backward()  # type: ignore[no-untyped-call]  # no annotation there
    assert all(parameter.grad is None for parameter in models[1].parameters())
    before = head.head.weight.detach().clone()
    policies = LanguagePolicy(models[0], critic=own), LanguagePolicy(models[1], critic=head)
    found = [stepped_with(policy, PPO(epochs=1)) for policy in policies]
    assert found[0]["value_loss"] == found[1]["value_loss"] > 0
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))
    assert not torch.equal(models[0].module.lm_head.weight, make_model("llama", 0).module.lm_head.weight)
    assert not torch.equal(head.head.weight, before)
    after = response_values(head, given)
    assert torch.equal(response_values(ValueHead(models[1]), given), torch.zeros_like(after)), "it begins with zeros"


def test_a_head_on_the_policys_trunk_learns_to_value(make_model: Callable[[str, int], LanguageModel]) -> None:
    """What a completion earns is told by the prompt's last letter; the policy stands still."""
    policy = LanguagePolicy(make_model("llama", 0), critic=ValueHead(make_model("llama", 0)))
    letters = torch.randint(4, 12, (24,), generator=torch.Generator().manual_seed(0))
    given = rollouts([[1, int(letter)] for letter in letters], [[20 + row % 5, 2] for row in range(24)])
    rewards_BT = torch.stack([torch.zeros(24), torch.where(letters < 8, 1.0, -1.0)], 1)
    learner, compute, explained = PPO(lam=1.0, epochs=1, value_clip=0.0), LocalCompute(), []
    assert policy.critic is not None
    compute.prepare([(policy.critic.parameters(), 0.1)])
    for step in range(12):
        with torch.no_grad():
            now = policy.evaluate(given)
        batch = given.with_(logprobs_BT=now.logprobs_BT, values_BT=now.values_BT, rewards_BT=rewards_BT)
        pair = learner.credit(batch)
        explained.append(describe(batch, *pair)["explained_variance"])
        learner.update(policy, compute, batch, *pair, seed=step)
    assert explained[0] == 0
    assert explained[-1] > explained[4] > 0.3


def test_the_first_ratio_is_one_and_the_kl_at_the_start_is_zero(any_model: LanguageModel) -> None:
    samples = LocalSampler(any_model).sample(PROMPTS, Sampling(max_new_tokens=8, temperature=0.8), [1, 2])
    given = rollouts(PROMPTS, [list(sample.token_ids) for sample in samples])
    policy, reference = LanguagePolicy(any_model, temperature=0.8), any_model.frozen_copy()
    before = policy.evaluate(given).logprobs_BT
    again = policy.evaluate(given).logprobs_BT
    assert torch.equal((again - before).exp(), torch.ones_like(before))
    assert torch.equal(before, response_logprobs(reference, given, 0.8)[0])


def test_a_step_on_the_policy_leaves_the_reference_alone(any_model: LanguageModel) -> None:
    reference = any_model.frozen_copy()
    kept = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    policy = LanguagePolicy(any_model)
    before = [parameter.detach().clone() for parameter in policy.parameters()]
    optimiser = torch.optim.SGD(list(policy.parameters()), lr=0.1)
    policy.evaluate(rollouts(PROMPTS, COMPLETIONS)).logprobs_BT.sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    changed = [not torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True)]
    assert any(changed)
    for name, tensor in reference.state_dict().items():
        assert torch.equal(tensor, kept[name])
    with torch.no_grad():
        for parameter, old in zip(policy.parameters(), before, strict=True):
            parameter.copy_(old)


def test_whole_distributions_agree_with_the_log_probabilities(any_model: LanguageModel) -> None:
    given = rollouts(PROMPTS, COMPLETIONS)
    policy = LanguagePolicy(any_model, temperature=0.7)
    all_BTV = policy.distributions(given).detach()
    evaluated = policy.evaluate(given)
    for row, completion in enumerate(COMPLETIONS):
        for t, token in enumerate(completion):
            chances = all_BTV[row, t].exp()
            assert float(chances.sum()) == pytest.approx(1, abs=1e-5)
            logprob, entropy = evaluated.logprobs_BT[row, t].detach(), evaluated.entropy_BT[row, t].detach()
            assert float(all_BTV[row, t, token]) == pytest.approx(float(logprob), abs=1e-4)
            assert float(-(chances * all_BTV[row, t]).sum()) == pytest.approx(float(entropy), abs=1e-4)


def test_the_divergence_by_hand(any_model: LanguageModel) -> None:
    old_BTV, new_BTV = torch.tensor([[[0.5, 0.5]]]).log(), torch.tensor([[[0.9, 0.1]]]).log()
    found_BT = LanguagePolicy(any_model).divergence(old_BTV, new_BTV)
    assert found_BT.tolist() == [[pytest.approx(0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1))]]


def test_the_curvature_of_the_divergence_is_that_of_its_slope(any_model: LanguageModel) -> None:
    """Differentiating twice agrees with the change of the gradient along a direction, for real attention layers."""
    model = any_model.frozen_copy()
    model.module.double().requires_grad_(requires_grad=True)
    given, policy = rollouts(PROMPTS, COMPLETIONS), LanguagePolicy(model)
    parameters = list(policy.parameters())
    rng = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=rng, dtype=torch.float64) * p.detach().std() for p in parameters]
    old_BTV = policy.distributions(given).detach()

    def slope(*, differentiable: bool = False) -> tuple[Tensor, ...]:
        kl_BT = policy.divergence(old_BTV, policy.distributions(given))
        return torch.autograd.grad((kl_BT * given.mask_BT).sum(), parameters, create_graph=differentiable)

    along = sum((g * d).sum() for g, d in zip(slope(differentiable=True), direction, strict=True))
    assert isinstance(along, Tensor)
    twice = torch.autograd.grad(along, parameters)
    size = 1e-3
    for parameter, part in zip(parameters, direction, strict=True):
        parameter.data += size * part
    ahead = slope()
    for parameter, part in zip(parameters, direction, strict=True):
        parameter.data -= 2 * size * part
    behind = slope()
    differences = [(a - b) / (2 * size) for a, b in zip(ahead, behind, strict=True)]
    curved, expected = (torch.cat([x.flatten() for x in found]) for found in (twice, differences))
    assert float((curved - expected).norm()) < 0.02 * float(expected.norm())


def test_a_trust_region_step_on_a_language_model(make_model: Callable[[str, int], LanguageModel]) -> None:
    """TRPO in the text world: the bound holds, the surrogate grows, micro-batches change nothing, the critic learns."""
    seen = []
    for micro_batch in (0, 3):
        model = make_model("llama", 0)
        critic = ScalarModel(model, zero=True)
        policy = LanguagePolicy(model, temperature=0.9, critic=critic)
        prompts = [PROMPTS[0]] * 4 + [PROMPTS[1]] * 4
        samples = LocalSampler(model).sample(prompts, Sampling(max_new_tokens=6, temperature=0.9), list(range(8)))
        given = rollouts(prompts, [list(sample.token_ids) for sample in samples])
        with torch.no_grad():
            now = policy.evaluate(given)
        assert now.values_BT is not None
        rewards_BT = torch.linspace(-1, 1, given.mask_BT.numel()).view_as(now.logprobs_BT) * given.mask_BT
        given = given.with_(logprobs_BT=now.logprobs_BT, values_BT=now.values_BT, rewards_BT=rewards_BT)
        compute = LocalCompute(micro_batch=micro_batch)
        compute.prepare([(critic.parameters(), 1e-3)])
        algorithm = TRPO(kl_limit=0.02, solver_iterations=5)
        stats = algorithm.update(policy, compute, given, *algorithm.credit(given), seed=0)
        after_BT = policy.evaluate(given).logprobs_BT.detach()
        assert stats["step_accepted"] == 1
        assert 0.002 < stats["step_kl"] <= 0.02
        assert stats["surrogate_gain"] > 0
        seen.append((stats, after_BT))
    assert seen[1][0] == pytest.approx(seen[0][0], rel=1e-2)
    torch.testing.assert_close(seen[1][1], seen[0][1], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("minibatches", [1, 2])
def test_a_model_with_dropout_never_drops_out_in_the_loop(
    minibatches: int, make_model: Callable[[str, int], LanguageModel], tmp_path: Path
) -> None:
    """As long as no weight moves, all passes over the same tokens agree: sampler, trainer and reference."""
    model = make_model("gpt2", 0)
    assert any(isinstance(part, torch.nn.Dropout) and part.p > 0 for part in model.module.modules())
    critic = ScalarModel(model, seed=1)
    policy = LanguagePolicy(model, critic=critic)
    prompts = [Prompt(str(number), text=text) for number, text in enumerate(["a b", "c d e"])]
    collect = Acting(prompts, LocalSampler(model, 8), Sampling(max_new_tokens=6), PromptTokens(model), model, 2, 4, 0)
    compute = LocalCompute()
    compute.prepare([(policy.parameters(), 1e-30)])

    def reward(given: Rollouts) -> Rollouts:
        return given.with_(rewards_BT=torch.where(given.mask_BT, 1.0, 0.0))

    algorithm = PPO(epochs=2, minibatches=minibatches)
    stats = improve(policy, collect, reward, algorithm, compute, Run(tmp_path, {}), steps=2, seed=0, state={})
    assert stats["ratio_max"] == pytest.approx(1, abs=1e-5)
    assert stats["clip_fraction"] == 0
    assert stats["sampler_gap"] < 1e-4
    assert stats["kl"] == pytest.approx(0, abs=1e-4)
    assert not any(part.training for part in [*model.module.modules(), *critic.modules()])
    given = rollouts(PROMPTS, COMPLETIONS)
    assert torch.equal(policy.evaluate(given).logprobs_BT, policy.evaluate(given).logprobs_BT)
    model.module.train()
    assert not torch.equal(policy.evaluate(given).logprobs_BT, policy.evaluate(given).logprobs_BT), "it would show"
