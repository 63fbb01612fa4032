"""The reference beside a partly trained policy: the numbers of a full copy, without its memory or its computation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
import torch

from heedful.compute.local import LocalCompute
from heedful.language.acting import Acting, PromptTokens
from heedful.language.engines.local import LocalSampler
from heedful.language.forward import separable
from heedful.language.frozen_trunk import reference_of, share_frozen, shared_layers, shared_trunk
from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example, imitation_loss
from heedful.language.lora import adapters
from heedful.language.policy import LanguagePolicy, response_logprobs
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.language.tokens import pad
from heedful.language.tuning import Tuning, layers_of, tune
from heedful.records import Prompt
from heedful.rollouts import Rollouts

Make = Callable[[str, int], LanguageModel]
MODES = ["full", "last", "lora", "dora", "heads"]
KINDS = ["llama", "gpt2", "mistral-window"]


def rollouts() -> Rollouts:
    padded = pad([[1, 5, 9], [1, 7], [1, 5, 5, 6, 8]], [[4, 5, 2], [6, 6, 6, 6, 2], [9]], torch.device("cpu"))
    mask_BT = padded.response_mask_BT
    return Rollouts(padded.inputs, mask_BT, torch.arange(3), torch.zeros(mask_BT.shape))


def train(model: LanguageModel, steps: int = 2) -> None:
    compute = LocalCompute()
    compute.prepare([(model.parameters(), 0.02)])
    for _ in range(steps):
        loss, tokens, _ = imitation_loss(model, [Example([1, 5, 9], [4, 6, 2]), Example([1, 7], [8, 2])])
        compute.backward(loss)
        compute.step(float(tokens))


def tuned(make_model: Make, kind: str, mode: str) -> tuple[LanguageModel, LanguageModel, LanguageModel]:
    """(a policy that has been trained, its reference, a full copy of what it was before)."""
    model, copy = make_model(kind, 0), make_model(kind, 0).frozen_copy()
    tune(model, Tuning(mode=mode, last_layers=1))  # type: ignore[arg-type]
    reference = reference_of(model)
    train(model)
    return model, reference, copy


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_is_what_the_policy_was(kind: str, mode: str, make_model: Make) -> None:
    model, reference, copy = tuned(make_model, kind, mode)
    expected_BT, _ = response_logprobs(copy, rollouts())
    assert torch.equal(response_logprobs(reference, rollouts())[0], expected_BT)
    assert (response_logprobs(model, rollouts())[0] - expected_BT).abs().max() > 1e-3
    assert not any(weight.requires_grad for weight in reference.parameters())
    shared = {weight.data_ptr() for weight in reference.parameters()} & {w.data_ptr() for w in model.parameters()}
    frozen = {weight.data_ptr() for weight in model.parameters() if not weight.requires_grad}
    assert shared == frozen


def test_the_reference_leaves_the_adapters_on_even_when_it_fails(make_model: Make) -> None:
    model, reference, _ = tuned(make_model, "llama", "lora")
    before_BT, _ = response_logprobs(model, rollouts())
    with contextlib.suppress(IndexError):
        reference.logits(torch.tensor([[999]]), torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1).long(), 1)
    assert torch.equal(response_logprobs(model, rollouts())[0], before_BT)
    assert adapters(model.module)
    assert all(weight.requires_grad == (".lora_" in name) for name, weight in model.module.named_parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_the_branch_equals_a_full_copy_and_computes_the_trunk_once(kind: str, make_model: Make) -> None:
    model, reference, copy = tuned(make_model, kind, "last")
    computed: list[int] = []
    assert separable(model) == separable(reference)  # tried out once
    for number, layer in enumerate(layers_of(reference).blocks):
        inner = next(layer.children())
        inner.register_forward_hook(lambda *_, number=number: computed.append(number))
    with torch.no_grad(), shared_trunk(model, reference) as depth:
        logprobs_BT, _ = response_logprobs(model, rollouts())
        ref_BT, _ = response_logprobs(reference, rollouts())
    assert depth == 1
    assert computed == [1], "the first layer is the policy's"
    torch.testing.assert_close(ref_BT, response_logprobs(copy, rollouts())[0], atol=1e-6, rtol=0)
    assert torch.equal(logprobs_BT, response_logprobs(model, rollouts())[0])
    torch.testing.assert_close(ref_BT, response_logprobs(reference, rollouts())[0], atol=1e-6, rtol=0)
    assert computed == [1, 0, 1], "by itself it computes everything again"


def test_with_the_head_alone_the_whole_trunk_is_shared(make_model: Make) -> None:
    model, reference, copy = tuned(make_model, "mistral-window", "heads")  # its head is not its embeddings
    with torch.no_grad(), shared_trunk(model, reference) as depth:
        response_logprobs(model, rollouts())
        ref_BT, _ = response_logprobs(reference, rollouts())
    assert depth == 2
    torch.testing.assert_close(ref_BT, response_logprobs(copy, rollouts())[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["full", "lora", "heads"])
def test_where_the_lowest_layer_is_trained_nothing_is_shared(mode: str, make_model: Make) -> None:
    model, reference, _ = tuned(make_model, "llama", mode)  # in the mode heads, its embeddings are trained
    with shared_trunk(model, reference) as depth:
        assert depth == 0
    assert shared_layers(model, model) == 0


def test_a_reference_that_runs_ahead_or_on_other_rows_is_a_programming_error(make_model: Make) -> None:
    model, reference, _ = tuned(make_model, "llama", "last")
    with pytest.raises(RuntimeError, match="evaluate the policy first"), shared_trunk(model, reference):
        response_logprobs(reference, rollouts())
    few = rollouts().rows(torch.tensor([0]))
    with shared_trunk(model, reference):
        response_logprobs(model, rollouts())
        with pytest.raises(RuntimeError, match="other rows"):
            response_logprobs(reference, few)
    response_logprobs(reference, rollouts())  # whole again, after both


@pytest.mark.parametrize("mode", ["last", "lora"])
def test_another_version_shares_what_is_equal(mode: str, make_model: Make) -> None:
    model, loaded = make_model("llama", 0), make_model("llama", 0).frozen_copy()
    with torch.no_grad():
        layers_of(loaded).blocks[1].mlp.up_proj.weight.add_(0.1)
    expected_BT, _ = response_logprobs(loaded, rollouts())
    changed = layers_of(loaded).blocks[1].mlp.up_proj.weight.nbytes
    size = tune(model, Tuning(mode=mode, last_layers=1))  # type: ignore[arg-type]
    saved = share_frozen(model, loaded)
    frozen = 4 * (size.total - size.trained)
    assert saved == (frozen if mode == "last" else frozen - changed)
    assert loaded.module.get_output_embeddings().weight is loaded.module.get_input_embeddings().weight
    assert shared_layers(model, loaded) == (1 if mode == "last" else 0)
    assert torch.equal(response_logprobs(loaded, rollouts())[0], expected_BT)


def test_a_critic_shares_its_frozen_trunk_with_the_reward_model(make_model: Make) -> None:
    judge = ScalarModel(make_model("llama", 0), seed=1)
    judge.requires_grad_(requires_grad=False)
    critic = ScalarModel(make_model("llama", 0), zero=True)
    tune(critic, Tuning(mode="lora"))
    assert share_frozen(critic, judge) == sum(weight.nbytes for weight in judge.trunk.parameters())
    trained = ScalarModel(make_model("llama", 0), seed=1)
    assert share_frozen(critic, trained) == 0, "what is trained elsewhere is never shared"


@pytest.mark.parametrize("mode", ["last", "lora"])
def test_acting_gives_the_rollouts_of_a_full_copy(mode: str, make_model: Make) -> None:
    model, reference, copy = tuned(make_model, "llama", mode)

    def act(against: LanguageModel) -> Rollouts:
        acting = Acting(
            prompts=[Prompt.of("a b c"), Prompt.of("d")],
            sampler=LocalSampler(model),
            sampling=Sampling(max_new_tokens=8),
            tokens=PromptTokens(model),
            reference=against,
            prompts_per_step=2,
            completions_per_prompt=3,
            seed=5,
            micro_batch=4,
        )
        return acting(LanguagePolicy(model), 0)

    shared, apart = act(reference), act(copy)
    assert torch.equal(shared.logprobs_BT, apart.logprobs_BT)
    assert shared.ref_logprobs_BT is not None
    torch.testing.assert_close(shared.ref_logprobs_BT, apart.ref_logprobs_BT, atol=1e-6, rtol=0)
