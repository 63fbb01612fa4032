"""One row of attention, against the whole of it computed by hand and by transformers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from heedful.errors import Problem
from heedful.language.attention import attention_at_last_token, watched
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import positions

IDS_BS = torch.randint(4, 30, (3, 11), generator=torch.Generator().manual_seed(1))
MASK_BS = torch.ones(3, 11, dtype=torch.bool)
MASK_BS[0, :4] = False
MASK_BS[1, 8:] = False
LAST_B = torch.tensor([10, 7, 10])


def rotated(x_SD: Tensor, base: float) -> Tensor:
    """Rotary positions (Su et al. 2021) from 0, halves of the dimensions paired."""
    steps, width = x_SD.shape
    turn_D = base ** (-torch.arange(0, width, 2) / width)
    angle_SD = torch.outer(torch.arange(steps), turn_D)
    a_SD, b_SD = x_SD.chunk(2, -1)
    return torch.cat([a_SD * angle_SD.cos() - b_SD * angle_SD.sin(), b_SD * angle_SD.cos() + a_SD * angle_SD.sin()], -1)


def test_a_row_equals_one_computed_by_hand(make_model: Callable[..., LanguageModel]) -> None:
    """softmax(q k / sqrt(d)) of the last layer, from the hidden states that enter it; one row without padding."""
    model = make_model("llama", 0)
    entering: list[Tensor] = []
    layer = model.module.model.layers[-1]
    hook = layer.self_attn.q_proj.register_forward_pre_hook(lambda _, given: entering.append(given[0]))
    row_S = attention_at_last_token(model, IDS_BS[2:], MASK_BS[2:])[0]
    hook.remove()
    hidden_SD, base = entering[0][0], model.module.config.rope_parameters["rope_theta"]
    heads = []
    for head in range(4):  # four heads of four dimensions; two share a key
        key = head // 2
        q_SD = rotated(layer.self_attn.q_proj(hidden_SD)[:, 4 * head : 4 * head + 4], base)
        k_SD = rotated(layer.self_attn.k_proj(hidden_SD)[:, 4 * key : 4 * key + 4], base)
        heads.append((k_SD @ q_SD[-1] / math.sqrt(4)).softmax(0))
    torch.testing.assert_close(row_S, torch.stack(heads).mean(0), atol=1e-6, rtol=1e-5)


def test_rows_equal_the_full_attention_of_an_eager_twin(any_model: LanguageModel) -> None:
    """Padding on either side, a sliding window, three architectures."""
    row_BS = attention_at_last_token(any_model, IDS_BS, MASK_BS)
    twin = AutoModelForCausalLM.from_config(any_model.module.config, attn_implementation="eager").eval()
    twin.load_state_dict(any_model.module.state_dict())
    with torch.no_grad():
        out: Any = twin(
            input_ids=IDS_BS, attention_mask=MASK_BS, position_ids=positions(MASK_BS), output_attentions=True
        )
    wanted_BS = out.attentions[-1].mean(1)[torch.arange(3), LAST_B]
    torch.testing.assert_close(row_BS, wanted_BS, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(row_BS.sum(1), torch.ones(3))
    assert not bool(row_BS[~MASK_BS].any())


def test_watching_leaves_the_model_as_it_was(any_model: LanguageModel) -> None:
    def logits() -> Tensor:
        with torch.no_grad():
            return any_model.logits(IDS_BS, MASK_BS, positions(MASK_BS), 3)

    before, implementation = logits(), any_model.module.config._attn_implementation
    with watched(any_model.module.base_model):
        during = logits()
    assert any_model.module.config._attn_implementation == implementation
    assert torch.equal(logits(), before)
    torch.testing.assert_close(during[MASK_BS[:, -3:]], before[MASK_BS[:, -3:]], atol=1e-4, rtol=1e-4)


def test_the_model_is_put_back_after_an_error(make_model: Callable[..., LanguageModel]) -> None:
    model = make_model("llama", 0)
    with pytest.raises(ZeroDivisionError), watched(model.module.base_model):
        _ = 1 / 0
    assert model.module.config._attn_implementation == "sdpa"


def test_before_any_forward_pass_there_is_nothing_to_see(make_model: Callable[..., LanguageModel]) -> None:
    with watched(make_model("llama", 0).module.base_model) as layer, pytest.raises(Problem, match="does not show"):
        layer.row(LAST_B)
