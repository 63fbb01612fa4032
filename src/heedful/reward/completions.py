"""Reward models of the text world: learn what people prefer, and score completions.

A comparison's two completions are forwarded once each; the score is read at the last real token. Every
completion ends with the stop token here, in training and in scoring alike: whether a policy stopped by itself
is the business of `heedful.reward.shaping`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from heedful.language import prompts as order
from heedful.language.acting import PromptTokens
from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example
from heedful.language.preferring import Encoded, Pair, by_prompt_and_length, encode_pairs, unique
from heedful.language.pretrained import fingerprint
from heedful.language.tokens import pad
from heedful.learning.fit import fit
from heedful.learning.preference import bradley_terry
from heedful.learning.schedules import Schedule
from heedful.records import Comparison, Prompt
from heedful.rollouts import Compute, Metrics, Rollouts, Stats
from heedful.runs import Run
from heedful.seeds import seed_of


def encode(model: ScalarModel, comparisons: Sequence[Comparison], *, skip_overlong: bool = False) -> Encoded:
    """Comparisons in the reward model's token ids, see `heedful.language.preferring.encode_pairs`."""
    return encode_pairs(model.language_model[0], comparisons, skip_overlong=skip_overlong)


def per_ranking(data: Encoded) -> list[Pair]:
    """The pairs, those of one ranking weighing as much together as one comparison does.

    Ouyang et al. 2022 (InstructGPT), equation 1: of K ranked completions the mean over C(K, 2) pairs, which hang
    together and are not as many votes.
    """
    ranked = [item.question_id if item.metadata.get("kind") == "ranking" else None for item in data.comparisons]
    sizes = Counter(ranked)
    return [
        pair if question is None else replace(pair, weight=pair.weight / sizes[question])
        for pair, question in zip(data.pairs, ranked, strict=True)
    ]


def pair_scores(model: ScalarModel, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    """(scores_a_N, scores_b_N), with gradients; a completion that stands in several pairs is forwarded once.

    Ouyang et al. 2022 (InstructGPT), section 3.5, put all pairs of a prompt into one batch element for this reason.
    """
    scores_N2 = example_scores(model, [side for pair in pairs for side in pair.sides]).view(-1, 2)
    return scores_N2[:, 0], scores_N2[:, 1]


def example_scores(model: ScalarModel, examples: Sequence[Example]) -> Tensor:
    """scores_X of examples, with gradients; equal ones are forwarded once."""
    rows, places = unique(examples)
    padded = pad([row.prompt for row in rows], [row.completion for row in rows], model.device)
    scores_R = model.score(padded.ids_BS, padded.attend_mask_BS, padded.steps)
    return scores_R[torch.tensor(places, device=model.device)]


def fit_reward(
    model: ScalarModel,
    pairs: Sequence[Pair],
    compute: Compute,
    run: Run,
    *,
    epochs: float,
    pairs_per_step: int,
    seed: int,
    schedule: Schedule,
    noise_floor: float = 0.0,
    checkpoint_every: int = 0,
    on_step: Callable[[int, Stats], Stats | None] | None = None,
) -> Stats:
    """Bradley-Terry on comparisons, ties as soft targets; resumable. See `heedful.learning.fit`."""
    passes_seed = seed_of(seed, "pairs")

    def batches(step: int) -> list[list[Pair]]:
        size = min(pairs_per_step, len(pairs))
        chosen = order.batch_in_bundles(
            pairs, step, size, passes_seed, key=lambda pair: tuple(pair.prompt), bundle=max(1, size // 2)
        )
        return by_prompt_and_length(chosen, compute.micro_batch)

    def loss(batch: list[Pair]) -> tuple[Tensor, Tensor, Metrics]:
        a_N, b_N = pair_scores(model, batch)
        columns = torch.tensor([(p.target, p.weight, p.margin) for p in batch], device=model.device)
        target_N, weight_N, margin_N = columns.unbind(1)
        total, count = bradley_terry(a_N, b_N, target_N, weight_N, margin_N, noise_floor=noise_floor)
        decided_N = target_N != 0.5
        right_N = decided_N & ((a_N > b_N) == (target_N > 0.5))
        return total, count, {"accuracy": (right_N.sum(), decided_N.sum())}

    steps = steps_of(len(pairs), pairs_per_step, epochs)
    return fit(
        {"reward": model},
        batches,
        loss,
        compute,
        run,
        steps=steps,
        seed=seed,
        schedule=schedule,
        checkpoint_every=checkpoint_every,
        on_step=on_step,
    )


def steps_of(items: int, per_step: int, epochs: float) -> int:
    """Optimiser steps for `epochs` passes over `items`."""
    return max(1, round(epochs * items / min(per_step, items)))


@torch.no_grad()
def held_out_scores(
    model: ScalarModel, pairs: Sequence[Pair], *, chunk: int = 32
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Scores of both sides of each pair, in the order of `pairs`."""
    ordered = sorted(range(len(pairs)), key=lambda index: pairs[index].length)
    a, b = np.zeros(len(pairs)), np.zeros(len(pairs))
    for at in range(0, len(ordered), chunk):
        index = ordered[at : at + chunk]
        a_N, b_N = pair_scores(model, [pairs[i] for i in index])
        a[index], b[index] = a_N.double().cpu().numpy(), b_N.double().cpu().numpy()
    return a, b


@torch.no_grad()
def score_completions(
    model: ScalarModel, prompts: Sequence[Prompt], completions: Sequence[str], *, chunk: int = 64
) -> Tensor:
    """scores_B of texts, cut where they are longer than the context."""
    return _score_ids(model, _rows_of(model, prompts, completions), chunk)


@torch.no_grad()
def describe_completions(
    model: ScalarModel, prompts: Sequence[Prompt], completions: Sequence[str], *, chunk: int = 64
) -> Tensor:
    """features_BD of texts: what the head sees at the last token, of which the score is a linear function."""
    rows = _rows_of(model, prompts, completions)
    features_BD = torch.zeros(len(rows), model.head.in_features, device=model.device)
    seen: list[Tensor] = []
    hook = model.head.register_forward_pre_hook(lambda _head, given: seen.append(given[0]))
    try:
        for at in range(0, len(rows), chunk):
            some = rows[at : at + chunk]
            padded = pad([prompt for prompt, _ in some], [text for _, text in some], model.device)
            model.score(padded.ids_BS, padded.attend_mask_BS, padded.steps)
            hidden_BSD = seen.pop()  # its rows stand on the left, but for an encoder-decoder, where nothing is moved
            first_B = 0 if model.language_model[0].encoder_decoder else padded.attend_mask_BS.int().argmax(1)
            written_B = padded.response_mask_BT.sum(1)
            last_B = padded.ids_BS.shape[1] - padded.steps + written_B - 1 - first_B
            features_BD[at : at + chunk] = hidden_BSD[torch.arange(len(some), device=model.device), last_B]
    finally:
        hook.remove()
    return features_BD


def _rows_of(
    model: ScalarModel, prompts: Sequence[Prompt], completions: Sequence[str]
) -> list[tuple[list[int], list[int]]]:
    """(prompt, completion) token ids of texts, cut where they are longer than the context."""
    language_model = model.language_model[0]
    tokens, room = PromptTokens(language_model), language_model.context_tokens
    eos = [] if language_model.eos_id is None else [language_model.eos_id]
    rows = []
    for prompt, text in zip(prompts, completions, strict=True):
        ids = tokens(prompt)[-(room - 2) :]
        rows.append((ids, [*language_model.encode(text, start=False)[: room - len(ids) - 1], *eos]))
    return rows


def _score_ids(model: ScalarModel, rows: Sequence[tuple[list[int], list[int]]], chunk: int) -> Tensor:
    """scores_B of (prompt, completion) token ids, forwarded in order of length."""
    ordered = sorted(range(len(rows)), key=lambda index: len(rows[index][0]) + len(rows[index][1]))
    scores_B = torch.zeros(len(rows), device=model.device)
    for at in range(0, len(ordered), chunk):
        index = ordered[at : at + chunk]
        padded = pad([rows[i][0] for i in index], [rows[i][1] for i in index], model.device)
        scores_B[torch.tensor(index, device=model.device)] = model.score(
            padded.ids_BS, padded.attend_mask_BS, padded.steps
        )
    return scores_B


class LearnedReward:
    """Scores rollouts with a reward model; attaches `scores_B`.

    Where policy and reward model share a tokenizer, the sampled token ids are scored as they are; otherwise, and with
    `by_text` (completions that are cut at a stop text), the texts are encoded with the reward model's own.
    """

    def __init__(self, model: ScalarModel, policy_tokenizer: object, *, chunk: int = 64, by_text: bool = False) -> None:
        self.model, self.chunk = model, chunk
        self.same_tokens = not by_text and fingerprint(policy_tokenizer) == fingerprint(model.tokenizer)

    @torch.no_grad()
    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """See `heedful.rollouts.Reward`."""
        if not self.same_tokens:
            scores_B = score_completions(self.model, rollouts.prompts, rollouts.completions, chunk=self.chunk)
            return rollouts.with_(scores_B=scores_B.to(rollouts.mask_BT.device))
        return rollouts.with_(scores_B=_score_ids(self.model, self.token_rows(rollouts), self.chunk))

    def token_rows(self, rollouts: Rollouts) -> list[tuple[list[int], list[int]]]:
        """Prompt and completion of each row, without padding, the stop token at the end, cut to the context."""
        language_model, steps = self.model.language_model[0], rollouts.mask_BT.shape[1]
        room, stops = language_model.context_tokens, language_model.stop_ids
        eos = [] if language_model.eos_id is None else [language_model.eos_id]
        ids, attend = rollouts.inputs["ids_BS"].tolist(), rollouts.inputs["attend_mask_BS"].tolist()
        rows = []
        for row, mask in zip(ids, attend, strict=True):
            prompt = [token for token, real in zip(row[:-steps], mask[:-steps], strict=True) if real]
            written = [token for token, real in zip(row[-steps:], mask[-steps:], strict=True) if real]
            if eos and written and written[-1] in stops:
                written.pop()
            prompt = prompt[-(room - 2) :]
            rows.append((prompt, [*written[: room - len(prompt) - len(eos)], *eos]))
        return rows
