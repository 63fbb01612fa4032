"""Prompts to rollouts: what training needs to know, the same again for the same seed and step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from heedful.errors import Problem
from heedful.language.acting import Acting, PromptTokens, write_completions
from heedful.language.engines.local import LocalSampler
from heedful.language.frozen_trunk import share_frozen
from heedful.language.heads import ScalarModel
from heedful.language.policy import LanguagePolicy
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning, tune
from heedful.records import Prompt

Make = Callable[[str, int], LanguageModel]

PROMPTS = [Prompt.of("a b c"), Prompt.of("d"), Prompt.of("e f g h")]


def acting(model: LanguageModel, sampling: Sampling | None = None, micro_batch: int = 0) -> Acting:
    return Acting(
        prompts=PROMPTS,
        sampler=LocalSampler(model),
        sampling=sampling or Sampling(max_new_tokens=8),
        tokens=PromptTokens(model),
        reference=model.frozen_copy(),
        prompts_per_step=2,
        completions_per_prompt=3,
        seed=5,
        micro_batch=micro_batch,
    )


def test_rollouts_hold_what_training_needs(make_model: Make) -> None:
    model = make_model("llama", 0)
    rollouts = acting(model)(LanguagePolicy(model, critic=ScalarModel(model, seed=1)), 0)
    assert len(rollouts) == 6
    assert rollouts.group_B.tolist() == [0, 0, 0, 1, 1, 1]
    assert rollouts.prompts[0] == rollouts.prompts[2] != rollouts.prompts[3]
    assert rollouts.values_BT is not None
    assert rollouts.ref_logprobs_BT is not None
    assert torch.equal(rollouts.logprobs_BT, rollouts.ref_logprobs_BT), "at the start the KL is zero"
    assert rollouts.sampler_logprobs_BT is not None
    torch.testing.assert_close(rollouts.sampler_logprobs_BT, rollouts.logprobs_BT, atol=1e-4, rtol=0)
    for row in range(6):
        length = int(rollouts.mask_BT[row].sum())
        ids = rollouts.inputs["ids_BS"][row, -rollouts.mask_BT.shape[1] :][:length].tolist()
        assert rollouts.completions[row] == model.decode(ids)
        assert rollouts.finished_B is not None
        assert bool(rollouts.finished_B[row]) == (ids[-1] in model.stop_ids)


def test_a_step_gives_the_same_again_and_another_step_something_else(make_model: Make) -> None:
    model = make_model("llama", 0)
    policy = LanguagePolicy(model)
    first, again, other = acting(model)(policy, 3), acting(model)(policy, 3), acting(model)(policy, 4)
    assert torch.equal(first.inputs["ids_BS"], again.inputs["ids_BS"])
    assert first.completions != other.completions


def test_micro_batches_change_nothing(make_model: Make) -> None:
    model = make_model("llama", 0)
    policy = LanguagePolicy(model, critic=ScalarModel(model, seed=1))
    whole, parts = acting(model)(policy, 1), acting(model, micro_batch=2)(policy, 1)
    torch.testing.assert_close(whole.logprobs_BT, parts.logprobs_BT, atol=1e-6, rtol=0)
    torch.testing.assert_close(whole.values_BT, parts.values_BT, atol=1e-6, rtol=0)


def test_provisional_logprobs_are_the_samplers_and_the_rest_is_the_same(make_model: Make) -> None:
    model = make_model("llama", 0)
    policy = LanguagePolicy(model, critic=ScalarModel(model, seed=1))
    settled, quick = acting(model)(policy, 1), replace(acting(model), provisional=True)(policy, 1)
    assert quick.provisional
    assert not settled.provisional
    assert quick.sampler_logprobs_BT is not None
    assert torch.equal(quick.logprobs_BT, quick.sampler_logprobs_BT)
    assert quick.ref_logprobs_BT is not None
    torch.testing.assert_close(quick.ref_logprobs_BT, settled.ref_logprobs_BT, atol=0, rtol=0)
    torch.testing.assert_close(quick.values_BT, settled.values_BT, atol=0, rtol=0)


def test_a_reference_that_goes_on_from_the_policys_layers_needs_the_policys_pass(make_model: Make) -> None:
    model = make_model("llama", 0)
    reference = model.frozen_copy()
    tune(model, Tuning("last", last_layers=1))
    share_frozen(model, reference)
    rollouts = replace(acting(model), reference=reference, provisional=True)(LanguagePolicy(model), 1)
    assert not rollouts.provisional
    assert rollouts.ref_logprobs_BT is not None
    assert torch.equal(rollouts.logprobs_BT, rollouts.ref_logprobs_BT)


def test_sampling_from_another_distribution_than_the_trained_one_is_refused(make_model: Make) -> None:
    for wrong in (Sampling(top_p=0.9), Sampling(top_k=3), Sampling(temperature=0)):
        with pytest.raises(Problem, match="top_p, top_k or temperature 0"):
            acting(make_model("llama", 0), wrong)


def test_written_completions_are_records_that_come_out_the_same(make_model: Make) -> None:
    model = make_model("llama", 0)
    repeated = [prompt for prompt in PROMPTS for _ in range(3)]
    settings = Sampling(max_new_tokens=8, temperature=0.9)
    seen: list[int] = []
    first = write_completions(
        model, LocalSampler(model), repeated, settings, policy="v0", seed=1, chunk=4, on_progress=seen.append
    )
    again = write_completions(model, LocalSampler(model), repeated, settings, policy="v0", seed=1, chunk=9)
    assert [(c.id, c.text, c.token_ids, c.sampling) for c in first] == [
        (c.id, c.text, c.token_ids, c.sampling) for c in again
    ]
    for one, other in zip(first, again, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    assert sum(seen) == len(first) == len({completion.id for completion in first})
    one = first[0]
    assert one.policy == "v0"
    assert one.sampling["temperature"] == 0.9
    assert len(one.logprobs) == len(one.token_ids)
    assert one.text == model.decode(one.token_ids)
