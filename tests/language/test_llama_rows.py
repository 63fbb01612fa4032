"""The pass over whole rows beside the model's own: the same states and gradients wherever it is claimed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.language.test_llama import CONFIGS, SHAPE, made
from transformers import LlamaConfig, MistralConfig

from heedful.language.attention import watched
from heedful.language.forward import token_logprobs
from heedful.language.frozen_trunk import reference_of, shared_trunk
from heedful.language.heads import ScalarModel
from heedful.language.llama_rows import _Gated, _Normed, _Turned, hidden_states, states_of, understands
from heedful.language.lora import add_adapters
from heedful.language.pretrained import new_llama
from heedful.language.tokens import pad
from heedful.language.tuning import Tuning, tune

IDS = torch.tensor([[4, 5, 6, 7, 8], [9, 4, 0, 0, 0], [2, 2, 5, 4, 3]])


def own(body: Any, ids_BS: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = body(input_ids=ids_BS, use_cache=False).last_hidden_state
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_states_and_gradients_are_those_of_the_models_own_pass(name: str, tokenizer: Any) -> None:
    body = made(CONFIGS[name], tokenizer).body
    assert understands(body)
    weights = list(body.parameters())
    exact = made(CONFIGS[name], tokenizer).body.double()
    expected = own(exact, IDS)
    found = hidden_states(body, IDS)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)
    by_states = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0))
    wanted = torch.autograd.grad(expected, list(exact.parameters()), by_states.double())
    for one, two in zip(torch.autograd.grad(found, weights, by_states), wanted, strict=True):
        assert float((one - two).abs().max()) < 1e-4 * float(two.abs().max())


def test_each_written_out_gradient_agrees_with_finite_differences() -> None:
    rng = torch.Generator().manual_seed(1)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=rng, requires_grad=True)

    angle_STX = numbers(3, 3, 2).detach()
    turn = torch.polar(torch.full_like(angle_STX, 1.3), angle_STX)  # a scaled rotation, as long contexts have
    applied: list[Any] = [each.apply for each in (_Normed, _Turned, _Gated)]
    normed, turned, gated = applied
    assert torch.autograd.gradcheck(lambda x: normed(x, 1e-3), (numbers(2, 3, 4),))
    assert torch.autograd.gradcheck(lambda x: turned(x, turn, 2), (numbers(2, 3, 4, 4),))
    assert torch.autograd.gradcheck(gated, (numbers(2, 3, 8), numbers(2, 3, 8)))


def test_the_padding_tokens_embedding_learns_nothing_where_the_model_says_so(tokenizer: Any) -> None:
    config = LlamaConfig(**SHAPE, pad_token_id=5)
    body = made(config, tokenizer).body
    for states in (own(body, IDS), hidden_states(body, IDS)):
        (by_embedding,) = torch.autograd.grad(states.sum(), [body.embed_tokens.weight])
        assert not by_embedding[5].any()
        assert by_embedding[4].any()


def test_frozen_weights_get_no_gradient_and_the_others_the_same(tokenizer: Any) -> None:
    body = made(CONFIGS["llama"], tokenizer).body
    body.requires_grad_(requires_grad=False)
    trained = list(body.layers[1].parameters())
    for weight in trained:
        weight.requires_grad_(requires_grad=True)
    found, expected = (torch.autograd.grad(f(body, IDS).square().sum(), trained) for f in (hidden_states, own))
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, atol=1e-3, rtol=1e-4)


def test_what_it_does_not_know_goes_through_the_models_own_pass(tokenizer: Any, monkeypatch: Any) -> None:
    def refused(body: Any) -> bool:
        torch.testing.assert_close(states_of(body, IDS), own(body, IDS), atol=0, rtol=0)
        return not understands(body)

    assert refused(made(LlamaConfig(**SHAPE, hidden_act="gelu"), tokenizer).body)
    assert refused(made(MistralConfig(**SHAPE, sliding_window=4), tokenizer).body)
    assert refused(made(LlamaConfig(**SHAPE), tokenizer).body.double())
    adapted = new_llama(tokenizer, seed=0, **SHAPE)
    add_adapters(adapted.body, rank=2, alpha=2.0)
    assert refused(adapted.body)
    body = made(LlamaConfig(**SHAPE), tokenizer).body
    assert understands(body)
    with watched(body):
        assert refused(body)
    handle = body.layers[0].mlp.register_forward_hook(lambda *_: None)
    assert refused(body)
    handle.remove()
    handle = body.layers[0].register_full_backward_hook(lambda *_: None)
    assert refused(body)
    handle.remove()
    assert not understands(body.train())
    body.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not understands(body)
    monkeypatch.setattr("heedful.language.llama_rows.SMALL", 10)
    assert refused(body)


def test_what_is_hooked_to_a_whole_layer_is_heeded(tokenizer: Any) -> None:
    body, seen = made(CONFIGS["llama"], tokenizer).body, []
    body.layers[0].register_forward_hook(lambda _layer, _given, states: seen.append(states.detach()))
    body.layers[1].register_forward_hook(lambda _layer, _given, states: 2 * states + 1)
    assert understands(body)
    torch.testing.assert_close(hidden_states(body, IDS), own(body, IDS), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(seen[0], seen[1], atol=1e-4, rtol=1e-4)


def test_a_reference_that_shares_a_frozen_trunk_still_takes_what_the_policy_computed(tokenizer: Any) -> None:
    model = new_llama(tokenizer, seed=0, **SHAPE)
    tune(model, Tuning("last", last_layers=1))
    reference = reference_of(model)
    part = pad([[1, 5], [1]], [[6, 7], [8, 9]], torch.device("cpu"))
    plain, _ = token_logprobs(reference, part, 1.0)
    with shared_trunk(model, reference) as depth:
        assert depth == 1
        token_logprobs(model, part, 1.0)
        shared, _ = token_logprobs(reference, part, 1.0)
    torch.testing.assert_close(shared, plain, atol=1e-5, rtol=1e-5)


def test_a_score_is_read_from_the_same_states(tokenizer: Any) -> None:
    model = ScalarModel(made(CONFIGS["llama"], tokenizer), seed=3)
    ids, real = torch.tensor([[0, 0, 4, 5, 6]]), torch.tensor([[False, False, True, True, True]])
    expected = model.head(own(model.trunk, torch.tensor([[4, 5, 6]])))[0, :, 0]
    torch.testing.assert_close(model(ids, real)[0, 2:], expected, atol=1e-4, rtol=1e-4)
