from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from heedful.runs import Run
from heedful.web.remembered import Remembered
from heedful.web.runs import POINTS, SILENT_S, Seen, curves, mark_of, seen

NOW = 1_800_000_000.0


def make(folder: Path, name: str, *, metrics: Any = (), result: Any = None, age_s: float = 0.0) -> Path:
    run = Run.open(folder / "runs", name.split("-")[-1], {"seed": 1}, name=name)
    run.note(started=f"2026-05-0{name[0]}T00:00:00Z")
    lines = "".join(json.dumps(line) + "\n" for line in metrics)
    (run.folder / "metrics.jsonl").write_text(lines, encoding="utf-8")
    if result is not None:
        (run.folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    for path in run.folder.iterdir():
        os.utime(path, (NOW - age_s, NOW - age_s))
    return run.folder


def test_a_project_without_runs_or_without_a_folder_has_none(tmp_path: Path) -> None:
    assert seen(None, Remembered()) == []
    assert seen(tmp_path, Remembered()) == []
    assert mark_of(None) == mark_of(tmp_path)


def test_runs_are_finished_in_progress_or_stopped(tmp_path: Path) -> None:
    make(tmp_path, "1-reward", result={"model": "r1"}, metrics=[{"step": 0, "loss": 0.7}], age_s=9e5)
    make(tmp_path, "2-improve", metrics=[{"step": 0, "kl": 0.1}, {"step": 1, "kl": 0.2}], age_s=30)
    make(tmp_path, "3-improve", age_s=SILENT_S + 1)
    make(tmp_path, "4-improve.abandoned-17")
    found = {run.name: run for run in seen(tmp_path, Remembered(), NOW)}
    assert list(found) == ["3-improve", "2-improve", "1-reward"]
    assert [run.state for run in found.values()] == ["stopped", "running", "finished"]
    assert (found["1-reward"].result, found["1-reward"].steps) == ({"model": "r1"}, 1)
    assert found["2-improve"].silent_s == pytest.approx(30)
    assert found["2-improve"].metrics[1] == {"step": 1, "kl": 0.2}
    assert found["2-improve"].settings == {"seed": 1}


def test_a_file_is_read_again_only_when_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, memory = make(tmp_path, "1-reward", metrics=[{"step": 0, "loss": 0.7}]), Remembered()
    before = mark_of(tmp_path)
    reads = 0
    real = Run.metrics

    def counted(self: Run) -> list[dict[str, float]]:
        nonlocal reads
        reads += 1
        return real(self)

    monkeypatch.setattr(Run, "metrics", counted)
    assert [seen(tmp_path, memory, NOW)[0].steps for _ in range(3)] == [1, 1, 1]
    assert reads == 1
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 1, "loss": 0.6}\n{"step": 2, "lo')
    os.utime(folder / "metrics.jsonl", (NOW + 5, NOW + 5))
    assert mark_of(tmp_path) != before
    assert seen(tmp_path, Remembered(), NOW)[0].steps == 2


@pytest.mark.parametrize("name", ["run.json", "result.json", "metrics.jsonl"])
def test_a_file_that_cannot_be_read_counts_as_empty(tmp_path: Path, name: str) -> None:
    folder = make(tmp_path, "1-reward", metrics=[{"step": 0, "loss": 0.7}], result={"model": "r1"})
    (folder / name).write_text("{ not JSON\n", encoding="utf-8")
    assert len(seen(tmp_path, Remembered(), NOW)) == 1


def test_curves_are_those_metrics_that_are_drawn() -> None:
    metrics = [{"step": step, "loss": 1.0 / (step + 1), "time_s": 1.0} for step in range(3)]
    [plot] = curves(Seen("1-reward", "reward", "", "running", 0.0, metrics=metrics))
    assert (plot.title, list(plot.series[0].x)) == ("1-reward: loss", [0, 1, 2])
    assert curves(Seen("x", "reward", "", "running", 0.0, metrics=metrics[:1])) == []


def test_long_curves_are_means_between_the_least_and_the_greatest() -> None:
    metrics = [{"step": step, "loss": float(step % 2)} for step in range(4 * POINTS)]
    [plot] = curves(Seen("1-reward", "reward", "", "running", 0.0, metrics=metrics))
    [series] = plot.series
    assert len(series.x) == POINTS
    assert set(series.y) == {0.5}
    assert series.low is not None
    assert series.high is not None
    assert (set(series.low), set(series.high)) == ({0.0}, {1.0})
