"""The demo: its settings are those of real stages, and a small run of it ends with everything that a long one shows."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.settings import FILE, load
from heedful.stages import demo
from heedful.stages.project import Project, ProjectSettings


def leaves(table: dict[str, Any], *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, value) of every key, at any depth."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, *above, key)
        else:
            yield (*above, key), value


@pytest.mark.parametrize(("name", "coefficient", "stops"), [("demo.toml", 0.14, True), ("weak_leash.toml", 0.0, False)])
def test_every_setting_is_one_of_a_stage(name: str, coefficient: float, stops: bool, tmp_path: Path) -> None:
    text = (files("heedful.playground") / name).read_text(encoding="utf-8")
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    found: dict[str, Any] = {"project": load(ProjectSettings, tmp_path / FILE, "project")}
    for section in tomllib.loads(text).keys() - found.keys():
        kind = importlib.import_module(f"heedful.stages.{section}").Config
        found[section] = load(kind, tmp_path / FILE, section, project=tmp_path)
    assert found.keys() == {"project", "collect", "reward", "improve", "evaluate"}
    for (section, *path), value in leaves(tomllib.loads(text)):
        held = found[section]
        for field in path:
            held = getattr(held, field)
        assert held == value, (section, path)
    assert found["improve"].leash.coefficient == coefficient
    assert found["improve"].monitors.stop is stops


def test_a_small_demo_goes_round_and_says_what_came_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the bundled model and by the demo's own settings; only how much is asked and trained is less."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(demo, "TRAINING_PROMPTS", 100)
    monkeypatch.setattr(demo, "HELD_OUT_PROMPTS", 20)
    folder = tmp_path / "demo"
    small = demo.Config(folder, rounds=1, questions=60, steps=1, prompts=6, threads=1)
    (result,) = demo.run(small)
    said = capsys.readouterr().out
    words = " ".join(said.split())
    project = Project.open(folder)
    assert {item.policy for item in project.store.completions()} == {"v0", "v1"}
    assert len(project.store.questions("round-1")) == 60
    assert len((folder / "runs" / "round-1-improve" / "metrics.jsonl").read_text().splitlines()) == 1
    promoted = project.model("v1").status == "promoted"
    assert result["promoted"] is promoted
    assert ("Promoted: v1 is the current version" in words) is promoted
    assert ("Not promoted: " in words) is not promoted
    table = said[said.index("Versions (95 % intervals)") :]
    for line, *_ in demo.LINES:
        assert re.search(rf"│ {re.escape(line)} +│", table), line
    rate = result["duels"]["v0"]["win_rate"]
    assert f"{100 * rate['rate']:.1f} [{100 * rate['low']:.1f}, {100 * rate['high']:.1f}]" in table
    assert "The KL budget is 12 nats." in words
    assert "v1 against v0 on held out topics: " in words
    assert words.endswith("report.html")
    assert "v1 wins" in (folder / "report.html").read_text(encoding="utf-8")
    weights = (folder / "policies" / "v1" / "model.safetensors").read_bytes()
    assert demo.run(small) == [result]
    assert f"Going on in {folder}." in " ".join(capsys.readouterr().out.split())
    assert (folder / "policies" / "v1" / "model.safetensors").read_bytes() == weights


def test_another_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("# seed 0\n[project]\n", encoding="utf-8")
    with pytest.raises(Problem, match="there is another project here"):
        demo.run(demo.Config(tmp_path))
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "letter.txt").write_text("dear aunt", encoding="utf-8")
    with pytest.raises(Problem, match="this folder is not empty"):
        demo.run(demo.Config(tmp_path / "beside"))
