"""What the report says of a run that learnt from examples: the sentence, the held-out numbers, the bill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from heedful.evaluation.blocks import Block, Column, DotPlot, Grid, Samples, Table, Text
from heedful.evaluation.intervals import Interval
from heedful.feedback import lineage
from heedful.records import Annotator, Completion, Judgement, Model, Prompt, Question
from heedful.stages.history import Past, interval
from heedful.stages.outcomes import costs, outcome
from heedful.stages.project import Project, ProjectSettings

FACTS = {"policy": "v0", "version": "v1", "reference": "v0", "teacher": "v0", "context": "", "reward": "r1"}
SETTINGS = {"method": "dpo", "voices": "any"}


def past(stage: str, result: dict[str, Any], **settings: Any) -> Past:
    facts, frozen = FACTS | settings.pop("inputs", {}), settings.pop("snapshots", [])
    record = {"inputs": facts, "settings": SETTINGS | settings, "snapshots": frozen}
    return Past(f"0001-{stage}", stage, record, result, [{"step": step, "loss": 1.0 - step} for step in range(3)])


def share(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """v1 was trained on two demonstrations and is a candidate."""
    made = Project(tmp_path, ProjectSettings())
    made.store.add_everything(
        prompts=[Prompt("p", "why")],
        completions=[Completion("c", "p", "so")],
        annotators=[Annotator("ada")],
        questions=[Question(f"q{i}", "demonstration", "p") for i in range(2)],
        judgements=[Judgement(f"j{i}", f"q{i}", "ada", {"text": "because"}) for i in range(2)],
    )
    frozen = lineage.snapshot(made.store, ["j0", "j1"])
    made.store.add_model(Model("v0", "policy", "policies/v0"))
    made.store.add_model(Model("v1", "policy", "policies/v1", "v0", snapshot=frozen.hash, status="candidate"))
    return made


def words(blocks: list[Block]) -> str:
    assert isinstance(blocks[0], Text)
    return blocks[0].text


def plots(blocks: list[Block]) -> list[Any]:
    (grid,) = [block for block in blocks if isinstance(block, Grid)]
    return [*(block for block in blocks if isinstance(block, DotPlot)), *grid.plots]


def test_sft_shows_the_start_beside_the_version(project: Project) -> None:
    frozen = [project.model("v1").snapshot]
    blocks = outcome(project, past("sft", {"before": [2.0, 1.8, 2.2], "after": [1.0, 0.9, 1.1]}, snapshots=frozen))
    assert words(blocks) == "v0 was fine-tuned on 2 demonstrations. It became v1, a candidate."
    held_out, loss = plots(blocks)
    assert [(item.name, item.interval) for item in held_out.items] == [
        ("v0", Interval(2.0, 1.8, 2.2)),
        ("v1", Interval(1.0, 0.9, 1.1)),
    ]
    assert held_out.label == "nats per token"
    assert list(loss.series[0].y) == [1.0, 0.0, -1.0]


def test_sft_says_what_it_learnt_from(project: Project) -> None:
    frozen, numbers = [project.model("v1").snapshot], {"before": [2, 1, 3], "after": [1, 0, 2], "examples": 7}
    remarks = outcome(project, past("sft", numbers, learn="critiques", snapshots=frozen))
    assert words(remarks).startswith("v0 was fine-tuned on 2 critiques.")
    held = outcome(project, past("sft", numbers, learn="ghost"))
    assert "over 7 of its own conversations" in words(held)
    assert plots(held)[0].title == "held-out conversations"


def test_prefer_shows_the_trivial_beside_the_learnt(project: Project) -> None:
    accuracy = {"accuracy": share(0.7), "length_baseline": share(0.55)}
    blocks = outcome(project, past("prefer", {"pairs": 1200, "votes": 1500.0, "accuracy": accuracy}))
    assert words(blocks) == (
        "v0 learned people's preferences by DPO from 1,200 comparisons with 1,500 votes, held near v0. "
        "It became v1, a candidate."
    )
    first = plots(blocks)[0]
    assert isinstance(first, DotPlot)
    assert [(item.name, item.interval.value) for item in first.items] == [("v1", 0.7), ("always the longer", 0.55)]
    marked = {"labels": 90.0, "label_accuracy": share(0.8), "label_baseline": share(0.6)}
    blocks = outcome(project, past("prefer", marked, method="kto", voices="models"))
    assert "learned models' preferences by KTO from 90 labels" in words(blocks)
    assert [item.name for item in plots(blocks)[0].items] == ["v1", "the commoner label"]
    alone = outcome(project, past("prefer", {"pairs": 3, "votes": 3.0, "accuracy": None}, method="orpo"))
    assert "held near" not in words(alone)


def test_offline_distil_and_reject(project: Project) -> None:
    frozen = [project.model("v1").snapshot]
    log = {"completions": 40, "reward": "thumb", "mean": 0.5, "deviation": 0.25}
    said = words(outcome(project, past("offline", log, method="ilql")))
    assert "40 logged completions by ILQL" in said
    assert "mean 0.50, standard deviation 0.25" in said
    value = {name: [0.5, 0.4, 0.6] for name in ("logged", "before", "after")} | {"effective": 8.25, "held_out": 10}
    weighed = outcome(project, past("offline", log | {"value": value}, method="bandit"))
    assert "40 logged completions by importance weights" in words(weighed)
    assert words(weighed).endswith("The effective sample size is 8.2 of 10 held-out completions.")
    assert [item.name for item in plots(weighed)[0].items] == ["the log", "v0", "v1"]
    imitated = outcome(
        project, past("offline", {"before": [2, 1, 3], "after": [1, 0, 2]}, method="irl", snapshots=frozen)
    )
    assert "2 demonstrations by inverse reinforcement learning" in words(imitated)
    assert plots(imitated)[0].label == "nats per token"
    told = past("distil", {"before": [1, 0, 2], "after": [0.5, 0, 1]}, inputs={"context": "be kind " * 40})
    assert "with this context: “be kind be kind" in words(outcome(project, told))
    assert len(words(outcome(project, told))) < 300
    assert "divergence" in plots(outcome(project, told))[0].label
    curve = {"1": [0.0, -0.1, 0.1], "8": [2.0, 1.9, 2.1], "2": [1.0, 0.9, 1.1]}
    result = {"winners": 30, "from_earlier_rounds": 4, "curve": curve, "gold": curve}
    chosen = outcome(project, past("reject", result))
    assert "30 winners among its completions, 4 of them from earlier rounds, chosen by r1" in words(chosen)
    learned, true = plots(chosen)[:2]
    assert (list(learned.series[0].x), list(true.series[0].y)) == ([1, 2, 8], [0.0, 1.0, 2.0])


def test_self_feedback(project: Project) -> None:
    row = {"prompt": "p", "draft": "d", "critique": "c", "text": "t", "rule": "be kind"}
    counts = {"drafts": 9, "pairs": 4, "unchanged": 3, "empty": 2, "overlong": 0, "campaign": "revise-v0"}
    gold = {"draft": [1, 0, 2], "revision": [2, 1, 3], "gain": [1, 0, 2]}
    revised = {"mode": "revise", "policy": "v0", **counts, "gold": gold, "samples": [row]}
    blocks = outcome(project, past("self-feedback", revised))
    assert "v0 revised 9 drafts by rules; 4 pairs are filed as revise-v0" in words(blocks)
    (sample,) = [block for block in blocks if isinstance(block, Samples)]
    assert [(answer.version, answer.text) for answer in sample.answers] == [
        ("draft", "d"),
        ("criticism", "c"),
        ("revision", "t"),
    ]
    one = {"version": "v0", "made": "v1", "comparisons": 8, "bias": share(0.1), "turned": share(0.3), "accuracy": None}
    rounds = {"mode": "reward", "policy": "v0", "versions": ["v1"], "rounds": [one]}
    (table,) = [block for block in outcome(project, past("self-feedback", rounds)) if isinstance(block, Table)]
    assert list(table.rows[0])[:4] == ["v0", 8, Interval(0.1, 0.0, 0.2), interval(share(0.3))]
    rounds["rounds"] = [one | {"truth": {"accuracy": share(0.6)}}]
    (table,) = [block for block in outcome(project, past("self-feedback", rounds)) if isinstance(block, Table)]
    assert table.rows[0][-1] == interval(share(0.6))


def test_other_stages_are_shown_elsewhere(project: Project) -> None:
    assert outcome(project, past("improve", {})) == []


def test_the_bill_has_a_column_for_what_was_booked(project: Project) -> None:
    entry = {"reward_calls": 0, "cached": 0, "tokens_scored": 0, "tokens_trained": 0}
    booked = {
        "total": entry | {"tokens_written": 640, "seconds": 3.25, "peak_bytes": 3 * 2**20},
        "collect": entry | {"tokens_written": 640, "seconds": 1.25, "peak_bytes": 2 * 2**20},
        "update": entry | {"tokens_written": 0, "seconds": 2.0, "peak_bytes": 3 * 2**20},
        "money": 1234.5,
    }
    (table,) = costs(past("improve", {"costs": booked}))
    assert isinstance(table, Table)
    names = [column.name if isinstance(column, Column) else column for column in table.columns]
    assert names == ["", "tokens written", "seconds", "peak memory, MiB"]
    assert [[cell for cell in row if cell == cell] for row in table.rows] == [  # NaN is a dash
        ["collect", 640, 1.25, 2.0],
        ["update", 2.0, 3.0],
        ["total", 640, 3.25, 3.0],
    ]
    assert table.emphasised == [2]
    assert table.caption == "What it cost: 0001-improve. In money: 1,234.50."
    assert costs(past("improve", {})) == []
    assert costs(past("improve", {"costs": {}})) == []
    shown = outcome(project, past("distil", {"before": [2, 1, 3], "after": [1, 0, 2], "costs": booked}))
    assert any(isinstance(block, Table) for block in shown)
