"""The reward functions that docs/learning.md shows are real: `heedful improve` runs with them as they stand there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stages.test_doubts import settings

from heedful.errors import Problem
from heedful.language.heads import ScalarModel, load_scalar, save_scalar
from heedful.language.pretrained import load
from heedful.records import Prompt
from heedful.reward.completions import score_completions
from heedful.reward.rules import load_function
from heedful.runs import Run
from heedful.stages import import_, improve
from heedful.stages.project import Project

Make = Callable[[str], Path]
PAGE = Path(__file__).parents[2] / "docs" / "learning.md"


def shown(name: str, folder: Path) -> str:
    """FILE:score of a block of the page, its project being the one in `folder`."""
    (block,) = re.findall(rf"```python\n# {name}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    path = folder.parent / name
    path.write_text(block.replace('"p/', f'"{folder}/'), encoding="utf-8")
    return f"{path}:score"


def improved(folder: Path, function: str) -> list[dict[str, float]]:
    improve.run(settings(improve.Config, folder, algorithm="rloo", reward_function=function, steps=2), name="run")
    return Run(folder / "runs" / "run", {}).metrics()


def test_optimism_over_an_ensemble(make_project: Make, tiny_model: Path) -> None:
    """A score is mean + deviation of the three reward models, by hand."""
    folder = make_project("project")
    for number in (1, 2, 3):
        save_scalar(ScalarModel(load(tiny_model), seed=number), folder / "rewards" / f"r{number}", {})
    function = shown("doubt.py", folder)
    texts = ["q r", "s"]
    columns = [
        score_completions(load_scalar(folder / "rewards" / f"r{number}"), [Prompt.of("a")] * 2, texts).tolist()
        for number in (1, 2, 3)
    ]
    found = load_function(function)(["a", "a"], texts).tolist()
    for value, row in zip(found, zip(*columns, strict=True), strict=True):
        mean = sum(row) / 3
        assert value == pytest.approx(mean + (sum((each - mean) ** 2 for each in row) / 3) ** 0.5, abs=1e-5)
    assert all("score" in line for line in improved(folder, function))


def test_overlap_with_demonstrations(make_project: Make) -> None:
    folder = make_project("project")
    rows = [{"prompt": prompt.text, "completion": "e e e"} for prompt in Project.open(folder).store.prompts()]
    path = folder.parent / "demonstrations.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[1:]), encoding="utf-8")
    import_.run(import_.Config(folder, path))
    function = shown("overlap.py", folder)
    asked = rows[1]["prompt"]
    assert load_function(function)([asked, asked], ["e e e", "q q q"]) == [1.0, 0.0]
    with pytest.raises(Problem, match="no reference"):
        load_function(function)([rows[0]["prompt"]], ["e"])
    path.write_text(json.dumps(rows[0]) + "\n", encoding="utf-8")
    import_.run(import_.Config(folder, path))
    assert all("score" in line for line in improved(folder, function))
