"""Killed with SIGKILL in the middle and started again: the same metrics and weights, bit for bit."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.stages.test_demonstrated import demonstrate
from tests.stages.test_doubts import settings

from heedful.language.trained_weights import FROZEN
from heedful.language.tuning import Tuning
from heedful.runs import Run
from heedful.stages import evaluate, import_, improve, init, pretrain, sft
from heedful.stages.imitating import Imitation
from heedful.stages.project import Project

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


SHORT = Imitation(epochs=16.0, batch=8, checkpoint_every=2)
SHORT_OPTIONS = ("--imitation.epochs", 16, "--imitation.batch", 8, "--imitation.checkpoint-every", 2, "--threads", 1)


def stopped_before_it_is_finished(monkeypatch: pytest.MonkeyPatch, stage: Callable[[], object]) -> None:
    """Run a stage that is stopped when all is written but its result."""
    real = Run.finish

    def stop(self: Run, found: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "finish", stop)
    with pytest.raises(KeyboardInterrupt):
        stage()
    monkeypatch.setattr(Run, "finish", real)


def test_pretrain(tmp_path: Path, tiny_model: Path, killed_when: KilledWhen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle of training, then stopped when its version was written already."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(f'{{"text": "{a} {b} n"}}\n' for a in "abcdefgh" for b in "ijklm"), encoding="utf-8")
    for folder in (whole, broken):
        init.run(init.Config(folder))
        import_.run(import_.Config(folder, texts))
    shape = pretrain.Shape(hidden_size=16, intermediate_size=32, layers=1, heads=2, context_tokens=48)

    def go(folder: Path) -> None:
        pretrain.run(pretrain.Config(folder, tokenizer=str(tiny_model), shape=shape, imitation=SHORT, threads=1))

    go(whole)
    options = ["--tokenizer", tiny_model, "--shape.hidden-size", 16, "--shape.intermediate-size", 32]
    options += ["--shape.layers", 1, "--shape.heads", 2, "--shape.context-tokens", 48, *SHORT_OPTIONS]
    killed_when(lambda: lines(broken, "0001-pretrain") >= 5, "pretrain", broken, *options)
    assert list((broken / "runs" / "0001-pretrain" / "checkpoints").glob("step-*"))
    stopped_before_it_is_finished(monkeypatch, lambda: go(broken))
    go(broken)
    found = outcome(whole)
    assert outcome(broken) == found
    assert {"0001-pretrain/metrics", "0001-pretrain/result", "policies/v0/model.safetensors"} <= found.keys()
    assert len(found["0001-pretrain/metrics"]) == 78, "sixteen passes over 39 texts, eight a step"


def test_sft(make_project: Callable[[str], Path], killed_when: KilledWhen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle of training, then stopped when its version was written already."""
    whole, broken = make_project("whole"), make_project("broken")
    for folder in (whole, broken):
        demonstrate(folder, "e s e", "e e")

    def go(folder: Path) -> None:
        sft.run(sft.Config(folder, imitation=replace(SHORT, learning_rate=3e-4), threads=1))

    go(whole)
    killed_when(lambda: lines(broken, "0001-sft") >= 5, "sft", broken, *SHORT_OPTIONS)
    assert list((broken / "runs" / "0001-sft" / "checkpoints").glob("step-*"))
    stopped_before_it_is_finished(monkeypatch, lambda: go(broken))
    go(broken)
    found = outcome(whole)
    assert outcome(broken) == found
    assert found["policies/v0/model.safetensors"] != found["policies/v1/model.safetensors"]


HALTING = """
import time
from pathlib import Path

HERE = Path(__file__).parent

def score(prompts, completions):
    if (HERE / "halt").exists():
        calls = int((HERE / "halt").read_text()) - 1
        (HERE / "halt").write_text(str(calls))
        if calls <= 0:
            (HERE / "halted").touch()
            time.sleep(600)
    return [float(text.count("e")) for text in completions]
"""
"""A reward function that never comes back from the call whose number stands in a file beside it."""


def test_evaluate(make_project: Callable[[str], Path], killed_when: KilledWhen) -> None:
    """Killed while it is judged, with all questions posed, and while it is scored, with all judgements given."""
    whole, broken = make_project("whole"), make_project("broken")
    path = whole.parent / "halting.py"
    path.write_text(HALTING, encoding="utf-8")
    function = f"{path}:score"
    for folder in (whole, broken):
        improve.run(settings(improve.Config, folder, reward_function=function, steps=2, check_every=0))
    evaluate.run(settings(evaluate.Config, whole, judges=function))
    store = Project.open(broken).store
    run = broken / "runs" / "0002-evaluate"
    for call, judged in ((1, False), (3, True)):
        (path.parent / "halt").write_text(str(call), encoding="utf-8")
        (path.parent / "halted").unlink(missing_ok=True)
        killed_when((path.parent / "halted").exists, "evaluate", broken, "--judges", function, "--threads", 1)
        assert (run / "run.json").is_file()
        assert not (run / "result.json").exists()
        assert store.questions("evaluate-v1")
        assert bool(store.judgements("evaluate-v1")) is judged
    (path.parent / "halt").unlink()
    evaluate.run(settings(evaluate.Config, broken, judges=function))
    assert outcome(broken) == outcome(whole)
    answered = [
        [(judgement.id, judgement.answer) for judgement in Project.open(folder).store.judgements("evaluate-v1")]
        for folder in (whole, broken)
    ]
    assert answered[0] == answered[1]


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
