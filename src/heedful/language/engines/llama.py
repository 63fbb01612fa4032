"""One decoding step of a model of Llama's architecture, without the layers of Python around it.

Writing token by token, a small model spends most of its time not in matrix products but between them: masks made
anew, keys and values repeated for grouped heads, modules calling modules. Here a step is the products and little
else: queries, keys and values come from one product, keys lie transposed in the cache, grouped heads share them in
place, and residuals are added by the products themselves. It computes what the model's own forward pass computes
(Touvron et al. 2023, "LLaMA"; grouped queries: Ainslie et al. 2023, arXiv:2305.13245; rotary positions: Su et al. 2021,
arXiv:2104.09864), up to the rounding of a different order of additions.

Shapes: B rows, D width, H heads, K heads of keys and values, W width of a head, C columns of the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heedful.language.llama_rows import SMALL, added, plain_layers, side_by_side, unit_scale
from heedful.language.pretrained import LanguageModel


class Columns(Protocol):
    """A layer's part of the cache: `keys` (B, K, W, capacity), `values` (B, K, capacity, W), columns in use."""

    keys: Tensor
    values: Tensor
    origin: int
    filled: int


def understands(model: LanguageModel) -> bool:
    """Whether a model is one of these: plain layers of Llama's kind, without adapters, dropout or a sliding window."""
    module, config = model.module, model.module.config
    if model.precision != "float32":
        return False
    if model.layers != config.num_hidden_layers:
        return False  # a guide reads along, and its logits go into a rule
    if type(module).__name__.lower() != f"{config.model_type}forcausallm" or not plain_layers(config):
        return False
    linear = [module.lm_head, *(part for name, part in module.named_modules() if name.endswith("_proj"))]
    return all(type(part) is nn.Linear for part in linear)


@dataclass(frozen=True)
class _Layer:
    """The weights of a layer, those that read the same input side by side."""

    before_attention: Tensor
    queries_keys_values: Sequence[tuple[Tensor, Tensor | None]]
    out: tuple[Tensor, Tensor | None]
    before_mlp: Tensor
    gate_up: Sequence[tuple[Tensor, Tensor | None]]
    down: tuple[Tensor, Tensor | None]


class LlamaDecoder:
    """Computes next logits from the weights that a model has now; make one for each call of a sampler.

    Args:
        model: one that `understands` says yes to.
    """

    def __init__(self, model: LanguageModel) -> None:
        module = model.module
        config = module.config
        self.embedding = module.model.embed_tokens.weight
        self.head = (module.lm_head.weight, module.lm_head.bias)
        self.last_norm, self.epsilon = module.model.norm.weight, float(config.rms_norm_eps)
        self.heads, self.key_heads = int(config.num_attention_heads), int(config.num_key_value_heads)
        self.width = int(getattr(config, "head_dim", None) or config.hidden_size // self.heads)
        positions_1P = torch.arange(model.context_tokens, device=model.device)[None]
        cosine_1PW, sine_1PW = module.model.rotary_emb(self.embedding, positions_1P)
        half = self.width // 2
        self.cosine_PW, self.sine_PW = cosine_1PW[0], torch.cat((-sine_1PW[0, :, :half], sine_1PW[0, :, half:]), -1)
        beside = sum(parameter.numel() for parameter in model.parameters()) <= SMALL
        self.layers = [_weights(layer, beside=beside) for layer in module.model.layers]

    def next_logits(self, tokens_B: Tensor, positions_B: Tensor, mask_BC: Tensor, cache: Sequence[Columns]) -> Tensor:
        """logits_BV after the tokens, whose keys and values become the next column of the cache.

        Args:
            tokens_B: the newest token of each row.
            positions_B: their positions.
            mask_BC: True at the columns from `origin` to the new one that a row may attend to.
            cache: of each layer; `filled` moves on by one.
        """
        bias_B11C = torch.where(mask_BC, 0.0, -torch.inf).to(self.embedding.dtype)[:, None, None]
        cosine_B1W, sine_B1W = self.cosine_PW[positions_B][:, None], self.sine_PW[positions_B][:, None]
        x_BD = F.embedding(tokens_B, self.embedding)
        for layer, columns in zip(self.layers, cache, strict=True):
            normed_BD = self._norm(x_BD, layer.before_attention)
            mixed_BD = self._attention(normed_BD, layer, columns, bias_B11C, cosine_B1W, sine_B1W)
            x_BD = added(x_BD, mixed_BD, *layer.out)
            gate_BF, up_BF = _products(self._norm(x_BD, layer.before_mlp), layer.gate_up).chunk(2, -1)
            x_BD = added(x_BD, F.silu(gate_BF) * up_BF, *layer.down)
        return F.linear(self._norm(x_BD, self.last_norm), *self.head)

    def _norm(self, x_BD: Tensor, weight_D: Tensor) -> Tensor:
        if x_BD.device.type == "cpu" and x_BD.dtype == torch.float32:  # there F.rms_norm is ten operations
            return (x_BD * unit_scale(x_BD, self.epsilon)).mul_(weight_D)
        return F.rms_norm(x_BD, (x_BD.shape[-1],), weight_D, self.epsilon)

    def _attention(
        self, x_BD: Tensor, layer: _Layer, columns: Columns, bias_B11C: Tensor, cosine_B1W: Tensor, sine_B1W: Tensor
    ) -> Tensor:
        rows, heads, key_heads = len(x_BD), self.heads, self.key_heads
        all_BNW = _products(x_BD, layer.queries_keys_values).view(rows, heads + 2 * key_heads, self.width)
        turning_BNW = all_BNW[:, : heads + key_heads]
        swapped_BNW = turning_BNW.reshape(rows, -1, 2, self.width // 2).flip(-2).view_as(turning_BNW)
        turned_BNW = torch.addcmul(turning_BNW * cosine_B1W, swapped_BNW, sine_B1W)
        column = columns.filled
        columns.keys[:, :, :, column] = turned_BNW[:, heads:]
        columns.values[:, :, column] = all_BNW[:, heads + key_heads :]
        columns.filled = column + 1
        queries_BKGW = turned_BNW[:, :heads].reshape(rows, key_heads, heads // key_heads, self.width)
        keys_BKWC = columns.keys[:, :, :, columns.origin : columns.filled]
        values_BKCW = columns.values[:, :, columns.origin : columns.filled]
        scores_BKGC = torch.add(bias_B11C, queries_BKGW @ keys_BKWC, alpha=self.width**-0.5)
        weights_BKGC = scores_BKGC.softmax(-1, dtype=torch.float32).to(values_BKCW.dtype)
        return (weights_BKGC @ values_BKCW).reshape(rows, -1)


def _weights(layer: Any, *, beside: bool) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    return _Layer(
        layer.input_layernorm.weight,
        _side_by_side([attention.q_proj, attention.k_proj, attention.v_proj], beside=beside),
        (attention.o_proj.weight, attention.o_proj.bias),
        layer.post_attention_layernorm.weight,
        _side_by_side([mlp.gate_proj, mlp.up_proj], beside=beside),
        (mlp.down_proj.weight, mlp.down_proj.bias),
    )


def _side_by_side(projections: Sequence[nn.Linear], *, beside: bool) -> list[tuple[Tensor, Tensor | None]]:
    """One weight for all, or where copying them would cost too much memory, each by itself."""
    parts: list[tuple[Tensor, Tensor | None]] = [(part.weight, part.bias) for part in projections]
    return [side_by_side(parts)] if beside else parts


def _products(x_BD: Tensor, weights: Sequence[tuple[Tensor, Tensor | None]]) -> Tensor:
    found = [F.linear(x_BD, weight, bias) for weight, bias in weights]
    return found[0] if len(found) == 1 else torch.cat(found, -1)
