"""Adapters: nothing at first, the papers' formulas afterwards, the same when merged, and gone when saved."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from heedful.language.engines.local import LocalSampler
from heedful.language.heads import ScalarModel, load_scalar, save_scalar
from heedful.language.lora import adapters, add_adapters, merged, plain, without_adapters
from heedful.language.policy import response_logprobs
from heedful.language.pretrained import LanguageModel, load, save
from heedful.language.sampling import Sampling
from heedful.language.tokens import pad
from heedful.language.tuning import Tuning, tune
from heedful.rollouts import Rollouts

Make = Callable[[str, int], LanguageModel]
Mode = Literal["lora", "dora"]
IDS = torch.tensor([[1, 5, 9, 12, 2]])
KINDS = ["llama", "gpt2", "mistral-window"]


def disturbed(model: LanguageModel | ScalarModel, mode: Mode) -> None:
    """Put adapters in, and move them away from zero as training would."""
    tune(model, Tuning(mode=mode, rank=3, alpha=6))
    random = torch.Generator().manual_seed(5)
    network = model.module if isinstance(model, LanguageModel) else model
    with torch.no_grad():
        for weight in network.parameters():
            if weight.requires_grad:
                weight.add_(0.2 * torch.randn(weight.shape, generator=random))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["lora", "dora"])
def test_fresh_adapters_change_nothing(kind: str, mode: Mode, make_model: Make) -> None:
    model = make_model(kind, 0)
    before = model.module(IDS).logits
    tune(model, Tuning(mode=mode))
    after = model.module(IDS).logits
    if mode == "lora":
        assert torch.equal(before, after)
    torch.testing.assert_close(before, after, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["lora", "dora"])
def test_nor_do_they_change_a_reward_model_or_a_critic(
    kind: str, mode: Mode, make_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A critic gives its number at every token, a reward model at the last."""
    monkeypatch.setattr("heedful.language.llama_rows.SMALL", 0)  # adapters are seen by the model's own pass alone
    model = ScalarModel(make_model(kind, 0), seed=3)
    mask_BS = torch.ones_like(IDS, dtype=torch.bool)
    before = [model(IDS, mask_BS), model.score(IDS, mask_BS)]
    assert before[0].detach().std() > 0.1, "the head must not be zero for this to mean anything"
    tune(model, Tuning(mode=mode))
    assert adapters(model)
    after = [model(IDS, mask_BS), model.score(IDS, mask_BS)]
    if mode == "lora":
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    torch.testing.assert_close(before, after, atol=1e-5, rtol=0)


@pytest.mark.parametrize("magnitudes", [False, True])
def test_an_adapted_layer_computes_the_formula_of_the_paper(magnitudes: bool) -> None:
    torch.manual_seed(0)
    linear, x_ND = torch.nn.Linear(4, 3), torch.randn(5, 4)
    weight, bias = linear.weight.detach().clone(), linear.bias.detach().clone()
    trunk = torch.nn.ModuleDict({"q": linear})
    add_adapters(trunk, rank=2, alpha=6, magnitudes=magnitudes)
    ((_, layer),) = adapters(trunk)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    with torch.no_grad():
        b.copy_(torch.randn(3, 2))
    acting = weight + 6 / 2 * b @ a
    if magnitudes:  # equation 5: the directions of W + BA, at trained lengths that began as those of W
        lengths = layer.lora_magnitude_vector["default"].weight
        torch.testing.assert_close(lengths, weight.norm(dim=1))
        with torch.no_grad():
            lengths.mul_(torch.tensor([1.5, 0.5, 2.0]))
        acting = lengths[:, None] * acting / acting.norm(dim=1, keepdim=True)
    torch.testing.assert_close(layer(x_ND), x_ND @ acting.T + bias, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["lora", "dora"])
def test_merged_computes_the_same_and_has_no_adapters(kind: str, mode: Mode, make_model: Make) -> None:
    model = make_model(kind, 0)
    names, base = list(model.state_dict()), model.module(IDS).logits
    disturbed(model, mode)
    adapted = model.module(IDS).logits
    twin = plain(model.module)
    assert (adapted - base).abs().max() > 0.1, "the adapters must matter for this to mean anything"
    scale = float(adapted.detach().abs().max())
    torch.testing.assert_close(twin(IDS).logits, adapted, atol=1e-5 * scale, rtol=0)
    assert list(twin.state_dict()) == names
    assert torch.equal(model.module(IDS).logits, adapted), "merging works on a copy"
    assert torch.equal(without_adapters(model.module)(IDS).logits, base)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["lora", "dora"])
def test_in_double_precision_merged_is_the_same_to_a_hundred_thousandth(
    kind: str, mode: Mode, make_model: Make
) -> None:
    """Policy, critic (at every token) and reward model (at the last)."""
    model = make_model(kind, 0)
    judge = ScalarModel(model, seed=3).double()
    model.module.double()
    mask_BS = torch.ones_like(IDS, dtype=torch.bool)
    base = model.module(IDS).logits, judge(IDS, mask_BS)
    for each in (model, judge):
        disturbed(each, mode)
        assert adapters(each.module if isinstance(each, LanguageModel) else each)
    found = model.module(IDS).logits, judge(IDS, mask_BS), judge.score(IDS, mask_BS)
    assert all(bool((one - other).abs().max() > 0.1) for one, other in zip(base, found, strict=False))
    whole, again = plain(model.module), ScalarModel(make_model(kind, 0)).double()
    again.trunk, again.head = plain(judge.trunk), judge.head
    assert not adapters(again)
    merged_ones = whole(IDS).logits, again(IDS, mask_BS), again.score(IDS, mask_BS)
    torch.testing.assert_close(merged_ones, found, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["lora", "dora"])
def test_writing_with_merged_weights_gives_every_bit_back_even_after_a_failure(
    kind: str, mode: Mode, make_model: Make
) -> None:
    model = make_model(kind, 0)
    disturbed(model, mode)
    before, expected = model.module(IDS).logits, plain(model.module)(IDS).logits
    with contextlib.suppress(ZeroDivisionError), merged(model.module):
        assert torch.equal(model.module(IDS).logits, expected)
        raise ZeroDivisionError
    assert torch.equal(model.module(IDS).logits, before)
    model.module(IDS).logits.sum().backward()
    assert all((weight.grad is not None) == weight.requires_grad for weight in model.parameters())


def test_seeds_decide_and_the_global_stream_is_left_alone(make_model: Make) -> None:
    def first(seed: int) -> Tensor:
        model = make_model("llama", 0)
        tune(model, Tuning(mode="lora"), seed=seed)
        weight: Tensor = adapters(model.module)[0][1].lora_A["default"].weight
        return weight

    torch.manual_seed(0)
    state = torch.get_rng_state()
    one, again, other = first(1), first(1), first(2)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state)


def test_targets_choose_layers_by_the_end_of_their_names(make_model: Make) -> None:
    model = make_model("llama", 0)
    tune(model, Tuning(mode="lora", targets=("v_proj", "layers.1.mlp.up_proj")))
    assert [name.removeprefix("model.layers.") for name, _ in adapters(model.module)] == [
        "0.self_attn.v_proj",
        "1.self_attn.v_proj",
        "1.mlp.up_proj",
    ]


@pytest.mark.parametrize("mode", ["lora", "dora"])
def test_the_sampler_writes_with_the_adapters(mode: Mode, make_model: Make) -> None:
    model = make_model("llama", 0)
    disturbed(model, mode)
    prompts = [[1, 5, 9], [1, 7], [1, 4, 4, 4, 4]] * 4
    samples = LocalSampler(model, rows=5).sample(prompts, Sampling(max_new_tokens=12), range(len(prompts)))
    padded = pad(prompts, [sample.token_ids for sample in samples], torch.device("cpu"))
    mask_BT = padded.response_mask_BT
    logprobs_BT, _ = response_logprobs(
        model, Rollouts(padded.inputs, mask_BT, torch.arange(len(prompts)), torch.zeros(mask_BT.shape))
    )
    for row, sample in enumerate(samples):
        expected = torch.tensor(sample.logprobs)
        torch.testing.assert_close(logprobs_BT[row, : len(expected)], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("mode", ["lora", "dora"])
def test_what_is_saved_loads_without_knowing_of_adapters(mode: Mode, make_model: Make, tmp_path: Path) -> None:
    model = make_model("gpt2", 0)
    disturbed(model, mode)
    save(model, tmp_path / "model")
    expected = plain(model.module)(IDS).logits
    assert torch.equal(AutoModelForCausalLM.from_pretrained(tmp_path / "model")(IDS).logits, expected)
    assert torch.equal(load(tmp_path / "model").module(IDS).logits, expected)
    assert not list((tmp_path / "model").glob("adapter*"))


@pytest.mark.parametrize("mode", ["full", "last", "lora", "dora", "heads"])
def test_a_tuned_reward_model_keeps_its_scores_on_disk(mode: str, make_model: Make, tmp_path: Path) -> None:
    model = ScalarModel(make_model("llama", 0), seed=3)
    tune(model, Tuning(mode=mode, last_layers=1))  # type: ignore[arg-type]
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.1)
    model.normalise(torch.tensor([1.0, 4.0, 2.0]))
    save_scalar(model, tmp_path / "reward", {})
    mask_BS = torch.ones_like(IDS, dtype=torch.bool)
    again = load_scalar(tmp_path / "reward")
    torch.testing.assert_close(again.score(IDS, mask_BS), model.score(IDS, mask_BS), atol=1e-5, rtol=1e-5)


def test_a_critic_of_an_adapted_policy_begins_at_the_policy_of_now(make_model: Make) -> None:
    model = make_model("llama", 0)
    disturbed(model, "lora")
    critic = ScalarModel(model)
    assert not adapters(critic)
    expected = plain(model.module).base_model(IDS).last_hidden_state
    torch.testing.assert_close(critic.trunk(IDS).last_hidden_state, expected)
