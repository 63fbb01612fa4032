"""`heedful pretrain`: a small language model from scratch, on the project's plain texts."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heedful.compute.devices import choose_device
from heedful.errors import Problem
from heedful.language.imitation import Example, examples_of_texts
from heedful.language.pretrained import LanguageModel, load_tokenizer, new_llama
from heedful.language.tuning import Tuning
from heedful.language.vocabulary import learn_bpe
from heedful.records import Model
from heedful.seeds import generator
from heedful.stages.console import say, with_interval
from heedful.stages.imitating import Imitation, frozen_demonstrations, held_out_nats, imitate
from heedful.stages.project import Project
from heedful.stages.versions import keep_policy, start_computing, tune_for_run


@dataclass(frozen=True)
class Shape:
    """The size of a Llama."""

    hidden_size: int = 128
    """Width of the residual stream."""
    intermediate_size: int = 344
    """Width inside the feed-forward layers."""
    layers: int = 4
    """Number of transformer layers."""
    heads: int = 4
    """Attention heads; the width is divided among them."""
    context_tokens: int = 256
    """The longest text, in tokens."""


@dataclass(frozen=True)
class Config:
    """Train a language model from scratch on the project's plain texts; it becomes version v0."""

    project: Path
    """The project's folder; import texts first (rows with a field `text`)."""
    tokenizer: str = ""
    """A folder with a tokenizer; a byte-level BPE is learned from the texts when left out."""
    vocabulary: int = 1024
    """Size of the vocabulary that is learned."""
    shape: Shape = field(default_factory=Shape)
    imitation: Imitation = field(default_factory=Imitation)
    tuning: Tuning = field(default_factory=Tuning)
    held_out: float = 0.02
    """Share of the texts kept for measuring."""
    seed: int = 0
    """Decides the first weights, the order and what is held out."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""


def run(config: Config) -> Model:
    """Train, measure on held-out texts, save as v0.

    Raises:
        Problem: there are no texts, or the project has a model already.
    """
    project = Project.open(config.project)
    current = project.begin("pretrain", config, restart=config.restart)
    if any(model.run != current.folder.name for model in project.store.models("policy")):
        raise Problem("this project has a model already", where=str(config.project), mend="use another project")
    texts = [
        item.text
        for item in frozen_demonstrations(project, current)
        if not item.prompt.text and not item.prompt.messages
    ]
    if len(texts) < 2:
        raise Problem(
            "there are no texts to train on",
            where=str(config.project),
            mend="import some: `heedful import PROJECT texts.jsonl` with a field `text` on each line",
        )
    order = generator(config.seed, "held out").permutation(len(texts))
    aside = max(1, math.ceil(config.held_out * len(texts)))
    model = _begin(config, texts)
    start_computing(current, model, config.device, config.threads)
    tune_for_run(current, {"policy": model}, config.tuning, seed=config.seed)
    block = config.shape.context_tokens
    held_out = examples_of_texts(model, [texts[i] for i in order[:aside]], block)
    training = examples_of_texts(model, [texts[i] for i in order[aside:]], block)
    size = sum(parameter.numel() for parameter in model.parameters())
    say(f"A Llama of {size:,} parameters learns from {len(texts) - aside:,} texts; {aside:,} are held out.")
    imitate(model, training, config.imitation, current, seed=config.seed, label="Pretraining")
    after = held_out_nats(model, held_out, range(len(held_out)))
    unigram = _unigram_nats(training, held_out)
    say(
        f"Held-out texts: {with_interval(after.value, after.low, after.high)} nats per token "
        f"(single-token frequencies alone: {unigram:.2f})."
    )
    record = Model(
        "v0",
        "policy",
        "policies/v0",
        snapshot=current.record["snapshots"][0],
        run=current.folder.name,
        config=_plain(config),
    )
    keep_policy(project, model, record)
    current.finish({"nats_per_token": [after.value, after.low, after.high], "unigram_nats_per_token": unigram})
    return record


def _begin(config: Config, texts: list[str]) -> LanguageModel:
    """A model of random weights with its tokenizer."""
    context = config.shape.context_tokens
    if config.tokenizer:
        tokenizer = load_tokenizer(config.tokenizer)
    else:
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = learn_bpe(texts, config.vocabulary, Path(folder) / "tokenizer.json", context)
    model = new_llama(
        tokenizer,
        seed=config.seed,
        hidden_size=config.shape.hidden_size,
        intermediate_size=config.shape.intermediate_size,
        num_hidden_layers=config.shape.layers,
        num_attention_heads=config.shape.heads,
        num_key_value_heads=config.shape.heads,
        max_position_embeddings=context,
    )
    model.module.to(choose_device(config.device))
    return model


def _unigram_nats(training: list[Example], held_out: list[Example]) -> float:
    """The baseline: nats per token of the training tokens' frequencies (add-one) on the held-out tokens."""
    counts = Counter(token for example in training for token in example.completion)
    tokens = [token for example in held_out for token in example.completion]
    total, kinds = sum(counts.values()), len(set(counts) | set(tokens))
    return -sum(math.log((counts[token] + 1) / (total + kinds)) for token in tokens) / len(tokens)


def _plain(config: Config) -> dict[str, Any]:
    return {"seed": config.seed, "epochs": config.imitation.epochs, "learning_rate": config.imitation.learning_rate}
