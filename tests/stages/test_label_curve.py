"""The learning curve of a run: in its result and on the page of the report, and gone where it is not wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stages.test_audit import ask
from tests.stages.test_doubts import settings

from heedful.evaluation.report import render
from heedful.stages import report, reward
from heedful.stages.history import finished_runs

Make = Callable[[str], Path]


def test_a_head_on_the_models_features_learns_more_from_more(
    make_project: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    project, _ = ask(make_project("project"), 400)
    model = reward.run(settings(reward.Config, project.folder, epochs=0.1))
    result = json.loads((project.runs / model.run / "result.json").read_text())
    curve = result["learning_curve"]
    sizes = [point["comparisons"] for point in curve["points"]]
    assert sizes[-1] == result["pairs"]
    assert sizes[-2] == result["pairs"] // 2
    assert sizes[0] >= 16
    values = [point["accuracy"]["value"] for point in curve["points"]]
    assert values[-1] > values[0] + 0.05, "four labels in five are right, and a linear head can tell"
    assert curve["examined"] == result["accuracy"]["pairs"]
    assert curve["doubling"]["value"] == pytest.approx(values[-1] - values[-2])
    assert f"with {sizes[-1]}; the last doubling brought" in capsys.readouterr().out

    without = reward.run(settings(reward.Config, project.folder, epochs=0.1, curve=False))
    assert "learning_curve" not in json.loads((project.runs / without.run / "result.json").read_text())

    page = render(report.compose(project, finished_runs(project)))
    assert "What fewer comparisons would have taught" in page
    assert "not the curve of the reward model" in page
