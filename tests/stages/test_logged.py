"""Rewards of logged completions: pooled, standardised, and never from prompts that are kept for evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from heedful.errors import Problem
from heedful.language.imitation import Example
from heedful.language.pretrained import load
from heedful.records import Prompt
from heedful.runs import Run
from heedful.stages import import_
from heedful.stages.logged import Logged, Source, logged_rewards
from heedful.stages.project import Project
from heedful.stages.valuing import Scored

Make = Callable[[str], Path]


def opened(folder: Path, *rows: dict[str, object]) -> tuple[Project, Run]:
    add(folder, *rows)
    project = Project.open(folder)
    run = Run.open(project.runs, "offline", {})
    run.note(inputs={"prompts": len(project.store.prompts())})
    return project, run


def add(folder: Path, *rows: dict[str, object]) -> None:
    path = folder.parent / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_.run(import_.Config(folder, path))


def row(prompt: Prompt, completion: str, *thumbs: bool) -> dict[str, object]:
    """One completion and what people w0, w1, ... think of it."""
    votes = [{"annotator": f"w{i}", "answer": {"thumb": thumb}} for i, thumb in enumerate(thumbs)]
    return {"kind": "label", "prompt": prompt.text, "completions": [completion], "votes": votes}


def prompt(folder: Path, purpose: Literal["train", "evaluate"] = "train") -> Prompt:
    return Project.open(folder).prompts(purpose)[0]


def test_standardised_by_hand() -> None:
    rows = [Scored(Example([1], [2]), value) for value in (1.0, 2.0, 6.0)]
    logged = Logged(rows, ["p", "p", "q"], "thumb")
    assert (logged.mean, logged.deviation) == pytest.approx((3.0, (14 / 3) ** 0.5))
    found = [item.reward for item in logged.standardised()]
    assert found == pytest.approx([(value - 3) / (14 / 3) ** 0.5 for value in (1, 2, 6)])


def test_answers_on_one_completion_are_averaged_and_examined_prompts_left_out(
    make_project: Make, tiny_model: Path
) -> None:
    folder = make_project("project")
    asked, kept = prompt(folder), prompt(folder, "evaluate")
    project, run = opened(folder, row(asked, "c", True, False), row(asked, "d", False), row(kept, "c", True))
    model = load(tiny_model)
    found = logged_rewards(project, run, model, Source())
    assert [model.decode(item.example.completion) for item in found.rows] == ["c", "d"]
    assert [item.reward for item in found.rows] == [0.5, 0.0]
    assert found.prompt_ids == [asked.id, asked.id]
    assert found.what == "label 'thumb'"


def test_the_snapshot_of_the_first_start_holds(make_project: Make, tiny_model: Path) -> None:
    folder = make_project("project")
    asked = prompt(folder)
    project, run = opened(folder, row(asked, "c", True), row(asked, "d", False))
    model = load(tiny_model)
    first = logged_rewards(project, run, model, Source())
    add(folder, row(asked, "g", True))
    assert logged_rewards(project, run, model, Source()) == first


def test_rewards_that_are_all_the_same_teach_nothing(make_project: Make, tiny_model: Path) -> None:
    folder = make_project("project")
    project, run = opened(folder, row(prompt(folder), "c", True), row(prompt(folder), "d", True))
    with pytest.raises(Problem, match="earned the same"):
        logged_rewards(project, run, load(tiny_model), Source())


def test_earlier_rounds_are_replayed_as_much_as_is_wanted(
    make_project: Make, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two new labels and half of all replayed: one of each earlier round; a resumed run has the same ones."""
    folder = make_project("project")
    asked = prompt(folder)
    for name, letters in (("one", "abc"), ("two", "def"), ("three", "gh")):
        path = folder.parent / f"{name}.jsonl"
        rows = [row(asked, letter, letter in "abdg") for letter in letters]
        path.write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
        import_.run(import_.Config(folder, path, campaign=name))
    project, model = Project.open(folder), load(tiny_model)

    def learnt(name: str, source: Source) -> str:
        run = Run.open(project.runs, name, {})
        run.note(inputs={"prompts": len(project.store.prompts())})
        first, again = (logged_rewards(project, run, model, source).rows for _ in range(2))
        assert first == again
        return "".join(sorted(model.decode(item.example.completion) for item in first))

    assert learnt("all", Source()) == "abcdefgh"
    assert learnt("new", Source(campaigns=("three",))) == "gh"
    mixed = learnt("mixed", Source(campaigns=("three",), replay=0.5))
    assert (len(mixed), mixed[-2:], mixed[0] in "abc", mixed[1] in "def") == (4, "gh", True, True)
    capsys.readouterr()
    assert learnt("short", Source(campaigns=("one", "two"), replay=0.5)) == "abcdefgh"
    assert "25 % are theirs, not 50 %" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(Problem, match="there is: one, three, two"):
        learnt("none", Source(campaigns=("four",)))
    with pytest.raises(Problem, match="leave one of the two out"):
        Source(scorer="r1", campaigns=("three",))
    with pytest.raises(Problem, match="none are left to replay"):
        Source(replay=0.5)
