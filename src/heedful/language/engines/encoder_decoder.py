"""Sample from an encoder-decoder: the prompts are read once, the completions written token by token with a cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from heedful.language.encoder_decoder import start_of
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sample, Sampling, choose
from heedful.language.tokens import pad
from heedful.seeds import generator


def sample_in_batches(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    settings: Sampling,
    seeds: Sequence[int],
    rows: int,
    on_token: Callable[[int, int], None] | None = None,
) -> list[Sample]:
    """One completion per prompt, `rows` at once, the longest prompts first; in the order of the prompts."""
    order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))
    done: dict[int, Sample] = {}
    for at in range(0, len(order), rows):
        done |= _sample_batch(model, order[at : at + rows], prompts, settings, seeds, on_token)
    return [done[index] for index in range(len(prompts))]


def _sample_batch(
    model: LanguageModel,
    indices: list[int],
    prompts: Sequence[Sequence[int]],
    settings: Sampling,
    seeds: Sequence[int],
    on_token: Callable[[int, int], None] | None,
) -> dict[int, Sample]:
    """Completions of the prompts `indices`, written together; rows that have finished are left out of the next step."""
    read_BPD, mask_BP = _read(model, [prompts[index] for index in indices])
    uniforms = {index: generator(seeds[index], "tokens").random(settings.max_new_tokens) for index in indices}
    written: dict[int, list[tuple[int, float]]] = {index: [] for index in indices}
    finished: dict[int, Literal["stop", "length"]] = {}
    tokens_B, cache = torch.full((len(indices),), start_of(model.module.config), device=model.device), None
    for step in range(settings.max_new_tokens):
        out = model.module(
            encoder_outputs=(read_BPD,),
            attention_mask=mask_BP,
            decoder_input_ids=tokens_B[:, None],
            past_key_values=cache,
            use_cache=True,
        )
        cache = out.past_key_values
        uniforms_B = torch.tensor([uniforms[index][step] for index in indices], device=model.device)
        tokens_B, logprobs_B = choose(out.logits[:, -1], uniforms_B, settings)
        for index, token, logprob in zip(indices, tokens_B.tolist(), logprobs_B.tolist(), strict=True):
            written[index].append((token, logprob))
            if on_token is not None:
                on_token(index, token)
            if token in model.stop_ids or _shows_stop_text(model, written[index], settings.stop):
                finished[index] = "stop"
        places = [place for place, index in enumerate(indices) if index not in finished]
        if not places:
            break
        if len(places) < len(indices):
            keep_B = torch.tensor(places, device=model.device)
            indices = [indices[place] for place in places]
            read_BPD, mask_BP, tokens_B = read_BPD[keep_B], mask_BP[keep_B], tokens_B[keep_B]
            cache.reorder_cache(keep_B)
    return {
        index: Sample(tuple(t for t, _ in drawn), tuple(p for _, p in drawn), finished.get(index, "length"))
        for index, drawn in written.items()
    }


def _read(model: LanguageModel, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(hidden_BPD of the encoder, mask_BP), padded on the right; equal prompts are read once."""
    distinct = {tuple(prompt): row for row, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
    padded = pad([()] * len(distinct), list(distinct), model.device)
    mask_UP = padded.response_mask_BT
    read_UPD = model.module.get_encoder()(input_ids=padded.ids_BS, attention_mask=mask_UP).last_hidden_state
    source_B = torch.tensor([distinct[tuple(prompt)] for prompt in prompts], device=model.device)
    return read_UPD[source_B], mask_UP[source_B]


def _shows_stop_text(model: LanguageModel, written: list[tuple[int, float]], stop: Sequence[str]) -> bool:
    """Whether a stop text stands at the end of what was written."""
    if not stop:
        return False
    tail = model.decode([token for token, _ in written[-(max(map(len, stop)) + 4) :]])
    return any(text in tail for text in stop)
