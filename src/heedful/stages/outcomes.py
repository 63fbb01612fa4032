"""How a run came out that learnt from examples, preferences, logs or its own feedback, for the report.

A sentence says what was trained on what; held-out numbers stand beside the baseline that they have to beat.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from heedful.evaluation.axes import shortened
from heedful.evaluation.blocks import Answer as Written
from heedful.evaluation.blocks import Block, Column, DotPlot, Grid, Item, LinePlot, Plot, Samples, Series, Table, Text
from heedful.evaluation.intervals import Interval
from heedful.feedback import lineage
from heedful.stages.history import Past, interval
from heedful.stages.project import Project
from heedful.stages.training_curves import example_curves

LONGEST = 160
"""Characters of a distilled context that are shown."""

COSTS: Mapping[str, tuple[str, float, int]] = {
    "reward_calls": ("reward calls", 1, 0),
    "cached": ("known scores", 1, 0),
    "tokens_scored": ("tokens scored", 1, 0),
    "tokens_written": ("tokens written", 1, 0),
    "tokens_trained": ("tokens trained", 1, 0),
    "seconds": ("seconds", 1, 1),
    "peak_bytes": ("peak memory, MiB", 2**20, 0),
}
"""What a ledger adds up -> (a column's name, what its numbers are divided by, decimal places)."""


def outcome(project: Project, item: Past) -> list[Block]:
    """What was trained on what, how it came out, its curves and what it cost; nothing for other stages."""
    if item.stage not in SENTENCES:
        return []
    blocks: list[Block] = [Text(SENTENCES[item.stage](project, item), item.name)]
    held_out = _held_out(item)
    blocks += [plot for plot in held_out if isinstance(plot, DotPlot)]  # wide: their intervals are written out there
    curves = [plot for plot in held_out if not isinstance(plot, DotPlot)] + example_curves(item)
    if curves:
        blocks.append(Grid(curves))
    if item.stage == "self-feedback":
        blocks += _self_feedback(item)
    return [*blocks, *costs(item)]


def costs(item: Past) -> list[Block]:
    """What a run cost, by entry of its ledger; columns in which nothing was booked are left out."""
    booked = {name: entry for name, entry in item.result.get("costs", {}).items() if isinstance(entry, Mapping)}
    used = [key for key in COSTS if any(entry.get(key) for entry in booked.values())]
    if not used:
        return []
    columns: list[Column | str] = [""]
    columns += [Column(COSTS[key][0], digits=COSTS[key][2]) for key in used]
    order = sorted(booked, key=lambda name: name == "total")  # the total last, the others as they were booked
    rows = [[name, *((booked[name].get(key) or math.nan) / COSTS[key][1] for key in used)] for name in order]
    money = item.result["costs"].get("money")
    caption = f"What it cost: {item.name}." + (f" In money: {money:,.2f}." if money is not None else "")
    return [Table(columns, rows, caption, [order.index("total")] if "total" in order else ())]


# What was trained on what


def _sft(project: Project, item: Past) -> str:
    facts = item.record["inputs"]
    learn, became = item.record["settings"].get("learn", "demonstrations"), _became(project, facts["version"])
    if learn == "ghost":
        held = item.result["examples"]
        return f"{facts['policy']} learned to keep to an instruction over {held:,} of its own conversations{became}"
    return f"{facts['policy']} was fine-tuned on {_answers(project, item):,} {learn}{became}"


def _prefer(project: Project, item: Past) -> str:
    facts, result, settings = item.record["inputs"], item.result, item.record["settings"]
    learnt = (
        f"{result['pairs']:,} comparisons with {result['votes']:,.0f} votes"
        if "pairs" in result
        else f"{result['labels']:,.0f} labels"
    )
    begin, against = facts["policy"], facts["reference"]
    near = "" if settings["method"] in ("simpo", "orpo", "slic") else f", held near {against}"
    whose = {"models": "models' ", "both": ""}.get(settings["voices"], "people's ")
    said = f"{begin} learned {whose}preferences by {settings['method'].upper()} from {learnt}{near}"
    return said + _became(project, facts["version"])


def _offline(project: Project, item: Past) -> str:
    facts, result, method = item.record["inputs"], item.result, item.record["settings"]["method"]
    became = _became(project, facts["version"])
    if method == "irl":
        shown = _answers(project, item)
        return f"{facts['policy']} learned from {shown:,} demonstrations by inverse reinforcement learning{became}"
    name = {"ilql": "ILQL", "weighted": "reward-weighted imitation", "bandit": "importance weights"}[method]
    measured = "Nothing of the log was held out; a rating (heedful evaluate) says what it was worth."
    if method == "bandit":
        value = result["value"]
        measured = (
            f"The effective sample size is {value['effective']:.1f} of {value['held_out']:,} held-out completions."
        )
    return (
        f"{facts['policy']} learned from {result['completions']:,} logged completions by {name}{became} The reward is "
        f"{result['reward']}: mean {result['mean']:.2f}, standard deviation {result['deviation']:.2f}. {measured}"
    )


def _distil(project: Project, item: Past) -> str:
    facts = item.record["inputs"]
    context = f" with this context: “{shortened(facts['context'].strip(), LONGEST)}”" if facts["context"] else ""
    became = _became(project, facts["version"])
    return f"{facts['policy']} learned to write by itself what {facts['teacher']} writes{context}{became}"


def _reject(project: Project, item: Past) -> str:
    facts, result = item.record["inputs"], item.result
    return (
        f"{facts['policy']} imitated {result['winners']:,} winners among its completions, "
        f"{result['from_earlier_rounds']:,} of them from earlier rounds, chosen by {facts['reward']}"
        f"{_became(project, facts['version'])}"
    )


def _feedback(_project: Project, item: Past) -> str:
    result = item.result
    if result["mode"] == "reward":
        made = ", ".join(result["versions"])
        return f"{result['policy']} judged what it wrote and learned from that; it became {made}."
    return (
        f"{result['policy']} revised {result['drafts']:,} drafts by rules; {result['pairs']:,} pairs are filed as "
        f"{result['campaign']}. {result['unchanged']:,} drafts were not changed, {result['empty']:,} revisions were "
        f"empty, {result['overlong']:,} drafts did not fit into the model's context."
    )


LEARNT = {"critiques": "critiques", "ghost": "conversations"}
"""Setting `learn` of `heedful sft` -> what it learnt from, where that is not demonstrations."""

SENTENCES: dict[str, Callable[[Project, Past], str]] = {
    "sft": _sft,
    "prefer": _prefer,
    "offline": _offline,
    "distil": _distil,
    "reject": _reject,
    "self-feedback": _feedback,
}
"""Stage -> what its run did, in words."""


def _became(project: Project, version: str) -> str:
    """`. It became v2, a candidate.`"""
    status = {model.id: model.status for model in project.store.models("policy")}.get(version)
    shown = {"candidate": ", a candidate", "rejected": ", which was rejected", "promoted": ""}.get(status or "", "")
    return f". It became {version}{shown}."


def _answers(project: Project, item: Past) -> int:
    """How many answers the run learned from, as its snapshot has them; those of its parent's runs do not count."""
    return len(lineage.snapshot_of(project.store, item.record["snapshots"][0]).judgement_ids)


# How it came out


def _held_out(item: Past) -> list[Plot]:
    result, facts = item.result, item.record["inputs"]
    plots: list[Plot] = []
    if isinstance(result.get("before"), Sequence) and "after" in result:
        what, label = {
            "distil": ("prompts kept for evaluation", "divergence from the teacher, nats per token"),
        }.get(
            item.stage,
            (f"held-out {LEARNT.get(item.record['settings'].get('learn'), 'demonstrations')}", "nats per token"),
        )
        both = ((facts["policy"], result["before"]), (facts["version"], result["after"]))
        items = [Item(name, Interval(*values)) for name, values in both]
        plots.append(DotPlot(what, items, label, "Lower is better.", digits=3))
    if "value" in result and item.stage == "offline":
        worth = (("the log", "logged"), (facts["policy"], "before"), (facts["version"], "after"))
        items = [Item(name, Interval(*result["value"][key])) for name, key in worth]
        plots.append(DotPlot("held-out log", items, "reward", "What was earned, and what versions would have earned."))
    if item.stage == "prefer":
        plots += _accuracies(item)
    if item.stage == "reject":
        plots += [
            _best_of(item, result[key], label)
            for key, label in (("curve", "learned score"), ("gold", "true score"))
            if key in result
        ]
    return plots


def _accuracies(item: Past) -> list[Plot]:
    """How often held-out answers are ordered as people order them, beside what needs no model."""
    result, version = item.result, item.record["inputs"]["version"]
    found: list[tuple[str, list[Item]]] = []
    if learnt := result.get("accuracy"):
        items = [Item(version, interval(learnt["accuracy"]))]
        if longer := learnt["length_baseline"]:
            items.append(Item("always the longer", interval(longer)))
        found.append(("held-out comparisons", items))
    if "label_accuracy" in result:
        guess = Item("the commoner label", interval(result["label_baseline"]))
        found.append(("held-out labels", [Item(version, interval(result["label_accuracy"])), guess]))
    return [DotPlot(what, items, "accuracy", reference=0.5, percent=True, digits=3) for what, items in found]


def _best_of(item: Past, curve: dict[str, list[float]], label: str) -> LinePlot:
    """What the best of n is worth; the best of one is what the policy writes."""
    sizes = sorted(map(int, curve))
    value, low, high = zip(*(curve[str(n)] for n in sizes), strict=True)
    caption = "The best of 1 is what the policy writes without choosing. 95 % intervals."
    series = Series(label, sizes, value, low, high)
    return LinePlot(f"best of n, {label}", [series], "completions to choose from", label, caption)


def _self_feedback(item: Past) -> list[Block]:
    """The rounds with what their judges were like, or drafts and revisions side by side."""
    result = item.result
    if result["mode"] == "revise":
        blocks: list[Block] = []
        if "gold" in result:
            names = (("draft", "drafts"), ("revision", "revisions"), ("gain", "difference"))
            items = [Item(label, Interval(*result["gold"][name])) for name, label in names]
            blocks.append(DotPlot("true score of drafts and revisions", items, "true score", reference=0.0))
        return blocks + [_sample(row) for row in result["samples"]]
    columns: list[Column | str] = [
        "judge",
        Column("comparisons", digits=0),
        Column("position bias", digits=3, signed=True, explanation=BIAS),
        Column("order decided", percent=True, digits=3, explanation="share in which the same place won in both orders"),
        "became",
        Column("held-out accuracy", percent=True, digits=3, explanation="of its own judgements, on other prompts"),
        Column("always the longer", percent=True, digits=3),
    ]
    truth = any(row.get("truth") for row in result["rounds"])
    if truth:
        columns.append(Column("right", percent=True, digits=3, explanation="it preferred the truly better one"))
    rows = [_round(row, truth=truth) for row in result["rounds"]]
    return [Table(columns, rows, f"Rounds of {item.name}, with 95 % intervals")]


BIAS = "P(the answer shown first is better) - 1/2 in single orders; both orders are averaged, which removes it"


def _round(row: dict[str, Any], *, truth: bool) -> list[Any]:
    learnt = row["accuracy"] or {}
    cells = [
        row["version"],
        row.get("comparisons"),
        _interval(row.get("bias")),
        _interval(row.get("turned")),
        row["made"],
        _interval(learnt.get("accuracy")),
        _interval(learnt.get("length_baseline")),
    ]
    return [*cells, _interval((row.get("truth") or {}).get("accuracy"))] if truth else cells


def _interval(row: dict[str, float] | None) -> Interval | None:
    return interval(row) if row else None


def _sample(row: dict[str, Any]) -> Samples:
    answers = [Written("draft", row["draft"]), Written("criticism", row["critique"]), Written("revision", row["text"])]
    return Samples(row["prompt"], answers, f"Rule: {row['rule']}")
