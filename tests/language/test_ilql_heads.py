from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heedful.errors import Problem
from heedful.language.ilql_heads import HEADS, ILQLHeads, load_heads, predictions, save_heads
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import pad

Make = Callable[[str, int], LanguageModel]


def test_predictions_are_the_models_own_logits_and_what_its_head_read(any_model: LanguageModel) -> None:
    prompts, completions = [[1, 5, 9], [1, 7]], [[4, 6, 2], [8, 2]]
    logits_BTV, hidden_BTD = predictions(any_model, pad(prompts, completions, any_model.device))
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        alone_SV = any_model.module(torch.tensor([prompt + completion])).logits[0]
        expected_TV = alone_SV[len(prompt) - 1 : -1]
        torch.testing.assert_close(logits_BTV[row, : len(completion)], expected_TV, atol=1e-4, rtol=1e-4)
    head = any_model.module.get_output_embeddings()
    torch.testing.assert_close(head(hidden_BTD), logits_BTV, atol=1e-4, rtol=1e-4)


def test_lagged_heads_begin_equal_and_learn_nothing_by_themselves(make_model: Make) -> None:
    heads = ILQLHeads.on(make_model("llama", 0), seed=3)
    q_EBTV, lagged_EBTV, values_BT = heads(torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(q_EBTV, lagged_EBTV)
    assert not lagged_EBTV.requires_grad
    assert q_EBTV.shape == (2, 2, 3, 32)
    assert values_BT.shape == (2, 3)
    assert not torch.equal(q_EBTV[0], q_EBTV[1]), "two heads that are the same would be one"
    again = ILQLHeads.on(make_model("llama", 0), seed=3)
    assert all(torch.equal(a, b) for a, b in zip(heads.parameters(), again.parameters(), strict=True))


def test_advantages_are_the_smaller_lagged_q_less_v(make_model: Make) -> None:
    heads = ILQLHeads.on(make_model("llama", 0))
    with torch.no_grad():
        heads.lagged_q[1].get_parameter("2.bias").add_(torch.linspace(-1, 1, 32))
        hidden_BD = torch.randn(4, 16, generator=torch.Generator().manual_seed(1))
        first, second = (head(hidden_BD) for head in heads.lagged_q)
        expected_BV = torch.minimum(first, second) - heads.v(hidden_BD)
        torch.testing.assert_close(heads.advantages(hidden_BD), expected_BV)


def test_heads_come_back_from_their_folder(make_model: Make, tmp_path: Path) -> None:
    model = make_model("llama", 0)
    heads = ILQLHeads.on(model, seed=5)
    save_heads(heads, tmp_path, {"beta": 4.0, "top_k": 20})
    found, settings = load_heads(model, tmp_path)
    assert settings == {"beta": 4.0, "top_k": 20}
    assert all(torch.equal(a, b) for a, b in zip(heads.parameters(), found.parameters(), strict=True))
    (tmp_path / HEADS).write_bytes(b"nothing of the kind")
    with pytest.raises(Problem, match="do not fit"):
        load_heads(model, tmp_path)
