"""A whole online step (sample, score, reference, update) beside the bare matrix products that it needs.

    make bench ARGS="--model FOLDER"

8 prompts x 8 completions x 64 tokens, RLOO, one thread and then two. The floor is the time of nothing but the
weight products of every token: forward once to sample, once for the reference, forward and backward (twice the forward)
to update, as plain `torch.mm` of the model's own shapes. Best of several.
Where no model is named, a Llama of the shape of stories260K with random weights is used.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from heedful.compute.local import LocalCompute
from heedful.language.acting import Acting, PromptTokens
from heedful.language.engines.local import LocalSampler
from heedful.language.policy import LanguagePolicy
from heedful.language.pretrained import LanguageModel, load, new_llama
from heedful.language.sampling import Sampling
from heedful.language.vocabulary import learn_bpe
from heedful.learning.algorithms import RLOO
from heedful.learning.kl import FixedKL
from heedful.records import Prompt
from heedful.reward.rules import FunctionReward
from heedful.reward.shaping import Shaping

PROMPTS, COMPLETIONS, TOKENS = 8, 8, 64
STARTS = [
    "Once upon a time",
    "Lily and Tom went to",
    "The dog saw a",
    "One day a bird",
    "Mum said to Ben",
    "In the park",
]


def main() -> None:
    """Print completions per second, the floor, and their ratio, for one and two threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="best of two")
    options = parser.parse_args()
    options.repeats = 2 if options.quick else options.repeats
    model = load(options.model, device=options.device) if options.model else like_stories260k()
    model.stop_ids = set()  # fixed length: every completion has exactly TOKENS tokens
    size = sum(parameter.numel() for parameter in model.parameters())
    print(f"{options.model or 'random Llama'}: {size:,} parameters; {platform.processor() or platform.machine()}")
    print(f"torch {torch.__version__}, {os.cpu_count()} cores; best of {options.repeats}")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        step = one_step(model)
        whole = best(step, options.repeats)
        floor = best(matrix_products(model), options.repeats)
        rate = PROMPTS * COMPLETIONS / whole
        print(
            f"{threads} thread{'s' if threads > 1 else ' '}: step {whole * 1e3:7.1f} ms = {rate:6.1f} completions/s; "
            f"bare products {floor * 1e3:7.1f} ms = {100 * floor / whole:4.1f} % of the step"
        )


def like_stories260k() -> LanguageModel:
    """A Llama of random weights: width 64, 5 layers, vocabulary 512."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = learn_bpe(STARTS * 50, 512, Path(folder) / "tokenizer.json", 512)
    return new_llama(
        tokenizer,
        seed=0,
        hidden_size=64,
        intermediate_size=172,
        num_hidden_layers=5,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=512,
    )


def one_step(model: LanguageModel) -> Callable[[], None]:
    """Everything that `improve` does in one step, on a policy of its own."""
    prompts = [Prompt.of(f"{start} {number}") for number, start in enumerate((STARTS * 2)[:PROMPTS])]
    reference = model.frozen_copy()
    policy = LanguagePolicy(model)
    compute = LocalCompute(model.device)
    compute.prepare([(model.parameters(), 1e-6)])
    acting = Acting(
        prompts=prompts,
        sampler=LocalSampler(model, PROMPTS * COMPLETIONS),
        sampling=Sampling(max_new_tokens=TOKENS),
        tokens=PromptTokens(model),
        reference=reference,
        prompts_per_step=PROMPTS,
        completions_per_prompt=COMPLETIONS,
        seed=0,
        provisional=True,
    )
    reward = Shaping(FunctionReward(lambda prompts, texts: [float(text.count("e")) for text in texts]), FixedKL(0.1))
    algorithm, numbers = RLOO(), iter(range(10**9))

    def step() -> None:
        number = next(numbers)
        rollouts = reward(acting(policy, number))
        algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=number)

    return step


def matrix_products(model: LanguageModel) -> Callable[[], None]:
    """The weight products of a step and nothing else: token by token in sampling, all tokens at once elsewhere."""
    shapes = [tuple(parameter.shape) for parameter in model.parameters() if parameter.ndim == 2]
    weights = [torch.randn(shape, device=model.device) for shape in shapes]
    rows = PROMPTS * COMPLETIONS
    one = [torch.randn(rows, weight.shape[1], device=model.device) for weight in weights]
    many = [torch.randn(rows * TOKENS, weight.shape[1], device=model.device) for weight in weights]

    def products() -> None:
        for _ in range(TOKENS):
            for x, weight in zip(one, weights, strict=True):
                x @ weight.T
        for _ in range(1 + 3):  # log-probabilities of the reference; forward and backward of the update
            for x, weight in zip(many, weights, strict=True):
                x @ weight.T

    return products


def best(work: Callable[[], None], repeats: int) -> float:
    """Seconds of the fastest of `repeats` calls, after one to warm up."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
