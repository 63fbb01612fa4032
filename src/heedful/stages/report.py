"""`heedful report`: what happened, as one self-contained page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heedful.errors import Problem
from heedful.evaluation.blocks import (
    Answer,
    Block,
    Cell,
    Column,
    DotPlot,
    Facts,
    Grid,
    Item,
    LinePlot,
    Report,
    Samples,
    Section,
    Series,
    Table,
    Text,
    Tone,
)
from heedful.evaluation.intervals import Interval
from heedful.evaluation.learning_curve import drawn
from heedful.evaluation.report import render
from heedful.feedback import lineage
from heedful.files import write_text
from heedful.records import Model
from heedful.stages.console import say
from heedful.stages.history import Past, closing_rows, finished_runs, interval
from heedful.stages.outcomes import SENTENCES, costs, outcome
from heedful.stages.project import Project
from heedful.stages.training_curves import training
from heedful.stages.trust import doubted

SCORES = (("gold", "true score"), ("learned", "learned score"))
DISTANCE = "sqrt(KL) from the start"

HACKED = (
    "What happened: the reward model was learned from few judgements, so it is right about answers like those that "
    "people compared, and a guess elsewhere. Hardly held back, the policy went where the guess is highest, and wrote "
    "what no one had judged. The learned score rose; people, who were asked again, like it less.\n\n"
    "What helps: a larger KL coefficient, a lower learning rate or fewer steps; more judgements, above all of what the "
    "newest version writes; and people who rate every version and whose votes are never trained on."
)


@dataclass(frozen=True)
class Config:
    """Write the project's story so far as one page: ratings, scores, curves, samples, provenance."""

    project: Path
    """The project's folder."""
    file: Path = Path("report.html")
    """Where to write, relative to the project's folder."""


def run(config: Config) -> Path:
    """Write the report and return its path.

    Raises:
        Problem: no run has finished yet.
    """
    project = Project.open(config.project)
    past = finished_runs(project)
    if not past:
        raise Problem("nothing has happened yet", where=str(config.project), mend="run `heedful iterate` or a stage")
    path = project.folder / config.file
    write_text(path, render(compose(project, past)))
    say(f"The report is {path}.")
    return path


def compose(project: Project, past: Sequence[Past]) -> Report:
    """The page, from what the runs recorded."""
    evaluations = [item for item in past if item.stage == "evaluate"]
    rewards = [item for item in past if item.stage == "reward"]
    sections = []
    if evaluations:
        sections.append(_versions(project, evaluations, rewards))
        sections.append(_scores(evaluations, [item for item in past if item.stage == "improve"]))
    improving = [item for item in past if item.stage == "improve"]
    if improving:
        blocks = [block for item in improving for block in (*training(item), *costs(item))]
        sections.append(Section("Training curves", blocks))
    learnt = [block for item in past for block in outcome(project, item)]
    if learnt:
        sections.append(Section("Learning from examples, preferences and logs", learnt))
    sections.append(
        Section("Doubted labels", [block for item in past if item.stage == "audit" for block in doubted(item)])
    )
    if rewards:
        sections.append(_rewards(rewards))
    if evaluations and evaluations[-1].result["samples"]:
        sections.append(Section("Samples side by side", _samples(evaluations[-1])))
    others = [item for item in past if item.stage not in (*SENTENCES, "improve")]
    sections.append(Section("What the other runs cost", [block for item in others for block in costs(item)]))
    sections.append(_provenance(project, past))
    tone, summary = _summary(project, evaluations)
    return Report(
        title=f"heedful: {project.folder.resolve().name}",
        subtitle=f"{len(past)} finished runs, {len(project.store.judgements()):,} judgements",
        summary=summary,
        sections=[section for section in sections if section.blocks],
        tone=tone,
    )


def _summary(project: Project, evaluations: Sequence[Past]) -> tuple[Tone, list[str]]:
    """The verdict first, then how it came about."""
    if not evaluations:
        return "neutral", ["No version has been rated yet."]
    hacked = [item for item in evaluations if item.result["verdict"].get("hacked")]
    sentences = []
    if hacked:
        sentences.append(f"Reward hacking: {hacked[-1].result['verdict']['text']}")
    current, start = project.current_policy().id, project.policy_named("start").id
    if current == start:
        sentences.append(f"No new version was promoted; {start} stays the current version.")
    for item in reversed(evaluations):
        duel, *_, decision = item.result["sentences"]
        sentences += [duel, decision]
    tone: Tone = "bad" if hacked else "good" if current != start else "warning"
    return tone, sentences


def _versions(project: Project, evaluations: Sequence[Past], rewards: Sequence[Past]) -> Section:
    columns: list[Column | str] = [
        "version",
        Column("wins against the start", percent=True, digits=1),
        Column("the same at equal length", percent=True, digits=1),
        Column("Elo", digits=0),
        Column("KL", digits=2, explanation="nats per completion from the start"),
        Column("reward model's accuracy", percent=True, digits=1, explanation="on held-out comparisons"),
        Column("always the longer", percent=True, digits=1, explanation="accuracy of preferring the longer completion"),
        Column("tokens", digits=1, explanation="mean length of a completion"),
        "status",
    ]
    table = Table(columns, closing_rows(project, evaluations, rewards), "Versions, with 95 % intervals")
    league = [
        Item(row["version"], Interval(row["elo"], row["low"], row["high"]), row["note"])
        for row in evaluations[-1].result["league"]
    ]
    start = project.policy_named("start").id
    blocks: list[Block] = [table, DotPlot("The league", league, "Elo", reference=1000.0, digits=0)]
    splits = _by_split(evaluations, start)
    if splits:
        blocks.append(
            DotPlot("Wins against the start, by kind of prompt", splits, "win rate", reference=0.5, percent=True)
        )
    said = "\n\n".join(" ".join(item.result["sentences"]) for item in evaluations)
    return Section("Versions", [*blocks, Text(said)])


def _by_split(evaluations: Sequence[Past], start: str) -> list[Item]:
    items = []
    for item in evaluations:
        duel = item.result["duels"].get(start)
        for split, rate in (duel["by_split"] if duel else {}).items():
            label = f"{item.result['version']}, {split.replace('_', ' ')}"
            items.append(Item(label, Interval(rate["rate"], rate["low"], rate["high"])))
    return items


def _scores(evaluations: Sequence[Past], improving: Sequence[Past]) -> Section:
    """True and learned score against sqrt(KL), where a true score is known: of versions, and along their training."""
    plots = [_rated_scores(item) for item in evaluations if item.result["points"]]
    plots += [_scores_in_training(item) for item in improving if any("gold" in line for line in item.metrics)]
    if not plots:
        return Section("", [])
    verdicts = [item.result["verdict"] for item in evaluations if item.result["verdict"].get("text")]
    texts = [Text(verdicts[-1]["text"])] if verdicts else []
    if any(verdict.get("hacked") for verdict in verdicts):
        texts.append(Text(HACKED))
    return Section("Do people's wishes and the learned score agree?", [*texts, Grid(plots)])


def _rated_scores(item: Past) -> LinePlot:
    """Changes of both scores since the start, on held-out prompts, with error bars."""
    points = item.result["points"]
    x = [max(point["kl"], 0.0) ** 0.5 for point in points]
    order = sorted(range(len(x)), key=lambda index: x[index])
    series = []
    for name, label in SCORES:
        y = [points[i][name] - points[0][name] for i in order]
        half = [1.96 * points[i][f"{name}_error"] for i in order]
        low = [value - h for value, h in zip(y, half, strict=True)]
        high = [value + h for value, h in zip(y, half, strict=True)]
        series.append(Series(label, [x[i] for i in order], y, low, high))
    names = ", ".join(points[i]["label"] for i in order)
    caption = f"Held-out prompts. From left to right: {names}. The units differ; the direction is what counts."
    return LinePlot(f"Rating of {item.result['version']}", series, DISTANCE, "change since the start", caption)


def _scores_in_training(item: Past) -> LinePlot:
    """The same along the steps of reinforcement learning, on training prompts."""
    steps = [line for line in item.metrics if "gold" in line]
    x = [max(line["kl"], 0.0) ** 0.5 for line in steps]
    names = [(metric, label) for metric, (_, label) in zip(("gold", "score"), SCORES, strict=True)]
    series = [
        Series(label, x, [line[metric] - steps[0][metric] for line in steps], joined=False) for metric, label in names
    ]
    return LinePlot(f"{item.name}, step by step", series, DISTANCE, "change since the first step")


def _rewards(rewards: Sequence[Past]) -> Section:
    accuracies = []
    for item in rewards:
        for name, label in (("accuracy", "reward model"), ("length_baseline", "always the longer")):
            value = item.result["accuracy"][name]
            if value:
                accuracies.append(Item(f"{item.result['model']}, {label}", interval(value)))
    plots: list[LinePlot | DotPlot] = []
    if accuracies:
        plots.append(DotPlot("Accuracy on held-out answers", accuracies, "accuracy", reference=0.5, percent=True))
    plots += [_calibration(item) for item in rewards if "calibration" in item.result][-1:]
    curves = [(item.result.get("learning_curve"), item.result["model"]) for item in rewards]
    plots += [drawn(curve, model) for curve, model in curves if curve][-1:]
    return Section("Reward models", [Grid(plots)])


def _calibration(item: Past) -> LinePlot:
    """How sure a reward model of pairs is, and how often it is right."""
    newest = item.result["calibration"]
    bins = newest["bins"]
    reliability = Series(
        "held-out comparisons",
        [part["predicted"] for part in bins],
        [part["observed"]["value"] for part in bins],
        [part["observed"]["low"] for part in bins],
        [part["observed"]["high"] for part in bins],
    )
    diagonal = Series("perfectly calibrated", [0.5, 1.0], [0.5, 1.0], reference=True)
    return LinePlot(
        f"Calibration of {item.result['model']}",
        [reliability, diagonal],
        "confidence of the reward model",
        "share of votes that agree",
        f"Expected calibration error {newest['ece']:.3f}; by chance alone {newest['ece_by_chance']:.3f}.",
        x_range=(0.5, 1.0),
        y_range=(0.0, 1.0),
    )


def _samples(evaluation: Past) -> list[Block]:
    blocks: list[Block] = []
    for sample in evaluation.result["samples"]:
        answers = []
        for completion in sample["completions"]:
            named = {"true score": completion["gold"], "learned score": completion["learned"]}
            scores = {name: value for name, value in named.items() if value is not None}
            answers.append(Answer(completion["version"], completion["text"], scores))
        blocks.append(Samples(sample["prompt"], answers))
    return blocks


def _provenance(project: Project, past: Sequence[Past]) -> Section:
    """Which judgements stand behind each model, and with what settings each run was made."""
    columns = ["model", "made by", "from", "against", "judgements behind it"]
    rows: list[list[Cell]] = [
        [model.id, model.run or "given", model.parent or "-", model.reward or "-", _behind(project, model)]
        for model in project.store.models()
    ]
    blocks: list[Block] = [Table(columns, rows, "Where every model comes from")]
    newest = past[-1].record
    facts = {**newest["versions"], "git revision": newest["git"][:12], "threads": newest.get("threads")}
    blocks.append(Facts(facts, "Made with"))
    for item in past:
        settings = {key: _short(value) for key, value in item.record["settings"].items()}
        blocks.append(Facts(settings, f"Settings of {item.name}"))
    return Section("Provenance and settings", blocks)


def _behind(project: Project, model: Model) -> int:
    return len(lineage.judgements_behind(project.store, model.id))


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
