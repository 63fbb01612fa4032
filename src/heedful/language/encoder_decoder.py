"""Encoder-decoders (the T5 family) behind the contract of causal models: prompts are read, completions are written.

A row is laid out as for a causal model (prompt padded on the left, completion on the right). Here it is divided: the
prompt goes to the encoder, with its padding moved to the right; the completion, behind the decoder's start token, goes
to the decoder, whose column t predicts token t of the completion.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def divided(ids_BS: Tensor, attend_mask_BS: Tensor, steps: int, start: int) -> tuple[Tensor, Tensor, Tensor]:
    """(prompt_BP, prompt_mask_BP, decoder_BL) of rows whose last `steps` columns are the completion; L = steps + 1."""
    width = ids_BS.shape[1] - steps
    columns_P = torch.arange(width, device=ids_BS.device)
    mask_BP = attend_mask_BS[:, :width]
    from_BP = (columns_P + mask_BP.int().argmax(1, keepdim=True)) % width
    prompt_BP, mask_BP = ids_BS[:, :width].gather(1, from_BP), mask_BP.gather(1, from_BP)
    return prompt_BP, mask_BP, F.pad(ids_BS[:, width:], (1, 0), value=start)


def logits(module: Any, ids_BS: Tensor, attend_mask_BS: Tensor, steps: int) -> Tensor:
    """Logits_BLV that predict the tokens of the completion and, in the last column, what follows it."""
    prompt_BP, mask_BP, decoder_BL = divided(ids_BS, attend_mask_BS, steps, start_of(module.config))
    out: Tensor = module(
        input_ids=prompt_BP, attention_mask=mask_BP, decoder_input_ids=decoder_BL, use_cache=False
    ).logits
    return out


def trunk_of(module: Any) -> nn.ModuleDict:
    """Encoder and decoder without the language head; they may share their embeddings."""
    return nn.ModuleDict({"encoder": module.get_encoder(), "decoder": module.get_decoder()})


def hidden_states(trunk: nn.ModuleDict, ids_BS: Tensor, attend_mask_BS: Tensor, steps: int) -> Tensor:
    """hidden_BSD of the decoder, laid out like the row: column s has read prompt and completion up to s.

    The columns before the prompt's last token are 0: nothing is decoded there.
    """
    encoder, decoder = trunk["encoder"], trunk["decoder"]
    prompt_BP, mask_BP, decoder_BL = divided(ids_BS, attend_mask_BS, steps, start_of(decoder.config))
    read_BPD = encoder(input_ids=prompt_BP, attention_mask=mask_BP).last_hidden_state
    hidden_BLD = decoder(
        input_ids=decoder_BL, encoder_hidden_states=read_BPD, encoder_attention_mask=mask_BP, use_cache=False
    ).last_hidden_state
    return F.pad(hidden_BLD, (0, 0, ids_BS.shape[1] - steps - 1, 0))


def start_of(config: Any) -> int:
    """The token that a decoder begins with."""
    start = config.decoder_start_token_id
    return int(config.pad_token_id if start is None else start)
