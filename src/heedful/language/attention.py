"""How far back a model looks: one row of its last layer's attention, seen in passing.

The forward pass stays what it is. While it is watched, each layer's queries and keys pass by a hook of
transformers' own (its table of attention functions), and those of the last layer are kept. One row of weights is
then computed with the architecture's own formula (softcap, scaling and sinks included), which costs as much as one
more token, not the square of the length that handing out all weights would.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from heedful.errors import Problem
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import positions

WATCHED = "heedful_watched"
"""The name under which the watching attention function is listed in transformers."""


class LastLayer:
    """What the last attention layer of the newest forward pass was given."""

    def __init__(self) -> None:
        self._seen: tuple[Any, Tensor, Tensor, Tensor, Tensor | None, dict[str, Any]] | None = None

    def note(
        self, layer: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, options: dict[str, Any]
    ) -> None:
        """Keep a layer's tensors in place of those of the layer before."""
        self._seen = (layer, query.detach(), key.detach(), value.detach(), mask, options)

    def row(self, column_B: Tensor) -> Tensor:
        """row_BS: how much the token at `column_B` looks at every column, mean over heads; each row sums to 1.

        Raises:
            Problem: no layer passed by, because the architecture does not go through transformers' attention table.
        """
        if self._seen is None:
            raise Problem(
                "this model does not show its attention",
                mend="use another architecture, or spread the score evenly (credit uniform)",
            )
        layer, query_BHSD, key_BHSD, value_BHSD, mask, options = self._seen
        rows_B = torch.arange(len(column_B), device=column_B.device)
        query_BH1D = query_BHSD[rows_B, :, column_B][:, :, None]
        mask_B11S = None if mask is None else mask.expand(len(column_B), -1, -1, -1)[rows_B, :, column_B][:, :, None]
        _, weights_BH1S = _formula(layer)(layer, query_BH1D, key_BHSD, value_BHSD, mask_B11S, **options)
        row_BS: Tensor = weights_BH1S[:, :, 0].float().mean(1)
        return row_BS


@contextmanager
def watched(module: Any) -> Iterator[LastLayer]:
    """Watch the forward passes of a transformers module while the context lasts; their results stay, up to rounding.

    Raises:
        Problem: the architecture's attention cannot be watched.
    """
    last, config = LastLayer(), module.config
    before = str(config._attn_implementation)

    def attend(
        layer: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
    ) -> Any:
        last.note(layer, query, key, value, attention_mask, options)
        usual = ALL_ATTENTION_FUNCTIONS.get_interface(before, _formula(layer))
        return usual(layer, query, key, value, attention_mask, **options)

    AttentionInterface.register(WATCHED, attend)
    AttentionMaskInterface.register(WATCHED, eager_mask)
    module.set_attn_implementation(WATCHED)
    try:
        yield last
    finally:
        module.set_attn_implementation(before)


def _formula(layer: Any) -> Any:
    """The plain attention function of the file in which an attention layer is defined."""
    found = getattr(sys.modules[type(layer).__module__], "eager_attention_forward", None)
    if found is None:
        raise Problem(
            f"the attention of {type(layer).__name__} cannot be read",
            mend="use another architecture, or spread the score evenly (credit uniform)",
        )
    return found


@torch.no_grad()
def attention_at_last_token(model: LanguageModel, ids_BS: Tensor, attend_mask_BS: Tensor) -> Tensor:
    """row_BS: how the last real token of each row looks back, in the model's last layer, mean over heads.

    Args:
        model: its language head is not computed.
        ids_BS: token ids, padding anywhere.
        attend_mask_BS: bool, True at real tokens.
    """
    columns_S = torch.arange(ids_BS.shape[1], device=ids_BS.device)
    last_B = torch.where(attend_mask_BS, columns_S, -1).max(-1).values
    trunk = model.module.base_model
    with watched(trunk) as layer:
        trunk(
            input_ids=ids_BS,
            attention_mask=attend_mask_BS,
            position_ids=positions(attend_mask_BS),
            use_cache=False,
        )
        return layer.row(last_B)
