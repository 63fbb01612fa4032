"""How a run went, for the report: its curves, and for improving runs the alarms that its monitors sounded."""

from __future__ import annotations

from dataclasses import replace

from heedful.evaluation.blocks import Block, Column, Grid, LinePlot, Series, Table
from heedful.stages.history import Past

CURVES = {
    "score": "learned score",
    "check_score": "learned score of prompts that are not trained on",
    "held_out_score": "score by other judgements",
    "gold": "true score",
    "kl": "KL, nats per completion",
    "length": "tokens per completion",
    "entropy": "entropy, nats per token",
    "repetition": "share of repeated trigrams",
    "reference_nll": "oddity to the reference, nats per token",
    "clip_fraction": "share of clipped tokens",
    "explained_variance": "variance explained by the critic",
    "sampler_gap": "sampler/trainer gap, nats per token",
}
"""Metrics drawn for every improving run, where they were logged."""

EXAMPLE_CURVES = {
    "loss": "loss",
    "accuracy": "accuracy in training",
    "reward_preferred": "implied reward of the preferred",
    "reward_margin": "implied reward, preferred less other",
    "teacher_kl": "divergence from the teacher, nats per token",
    "imitation_loss": "imitation, nats per token",
    "q_value": "Q of the written tokens",
    "v_value": "V, what a state is worth",
    "td_loss": "temporal-difference term",
    "human_reward": "reward ascribed to people's tokens",
}
"""Metrics drawn for every run that learns from examples, preferences or logs, where they were logged."""

LEAST_POINTS = 3
"""A curve of fewer points says nothing that the numbers beside it do not say."""

BAND = 1.96
"""Standard errors on each side of a curve that has some."""


def training(item: Past) -> list[Block]:
    """The curves of a run, what it wrote last, and a table of its alarms where there were any."""
    alarms = item.record.get("alarms", [])
    plots = [plot for name, label in CURVES.items() if (plot := _curve(item, name, label)) is not None]
    shown: list[Block] = [Grid(plots), *_excerpts(item)]
    if not alarms:
        return shown
    rows = [[float(alarm["step"]), alarm["monitor"].replace("_", " "), alarm["words"]] for alarm in alarms]
    columns: list[Column | str] = [Column("step", digits=0), "monitor", "what it means"]
    stopped, back = item.record.get("stopped"), item.record.get("rolled_back")
    ending = f" The run was ended at step {stopped['step']}." if stopped else " The run went on."
    ending += f" The version has the weights of step {back['step']}, the best check." if back else ""
    return [*shown, Table(columns, rows, f"Alarms of {item.name}.{ending}")]


def _excerpts(item: Past) -> list[Table]:
    """Some of what the policy wrote at the last look, with what it earned; none where a run kept nothing."""
    kept = item.record.get("excerpts", [])
    if not kept:
        return []
    numbers = [name for name in ("score", "kl", "total") if name in kept[0]]
    columns: list[Column | str] = ["prompt", "completion", *(Column(name, digits=2) for name in numbers)]
    rows = [[row["prompt"], row["completion"], *(row[name] for name in numbers)] for row in kept]
    caption = f"What {item.name} wrote at step {kept[0]['step']}; samples.jsonl in its folder has the earlier ones."
    return [Table(columns, rows, caption)]


def example_curves(item: Past) -> list[LinePlot]:
    """The curves of a run that learnt from examples, preferences or logs; none for one of very few steps."""
    if len(item.metrics) < LEAST_POINTS:
        return []
    plots = [_curve(item, name, label) for name, label in EXAMPLE_CURVES.items()]
    return [replace(plot, title=plot.y_label) for plot in plots if plot is not None]


def _curve(item: Past, name: str, label: str) -> LinePlot | None:
    lines = [line for line in item.metrics if name in line]
    if not lines:
        return None
    x, y = [float(line["step"]) for line in lines], [line[name] for line in lines]
    errors = [BAND * line.get(f"{name}_se", 0.0) for line in lines]
    low = [value - error for value, error in zip(y, errors, strict=True)] if any(errors) else None
    high = [value + error for value, error in zip(y, errors, strict=True)] if any(errors) else None
    caption = "95 % interval over completions." if any(errors) else ""
    return LinePlot(f"{item.name}: {label}", [Series(label, x, y, low, high)], "step", label, caption)
