"""Sample on top of the model's own forward pass, in this process: the default engine.

All rows share one key-value cache that is allocated once. Prompts are padded on the left, so that every row
writes its next token at the same column; rows that have finished give their place to waiting prompts, whose
keys and values are computed apart and laid into the cache so that they end at the shared column. Equal
prompts (the group of one prompt) are computed once. Columns on the left that no row uses any more are skipped,
and the cache is moved to the left when its columns run out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import Cache

from heedful.errors import Problem
from heedful.language.engines.encoder_decoder import sample_in_batches
from heedful.language.engines.llama import LlamaDecoder, understands
from heedful.language.engines.slots import Slots
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sample, Sampling, choose
from heedful.seeds import generator

SLACK_COLUMNS = 64
"""Columns beyond the longest prompt and completion, so that refilled rows rarely force a move."""

DROP_SHARE = 1 / 8
"""Rows that have finished are taken out of the batch when they are at least this share of it."""


OnToken = Callable[[int, int], None]
"""Told (number of the prompt, token) as soon as a token is drawn; what it raises ends the sampling."""


@dataclass
class _Row:
    """One completion in the making."""

    index: int
    uniforms: np.ndarray[Any, np.dtype[np.float64]]
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Literal["stop", "length", ""] = ""


class LocalSampler:
    """Samples from a `LanguageModel` held in this process.

    Args:
        model: its weights are read at each call, so training them in place needs no copying.
        rows: how many completions are computed at once.
    """

    def __init__(self, model: LanguageModel, rows: int = 64) -> None:
        self.model, self.rows = model, rows

    @torch.inference_mode()
    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Sampling,
        seeds: Sequence[int],
        on_token: OnToken | None = None,
    ) -> list[Sample]:
        """One completion per prompt, each with its own random stream. See `heedful.language.sampling.Sampler`.

        Raises:
            Problem: a prompt is empty or leaves no room for `max_new_tokens` in the model's context.
        """
        for number, prompt in enumerate(prompts):
            self._check(number, prompt, settings)
        with self.model.computing():  # around all of it: weights are rounded once
            if self.model.encoder_decoder:
                return sample_in_batches(self.model, prompts, settings, seeds, self.rows, on_token)
            return _Batch(self.model, prompts, settings, seeds, self.rows, on_token).run() if prompts else []

    def _check(self, number: int, prompt: Sequence[int], settings: Sampling) -> None:
        if not prompt:
            raise Problem(f"prompt {number} has no tokens", mend="give it some text, or a tokenizer with a start token")
        if len(prompt) + settings.max_new_tokens > self.model.context_tokens:
            raise Problem(
                f"prompt {number} has {len(prompt)} tokens; with max_new_tokens {settings.max_new_tokens} that is more "
                f"than the model's context of {self.model.context_tokens}",
                mend="shorten the prompt, or lower max_new_tokens",
            )


class _Batch:
    """The state of one call: the rows being written, their cache, and the prompts that wait.

    A place is a row of the batch; `rows[place]` is None once its completion has been handed over. `mask_BC` says
    which columns of the cache each row may attend to.
    """

    def __init__(
        self,
        model: LanguageModel,
        prompts: Sequence[Sequence[int]],
        settings: Sampling,
        seeds: Sequence[int],
        rows: int,
        on_token: OnToken | None,
    ) -> None:
        self.model, self.prompts, self.settings, self.seeds = model, prompts, settings, seeds
        self.decoder = LlamaDecoder(model) if understands(model) else None
        self.told = on_token or (lambda _index, _token: None)
        # Longest first: the first prompts set the shared column, and later ones are short enough to be laid in.
        self.waiting = sorted(range(len(prompts)), key=lambda index: -len(prompts[index]))
        self.places = min(rows, len(prompts))
        slack = SLACK_COLUMNS if self.places < len(prompts) else 0
        self.capacity = len(prompts[self.waiting[0]]) + settings.max_new_tokens + slack
        self.stops = torch.tensor(sorted(model.stop_ids), dtype=torch.long, device=model.device)
        self.done: dict[int, Sample] = {}
        self.rows: list[_Row | None] = []

    def run(self) -> list[Sample]:
        """Write every completion; in the order of the prompts."""
        while len(self.done) < len(self.prompts):
            if not any(self.rows):
                self._begin()
            self._choose()
            free = self._hand_over()
            if not self.waiting and len(free) >= DROP_SHARE * len(self.rows):
                self._drop(free)
                free = []
            if any(self.rows):
                self._forward()
                if free and self.waiting:
                    self._refill(free)
        return [self.done[index] for index in range(len(self.prompts))]

    def _begin(self) -> None:
        """Start a batch with the longest waiting prompts."""
        taken, self.waiting = self.waiting[: self.places], self.waiting[self.places :]
        self.rows = [self._row(index) for index in taken]
        layers, mask_UC, logits_UV, source_B = self._prefill(taken, self.capacity)
        self.layers, self.cache = layers, Cache(layers=layers)
        for layer in layers:
            layer.keep(source_B)
        self.mask_BC, self.logits_BV = mask_UC[source_B], logits_UV[source_B]
        self.positions_B = torch.tensor([len(self.prompts[index]) for index in taken], device=self.model.device)

    def _row(self, index: int) -> _Row:
        return _Row(index, generator(self.seeds[index], "tokens").random(self.settings.max_new_tokens))

    def _prefill(self, indices: list[int], capacity: int) -> tuple[list[Slots], Tensor, Tensor, Tensor]:
        """Forward the distinct prompts among `indices` once, padded on the left.

        Returns:
            Their cache layers, mask_UC and next logits_UV, and for each index the row U that it reads.
        """
        distinct: dict[tuple[int, ...], int] = {}
        source = [distinct.setdefault(tuple(self.prompts[index]), len(distinct)) for index in indices]
        width = max(len(prompt) for prompt in distinct)
        ids_UP = torch.zeros(len(distinct), width, dtype=torch.long)
        mask_UC = torch.zeros(len(distinct), capacity, dtype=torch.bool)
        for prompt, row in distinct.items():
            ids_UP[row, width - len(prompt) :] = torch.tensor(prompt)
            mask_UC[row, width - len(prompt) : width] = True
        mask_UC = mask_UC.to(self.model.device)
        layers = [Slots(capacity) for _ in range(self.model.layers)]
        logits_UV = self.model.next_logits(
            ids_UP.to(self.model.device),
            mask_UC[:, :width],
            (mask_UC[:, :width].cumsum(-1) - 1).clamp(min=0),
            Cache(layers=layers),
        )
        return layers, mask_UC, logits_UV, torch.tensor(source, device=self.model.device)

    def _choose(self) -> None:
        """Draw the next token of every row, and mark the rows that end with it."""
        uniforms = [row.uniforms[len(row.tokens)] if row else 0.0 for row in self.rows]
        uniforms_B = torch.tensor(uniforms, dtype=torch.float64).to(self.model.device)
        self.tokens_B, logprobs_B = choose(self.logits_BV, uniforms_B, self.settings)
        stopped = torch.isin(self.tokens_B, self.stops).tolist()
        drawn = zip(self.rows, self.tokens_B.tolist(), logprobs_B.tolist(), stopped, strict=True)
        for row, token, logprob, stop in drawn:
            if row is None:
                continue
            row.tokens.append(token)
            row.logprobs.append(logprob)
            self.told(row.index, token)
            if stop or (self.settings.stop and self._shows_stop_text(row.tokens)):
                row.finish = "stop"
            elif len(row.tokens) == self.settings.max_new_tokens:
                row.finish = "length"

    def _shows_stop_text(self, tokens: list[int]) -> bool:
        longest = max(len(text) for text in self.settings.stop)
        tail = self.model.decode(tokens[-(longest + 4) :])
        return any(text in tail for text in self.settings.stop)

    def _hand_over(self) -> list[int]:
        """Take the completions that have finished; returns all places that are free now."""
        for place, row in enumerate(self.rows):
            if row is not None and row.finish:
                self.done[row.index] = Sample(tuple(row.tokens), tuple(row.logprobs), row.finish)
                self.rows[place] = None
                self.mask_BC[place] = False
        return [place for place, row in enumerate(self.rows) if row is None]

    def _drop(self, free: list[int]) -> None:
        """Shrink the batch to the rows still being written."""
        gone = set(free)
        keep = [place for place in range(len(self.rows)) if place not in gone]
        keep_B = torch.tensor(keep, dtype=torch.long, device=self.model.device)
        self.rows = [self.rows[place] for place in keep]
        self.mask_BC, self.positions_B = self.mask_BC[keep_B], self.positions_B[keep_B]
        self.tokens_B = self.tokens_B[keep_B]
        for layer in self.layers:
            layer.keep(keep_B)

    def _forward(self) -> None:
        """Append the drawn tokens to the cache and compute the next logits."""
        self._make_room()
        origin, column = self.layers[0].origin, self.layers[0].filled
        self.mask_BC[:, column] = True
        mask_BC = self.mask_BC[:, origin : column + 1]
        if self.decoder is not None:
            self.logits_BV = self.decoder.next_logits(self.tokens_B, self.positions_B, mask_BC, self.layers)
        else:
            self.logits_BV = self.model.next_logits(
                self.tokens_B[:, None], mask_BC, self.positions_B[:, None], self.cache
            )
        self.positions_B = self.positions_B + 1

    def _make_room(self) -> None:
        """When the buffer is full, forget the columns on the left that no row uses."""
        if self.layers[0].filled < self.capacity:
            return
        unused = int(self.mask_BC.any(0).int().argmax())
        for layer in self.layers:
            layer.origin = unused
            layer.move_left()
        self.mask_BC = torch.roll(self.mask_BC, -unused, dims=1)

    def _refill(self, free: list[int]) -> None:
        """Give free places to waiting prompts that fit to the left of the shared column."""
        filled = self.layers[0].filled
        taken = [index for index in self.waiting if len(self.prompts[index]) <= filled][: len(free)]
        if not taken:
            return
        chosen, places = set(taken), free[: len(taken)]
        self.waiting = [index for index in self.waiting if index not in chosen]
        width = max(len(self.prompts[index]) for index in taken)
        source, mask_UC, logits_UV, source_B = self._prefill(taken, width)
        target_B = torch.tensor(places, device=self.model.device)
        for layer, laid in zip(self.layers, source, strict=True):
            layer.lay(target_B, laid, source_B)
        self.mask_BC[target_B] = False
        self.mask_BC[target_B, filled - width : filled] = mask_UC[source_B]
        self.logits_BV[target_B] = logits_UV[source_B]
        self.positions_B[target_B] = torch.tensor([len(self.prompts[i]) for i in taken], device=self.model.device)
        for place, index in zip(places, taken, strict=True):
            self.rows[place] = self._row(index)
