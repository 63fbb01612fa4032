"""The runs of a project as their folders tell of them: what is in progress, what came out, how the curves went."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from heedful.evaluation.blocks import LinePlot, Series
from heedful.runs import Run
from heedful.web.remembered import Remembered

SILENT_S = 900.0
"""An unfinished run that has written nothing for so long is taken for stopped."""

POINTS = 60
"""A curve with more steps than this is drawn as the mean of neighbouring ones, between their least and greatest."""

CURVES: Mapping[str, str] = {
    "score": "learned score",
    "gold": "true score",
    "kl": "KL from the start, nats",
    "loss": "loss",
    "accuracy": "accuracy in training",
    "length": "tokens per completion",
    "entropy": "entropy, nats per token",
}
"""The metrics that are drawn, where a run has them."""

FILES = ("run.json", "metrics.jsonl", "result.json")


@dataclass(frozen=True, slots=True)
class Seen:
    """One run."""

    name: str
    stage: str
    started: str
    """UTC, ISO 8601."""
    state: Literal["finished", "running", "stopped"]
    silent_s: float
    """Seconds since its last sign of life."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    snapshots: Sequence[str] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    metrics: Sequence[Mapping[str, float]] = ()

    @property
    def steps(self) -> int:
        """How many steps it has logged."""
        return len(self.metrics)


def seen(folder: Path | None, memory: Remembered, now: float | None = None) -> list[Seen]:
    """The runs of the project in `folder`, the newest first; those put aside are left out."""
    moment = time.time() if now is None else now
    found = [
        (path.parent, marks)
        for path in _records(folder)
        if ".abandoned-" not in path.parent.name and any(marks := _marks(path.parent))
    ]
    runs = []
    for where, marks in found:
        record, metrics, result = memory.of(f"run {where}", marks, "", lambda where=where: _read(where))  # type: ignore[misc]  # mypy infers no type for the default
        silent_s = max(0.0, moment - max(marks))
        state: Literal["finished", "running", "stopped"] = (
            "finished" if result is not None else "running" if silent_s < SILENT_S else "stopped"
        )
        runs.append(
            Seen(
                name=where.name,
                stage=str(record.get("stage", "")),
                started=str(record.get("started", "")),
                state=state,
                silent_s=silent_s,
                settings=record.get("settings", {}),
                inputs=record.get("inputs", {}),
                snapshots=record.get("snapshots", ()),
                result=result or {},
                metrics=metrics,
            )
        )
    return sorted(runs, key=lambda run: (run.started, run.name), reverse=True)


def mark_of(folder: Path | None) -> str:
    """A word that changes when a run writes something."""
    return str(max((mark for path in _records(folder) for mark in _marks(path.parent)), default=0.0))


def curves(run: Seen) -> list[LinePlot]:
    """The metrics of a run over its steps."""
    plots = []
    for name, label in CURVES.items():
        points = [(float(line["step"]), float(line[name])) for line in run.metrics if name in line and "step" in line]
        if len(points) > 1:
            plots.append(LinePlot(f"{run.name}: {label}", [_series(label, points)], "step", label))
    return plots


def _series(label: str, points: Sequence[tuple[float, float]]) -> Series:
    size = -(-len(points) // POINTS)
    if size == 1:
        return Series(label, [x for x, _ in points], [y for _, y in points])
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    means = [sum(y for _, y in part) / len(part) for part in parts]
    return Series(
        f"{label}, mean of {size} steps and their range",
        [part[len(part) // 2][0] for part in parts],
        means,
        [min(y for _, y in part) for part in parts],
        [max(y for _, y in part) for part in parts],
    )


def _records(folder: Path | None) -> list[Path]:
    return sorted((folder / "runs").glob("*/run.json")) if folder is not None else []


def _marks(where: Path) -> tuple[float, ...]:
    """When each of a run's files was last written; 0 for one that is not there."""
    marks = []
    for name in FILES:
        try:
            marks.append((where / name).stat().st_mtime)
        except OSError:
            marks.append(0.0)
    return tuple(marks)


def _read(where: Path) -> tuple[dict[str, Any], list[dict[str, float]], dict[str, Any] | None]:
    """(record, metrics, result or None); a file that cannot be read counts as empty."""
    record = _json(where / "run.json") or {}
    try:
        metrics = Run(where, record).metrics()
    except (OSError, ValueError):
        metrics = []
    return record, metrics, _json(where / "result.json")


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
