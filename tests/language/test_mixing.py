from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from heedful.errors import Problem
from heedful.language.acting import Acting, PromptTokens
from heedful.language.engines.local import LocalSampler
from heedful.language.imitation import Example
from heedful.language.mixing import Begun, Mixing
from heedful.language.policy import LanguagePolicy
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.records import Prompt

ANSWERS = {"a b": [10, 11, 12, 13, 2], "c": [14, 2]}


@pytest.fixture
def mixing(make_model: Callable[..., LanguageModel]) -> tuple[LanguagePolicy, Mixing]:
    model = make_model("llama", 0)
    tokens = PromptTokens(model)
    prompts = [Prompt.of(text) for text in ANSWERS]
    acting = Acting(
        prompts=prompts,
        sampler=LocalSampler(model),
        sampling=Sampling(max_new_tokens=6),
        tokens=tokens,
        reference=model.frozen_copy(),
        prompts_per_step=2,
        completions_per_prompt=3,
        seed=0,
    )
    examples = [Example(tokens(prompt), ANSWERS[prompt.text]) for prompt in prompts]
    return LanguagePolicy(model), Mixing(acting, examples, lambda step: 5 - step)


def test_completions_begin_as_the_answer_does_and_go_on_as_the_policy_likes(
    mixing: tuple[LanguagePolicy, Mixing],
) -> None:
    policy, collect = mixing
    lengths = []
    for step, given in ((0, 5), (3, 2), (5, 0)):
        rollouts = collect(policy, step)
        tokens_BT, assigned = rollouts.inputs["ids_BS"][:, -rollouts.mask_BT.shape[1] :], []
        for row, prompt in enumerate(rollouts.prompts):
            answer = ANSWERS[prompt.text]
            first = answer[:given]
            assert tokens_BT[row, : len(first)].tolist() == first
            assigned.append(len(first))
            if len(answer) <= given:  # given whole: nothing is sampled after its end
                assert rollouts.mask_BT[row].sum() == len(answer)
                assert rollouts.finished_B is not None
                assert bool(rollouts.finished_B[row])
        assert rollouts.extras["given_tokens_B"].tolist() == assigned
        assert int(rollouts.mask_BT.sum(1).max()) <= 6
        lengths.append(rollouts.mask_BT.sum(1).tolist())
    assert len(set(lengths[-1])) > 1


def test_only_own_tokens_have_a_sampler_gap_and_it_is_rounding(mixing: tuple[LanguagePolicy, Mixing]) -> None:
    policy, collect = mixing
    rollouts = collect(policy, 3)
    assert rollouts.sampler_logprobs_BT is not None
    gap_BT = (rollouts.sampler_logprobs_BT - rollouts.logprobs_BT).abs()
    assert not bool(gap_BT[:, :2].any())
    torch.testing.assert_close(rollouts.sampler_logprobs_BT, rollouts.logprobs_BT, atol=1e-3, rtol=1e-3)


def test_the_leash_pays_for_own_tokens_only(mixing: tuple[LanguagePolicy, Mixing]) -> None:
    policy, collect = mixing
    with torch.no_grad():
        policy.model.module.get_output_embeddings().weight.mul_(1.5)
    rollouts = collect(policy, 3)
    assert rollouts.ref_logprobs_BT is not None
    kl_BT = rollouts.extras["bare_logprobs_BT"] - rollouts.ref_logprobs_BT
    assert not bool(kl_BT[:, :2].any())
    torch.testing.assert_close(kl_BT[:, 2:], (rollouts.logprobs_BT - rollouts.ref_logprobs_BT)[:, 2:], atol=0, rtol=0)
    assert bool(kl_BT.any())


def test_several_answers_of_a_prompt_take_turns(mixing: tuple[LanguagePolicy, Mixing]) -> None:
    policy, collect = mixing
    first, second = list(ANSWERS["a b"]), [20, 21, 2]
    tokens = collect.acting.tokens(collect.acting.prompts[0])
    both = Mixing(collect.acting, [Example(tokens, first), Example(tokens, second)], lambda _: 6)
    both.acting = replace(both.acting, prompts=collect.acting.prompts[:1])
    for step, answer in enumerate((first, second, first)):
        rollouts = both(policy, step)
        ids_BT = rollouts.inputs["ids_BS"][:, -rollouts.mask_BT.shape[1] :]
        assert all(ids_T[mask_T].tolist() == answer for ids_T, mask_T in zip(ids_BT, rollouts.mask_BT, strict=True))


def test_an_answer_that_the_limit_cuts_does_not_end_by_itself(make_model: Callable[..., LanguageModel]) -> None:
    begun = Begun(LocalSampler(make_model("llama", 0)), {(5, 6): [7, 8, 9, 2]}, 4)
    assert begun.sample([(5, 6)], Sampling(max_new_tokens=3), [0])[0].finish == "length"
    assert begun.sample([(5, 6)], Sampling(max_new_tokens=4), [0])[0].finish == "stop"


def test_provisional_log_probabilities_are_refused(mixing: tuple[LanguagePolicy, Mixing]) -> None:
    _, collect = mixing
    with pytest.raises(ValueError, match="given tokens have no log-probabilities"):
        Mixing(replace(collect.acting, provisional=True), [], lambda _: 0)


def test_a_prompt_without_an_answer_is_a_problem(make_model: Callable[..., LanguageModel]) -> None:
    begun = Begun(LocalSampler(make_model("llama", 0)), {}, 2)
    with pytest.raises(Problem, match="no answer"):
        begun.sample([[5, 6]], Sampling(), [0])
