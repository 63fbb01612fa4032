"""Going round with judges: what each round adds, and that the rounds before are still learned from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from heedful.feedback import lineage
from heedful.runs import Run
from heedful.settings import FILE
from heedful.stages import iterate
from heedful.stages.project import Project

ROUNDS = """
[project]
held_out = 0.3
[collect]
questions = 20
[collect.sampling]
max_new_tokens = 6
[reward]
epochs = 1.0
pairs_per_step = 1
held_out = 0.3
reference_samples = 8
max_new_tokens = 6
[improve]
steps = 1
prompts_per_step = 4
completions_per_prompt = 2
check_every = 0
[improve.sampling]
max_new_tokens = 6
[evaluate]
prompts = 4
[evaluate.sampling]
max_new_tokens = 6
"""


def result(folder: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / run / "result.json").read_text(encoding="utf-8"))
    return found


def test_a_round_learns_from_the_judgements_of_the_rounds_before_as_well(make_project: Callable[[str], Path]) -> None:
    """Its snapshot holds them, and its reward model learns from them."""
    folder = make_project("project")
    (folder / FILE).write_text(ROUNDS, encoding="utf-8")
    judges = folder.parent / "judges.py"  # of whom hardly two texts are alike, so that every comparison is decided
    judges.write_text("def score(p, c):\n    return [float(sum(map(ord, text))) for text in c]\n", encoding="utf-8")
    iterate.run(iterate.Config(folder, rounds=2, judges=f"{judges}:score", threads=1))
    store = Project.open(folder).store
    texts = {completion.id: completion.text for completion in store.completions()}
    given = [{judgement.id for judgement in store.judgements(campaign)} for campaign in ("round-1", "round-2")]
    pairs = [
        sum(len({texts[id_] for id_ in question.completion_ids}) == 2 for question in store.questions(campaign))
        for campaign in ("round-1", "round-2")
    ]
    first, second = (
        set(lineage.snapshot_of(store, store.model(name).snapshot or "").judgement_ids) for name in ("r1", "r2")
    )
    assert first == given[0]
    assert second == given[0] | given[1]
    assert given[1]
    told = [result(folder, f"round-{number}-reward") for number in (1, 2)]
    assert [item["pairs"] + item["held_out"] for item in told] == [pairs[0], pairs[0] + pairs[1]]
    steps = [len(Run(folder / "runs" / f"round-{number}-reward", {}).metrics()) for number in (1, 2)]
    assert steps == [item["pairs"] for item in told], "one pair a step, each once"
