"""Direct preference training of a language model: comparisons and labels in, a better policy out, no reward model.

The losses stand in `heedful.learning.direct`; here is what they need around them: log-probabilities of the policy,
those of the reference (computed once and kept in the run's folder), and the batches of a step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from heedful.files import write_json
from heedful.language import prompts as order
from heedful.language.imitation import Example, by_length
from heedful.language.preferring import (
    Key,
    Mark,
    Pair,
    by_prompt_and_length,
    key_of,
    known_logprobs,
    summed_logprobs,
    unique,
)
from heedful.language.pretrained import LanguageModel
from heedful.learning.direct import KTO
from heedful.learning.direct.kto import Marks, reference_point
from heedful.learning.direct.pairs import PairLoss, Pairs, Side
from heedful.learning.fit import fit
from heedful.learning.schedules import Schedule
from heedful.reward.completions import steps_of
from heedful.rollouts import Compute, Metrics, Stats
from heedful.runs import Run
from heedful.seeds import seed_of

Known = Mapping[Key, float]
"""Summed log-probabilities under the reference, nats, by prompt and completion."""

Array = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Fitting:
    """How long and in what pieces a policy is trained on preferences."""

    epochs: float
    """Passes over the examples."""
    per_step: int
    """Examples per optimiser step."""
    seed: int
    """Of the order."""
    schedule: Schedule
    checkpoint_every: int = 0
    """In steps; 0 for never."""
    on_step: Callable[[int, Stats], Stats | None] | None = None

    def steps(self, items: int) -> int:
        """Optimiser steps for so many examples."""
        return steps_of(items, self.per_step, self.epochs)


def reference_logprobs(reference: LanguageModel, examples: Sequence[Example], path: Path) -> Known:
    """The reference's log-probabilities of `examples`, read from `path` where they stand there, else made and kept.

    The file knows which examples it is of; one of other examples is made anew.
    """
    rows, _ = unique(examples)
    content = json.dumps([key_of(row) for row in rows])
    stamp = hashlib.sha256(content.encode()).hexdigest()
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["examples"] == stamp:
            return {key_of(row): float(value) for row, value in zip(rows, kept["logprobs"], strict=True)}
    known = known_logprobs(reference, rows)
    write_json(path, {"examples": stamp, "logprobs": list(known.values())})
    return known


def side_of(model: LanguageModel, examples: Sequence[Example], known: Known | None) -> Side:
    """What the losses see of completions under the weights of now, with gradients."""
    logprobs_N, tokens_N = summed_logprobs(model, examples)
    return Side(logprobs_N, tokens_N, None if known is None else _looked_up(known, examples, logprobs_N))


def pairs_of(model: LanguageModel, batch: Sequence[Pair], known: Known | None) -> Pairs:
    """Comparisons as the losses see them; a completion that stands in several of them is forwarded once."""
    count = len(batch)
    both = side_of(model, [side for at in (0, 1) for side in (pair.sides[at] for pair in batch)], known)
    a, b = (_rows(both, rows) for rows in (slice(count), slice(count, None)))
    columns = torch.tensor([(p.target, p.weight, p.margin) for p in batch], device=both.logprobs_N.device)
    target_N, weight_N, margin_N = columns.unbind(1)
    return Pairs(a, b, target_N, weight_N, margin_N)


def fit_pairs(
    model: LanguageModel,
    pairs: Sequence[Pair],
    method: PairLoss,
    known: Known | None,
    compute: Compute,
    run: Run,
    fitting: Fitting,
) -> Stats:
    """Train on comparisons; resumable, see `heedful.learning.fit`."""
    passes_seed, size = seed_of(fitting.seed, "pairs"), min(fitting.per_step, len(pairs))

    def batches(step: int) -> list[list[Pair]]:
        chosen = order.batch_in_bundles(
            pairs, step, size, passes_seed, key=lambda pair: tuple(pair.prompt), bundle=max(1, size // 2)
        )
        return by_prompt_and_length(chosen, compute.micro_batch)

    def loss(batch: list[Pair]) -> tuple[Tensor, Tensor, Metrics]:
        return method(pairs_of(model, batch, known))

    return _fit(model, batches, loss, compute, run, fitting, len(pairs))


def fit_marks(
    model: LanguageModel,
    marks: Sequence[Mark],
    method: KTO,
    known: Known,
    compute: Compute,
    run: Run,
    fitting: Fitting,
) -> Stats:
    """Train on single completions that were called good or bad; resumable.

    The reference point is estimated once per step, on the mismatched examples of the whole step.
    """
    passes_seed, size = seed_of(fitting.seed, "marks"), min(fitting.per_step, len(marks))

    def batches(step: int) -> list[tuple[list[Mark], Tensor]]:
        chosen = order.batch(marks, step, size, passes_seed)
        z = reference_point_of(model, chosen, known)
        parts = by_length(chosen, compute.micro_batch or size)
        return [([chosen[i] for i in part], z) for part in parts]

    def loss(batch: tuple[list[Mark], Tensor]) -> tuple[Tensor, Tensor, Metrics]:
        some, z = batch
        side = side_of(model, [mark.example for mark in some], known)
        columns = torch.tensor([(mark.good, mark.weight) for mark in some], device=side.logprobs_N.device)
        good_N, weight_N = columns.unbind(1)
        return method(Marks(side, good_N, weight_N, z))

    return _fit(model, batches, loss, compute, run, fitting, len(marks))


@torch.no_grad()
def reference_point_of(model: LanguageModel, marks: Sequence[Mark], known: Known) -> Tensor:
    """KTO's z of some marks under the weights of now: a scalar, nats, without gradient."""
    examples = [mark.mismatched for mark in marks]
    now = known_logprobs(model, examples)
    now_N = torch.tensor([now[key_of(each)] for each in examples], device=model.device)
    return reference_point(Side(now_N, torch.ones_like(now_N), _looked_up(known, examples, now_N)))


@torch.no_grad()
def implied_rewards(
    model: LanguageModel,
    examples: Sequence[Example],
    rewards: Callable[[Side], Tensor],
    known: Known | None,
    *,
    chunk: int = 32,
) -> Array:
    """The reward that the policy implies for each completion, by which it would order them."""
    found = np.zeros(len(examples))
    for index in by_length(examples, chunk):
        some = [examples[i] for i in index]
        found[index] = rewards(side_of(model, some, known)).double().cpu().numpy()
    return found


def _fit(
    model: LanguageModel,
    batches: Callable[[int], Sequence[object]],
    loss: Callable[..., tuple[Tensor, Tensor, Metrics]],
    compute: Compute,
    run: Run,
    fitting: Fitting,
    items: int,
) -> Stats:
    return fit(
        {"policy": model},
        batches,
        loss,
        compute,
        run,
        steps=fitting.steps(items),
        seed=fitting.seed,
        schedule=fitting.schedule,
        checkpoint_every=fitting.checkpoint_every,
        on_step=fitting.on_step,
    )


def _looked_up(known: Known, examples: Sequence[Example], like_N: Tensor) -> Tensor:
    return torch.tensor([known[key_of(each)] for each in examples], dtype=like_N.dtype, device=like_N.device)


def _rows(side: Side, rows: slice) -> Side:
    ref_N = side.ref_logprobs_N
    return Side(side.logprobs_N[rows], side.tokens_N[rows], None if ref_N is None else ref_N[rows])
