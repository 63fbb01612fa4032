"""Preferences in token ids: what is cut, what is forwarded, and that neither prompt nor padding counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from heedful.errors import Problem
from heedful.language.forward import separable
from heedful.language.imitation import Example
from heedful.language.preferring import (
    Opinion,
    Pair,
    by_prompt_and_length,
    encode_marks,
    encode_pairs,
    key_of,
    known_logprobs,
    mismatched,
    summed_logprobs,
    unique,
)
from heedful.language.pretrained import LanguageModel
from heedful.records import Comparison, Prompt

Make = Callable[[str, int], LanguageModel]


def test_pairs_end_with_the_stop_token_and_are_cut_to_the_context(any_model: LanguageModel) -> None:
    rows = [
        Comparison(Prompt.of("a b"), "c d", "e " * 100, 0.75, 4.0, 0.5),
        Comparison(Prompt.of("a " * 80), "c", "d", 1.0),
    ]
    found = encode_pairs(any_model, rows, skip_overlong=True)
    (pair,) = found.pairs
    assert (pair.target, pair.weight, pair.margin) == (0.75, 4.0, 0.5)
    assert pair.a[-1] == pair.b[-1] == any_model.eos_id
    assert len(pair.prompt) + len(pair.b) == any_model.context_tokens
    assert (found.cut, found.left_out, found.comparisons) == (1, 1, rows[:1])
    assert pair.without_margin().margin == 0
    with pytest.raises(Problem, match="context"):
        encode_pairs(any_model, rows)


@torch.no_grad()
def test_log_probabilities_are_of_the_completion_alone(any_model: LanguageModel) -> None:
    example = Example([1, 5, 9], [4, 6, 2])
    logprobs_N, tokens_N = summed_logprobs(any_model, [example])
    logits = any_model.module(torch.tensor([[1, 5, 9, 4, 6, 2]])).logits[0].log_softmax(-1)
    expected = logits[2, 4] + logits[3, 6] + logits[4, 2]
    torch.testing.assert_close(logprobs_N[0], expected, atol=1e-4, rtol=0)
    assert tokens_N.tolist() == [3]


def test_prompt_tokens_get_no_gradient(any_model: LanguageModel) -> None:
    """The logits that predict prompt tokens have a gradient of exactly zero."""
    seen: list[torch.Tensor] = []

    def keep(_module: object, _inputs: object, output: torch.Tensor) -> None:
        output.retain_grad()
        seen.append(output)

    separable(any_model)  # tries it out, without gradients
    handle = any_model.module.get_output_embeddings().register_forward_hook(keep)
    logprobs_N, _ = summed_logprobs(any_model, [Example([1, 5, 9], [4, 6, 2]), Example([1, 7], [8])])
    logprobs_N.sum().backward()  # type: ignore[no-untyped-call] # PyTorch has no annotation here
    handle.remove()
    rows = sum(int((found.grad.abs().sum(-1) > 0).sum()) for found in seen if found.grad is not None)
    assert rows == 4, "three targets of the first row and one of the second, and nothing else"
    any_model.module.zero_grad()


@torch.no_grad()
def test_neither_company_nor_padding_changes_a_log_probability(any_model: LanguageModel) -> None:
    examples = [Example([1, 5, 9], [4, 6, 2]), Example([1], [8, 9, 10, 11, 12, 13, 2]), Example([1, 4, 4, 4, 4], [2])]
    together, tokens_N = summed_logprobs(any_model, examples)
    alone = torch.cat([summed_logprobs(any_model, [example])[0] for example in examples])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)
    assert tokens_N.tolist() == [3, 7, 1]
    known = known_logprobs(any_model, examples, chunk=2)
    assert [known[key_of(each)] for each in examples] == pytest.approx(alone.tolist(), abs=1e-4)


def test_a_completion_that_stands_twice_is_forwarded_once(make_model: Make) -> None:
    model = make_model("llama", 0)
    rows = 0

    def count(_module: object, _inputs: object, output: torch.Tensor) -> None:
        nonlocal rows
        rows += output.shape[0]

    separable(model)  # tries it out, once
    handle = model.module.get_input_embeddings().register_forward_hook(count)
    a, b, c = Example([1, 5], [4, 2]), Example([1, 5], [6, 2]), Example([1, 5], [7, 2])
    logprobs_N, _ = summed_logprobs(model, [a, b, a, c, b, c])
    handle.remove()
    assert rows == 3
    assert logprobs_N[[0, 1, 3]].tolist() == logprobs_N[[2, 4, 5]].tolist()
    assert unique([a, b, a]) == ([a, b], [0, 1, 0])


@pytest.mark.parametrize("names", [["p", "q", "p", "r", "q", "p"], ["p", "q"], list("aabbccdd"), ["p", "p", "q", "q"]])
def test_a_mismatched_prompt_is_always_another_one(names: list[str]) -> None:
    for seed in range(5):
        partners = mismatched(names, seed)
        assert all(names[partner] != name for name, partner in zip(names, partners, strict=True))
        assert sorted(partners) == list(range(len(names))), "each is somebody's partner once"


def test_where_one_prompt_has_most_rows_partners_are_shared_and_still_others() -> None:
    names = ["p", "p", "p", "p", "q"]
    assert all(names[partner] != name for name, partner in zip(names, mismatched(names, 0), strict=True))
    with pytest.raises(Problem, match="one prompt"):
        mismatched(["p", "p"], 0)


def test_marks_carry_the_same_completion_after_another_prompt(any_model: LanguageModel) -> None:
    opinions = [Opinion(Prompt.of("a b"), "c d", 1.0, 2.0), Opinion(Prompt.of("e"), "f", 0.0, 1.0)]
    (first, second), kept = encode_marks(any_model, opinions, seed=0)
    assert kept == opinions
    assert first.mismatched == Example(second.example.prompt, first.example.completion)
    assert second.mismatched == Example(first.example.prompt, second.example.completion)
    assert (first.good, first.weight) == (1.0, 2.0)


def test_micro_batches_hold_every_pair_once() -> None:
    pairs = [Pair([1, n % 3], [2] * n, [3], 1.0, 1.0, 0.0) for n in range(1, 8)]
    parts = by_prompt_and_length(pairs, 3)
    assert [len(part) for part in parts] == [3, 3, 1]
    assert sorted(len(pair.a) for part in parts for pair in part) == list(range(1, 8))
    prompts = [pair.prompt for part in parts for pair in part]
    assert prompts == sorted(prompts)
