"""Passes in bfloat16: near those in float32 and not the same, with weights and gradients of float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from heedful.language.engines.local import LocalSampler
from heedful.language.forward import separable, token_logprobs
from heedful.language.frozen_trunk import reference_of
from heedful.language.heads import ScalarModel
from heedful.language.pretrained import LanguageModel, load, new_like, save
from heedful.language.sampling import Sampling
from heedful.language.tokens import pad

PART = pad([[1, 4, 5], [1, 6]], [[7, 8, 9], [10, 11]], torch.device("cpu"))


@pytest.fixture(params=["llama", "gpt2", "mistral-window", "t5"])
def both(request: pytest.FixtureRequest, make_model: Any) -> tuple[LanguageModel, LanguageModel]:
    """(in float32, the same weights in bfloat16)."""
    exact: LanguageModel = make_model("llama" if request.param == "t5" else request.param)
    if request.param == "t5":
        torch.manual_seed(0)
        shape = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
        config = T5Config(vocab_size=exact.vocabulary, eos_token_id=exact.eos_id, **shape)
        exact = LanguageModel(T5ForConditionalGeneration(config), exact.tokenizer)
    return exact, LanguageModel(exact.module, exact.tokenizer, precision="bfloat16")


def test_log_probabilities_and_gradients_are_near_and_not_the_same(both: tuple[LanguageModel, LanguageModel]) -> None:
    exact, rough = both
    assert separable(exact) == separable(rough)
    found = {}
    for name, model in (("exact", exact), ("rough", rough)):
        logprobs_BT, entropy_BT = token_logprobs(model, PART, 0.7)
        assert logprobs_BT.dtype == entropy_BT.dtype == torch.float32
        gradients = torch.autograd.grad(logprobs_BT.sum() + entropy_BT.sum(), list(exact.parameters()))
        assert all(gradient.dtype == torch.float32 for gradient in gradients)
        found[name] = logprobs_BT.detach(), torch.cat([gradient.flatten() for gradient in gradients])
    apart = (found["exact"][0] - found["rough"][0]).abs()
    assert 0 < float(apart.max()) < 0.1
    assert float(torch.cosine_similarity(found["exact"][1], found["rough"][1], dim=0)) > 0.99


def test_what_is_sampled_is_what_is_evaluated(both: tuple[LanguageModel, LanguageModel]) -> None:
    _, rough = both
    prompts = [[1, 4, 5], [1, 6]] * 4
    samples = LocalSampler(rough).sample(prompts, Sampling(max_new_tokens=6), list(range(8)))
    part = pad(prompts, [sample.token_ids for sample in samples], torch.device("cpu"))
    logprobs_BT, _ = token_logprobs(rough, part, 1.0)
    for row, sample in enumerate(samples):
        told = torch.tensor(sample.logprobs)
        torch.testing.assert_close(logprobs_BT[row, : len(told)], told, atol=0.05, rtol=0)


def test_copies_compute_alike_and_files_hold_float32(make_model: Any, tmp_path: Path) -> None:
    save(make_model(), tmp_path / "made")
    rough = load(tmp_path / "made", precision="bfloat16")
    assert {twin.precision for twin in (rough.frozen_copy(), reference_of(rough), new_like(rough, 0))} == {"bfloat16"}
    assert {weight.dtype for weight in rough.parameters()} == {torch.float32}
    save(rough, tmp_path / "saved")
    for one, two in zip(load(tmp_path / "saved").parameters(), rough.parameters(), strict=True):
        assert torch.equal(one, two)


def test_scores_are_near_and_not_the_same(both: tuple[LanguageModel, LanguageModel]) -> None:
    scores = [ScalarModel(model, seed=1).score(PART.ids_BS, PART.attend_mask_BS, PART.steps).detach() for model in both]
    assert 0 < float((scores[0] - scores[1]).abs().max()) < 0.1
    assert scores[1].dtype == torch.float32
