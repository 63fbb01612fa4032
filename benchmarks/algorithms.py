"""Every algorithm on the playground: what it gains in true score, how far it goes for it, what it costs.

    python benchmarks/algorithms.py --keep FOLDER [--seeds 0 1 2] [--only ppo rloo dpo] [--quick]
    python benchmarks/algorithms.py --keep FOLDER --model FOLDER [--prompts FILE] [--function rewards.py:score]

For each seed, simulated people compare the bundled model's answers once and one reward model learns from them; then
every algorithm begins from the same version with the same judgements, the same reward and the same number of
completions (online) or comparisons (offline). What is measured goes into FOLDER as it comes, so that an interrupted
comparison goes on where it was, and several seeds may run side by side.

Reported of each, over seeds: the true score of answers to held-out requests less that of the start's to the same (mean,
95 % interval of Student's t over seeds, and the least lower bound of the seeds' own paired intervals); the KL from the
start in nats per answer; CPU seconds of training. Of the online ones also, from the training log, smoothed over seven
steps: the gain where the KL first passes 2 nats, and the gain after the CPU seconds that the cheapest of PPO, RLOO,
GRPO and best-of-n needs for its whole run. The learned score is what is trained on, and is not what counts.

With --model, those four improve another model (one that writes stories) against a function, which is reward and true
score at once: answers shall end with a full stop and not be long (`ended`).
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
from collections.abc import Callable, Sequence
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.stats import t

from heedful.files import write_json
from heedful.language.acting import write_completions
from heedful.language.engines.local import LocalSampler
from heedful.playground.answers import Knobs
from heedful.playground.world import demonstrations, requests
from heedful.records import Model, Prompt
from heedful.reward.rules import load_function, score_texts
from heedful.settings import FILE, load
from heedful.stages import collect, import_, init, judge, offline, prefer, reject, reward, sft
from heedful.stages import improve as online
from heedful.stages.measuring import log_ratio, true_score
from heedful.stages.project import Project
from heedful.stages.versions import load_policy

ONLINE = (
    *("ppo", "a2c", "trpo", "nlpo", "reinforce", "rloo", "grpo", "dr_grpo", "dapo", "gspo", "cispo"),
    *("online_dpo", "best_of", "reward_weighted"),
)
OFFLINE = ("dpo", "ipo", "simpo", "slic", "kto", "orpo")
OTHERS = ("rejection", "weighted", "bandit", "ilql")
DEMONSTRATED = ("sft", "irl", "spin", "mixer", "rlgaf")
"""Which learn from good answers of somebody's too; they come last, when the others have learnt without."""

COMPARISONS, STEPS, EXAMINED, DEMONSTRATIONS = 2000, 44, 400, 1000
EPOCHS = 3.0
"""Over comparisons, demonstrations or winners; about the time that the online ones take."""
ROUNDS = 3
"""Of rejection sampling."""
SKILLED = Knobs(accuracy=0.9, completeness=0.9, polite=0.9, rude=0.0)
WINDOW = 7
"""Steps over which the training log is smoothed."""
AT_KL = 2.0
"""Nats at which gains are compared."""
BUDGETED = ("ppo", "rloo", "grpo", "best_of")
"""Whose cheapest run sets the budget."""

BEGINNINGS = (
    "Once upon a time there was a {} {}",
    "One day a {} {} went to the park",
    "In a house by the sea lived a {} {}",
    "The {} {} was looking for a friend",
)
WHAT = ("little", "big", "happy", "sad", "old", "brave", "funny", "kind", "hungry", "sleepy")
WHO = ("dog", "cat", "bird", "girl", "boy", "bear", "fish", "mouse", "horse", "frog")

Row = dict[str, Any]


def ended(prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
    """1 for a full stop at the end, less 0.05 for each word beyond the twentieth."""
    found = [
        (float(text.rstrip().endswith(".")), len(text.split())) for _, text in zip(prompts, completions, strict=True)
    ]
    return [full_stop - 0.05 * max(0, words - 20) for full_stop, words in found]


@dataclasses.dataclass(frozen=True)
class Playground:
    """The bundled model, taught by simulated people through a reward model; the world knows the true score."""

    comparisons: int
    logged: ClassVar[str] = "gold"

    def prepared(self, folder: Path, seed: int) -> None:
        """Make a project with judgements and a reward model."""
        settings = (files("heedful.playground") / "demo.toml").read_text(encoding="utf-8")
        (folder / FILE).write_text(settings, encoding="utf-8")
        project = init.run(init.Config(folder, model=str(files("heedful.playground") / "model")))
        project.store.add_prompts([*requests(2000, seed, "train"), *requests(EXAMINED, seed, "held_out_topics")])
        collect.run(settings_of(collect.Config, folder, questions=self.comparisons, seed=seed))
        judge.run(judge.Config(folder, by="playground", seed=seed))
        reward.run(settings_of(reward.Config, folder, seed=seed))

    def online(self, folder: Path) -> online.Config:
        """What is improved against what."""
        found: online.Config = settings_of(online.Config, folder, world="playground")
        return found

    def true(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[float]:
        """The world's."""
        return [true_score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]


@dataclasses.dataclass(frozen=True)
class Rule:
    """Another model, improved against a function, which is the true score too."""

    model: str
    prompts: Path | None
    function: str
    logged: ClassVar[str] = "score"

    def prepared(self, folder: Path, seed: int) -> None:
        """Make a project with prompts; the seed changes nothing here."""
        project = init.run(init.Config(folder, model=self.model))
        if self.prompts:
            import_.run(import_.Config(folder, self.prompts))
        else:
            texts = [beginning.format(what, who) for beginning, what, who in product(BEGINNINGS, WHAT, WHO)]
            project.store.add_prompts([Prompt.of(text) for text in texts])

    def online(self, folder: Path) -> online.Config:
        """What is improved against what."""
        found: online.Config = settings_of(online.Config, folder, reward_function=self.function)
        return found

    def true(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[float]:
        """The function's."""
        asked = [prompt.as_text() for prompt in prompts]
        return [sum(each) for each in score_texts(load_function(self.function), asked, texts)]


def taught(folder: Path, seed: int) -> None:
    """Put good answers of somebody's into the project."""
    path = folder / "demonstrations.jsonl"
    given = demonstrations(DEMONSTRATIONS, seed, SKILLED)
    Project.open(folder).store.add_prompts([item.prompt for item in given])  # the world judges by their metadata
    rows = [{"prompt": item.prompt.text, "completion": item.text} for item in given]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_.run(import_.Config(folder, path))


def settings_of(kind: Any, folder: Path, **given: Any) -> Any:
    """A stage's settings as the demo has them, and what is given."""
    found = load(kind, folder / FILE, kind.__module__.rpartition(".")[2], project=folder)
    return dataclasses.replace(found, threads=1, **given)


def ways(place: Playground | Rule, folder: Path, seed: int, steps: int) -> dict[str, Callable[[], Model]]:
    """How each algorithm is run."""
    found: dict[str, Callable[[], Model]] = {}
    for name in (*ONLINE, "mixer"):
        settings = dataclasses.replace(
            place.online(folder), policy="start", algorithm=name, steps=steps, seed=seed, check_every=0
        )
        found[name] = lambda settings=settings: online.run(settings)  # type: ignore[misc]  # bound to each turn
    for name in (*OFFLINE, "spin"):
        direct = settings_of(prefer.Config, folder, method=name, policy="start", seed=seed)
        direct = dataclasses.replace(direct, training=dataclasses.replace(direct.training, epochs=EPOCHS))
        found[name] = lambda direct=direct: prefer.run(direct)  # type: ignore[misc]  # as above
    for name in ("weighted", "bandit", "ilql", "irl"):
        logged = settings_of(offline.Config, folder, method=name, policy="start", seed=seed)
        imitation = dataclasses.replace(logged.imitation, epochs=EPOCHS)
        logged = dataclasses.replace(logged, imitation=imitation, scorer="" if name == "irl" else "r1")
        found[name] = lambda logged=logged: offline.run(logged)  # type: ignore[misc]  # as above
    against = dataclasses.replace(
        place.online(folder), policy="start", adversarial=True, steps=steps, seed=seed, check_every=0
    )
    found["rlgaf"] = lambda: online.run(against)
    found["rejection"] = lambda: rejected(folder, seed, steps * 64)
    imitating = settings_of(sft.Config, folder, policy="start", seed=seed)
    imitating = dataclasses.replace(imitating, imitation=dataclasses.replace(imitating.imitation, epochs=EPOCHS))
    found["sft"] = lambda: sft.run(imitating)
    return {name: found[name] for name in (*ONLINE, *OFFLINE, *OTHERS, *DEMONSTRATED)}


def rejected(folder: Path, seed: int, completions: int) -> Model:
    """Rounds of rejection sampling, each from the version before, with so many completions in all."""
    settings = settings_of(reject.Config, folder, policy="start")
    prompts = max(1, completions // (ROUNDS * settings.completions_per_prompt))
    imitation = dataclasses.replace(settings.imitation, epochs=EPOCHS)
    for number in range(ROUNDS):
        settings = dataclasses.replace(settings, prompts=prompts, imitation=imitation, seed=seed * ROUNDS + number)
        version = reject.run(settings)
        settings = dataclasses.replace(settings, policy=version.id)
    return version


def examined(place: Playground | Rule, project: Project, version: Model, prompts: list[Prompt], seed: int) -> Row:
    """True scores, KL and length of a version's answers to held-out requests."""
    model = load_policy(project, version, torch.device("cpu"))
    start = load_policy(project, project.policy_named("start"), torch.device("cpu"))
    sampling = place.online(project.folder).sampling
    written = write_completions(
        model, LocalSampler(model, 64), prompts, sampling, policy=version.id, seed=seed, on_progress=lambda _: None
    )
    return {
        "gold": place.true(prompts, [each.text for each in written]),
        "kl": float(np.mean(log_ratio(model, start, prompts, written))),
        "length": float(np.mean([len(each.token_ids) for each in written])),
    }


def log_of(place: Playground | Rule, project: Project, version: Model) -> list[tuple[float, float]]:
    """(KL, true score) of each step, as the training log has them; nothing for algorithms that do not log both."""
    lines = (project.folder / "runs" / str(version.run) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(row["kl"], row[place.logged]) for row in rows if "kl" in row and place.logged in row]


def one_seed(place: Playground | Rule, keep: Path, seed: int, wanted: Sequence[str], steps: int) -> None:
    """Every algorithm once, each into a file of its own; what is there already is not done again."""
    known = {path.name.removesuffix(".json") for path in (keep / str(seed)).glob("*.json")}
    scratch = Path(tempfile.mkdtemp(prefix="heedful-algorithms-"))
    try:
        folder = scratch / "project"
        folder.mkdir()
        place.prepared(folder, seed)
        project = Project.open(folder)
        prompts = project.prompts("evaluate")[:EXAMINED]
        begun = examined(place, project, project.policy_named("start"), prompts, seed)
        for name, run in {"start": None, **ways(place, folder, seed, steps)}.items():
            if name in known or (wanted and name not in wanted and name != "start"):
                continue
            if name in DEMONSTRATED:
                taught(folder, seed)
            row: Row = {**begun, "seconds": 0.0, "log": []}
            if run is not None:
                began = time.process_time()
                version = run()
                row = {"seconds": time.process_time() - began, "log": log_of(place, project, version)}
                row |= examined(place, project, version, prompts, seed)
            gains = np.subtract(row.pop("gold"), begun["gold"])
            row |= {"gain": float(gains.mean()), "gain_se": float(gains.std(ddof=1) / len(gains) ** 0.5)}
            write_json(keep / str(seed) / f"{name}.json", row)
            print(f"seed {seed}, {name}: {json.dumps({k: v for k, v in row.items() if k != 'log'})}", flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def smoothed(log: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    """(KL, gain in true score over the first step), means over `WINDOW` steps; where the window is whole."""
    values = np.array(log, dtype=float)
    means = np.apply_along_axis(lambda column: np.convolve(column, np.ones(WINDOW) / WINDOW, "valid"), 0, values)
    return means[:, 0], means[:, 1] - values[0, 1]


def gain_at_kl(log: Sequence[Sequence[float]]) -> float:
    """The gain where the KL first passes `AT_KL`; NaN where it never does."""
    kl, gain = smoothed(log)
    passed = np.flatnonzero(kl >= AT_KL)
    if not len(passed) or passed[0] == 0:
        return float("nan")
    at = passed[0]
    return float(np.interp(AT_KL, kl[at - 1 : at + 1], gain[at - 1 : at + 1]))


def gain_after(log: Sequence[Sequence[float]], seconds: float, budget: float) -> float:
    """The gain after so many of a run's CPU seconds, its steps taken as equally long."""
    _, gain = smoothed(log)
    steps = min(len(log), int(len(log) * budget / seconds))
    return float(gain[max(0, steps - WINDOW)]) if steps >= WINDOW else float("nan")


def over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """(mean, half the width of its 95 % interval)."""
    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return float(np.mean(values)), float(half)


def summary(keep: Path) -> dict[str, Row]:
    """What the files of all seeds say of each algorithm."""
    runs = [{path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")} for folder in folders(keep)]
    names = [name for name in ("start", *ONLINE, *OFFLINE, *OTHERS, *DEMONSTRATED) if all(name in run for run in runs)]
    budgets = [min(run[name]["seconds"] for name in BUDGETED if name in run) for run in runs if "ppo" in run]
    rows: dict[str, Row] = {}
    for name in names:
        each = [run[name] for run in runs]
        gains = [row["gain"] for row in each]
        mean, half = over_seeds(gains)
        row = {"gains": gains, "gain": mean, "half_width": half}
        row["least_lower_bound"] = min(row["gain"] - 1.96 * row["gain_se"] for row in each)
        row |= {key: float(np.mean([one[key] for one in each])) for key in ("kl", "length", "seconds")}
        if name in ONLINE and all(one["log"] for one in each):  # mixer's completions are not its own from the start
            row["gain_at_kl"] = over_seeds([gain_at_kl(one["log"]) for one in each])
            found = zip(each, budgets, strict=False)
            row["gain_in_budget"] = over_seeds([gain_after(one["log"], one["seconds"], s) for one, s in found])
            shortest = min(len(one["log"]) for one in each)  # an alarm may have ended one earlier
            curves = np.mean([smoothed(one["log"][:shortest]) for one in each], 0)
            row["curve"] = [[round(float(value), 3) for value in point] for point in curves.T]
        rows[name] = row
    return rows


def folders(keep: Path) -> list[Path]:
    """Of the seeds, in their order."""
    return sorted((path for path in keep.iterdir() if path.is_dir()), key=lambda path: int(path.name))


def main() -> None:
    """Run what is missing, print a table, write one JSON object beside the seeds' folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="where results go as they come; a temporary folder when left out")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=[], choices=(*ONLINE, *OFFLINE, *OTHERS, *DEMONSTRATED))
    parser.add_argument("--model", help="another model instead of the playground's, improved against a function")
    parser.add_argument(
        "--prompts",
        type=Path,
        help="its prompts, as `heedful import` reads them; when left out, 400 beginnings of stories",
    )
    parser.add_argument("--function", default=f"{__file__}:ended", help="FILE.py:NAME, its reward and its true score")
    parser.add_argument("--quick", action="store_true", help="one seed, few comparisons and steps")
    given = parser.parse_args()
    torch.set_num_threads(1)
    comparisons, steps = (200, 8) if given.quick else (COMPARISONS, STEPS)
    place: Playground | Rule = Playground(comparisons)
    wanted = given.only
    if given.model:
        place, wanted, comparisons = Rule(given.model, given.prompts, given.function), given.only or BUDGETED, 0
    keep = given.keep or Path(tempfile.mkdtemp(prefix="heedful-compared-"))
    for seed in given.seeds[:1] if given.quick else given.seeds:
        (keep / str(seed)).mkdir(parents=True, exist_ok=True)
        one_seed(place, keep, seed, wanted, steps)
    rows = summary(keep)
    print("\n| algorithm | gain in true score | KL, nats | gain at 2 nats | gain in equal time | tokens | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        curves = [
            f"{row[key][0]:+.2f} ± {row[key][1]:.2f}" if key in row else "" for key in ("gain_at_kl", "gain_in_budget")
        ]
        numbers = f"{row['kl']:.1f} | {' | '.join(curves)} | {row['length']:.0f} | {row['seconds']:.0f}"
        print(f"| {name} | {row['gain']:+.2f} ± {row['half_width']:.2f} | {numbers} |")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, one thread"
    told = {"machine": machine, "seeds": [int(path.name) for path in folders(keep)], "steps": steps}
    write_json(keep / "algorithms.json", {**told, "comparisons": comparisons, "rows": rows})
    print(f"written: {keep / 'algorithms.json'}")


if __name__ == "__main__":
    main()
