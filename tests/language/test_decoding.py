from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heedful.language.decoding import steer, steered, steered_if_told
from heedful.language.engines.local import LocalSampler
from heedful.language.ilql_heads import ILQLHeads, save_heads
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling

Make = Callable[[str, int], LanguageModel]


def test_the_rule_by_hand() -> None:
    logits_BV = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    advantages_BV = torch.tensor([[0.0, 1.0, -1.0]])
    found_BV = steered(logits_BV + 7, advantages_BV, 2.0, 0)
    assert found_BV[0].tolist() == pytest.approx([math.log(0.5), math.log(0.3) + 2, math.log(0.2) - 2])
    two_BV = steered(logits_BV, advantages_BV, 2.0, 2)
    assert two_BV[0].tolist() == pytest.approx([math.log(0.5), math.log(0.3) + 2, -math.inf])


def test_top_k_counts_after_the_advantages_and_a_large_one_changes_nothing() -> None:
    logits_BV, advantages_BV = torch.tensor([[3.0, 2.0, 1.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.0, 9.0]])
    assert torch.isfinite(steered(logits_BV, advantages_BV, 1.0, 1)).tolist() == [[False, False, False, True]]
    assert torch.isfinite(steered(logits_BV, advantages_BV, 1.0, 4)).all()


def test_without_beta_the_model_is_itself(any_model: LanguageModel) -> None:
    twin = steer(any_model, ILQLHeads.on(any_model), beta=0.0, top_k=0)
    ids = torch.tensor([[1, 5, 9, 4]])
    expected = any_model.module(ids).logits.log_softmax(-1)
    torch.testing.assert_close(twin.module(ids).logits, expected, atol=1e-4, rtol=1e-4)
    assert not any(parameter.requires_grad for parameter in twin.parameters())


def test_sampling_follows_the_rule_and_the_model_is_left_alone(any_model: LanguageModel) -> None:
    """The token that the heads find worth most, by far, is written every time."""
    heads = ILQLHeads.on(any_model)
    with torch.no_grad():
        for head in heads.lagged_q:
            head.get_parameter("2.bias")[7] += 100.0
    ids = torch.tensor([[1, 5, 9, 4]])
    before = any_model.module(ids).logits
    twin = steer(any_model, heads, beta=10.0, top_k=3)
    sample, *_ = LocalSampler(twin).sample([[1, 5], [1, 6, 4]], Sampling(max_new_tokens=5), [0, 1])
    assert sample.token_ids == (7, 7, 7, 7, 7)
    assert sample.logprobs == pytest.approx([0.0] * 5, abs=1e-5)
    assert torch.equal(any_model.module(ids).logits, before)


def test_a_folder_with_heads_gives_a_steered_model(make_model: Make, tmp_path: Path) -> None:
    model = make_model("llama", 0)
    assert steered_if_told(model, tmp_path) is model
    heads = ILQLHeads.on(model, seed=1)
    save_heads(heads, tmp_path, {"beta": 3.0, "top_k": 5})
    ids = torch.tensor([[1, 5, 9, 4]])
    found = steered_if_told(model, tmp_path).module(ids).logits
    assert torch.equal(found, steer(model, heads, beta=3.0, top_k=5).module(ids).logits)
    assert (torch.isfinite(found).sum(-1) == 5).all()
