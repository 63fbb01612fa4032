"""Imitation: the loss is on completions alone, and a model learns what it is shown."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.forward import separable
from heedful.language.imitation import (
    Example,
    examples_of_demonstrations,
    examples_of_texts,
    imitation_loss,
    nats_per_token,
)
from heedful.language.pretrained import LanguageModel
from heedful.records import Demonstration, Prompt
from heedful.seeds import generator

Make = Callable[[str, int], LanguageModel]


def test_the_loss_is_the_cross_entropy_of_the_completion_tokens(any_model: LanguageModel) -> None:
    example = Example([1, 5, 9], [4, 6, 2])
    total, count, _ = imitation_loss(any_model, [example])
    ids = torch.tensor([example.prompt + example.completion])
    expected = torch.nn.functional.cross_entropy(any_model.module(ids).logits[0, 2:5], ids[0, 3:], reduction="sum")
    torch.testing.assert_close(total, expected, atol=1e-4, rtol=0)
    assert count.item() == 3


def test_prompt_tokens_are_no_targets(any_model: LanguageModel) -> None:
    """The gradient with respect to the logits of prompt positions (but the last, which predicts) is exactly zero."""
    seen: list[torch.Tensor] = []

    def keep(_module: object, _inputs: object, output: torch.Tensor) -> None:
        output.retain_grad()
        seen.append(output)

    separable(any_model)  # tries it out, without gradients
    handle = any_model.module.get_output_embeddings().register_forward_hook(keep)
    total, _, _ = imitation_loss(any_model, [Example([1, 5, 9], [4, 6, 2]), Example([1, 7], [8])])
    total.backward()  # type: ignore[no-untyped-call] # PyTorch has no annotation here
    handle.remove()
    gradients = [output.grad for output in seen]
    assert all(gradient is not None for gradient in gradients)
    predicted = sum(int((gradient.abs().sum(-1) > 0).sum()) for gradient in gradients if gradient is not None)
    assert predicted == 4, "three targets of the first row and one of the second, and nothing else"
    any_model.module.zero_grad()


def test_a_model_memorises_what_it_is_shown(make_model: Make) -> None:
    model = make_model("llama", 1)
    random = generator(0, "demonstrations")
    examples = [
        Example([1, *random.integers(4, 30, 3).tolist()], [*random.integers(4, 30, 4).tolist(), 2]) for _ in range(32)
    ]
    compute = LocalCompute()
    compute.prepare([(model.parameters(), 1e-2)])
    for _ in range(400):
        total, count, _ = imitation_loss(model, examples)
        compute.backward(total)
        compute.step(float(count))
    nats, tokens = nats_per_token(model, examples)
    assert nats.sum() / tokens.sum() < 0.05


def test_a_markov_source_is_learned_to_its_entropy(make_model: Make) -> None:
    """A source whose next letter depends on the last two: held-out cross-entropy comes within 3 % of its entropy.

    The frequencies of single letters alone are more than 15 % worse.
    """
    letters, rows, length = 6, 1200, 40
    random = generator(0, "source")
    table = random.dirichlet([0.35] * letters, size=(letters, letters))
    texts, entropy = [], []
    for _ in range(rows):
        text = random.integers(0, letters, 2).tolist()
        for _ in range(length - 2):
            chances = table[text[-2], text[-1]]
            entropy.append(-float((chances * [math.log(p) if p > 0 else 0.0 for p in chances]).sum()))
            text.append(int(random.choice(letters, p=chances)))
        texts.append([4 + letter for letter in text])
    truth = sum(entropy) / len(entropy)
    examples = [Example([1, *text[:2]], text[2:]) for text in texts]
    training, held_out = examples[:1000], examples[1000:]
    model = make_model("llama", 2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.div_(8.0)
    compute = LocalCompute()
    compute.prepare([(model.parameters(), 1e-2)])
    steps = 500
    for step in range(steps):
        batch = [training[i] for i in generator(1, step).integers(0, len(training), 32)]
        total, count, _ = imitation_loss(model, batch)
        compute.backward(total)
        compute.step(float(count), learning_rate_scale=1 - step / steps)
    nats, tokens = nats_per_token(model, held_out)
    counts = torch.bincount(torch.tensor([token for e in training for token in e.completion]), minlength=10).float()
    frequencies = counts / counts.sum()
    unigram = -sum(math.log(frequencies[token]) for e in held_out for token in e.completion) / tokens.sum()
    assert unigram > 1.15 * truth
    assert nats.sum() / tokens.sum() < 1.03 * truth


def test_demonstrations_end_with_the_stop_token_and_are_cut_to_the_context(any_model: LanguageModel) -> None:
    long = Demonstration(Prompt.of("a b"), "c " * 100)
    short = Demonstration(Prompt.of("a b"), "c d")
    first, second = examples_of_demonstrations(any_model, [short, long])
    assert first.completion[-1] == any_model.eos_id
    assert second.length == any_model.context_tokens


def test_empty_and_overlong_demonstrations_are_refused(any_model: LanguageModel) -> None:
    with pytest.raises(Problem, match="empty"):
        examples_of_demonstrations(any_model, [Demonstration(Prompt.of("a"), " ")])
    with pytest.raises(Problem, match="context"):
        examples_of_demonstrations(any_model, [Demonstration(Prompt.of("a " * 80), "b")])


def test_texts_are_cut_into_blocks_without_losing_a_token(any_model: LanguageModel) -> None:
    examples = examples_of_texts(any_model, ["a b c d e f g"], 4)
    whole = [*any_model.encode("a b c d e f g", start=False), any_model.eos_id]
    assert [token for example in examples for token in example.completion] == whole
    assert examples[0].prompt == [any_model.start_id]
    assert all(example.length <= 4 for example in examples)
    assert examples[1].prompt == [examples[0].completion[-1]]
