"""Every algorithm on the playground: what it gains in true score, how far it goes for it, what it costs.

    python benchmarks/algorithms.py [--seeds 3] [--only ppo rloo dpo] [--quick]

For each seed, simulated people compare the bundled model's answers once and one reward model learns from them; then
every algorithm begins from the same version with the same judgements, the same reward and the same number of
completions (online) or comparisons (offline). Reported of each: the true score of answers to held-out requests less
that of the start's (mean over seeds, 95 % interval of Student's t over seeds), the KL from the start in nats per
answer, the seconds of training, completions sampled and reward calls. The learned score is shown beside the true one,
and is not what counts.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t

from heedful.language.acting import write_completions
from heedful.language.engines.local import LocalSampler
from heedful.language.sampling import Sampling
from heedful.playground.world import requests
from heedful.records import Model, Prompt
from heedful.settings import FILE, load
from heedful.stages import collect, init, judge, prefer, reject, reward
from heedful.stages import improve as online
from heedful.stages.measuring import log_ratio, true_score
from heedful.stages.project import Project
from heedful.stages.versions import load_policy

ONLINE = ("ppo", "a2c", "trpo", "nlpo", "reinforce", "rloo", "grpo", "dr_grpo", "dapo", "gspo", "cispo")
OFFLINE = ("dpo", "ipo", "simpo", "slic", "kto")
OTHERS = ("rejection",)

COMPARISONS, STEPS, EXAMINED = 2000, 40, 400


def prepared(folder: Path, seed: int, comparisons: int) -> Project:
    """A project with judgements and a reward model."""
    folder.mkdir(parents=True)
    settings = (files("heedful.playground") / "demo.toml").read_text(encoding="utf-8")
    (folder / FILE).write_text(settings, encoding="utf-8")
    project = init.run(init.Config(folder, model=str(files("heedful.playground") / "model")))
    project.store.add_prompts([*requests(2000, seed, "train"), *requests(EXAMINED, seed, "held_out_topics")])
    collect.run(settings_of(collect.Config, folder, questions=comparisons, seed=seed))
    judge.run(judge.Config(folder, by="playground", seed=seed))
    reward.run(settings_of(reward.Config, folder, seed=seed))
    return Project.open(folder)


def settings_of(kind: Any, folder: Path, **given: Any) -> Any:
    """A stage's settings as the demo has them, and what is given."""
    found = load(kind, folder / FILE, kind.__module__.rpartition(".")[2], project=folder)
    return dataclasses.replace(found, threads=1, **given)


def ways(folder: Path, seed: int, steps: int) -> dict[str, Callable[[], Model]]:
    """How each algorithm is run."""
    found: dict[str, Callable[[], Model]] = {}
    for name in ONLINE:
        settings = settings_of(online.Config, folder, algorithm=name, steps=steps, seed=seed, check_every=0)
        found[name] = lambda settings=settings: online.run(settings)  # type: ignore[misc]  # bound to each turn
    for name in OFFLINE:
        direct = settings_of(prefer.Config, folder, method=name, seed=seed)
        found[name] = lambda direct=direct: prefer.run(direct)  # type: ignore[misc]  # as above
    rejecting = settings_of(reject.Config, folder, seed=seed)
    found["rejection"] = lambda: reject.run(rejecting)
    return found


def examined(project: Project, version: Model, prompts: list[Prompt], seed: int) -> dict[str, float]:
    """True score and KL of a version on held-out requests."""
    model = load_policy(project, version, torch.device("cpu"))
    start = load_policy(project, project.policy_named("start"), torch.device("cpu"))
    sampling = Sampling(max_new_tokens=40)
    written = write_completions(
        model, LocalSampler(model, 64), prompts, sampling, policy=version.id, seed=seed, on_progress=lambda _: None
    )
    kl = log_ratio(model, start, prompts, written)
    gold = [true_score(prompt, each.text) for prompt, each in zip(prompts, written, strict=True)]
    length = float(np.mean([len(each.token_ids) for each in written]))
    return {"gold": float(np.mean(gold)), "kl": float(np.mean(kl)), "length": length}


def one_seed(folder: Path, seed: int, wanted: list[str], comparisons: int, steps: int) -> dict[str, dict[str, float]]:
    """Every algorithm once."""
    project = prepared(folder, seed, comparisons)
    prompts = project.prompts("evaluate")[:EXAMINED]
    begun = examined(project, project.policy_named("start"), prompts, seed)
    found = {"start": {**begun, "seconds": 0.0}}
    for name, run in ways(folder, seed, steps).items():
        if wanted and name not in wanted:
            continue
        began = time.process_time()
        version = run()
        seconds = time.process_time() - began
        found[name] = {**examined(project, version, prompts, seed), "seconds": seconds}
        print(f"seed {seed}, {name}: {json.dumps(found[name])}", flush=True)
    return found


def spread(values: list[float]) -> tuple[float, float]:
    """(mean, half the width of its 95 % interval) over seeds."""
    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return float(np.mean(values)), float(half)


def main() -> None:
    """Run all, print a table and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[], choices=(*ONLINE, *OFFLINE, *OTHERS))
    parser.add_argument("--quick", action="store_true", help="one seed, few comparisons and steps")
    given = parser.parse_args()
    torch.set_num_threads(1)
    comparisons, steps = (200, 4) if given.quick else (COMPARISONS, STEPS)
    runs = []
    for seed in range(1 if given.quick else given.seeds):
        folder = Path(tempfile.mkdtemp(prefix="heedful-algorithms-"))
        try:
            runs.append(one_seed(folder / "project", seed, given.only, comparisons, steps))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    rows = {}
    print("\n| algorithm | gain in true score | KL, nats | tokens | CPU s |\n|---|---|---|---|---|")
    for name in runs[0]:
        gains = [run[name]["gold"] - run["start"]["gold"] for run in runs]
        mean, half = spread(gains)
        others = {key: float(np.mean([run[name][key] for run in runs])) for key in ("kl", "length", "seconds")}
        rows[name] = {"gains": gains, "gain": mean, "half_width": half, **others}
        print(
            f"| {name} | {mean:+.2f} ± {half:.2f} | {others['kl']:.1f} | {others['length']:.0f} "
            f"| {others['seconds']:.0f} |"
        )
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    print(json.dumps({"machine": machine, "comparisons": comparisons, "steps": steps, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
