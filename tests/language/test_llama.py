"""A decoding step beside the model's own forward pass: the same logits for every shape that is claimed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config

from heedful.language.engines import llama
from heedful.language.engines.llama import LlamaDecoder, understands
from heedful.language.engines.local import LocalSampler
from heedful.language.pretrained import LanguageModel, new_llama
from heedful.language.sampling import Sampling

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}

SCALED = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}

CONFIGS = {
    "llama": LlamaConfig(**SHAPE, tie_word_embeddings=True),
    "untied": LlamaConfig(**SHAPE, tie_word_embeddings=False),
    "every head its own keys": LlamaConfig(**{**SHAPE, "num_key_value_heads": 4}),
    "one head of keys": LlamaConfig(**{**SHAPE, "num_key_value_heads": 1}),
    "wide heads": LlamaConfig(**SHAPE, head_dim=16),
    "biases everywhere": LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True),
    "scaled positions": LlamaConfig(**SHAPE, rope_parameters=SCALED),
    "qwen2": Qwen2Config(**SHAPE),
    "mistral": MistralConfig(**SHAPE, sliding_window=None),
}


def made(config: Any, tokenizer: Any) -> LanguageModel:
    config.vocab_size, config.eos_token_id = len(tokenizer), 2
    torch.manual_seed(0)
    module = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in module.parameters():  # biases and norms are 0 and 1 when they are new
            parameter.add_(0.3 * torch.randn_like(parameter))
    return LanguageModel(module, tokenizer)


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_written_is_what_the_model_itself_would_write(
    name: str, small: bool, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not small:
        monkeypatch.setattr(llama, "SMALL", 0)
    model = made(CONFIGS[name], tokenizer)
    assert understands(model)
    prompts = [[4, 5, 6], [7], [8, 9, 4, 5, 6, 7, 4], [4, 5, 6], [9, 9]]
    settings, seeds = Sampling(max_new_tokens=12), [1, 2, 3, 4, 5]
    written = LocalSampler(model, rows=3).sample(prompts, settings, seeds)  # rows are refilled and dropped
    for prompt, sample in zip(prompts, written, strict=True):
        ids_1S = torch.tensor([[*prompt, *sample.token_ids]])
        logits_SV = model.module(input_ids=ids_1S).logits[0, len(prompt) - 1 : -1]
        wanted = torch.log_softmax(logits_SV, -1).gather(-1, torch.tensor(sample.token_ids)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(sample.logprobs), wanted.detach(), atol=2e-5, rtol=1e-5)


def test_other_models_are_left_to_their_own_forward_pass(tokenizer: Any) -> None:
    assert not understands(made(LlamaConfig(**SHAPE, hidden_act="gelu"), tokenizer))
    assert not understands(made(MistralConfig(**SHAPE, sliding_window=4), tokenizer))
    yarn = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0}
    assert not understands(made(LlamaConfig(**SHAPE, rope_parameters=yarn), tokenizer))
    wrapped = made(LlamaConfig(**SHAPE), tokenizer)
    attention = wrapped.module.model.layers[0].self_attn
    attention.q_proj = torch.nn.Sequential(attention.q_proj)
    assert not understands(wrapped)


def test_the_weights_of_now_are_used(tokenizer: Any) -> None:
    model = new_llama(tokenizer, seed=0, **SHAPE)
    sampler, settings = LocalSampler(model), Sampling(max_new_tokens=4)
    before = sampler.sample([[4, 5]], settings, [0])[0].logprobs
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    after = sampler.sample([[4, 5]], settings, [0])[0].logprobs
    assert before != after
    assert LlamaDecoder(model).heads == 4
