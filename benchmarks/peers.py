"""heedful beside TRL: whole online RLOO steps, DPO steps, and sampling alone, on the same model, prompts and lengths.

    python benchmarks/peers.py --trl PATH/bin/python [--model FOLDER] [--sizes named 10M] [--quick]

Jobs: fixed length (no token ends a completion) and ragged (one that ends them after about a third of the length). Each
job runs in a process of its own, heedful and the peer in turns, on one thread and then on two; the first step of a
process warms it up and does not count; reported are the best and the median step of all repeats, the ratio of the
bests, the peak memory of the process, and of heedful the share of a step that is spent in matrix products and attention
(one more step, profiled). Models: the one that is named, and a Llama of 10 million random weights.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from heedful.language.engines.local import LocalSampler
from heedful.language.pretrained import LanguageModel, load, new_llama, save
from heedful.language.sampling import Sampling

HERE = Path(__file__).parent / "peers"

STARTS = (
    "Once upon a time",
    "Lily and Tom went to",
    "The dog saw a",
    "One day a bird",
    "Mum said to Ben",
    "In the park",
)
PROMPTS, COMPLETIONS, TOKENS = 8, 8, 64

STOP = 7
"""The token that the model of random weights writes more often than others."""


def prompts() -> list[str]:
    """Eight beginnings of stories."""
    return [f"{start} {number}" for number, start in enumerate((STARTS * 2)[:PROMPTS])]


def stop_token(model: LanguageModel) -> tuple[int, float]:
    """(the token that ends completions after a third of the length on average, as nearly as one can; that mean)."""
    model.stop_ids = set()
    ids = [model.encode(text) for text in prompts() for _ in range(COMPLETIONS)]
    written = LocalSampler(model, len(ids)).sample(ids, Sampling(max_new_tokens=TOKENS), list(range(len(ids))))
    found = [list(each.token_ids) for each in written]

    def mean_length(token: int) -> float:
        return statistics.fmean(one.index(token) + 1 if token in one else TOKENS for one in found)

    best = min(range(model.vocabulary), key=lambda token: abs(mean_length(token) - TOKENS / 3))
    return best, mean_length(best)


def ten_million(tokenizer: Any, folder: Path) -> Path:
    """A Llama of about 10 million random weights, in which one token comes up every 21 tokens or so.

    Random weights write all tokens alike, so no completion would end. One coordinate is therefore the same in every
    embedding, and larger in that of one token, which the head (the same weights) then finds more probable.
    """
    model = new_llama(
        tokenizer,
        seed=0,
        hidden_size=320,
        intermediate_size=896,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=512,
    )
    weights_VD = model.module.get_input_embeddings().weight
    with torch.no_grad():
        weights_VD[:, 0] = 0.1
        weights_VD[STOP, 0] = 0.1 + math.log(len(tokenizer) * 3 / TOKENS) / last_state(model)
    save(model, folder)
    return folder


def last_state(model: LanguageModel) -> float:
    """What the head reads in its first coordinate, on average over some tokens."""
    with torch.no_grad():
        ids_BS = torch.arange(min(64, model.vocabulary))[None]
        return float(model.module.base_model(ids_BS).last_hidden_state[..., 0].mean())


def measured(interpreter: str, script: str, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The result of a job in a process of its own."""
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    threads = str(job["threads"])
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [interpreter, str(HERE / script), str(path)], capture_output=True, text=True, env=environment, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(f"{script} failed on {job['kind']}:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return found


def compared(sides: dict[str, tuple[str, str]], job: dict[str, Any], repeats: int, folder: Path) -> dict[str, Any]:
    """Best and median step of each side, taken in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    peaks: dict[str, int] = dict.fromkeys(sides, 0)
    shares: dict[str, float] = {}
    for _ in range(repeats):
        for name, (interpreter, script) in sides.items():
            found = measured(interpreter, script, job, folder)
            seconds[name] += found["seconds"][1:]
            peaks[name] = max(peaks[name], found["peak_mb"])
            shares |= {name: found["products_share"]} if "products_share" in found else {}
    count = job.get("batch") or len(job["prompts"]) * job["completions"]
    row: dict[str, Any] = {}
    for name, times in seconds.items():
        row[name] = {
            "best_per_s": round(count / min(times), 1),
            "median_per_s": round(count / statistics.median(times), 1),
            "peak_mb": peaks[name],
        } | ({"products_share": shares[name]} if name in shares else {})
    if "trl" in sides:
        row["ratio"] = round(min(seconds["trl"]) / min(seconds["heedful"]), 2)
        row["median_ratio"] = round(statistics.median(seconds["trl"]) / statistics.median(seconds["heedful"]), 2)
    return row


def main() -> None:
    """Compare, print a line a job and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trl", default=os.environ.get("HEEDFUL_TRL", ""), help="an interpreter that has TRL")
    parser.add_argument("--model", default="", help="a folder in Hugging Face format; the bundled model when left out")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sizes", nargs="+", default=["named", "10M"], choices=["named", "10M"])
    parser.add_argument("--only", nargs="+", default=["rloo", "sampling", "dpo"])
    parser.add_argument("--quick", action="store_true", help="one repeat, one thread")
    given = parser.parse_args()
    sides = {"heedful": (sys.executable, "with_heedful.py")}
    if given.trl:
        sides["trl"] = (given.trl, "with_trl.py")
    else:
        print("TRL: not measured; name an interpreter that has it with --trl (see benchmarks/peers/README.md)")
    repeats, threads = (1, [1]) if given.quick else (given.repeats, given.threads)
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        named = given.model or str(Path(__file__).parent.parent / "src" / "heedful" / "playground" / "model")
        models = {Path(named).name: named} if "named" in given.sizes else {}
        if "10M" in given.sizes:
            models["10M"] = str(ten_million(load(named).tokenizer, folder / "10M"))
        for label, path in models.items():
            stop, mean = stop_token(load(path))
            print(f"{label}: ragged completions have {mean:.1f} of {TOKENS} tokens on average", flush=True)
            for number in threads:
                for kind in given.only:
                    for shape, token in (("fixed", None), ("ragged", stop)):
                        if kind == "dpo" and shape == "ragged":
                            continue
                        job = {"kind": kind, "model": path, "threads": number, "steps": given.steps, "stop": token}
                        job |= {"prompts": prompts(), "completions": COMPLETIONS, "tokens": TOKENS}
                        if kind == "dpo":
                            job |= {"batch": 32, "pairs": pairs(32 * given.steps)}
                        name = f"{label}, {kind}, {shape}, {number} thread{'s' if number > 1 else ''}"
                        rows[name] = compared(sides, job, repeats, folder)
                        print(f"{name}: {json.dumps(rows[name])}", flush=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    print(json.dumps({"machine": machine, "steps": given.steps, "repeats": repeats, "rows": rows}, indent=2))


def pairs(count: int) -> list[dict[str, str]]:
    """Pairs of made-up stories, of different lengths."""
    found = []
    for number in range(count):
        start = STARTS[number % len(STARTS)]
        long, short = " and they played all day in the sun" * (1 + number % 4), " and went home" * (1 + number % 3)
        found.append({"prompt": f"{start} {number}", "chosen": f" saw a cat{long}.", "rejected": f" was sad{short}."})
    return found


if __name__ == "__main__":
    main()
