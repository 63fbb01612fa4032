"""What each way of tuning costs: trained share, memory, and time of a step, on a Llama of 10 M random parameters.

Each mode is measured in a process of its own, on 8 rows of 32 + 32 tokens, with one thread. Times are CPU time, which
other work on the machine disturbs least:

- `write`: writing the 8 answers
- `look`: their log-probabilities under policy and reference; beside it the same with a full copy for a reference
- `update`: forward, backward and AdamW on the policy

Memory is given twice. `kept` is what a mode keeps, counted in bytes: weights of policy and reference without what they
share, gradients, moments of AdamW; beside it what a full copy for a reference would add. `peak` is how far the peak
resident memory of the process rose above what it was before training; it holds activations too, and what the allocator
did not give back. Adapters need the activations of all layers, frozen lower layers none.

At the end stands whether what is kept grows with the trained share over all modes, and peak and time of an update from
the last layer to the last four to all. Adapters are left out of the second: they save neither. The status is 1 where it
does not hold.

    python benchmarks/tuning.py [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch

from heedful.compute.local import LocalCompute
from heedful.language.engines.local import LocalSampler
from heedful.language.frozen_trunk import reference_of, shared_trunk
from heedful.language.lora import merged
from heedful.language.policy import response_logprobs
from heedful.language.pretrained import LanguageModel, new_llama
from heedful.language.sampling import Sampling
from heedful.language.tokens import pad
from heedful.language.tuning import Tuning, tune
from heedful.language.vocabulary import learn_bpe
from heedful.rollouts import Rollouts

ROWS, PROMPT, ANSWER = 8, 32, 32

WAYS = {
    "full": Tuning(),
    "last 4": Tuning(mode="last", last_layers=4),
    "last 1": Tuning(mode="last", last_layers=1),
    "lora 16": Tuning(mode="lora", rank=16, alpha=32),
    "lora 4": Tuning(mode="lora", rank=4, alpha=8),
    "dora 4": Tuning(mode="dora", rank=4, alpha=8),
}


def main() -> None:
    """Print one line per mode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help="measure this one, in this process")
    parser.add_argument("--quick", action="store_true", help="one repeat")
    options = parser.parse_args()
    options.repeats = 1 if options.quick else options.repeats
    if options.way:
        print(json.dumps(measured(WAYS[options.way], options.repeats)))
        return
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}; median of {options.repeats} steps")
    heads = ["trained", "share", "kept MiB", "+copy", "peak MiB", "write ms", "look ms", "by copy", "update ms"]
    print(" " * 8 + "".join(f"{head:>11}" for head in [*heads, "range"]))
    rows: dict[str, dict[str, float]] = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way, "--repeats", str(options.repeats)]
        found = rows[way] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        cells = [f"{found['trained']:,}", f"{found['share']:.1%}"]
        cells += [f"{found[name]:.0f}" for name in ("kept", "copy", "peak", "write", "look", "look_copy", "update")]
        cells.append(f"{found['fastest']:.0f}-{found['slowest']:.0f}")
        print(f"{way:8}" + "".join(f"{cell:>11}" for cell in cells), flush=True)
    kept = checks(rows)
    for what, held in kept.items():
        print(f"{'yes' if held else 'NO '}  {what}")
    sys.exit(0 if all(kept.values()) else 1)


def checks(rows: dict[str, dict[str, float]]) -> dict[str, bool]:
    """What it is held to, and whether it holds."""
    by_share = sorted(rows, key=lambda way: -rows[way]["trained"])

    def falls(name: str, ways: Sequence[str]) -> bool:
        return all(rows[more][name] > rows[fewer][name] for more, fewer in pairwise(ways))

    return {
        f"kept falls with the trained share: {' > '.join(by_share)}": falls("kept", by_share),
        "peak falls: full > last 4 > last 1": falls("peak", ["full", "last 4", "last 1"]),
        "update falls: full > last 4 > last 1": falls("update", ["full", "last 4", "last 1"]),
    }


def measured(tuning: Tuning, repeats: int) -> dict[str, float]:
    """Cost of one way of tuning, in this process."""
    torch.set_num_threads(1)
    model = llama_of_10m()
    warm_up_libraries(tuning)
    begun_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = tune(model, tuning)
    reference = reference_of(model)
    compute = LocalCompute(model.device)
    compute.prepare([(model.parameters(), 1e-4)])
    rollouts = batch(model)

    def look(against: LanguageModel = reference) -> None:
        with torch.no_grad(), shared_trunk(model, against):
            response_logprobs(model, rollouts)
            response_logprobs(against, rollouts)

    def update() -> None:
        logprobs_BT, _ = response_logprobs(model, rollouts)
        compute.backward(-logprobs_BT.sum())
        compute.step(float(rollouts.mask_BT.sum()))

    def write() -> None:
        with merged(model.module):
            LocalSampler(model).sample([[4, 5, 6, 7]] * ROWS, Sampling(max_new_tokens=ANSWER), range(ROWS))

    times = {work.__name__: milliseconds(work, repeats) for work in (look, update, write)}
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mine = {weight.data_ptr(): weight.nbytes for weight in model.parameters()}
    both = mine | {weight.data_ptr(): weight.nbytes for weight in reference.parameters()}
    moments = sum(value.nbytes for state in compute.state_dict()["state"].values() for value in state.values())
    whole = model.frozen_copy()
    times["look_copy"] = milliseconds(lambda: look(whole), repeats)
    copied = sum(weight.nbytes for weight in whole.parameters())
    return {
        "trained": size.trained,
        "share": size.share,
        "kept": (sum(both.values()) + 4 * size.trained + moments) / 2**20,
        "copy": (sum(mine.values()) + copied - sum(both.values())) / 2**20,
        "peak": (peak_kib - begun_kib) / 2**10,
        "fastest": min(times["update"]),
        "slowest": max(times["update"]),
        **{name: statistics.median(found) for name, found in times.items()},
    }


def llama_of_10m() -> LanguageModel:
    """Eight layers of width 320 and a vocabulary of 2,048, tied: 10.5 M parameters."""
    with tempfile.TemporaryDirectory() as folder:
        words = [f"w{number} x{number * 7}" for number in range(3000)]
        tokenizer = learn_bpe(words, 2048, Path(folder) / "tokenizer.json", 256)
    return new_llama(
        tokenizer,
        seed=0,
        hidden_size=320,
        intermediate_size=864,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=256,
    )


def warm_up_libraries(tuning: Tuning) -> None:
    """What is imported on first use is no cost of a model."""
    layer = torch.nn.Linear(2, 2)
    torch.optim.AdamW(layer.parameters())
    if tuning.mode in ("lora", "dora"):
        import peft

        del peft


def batch(model: LanguageModel) -> Rollouts:
    """Random prompts and answers of equal length."""
    ids = torch.randint(3, model.vocabulary, (ROWS, PROMPT + ANSWER), generator=torch.Generator().manual_seed(0))
    padded = pad(ids[:, :PROMPT].tolist(), ids[:, PROMPT:].tolist(), model.device)
    mask_BT = padded.response_mask_BT
    return Rollouts(padded.inputs, mask_BT, torch.arange(ROWS), torch.zeros(mask_BT.shape))


def milliseconds(work: Callable[[], None], repeats: int) -> list[float]:
    """CPU time of each call, after one to warm up."""
    found = []
    for _ in range(1 + repeats):
        began = time.process_time()
        work()
        found.append(1e3 * (time.process_time() - began))
    return found[1:]


if __name__ == "__main__":
    main()
