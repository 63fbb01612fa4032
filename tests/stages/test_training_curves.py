"""Curves of a run as plots: what was logged, with bands where there are errors, and nothing of what was not."""

from __future__ import annotations

from typing import Any

from heedful.evaluation.blocks import Grid, Table
from heedful.stages.history import Past
from heedful.stages.training_curves import example_curves, training


def past(*lines: dict[str, float], **record: Any) -> Past:
    return Past("0001-x", "improve", record, {}, [{"step": step, **line} for step, line in enumerate(lines)])


def test_a_curve_has_the_band_of_its_error() -> None:
    (grid,) = training(past({"score": 1.0, "score_se": 0.5, "kl": 0.0}, {"score": 2.0, "score_se": 0.0, "kl": 1.0}))
    assert isinstance(grid, Grid)
    score, kl = grid.plots
    assert score.title == "0001-x: learned score"
    (series,) = score.series  # type: ignore[union-attr]  # a line plot
    assert (list(series.low or []), list(series.high or [])) == ([1.0 - 0.98, 2.0], [1.0 + 0.98, 2.0])
    assert kl.series[0].low is None  # type: ignore[union-attr]  # a line plot


def test_alarms_stand_in_a_table_with_how_the_run_ended() -> None:
    alarm = {"step": 3, "monitor": "kl_budget", "words": "it left the reference"}
    item = past({"kl": 1.0}, alarms=[alarm], stopped={"step": 3}, rolled_back={"step": 1})
    table = training(item)[1]
    assert isinstance(table, Table)
    assert list(table.rows[0]) == [3.0, "kl budget", "it left the reference"]
    assert table.caption.endswith("The run was ended at step 3. The version has the weights of step 1, the best check.")
    assert "went on" in training(past({"kl": 1.0}, alarms=[alarm]))[1].caption  # type: ignore[union-attr]  # a table


def test_curves_of_learning_from_examples_need_a_few_points() -> None:
    lines = [{"loss": 1.0, "accuracy": 0.5, "gradient_norm": 3.0}] * 3
    assert [plot.y_label for plot in example_curves(past(*lines))] == ["loss", "accuracy in training"]
    assert example_curves(past(*lines[:2])) == []
