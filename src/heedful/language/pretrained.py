"""The only door to transformers: load a language model, check that its parts belong together, save it.

Dropout is off everywhere, in training too: log-probabilities must be reproducible, or the first PPO ratio is
not one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from heedful.errors import Problem
from heedful.files import write_atomically, write_json
from heedful.language import encoder_decoder
from heedful.language.lora import adapters, plain
from heedful.language.precision import Precision, computing, widened
from heedful.language.trained_weights import complete_state, trained_state

transformers.utils.logging.disable_progress_bar()

CARD = "heedful.json"
"""Written beside the weights: where the model comes from, and a hash of the tokenizer it was trained with."""

SMALLEST_VOCABULARY_SHARE = 0.9
"""Embeddings are often padded a little; a tokenizer that covers less of them is another model's."""


class LanguageModel:
    """A causal language model, or an encoder-decoder whose encoder reads the prompt, with its tokenizer.

    Attributes:
        module: the transformers model, in evaluation mode.
        encoder_decoder: which of the two it is.
        layers, size: how many layers and parameters it has.
        tokenizer: its tokenizer.
        context_tokens: the longest prompt and completion together.
        precision: what passes are computed in; the weights themselves are always float32.
        stop_ids: token ids that end a completion.
        eos_id: the token written at the end of a training completion.
    """

    def __init__(self, module: Any, tokenizer: Any, source: str = "", precision: Precision = "float32") -> None:
        self.module, self.tokenizer, self.source, self.precision = module.eval(), tokenizer, source, precision
        config = module.config
        self.encoder_decoder = bool(getattr(config, "is_encoder_decoder", False))
        self.layers = int(config.num_hidden_layers)
        self.size = sum(parameter.numel() for parameter in module.parameters())
        self.vocabulary = int(module.get_input_embeddings().weight.shape[0])
        self.context_tokens = int(getattr(config, "max_position_embeddings", 0) or 1_000_000)
        ids = [tokenizer.eos_token_id, config.eos_token_id, getattr(module.generation_config, "eos_token_id", None)]
        flat = [i for value in ids for i in (value if isinstance(value, list) else [value])]
        self.stop_ids = {int(i) for i in flat if i is not None and int(i) >= 0}
        self.eos_id: int | None = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else config.eos_token_id
        check_fit(self)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.module.device
        return device

    def computing(self) -> AbstractContextManager[Any]:
        """Within it, passes are of the model's precision."""
        return computing(self.precision, self.device)

    @property
    def start_id(self) -> int:
        """The token before the first of a text: the tokenizer's start token, or its stop token where it has none."""
        for token in (self.tokenizer.bos_token_id, self.eos_id):
            if token is not None:
                return int(token)
        raise Problem("the tokenizer has neither a start nor a stop token", where=self.source, mend="use another one")

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """All weights."""
        parameters: Iterable[torch.nn.Parameter] = self.module.parameters()
        return parameters

    def encode(self, text: str, *, start: bool = True) -> list[int]:
        """Token ids of a text; with `start`, begun as the tokenizer begins a text (its start token)."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=start)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without special tokens."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def logits(self, ids_BS: Tensor, attend_mask_BS: Tensor, positions_BS: Tensor, last: int) -> Tensor:
        """Logits_BLV at the `last` columns, the only ones computed.

        For an encoder-decoder the completion is all but the first of these columns: that is where it is divided.
        """
        with self.computing():
            if self.encoder_decoder:
                return widened(encoder_decoder.logits(self.module, ids_BS, attend_mask_BS, last - 1))
            rows = {"input_ids": ids_BS, "attention_mask": attend_mask_BS, "position_ids": positions_BS}
            out: Tensor = self.module(**rows, logits_to_keep=last, use_cache=False).logits
        return widened(out)

    def next_logits(self, ids_BQ: Tensor, attend_mask_BC: Tensor, positions_BQ: Tensor, cache: Any) -> Tensor:
        """Logits_BV after the new tokens `ids_BQ`, with keys and values of earlier ones in `cache`."""
        with self.computing():
            out: Tensor = self.module(
                input_ids=ids_BQ,
                attention_mask=attend_mask_BC,
                position_ids=positions_BQ,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits
        return widened(out[:, -1])

    @property
    def body(self) -> Any:
        """The model below its language head: hidden states come out."""
        return encoder_decoder.trunk_of(self.module) if self.encoder_decoder else self.module.base_model

    def trunk(self) -> Any:
        """A copy of the model below its language head, adapters merged."""
        return plain(self.body)

    def frozen_copy(self) -> LanguageModel:
        """A copy that never changes, adapters merged: the reference of the KL penalty."""
        twin = LanguageModel(plain(self.module), self.tokenizer, self.source, self.precision)
        twin.module.requires_grad_(requires_grad=False)
        return twin

    def state_dict(self) -> dict[str, Any]:
        """All weights by name; of a partly frozen model the trained ones, and a fingerprint of the others."""
        return trained_state(self.module, self.module.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take weights over."""
        self.module.load_state_dict(complete_state(self.module, state))


def load(
    source: str | Path, *, device: Any = "cpu", tokenizer: str | Path | None = None, precision: Precision = "float32"
) -> LanguageModel:
    """Load a causal language model or an encoder-decoder from a folder or a hub id.

    Args:
        source: a folder with `config.json`, or the name of a model on a hub that can be reached.
        device: where to put the weights.
        tokenizer: a folder or hub id; the model's own when left out.
        precision: of the passes.

    Raises:
        Problem: there is no such model, it writes no text, or the tokenizer does not fit it.
    """
    where = str(source)
    if Path(source).is_dir() and not (Path(source) / "config.json").is_file():
        raise Problem("this folder holds no model", where=where, mend="name a folder with config.json and the weights")
    try:
        kind = _kind(AutoConfig.from_pretrained(source))
        module = kind.from_pretrained(source, dtype=torch.float32)
    except (OSError, ValueError, SafetensorError) as error:
        raise Problem(
            f"no language model could be loaded: {_first_line(error)}",
            where=where,
            mend="name a folder in Hugging Face format, or a hub id that this machine can reach",
        ) from error
    words = load_tokenizer(tokenizer or source)
    return LanguageModel(module.to(device), words, where, precision)


def load_tokenizer(source: str | Path) -> Any:
    """Load the tokenizer of a folder or hub id."""
    try:
        return AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        raise Problem(
            f"no tokenizer could be loaded: {_first_line(error)}",
            where=str(source),
            mend="put tokenizer.json and tokenizer_config.json beside the model, or name another with --tokenizer",
        ) from error


def new_llama(tokenizer: Any, *, seed: int, **shape: int) -> LanguageModel:
    """A Llama of random weights with the vocabulary of `tokenizer` (tied embeddings).

    Args:
        shape: `hidden_size`, `intermediate_size`, `num_hidden_layers`, `num_attention_heads`,
            `num_key_value_heads`, `max_position_embeddings`.
    """
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        attention_dropout=0.0,
        **shape,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return LanguageModel(module, tokenizer)


def new_like(model: LanguageModel, seed: int) -> LanguageModel:
    """A model of the same shape with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _kind(model.module.config).from_config(model.module.config, dtype=torch.float32)
    return LanguageModel(module.to(model.device), model.tokenizer, precision=model.precision)


def _kind(config: Any) -> Any:
    """The class of transformers that holds models of this configuration."""
    return AutoModelForSeq2SeqLM if getattr(config, "is_encoder_decoder", False) else AutoModelForCausalLM


def tokenizer_from_file(path: Path, *, bos: str, eos: str, pad: str, unk: str | None, context_tokens: int) -> Any:
    """A transformers tokenizer around a `tokenizer.json`."""
    return PreTrainedTokenizerFast(
        tokenizer_file=str(path),
        bos_token=bos,
        eos_token=eos,
        pad_token=pad,
        unk_token=unk,
        model_max_length=context_tokens,
        clean_up_tokenization_spaces=False,
    )


def save(model: LanguageModel, folder: Path, card: Mapping[str, Any] | None = None) -> None:
    """Write model, tokenizer and card to a folder that `transformers` loads; whole or not at all.

    Adapters are merged into the weights: whoever reads the folder need not know of them.
    """

    def fill(path: Path) -> None:
        (plain(model.module) if adapters(model.module) else model.module).save_pretrained(path)
        model.tokenizer.save_pretrained(path)
        write_json(path / CARD, {**(card or {}), "tokenizer": fingerprint(model.tokenizer)})

    write_atomically(folder, fill)


def fingerprint(tokenizer: Any) -> str:
    """A hash over the tokenizer's vocabulary: token -> id."""
    text = json.dumps(sorted(tokenizer.get_vocab().items()), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def check_fit(model: LanguageModel) -> None:
    """Refuse a tokenizer that was not made for this model.

    Raises:
        Problem: it has ids beyond the embeddings, covers too little of them, or is not the one recorded.
    """
    highest = max(model.tokenizer.get_vocab().values(), default=-1)
    mend = "use the tokenizer that was saved with the model"
    if highest >= model.vocabulary:
        raise Problem(
            f"the tokenizer has ids up to {highest}, the model only {model.vocabulary} embeddings",
            where=model.source,
            mend=mend,
        )
    if highest + 1 < SMALLEST_VOCABULARY_SHARE * model.vocabulary:
        raise Problem(
            f"the tokenizer knows {highest + 1} tokens, the model has {model.vocabulary} embeddings: it is another's",
            where=model.source,
            mend=mend,
        )
    card = Path(model.source) / CARD if model.source else None
    if card is not None and card.is_file():
        recorded = json.loads(card.read_text(encoding="utf-8")).get("tokenizer")
        if recorded and recorded != fingerprint(model.tokenizer):
            raise Problem("the tokenizer is not the one this model was trained with", where=model.source, mend=mend)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].strip().rstrip(".")
