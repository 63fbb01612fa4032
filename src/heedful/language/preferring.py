"""Preferences in token ids: comparisons, single completions that were called good or bad, and their log-probabilities.

A completion ends with the stop token, and only its own tokens count, never the prompt's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.language.acting import PromptTokens
from heedful.language.chat import encode_completion
from heedful.language.imitation import Example, completion_logprobs, nats_per_token
from heedful.language.pretrained import LanguageModel
from heedful.records import Comparison, Prompt
from heedful.seeds import generator


@dataclass(frozen=True)
class Pair:
    """A comparison in token ids."""

    prompt: list[int]
    a: list[int]
    b: list[int]
    target: float
    weight: float
    margin: float

    @property
    def length(self) -> int:
        """Tokens of the longer side, to which the other one is padded."""
        return len(self.prompt) + max(len(self.a), len(self.b))

    @property
    def sides(self) -> tuple[Example, Example]:
        """(prompt and a, prompt and b)."""
        return Example(self.prompt, self.a), Example(self.prompt, self.b)

    def without_margin(self) -> Pair:
        """The same pair, asking for no more than the right order."""
        return replace(self, margin=0.0)


@dataclass(frozen=True)
class Encoded:
    """Comparisons in token ids, and what had to give for the model's context."""

    pairs: list[Pair]
    comparisons: list[Comparison]
    """Those that `pairs` were made of, in the same order."""
    cut: int
    """Completions cut at the end because prompt and completion are longer than the context."""
    left_out: int
    """Comparisons whose prompt alone fills the context."""


@dataclass(frozen=True)
class Opinion:
    """What people said of one completion: how many of them, and how many of them that it is good."""

    prompt: Prompt
    text: str
    good: float
    """Share of the labels that say good, 0..1."""
    weight: float
    """How many labels there are."""
    judgement_ids: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Mark:
    """An opinion in token ids, and a prompt that the completion does not belong to."""

    example: Example
    mismatched: Example
    """The same completion after another example's prompt: what KTO's reference point is estimated on."""
    good: float
    weight: float

    @property
    def length(self) -> int:
        """Tokens to forward."""
        return self.example.length


class Asked(Protocol):
    """Anything about a prompt."""

    @property
    def prompt(self) -> Prompt:
        """What was asked."""
        ...


Item = TypeVar("Item", bound=Asked)


@dataclass
class Encoding:
    """Prompts and completions in token ids, cut to a model's context; counts what had to give."""

    model: LanguageModel
    skip_overlong: bool = False
    cut: int = 0
    left_out: int = 0

    def __post_init__(self) -> None:
        self._tokens = PromptTokens(self.model)

    def prompt(self, prompt: Prompt, where: str) -> list[int] | None:
        """Token ids; None (counted) where the prompt leaves no room and such prompts are to be left out.

        Raises:
            Problem: it leaves no room, and `skip_overlong` is not set.
        """
        ids, room = self._tokens(prompt), self.model.context_tokens
        if len(ids) <= room - 2:
            return ids
        if not self.skip_overlong:
            raise Problem(
                f"the prompt has {len(ids)} tokens, the model's context is {room}",
                where=where,
                mend="leave such questions out with --skip-overlong, or use a model with a longer context",
            )
        self.left_out += 1
        return None

    def completion(self, prompt: Sequence[int], text: str) -> list[int]:
        """Token ids with the stop token; one that is too long is cut at its end (and counted), the stop token kept."""
        whole = encode_completion(self.model, text)
        room = self.model.context_tokens - len(prompt)
        if len(whole) <= room:
            return whole
        self.cut += 1
        return [*whole[: room - 1], whole[-1]]

    def fitting(
        self, items: Iterable[Item], texts: Callable[[Item], Sequence[str]]
    ) -> Iterator[tuple[Item, list[Example]]]:
        """Each item with its completions; those whose prompt leaves no room are left out and counted.

        Raises:
            Problem: as `prompt`.
        """
        for item in items:
            ids = self.prompt(item.prompt, f"prompt {item.prompt.id}")
            if ids is not None:
                yield item, [Example(ids, self.completion(ids, text)) for text in texts(item)]


def encode_pairs(model: LanguageModel, comparisons: Sequence[Comparison], *, skip_overlong: bool = False) -> Encoded:
    """Comparisons in token ids. A completion that is too long is cut at its end, and counted.

    Raises:
        Problem: a prompt leaves no room for an answer and `skip_overlong` is not set.
    """
    encoding = Encoding(model, skip_overlong)
    pairs, kept = [], []
    for comparison in comparisons:
        prompt = encoding.prompt(comparison.prompt, f"question {comparison.question_id or comparison.prompt.id}")
        if prompt is None:
            continue
        a, b = (encoding.completion(prompt, text) for text in (comparison.a, comparison.b))
        pairs.append(Pair(prompt, a, b, comparison.target, comparison.weight, comparison.margin))
        kept.append(comparison)
    return Encoded(pairs, kept, encoding.cut, encoding.left_out)


def encode_marks(
    model: LanguageModel, opinions: Sequence[Opinion], *, seed: int, skip_overlong: bool = False
) -> tuple[list[Mark], list[Opinion]]:
    """(opinions in token ids, each with a mismatched prompt; the opinions that are left, in the same order).

    Raises:
        Problem: a prompt leaves no room for an answer and `skip_overlong` is not set, or all have the same prompt.
    """
    encoding, examples, kept = Encoding(model, skip_overlong), [], []
    for opinion in opinions:
        prompt = encoding.prompt(opinion.prompt, f"prompt {opinion.prompt.id}")
        if prompt is not None:
            examples.append(Example(prompt, encoding.completion(prompt, opinion.text)))
            kept.append(opinion)
    partners = mismatched([opinion.prompt.id for opinion in kept], seed)
    marks = []
    for example, opinion, partner in zip(examples, kept, partners, strict=True):
        prompt = examples[partner].prompt
        room = model.context_tokens - len(prompt)
        other = Example(prompt, example.completion[:room])
        marks.append(Mark(example, other, opinion.good, opinion.weight))
    return marks, kept


def mismatched(prompt_ids: Sequence[str], seed: int) -> list[int]:
    """For each row, a row with another prompt, each row being somebody's partner once (as far as that is possible).

    Rows are put in a random order of their prompts and each is given the row one largest group further on, which is
    never of the same prompt unless one prompt has more than half of the rows.

    Raises:
        Problem: there is one prompt only.
    """
    names = sorted(set(prompt_ids))
    if len(names) < 2:
        raise Problem(
            "all labels are about one prompt", mend="kto needs labels on two prompts or more; or choose another method"
        )
    place = dict(zip(generator(seed, "mismatched").permutation(names).tolist(), range(len(names)), strict=True))
    order = sorted(range(len(prompt_ids)), key=lambda row: (place[prompt_ids[row]], row))
    shift = max(Counter(prompt_ids).values())
    partner = [0] * len(order)
    for at, row in enumerate(order):
        other = order[(at + shift) % len(order)]
        if prompt_ids[other] == prompt_ids[row]:
            other = next(candidate for candidate in order if prompt_ids[candidate] != prompt_ids[row])
        partner[row] = other
    return partner


def by_prompt_and_length(pairs: Sequence[Pair], micro_batch: int) -> list[list[Pair]]:
    """Micro-batches in which prompts stand together, like lengths beside each other."""
    size = micro_batch or len(pairs)
    ordered = sorted(pairs, key=lambda pair: (pair.prompt, pair.length))
    return [ordered[at : at + size] for at in range(0, len(ordered), size)]


Key = tuple[tuple[int, ...], tuple[int, ...]]
"""An example, as a key."""


def key_of(example: Example) -> Key:
    """The example's token ids."""
    return tuple(example.prompt), tuple(example.completion)


def unique(examples: Sequence[Example]) -> tuple[list[Example], list[int]]:
    """(the different ones in order of appearance, for each example its place among them)."""
    places: dict[Key, int] = {}
    found = [places.setdefault(key_of(example), len(places)) for example in examples]
    return [Example(list(prompt), list(completion)) for prompt, completion in places], found


def summed_logprobs(model: LanguageModel, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """(logprobs_N in nats, tokens_N) of whole completions, with gradients; equal examples are forwarded once."""
    rows, places = unique(examples)
    logprobs_RT, mask_RT = completion_logprobs(model, rows)
    index_N = torch.tensor(places, device=logprobs_RT.device)
    return logprobs_RT.sum(1)[index_N], mask_RT.sum(1)[index_N]


def known_logprobs(model: LanguageModel, examples: Sequence[Example], *, chunk: int = 32) -> dict[Key, float]:
    """Summed log-probabilities in nats of the different examples, without gradients."""
    rows, _ = unique(examples)
    nats, _tokens = nats_per_token(model, rows, chunk=chunk)
    return {key_of(row): -float(value) for row, value in zip(rows, nats, strict=True)}
