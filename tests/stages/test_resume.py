"""Killed with SIGKILL in the middle and started again: the same metrics and weights, bit for bit."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.stages.test_doubts import settings

from heedful.language.trained_weights import FROZEN
from heedful.language.tuning import Tuning
from heedful.stages import improve

Heedful = Callable[..., subprocess.CompletedProcess[str]]
KilledWhen = Callable[..., None]


def lines(folder: Path, run: str) -> int:
    """How many steps a run has logged."""
    path = folder / "runs" / run / "metrics.jsonl"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0


MEASURED = {"seconds", "peak_bytes", "money"}
"""What a run costs on the clock, which no two runs agree on."""


def without(value: Any, names: set[str]) -> Any:
    """JSON without the keys `names`, at any depth."""
    if isinstance(value, dict):
        return {key: without(item, names) for key, item in value.items() if key not in names}
    return value


def outcome(folder: Path, unlike: set[str] = MEASURED) -> dict[str, Any]:
    """Metrics without times, results without what is `unlike` from run to run, and a hash of every weight."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "runs").glob("*/metrics.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found[f"{path.parent.name}/metrics"] = [{k: v for k, v in row.items() if k != "time_s"} for row in rows]
    for path in sorted((folder / "runs").glob("*/result.json")):
        found[f"{path.parent.name}/result"] = without(json.loads(path.read_text(encoding="utf-8")), unlike)
    for path in sorted(folder.glob("*/*/*.safetensors")):
        found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture
def judged(make_project: Callable[[str], Path]) -> Callable[[str], Path]:
    """A project in which the tiny model's completions have been compared by the reward function."""

    def make(name: str) -> Path:
        from heedful.settings import load
        from heedful.stages import collect, judge

        folder = make_project(name)
        collect.run(load(collect.Config, folder / "heedful.toml", "collect", project=folder, threads=1))
        judge.run(judge.Config(folder, by=f"{folder.parent / 'rewards.py'}:score"))
        return folder

    return make


def test_reward(judged: Callable[[str], Path], heedful: Heedful, killed_when: KilledWhen) -> None:
    whole, broken = judged("whole"), judged("broken")
    heedful("reward", whole, "--threads", 1)
    run = "0002-reward"
    killed_when(lambda: lines(broken, run) >= 1, "reward", broken, "--threads", 1)
    killed_when(lambda: lines(broken, run) >= 3, "reward", broken, "--threads", 1)
    heedful("reward", broken, "--threads", 1)
    assert outcome(broken) == outcome(whole)
    assert len([name for name in outcome(whole) if name.startswith("rewards/")]) == 2


@pytest.mark.parametrize("algorithm", ["ppo", "rloo"])
def test_improve(
    algorithm: str, make_project: Callable[[str], Path], heedful: Heedful, killed_when: KilledWhen
) -> None:
    whole, broken = make_project("whole"), make_project("broken")
    options = ["--reward-function", f"{whole.parent / 'rewards.py'}:score", "--algorithm", algorithm, "--threads", 1]
    options += ["--leash.target", "2.0", "--leash.horizon", "100"]
    heedful("improve", whole, *options)
    run = "0001-improve"
    killed_when(lambda: lines(broken, run) >= 1, "improve", broken, *options)
    killed_when(lambda: lines(broken, run) >= 5, "improve", broken, *options)
    heedful("improve", broken, *options)
    found = outcome(whole)
    assert outcome(broken) == found
    coefficients = [row["kl_coefficient"] for row in found[f"{run}/metrics"]]
    assert len(set(coefficients)) == len(coefficients), "the adaptive coefficient must move for this to mean anything"


def test_improve_with_adapters(make_project: Callable[[str], Path], killed_when: KilledWhen) -> None:
    """A checkpoint holds the adapters alone; they go on upon the frozen weights of the version they began from."""
    whole, broken = make_project("whole"), make_project("broken")
    function, run = f"{whole.parent / 'rewards.py'}:score", "0001-improve"
    lora = Tuning(mode="lora", rank=2)

    def config(folder: Path) -> Any:
        return settings(improve.Config, folder, reward_function=function, tuning=lora, learning_rate=1e-2)

    improve.run(config(whole))
    options = ["--reward-function", function, "--tuning.mode", "lora", "--tuning.rank", 2, "--learning-rate", 1e-2]
    killed_when(lambda: lines(broken, run) >= 3, "improve", broken, *options, "--threads", 1)
    steps = [path.name for path in sorted((broken / "runs" / run / "checkpoints").iterdir())]
    assert steps[0] == "step-000002"
    held = torch.load(broken / "runs" / run / "checkpoints" / steps[0] / "policy.pt", weights_only=True)
    assert all("lora" in name or name == FROZEN for name in held)
    improve.run(config(broken))
    found = outcome(whole)
    assert outcome(broken) == found
    before, after = (found[f"policies/{version}/model.safetensors"] for version in ("v0", "v1"))
    assert before != after


def test_iterate_with_judgements(
    make_project: Callable[[str], Path], heedful: Heedful, killed_when: KilledWhen
) -> None:
    """Killed while collecting, learning, improving, and evaluating."""
    whole, broken = make_project("whole"), make_project("broken")
    options = ["--rounds", 2, "--judges", f"{whole.parent / 'rewards.py'}:score", "--threads", 1]
    heedful("iterate", whole, *options)
    runs = broken / "runs"
    killed_when(lambda: (runs / "round-1-collect" / "run.json").is_file(), "iterate", broken, *options)
    killed_when(lambda: lines(broken, "round-1-reward") >= 3, "iterate", broken, *options)
    killed_when(lambda: lines(broken, "round-1-improve") >= 4, "iterate", broken, *options)
    killed_when(lambda: (runs / "round-1-evaluate" / "run.json").is_file(), "iterate", broken, *options)
    killed_when(lambda: lines(broken, "round-2-improve") >= 3, "iterate", broken, *options)
    heedful("iterate", broken, *options)
    assert outcome(broken) == outcome(whole)
    names = set(outcome(whole))
    assert {
        f"round-{n}-{stage}/result" for n in (1, 2) for stage in ("collect", "reward", "improve", "evaluate")
    } <= names


def test_a_finished_iterate_repeats_nothing(make_project: Callable[[str], Path], heedful: Heedful) -> None:
    folder = make_project("project")
    options = ["--rounds", 1, "--reward-function", f"{folder.parent / 'rewards.py'}:score", "--threads", 1]
    heedful("iterate", folder, *options)
    before = outcome(folder)
    heedful("iterate", folder, *options)
    assert outcome(folder) == before
