"""`heedful self-feedback`: a tiny model revises by rules and judges itself; stopped anywhere, it comes out the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heedful import cli
from heedful.errors import Problem
from heedful.language.sampling import Sampling
from heedful.stages import prefer, self_feedback
from heedful.stages.project import Project
from heedful.stages.self_feedback import Revising
from heedful.stages.wording import Judging

Make = Callable[[str], Path]

SETTINGS = """
[prefer]
held_out = 0.3
[prefer.training]
epochs = 1.0
per_step = 8
learning_rate = 1e-3
checkpoint_every = 1
"""


def words(folder: Path, name: str, text: str) -> str:
    path = folder.parent / f"{folder.name}-{name}.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def revising(folder: Path, **given: Any) -> self_feedback.Config:
    wording = Revising(
        words(folder, "critique", "{prompt} {draft} c {rule}"),
        words(folder, "revision", "{draft} {critique} r {rule}"),
        rows=4,
    )
    return self_feedback.Config(
        folder,
        **{
            "rules": words(folder, "rules", "x x\ny\n"),
            "prompts": 12,
            "revising": wording,
            "sampling": Sampling(max_new_tokens=4),
            "threads": 1,
            "device": "cpu",
            **given,
        },
    )


def rewarding(folder: Path, **given: Any) -> self_feedback.Config:
    with (folder / "heedful.toml").open("a", encoding="utf-8") as file:
        file.write(SETTINGS)
    judging = Judging(words(folder, "question", "{prompt} x {a} y {b} z"), ("s", "t"), rows=8)
    return self_feedback.Config(
        folder, mode="reward", judging=judging, rounds=2, questions=24, threads=1, device="cpu", **given
    )


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world in which the true score of a text is how many of its letters are an e."""
    monkeypatch.setattr(self_feedback, "true_score", lambda _, text: float(text.count("e")))


def judged(folder: Path) -> list[tuple[str, Any]]:
    store = Project.open(folder).store
    texts = {item.id: item.text for item in store.completions()}
    asked = {item.id: [texts[id_] for id_ in item.completion_ids] for item in store.questions()}
    return sorted((repr(asked[item.question_id]), item.answer) for item in store.judgements())


# Revising


@pytest.mark.usefixtures("letters")
def test_drafts_become_pairs_that_prefer_learns_from(make_project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_project("project")
    result = self_feedback.run(revising(folder, prompts=24, world="playground"))
    store = Project.open(folder).store
    assert result["drafts"] == 24
    assert 12 < result["pairs"] == len(store.judgements("revise-v0"))
    assert sum(result[name] for name in ("pairs", "unchanged", "empty", "overlong")) == 24
    assert sum(result["by_rule"].values()) == result["pairs"]
    assert [person.kind for person in store.annotators()] == ["model"]
    assert set(result["gold"]) == {"draft", "revision", "gain"}
    assert result["gold"]["gain"][0] == pytest.approx(result["gold"]["revision"][0] - result["gold"]["draft"][0])
    assert len(result["samples"]) == 3
    trained = {prompt.id for prompt in Project.open(folder).prompts("train")}
    assert {question.prompt_id for question in store.questions("revise-v0")} <= trained
    assert "--campaigns revise-v0" in capsys.readouterr().out
    version = prefer.run(prefer.Config(folder, campaigns=("revise-v0",), held_out=0.3, threads=1))
    assert (version.id, version.status) == ("v1", "candidate")


def test_stopped_between_lots_it_comes_out_the_same(make_project: Make, break_off: Callable[[int], None]) -> None:
    whole, broken = make_project("whole"), make_project("broken")
    result = self_feedback.run(revising(whole))
    break_off(1)
    with pytest.raises(KeyboardInterrupt):
        self_feedback.run(revising(broken))
    lots = broken / "runs" / "0001-self-feedback" / "revisions"
    assert len(list(lots.glob("*.json"))) == 2
    assert judged(broken), "what was written is stored"
    assert self_feedback.run(revising(broken)) == result
    assert judged(broken) == judged(whole)
    rows = [
        json.loads(line)["step"] for line in (lots.parent / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert rows == [0, 1, 2]


def test_rules_that_change_in_between_are_noticed(make_project: Make, break_off: Callable[[int], None]) -> None:
    folder = make_project("project")
    break_off(0)
    with pytest.raises(KeyboardInterrupt):
        self_feedback.run(revising(folder))
    words(folder, "rules", "z\n")
    changed = replace(revising(folder), rules=words(folder, "rules", "z\n"))
    with pytest.raises(Problem, match="the file with the rules has changed"):
        self_feedback.run(changed)
    assert self_feedback.run(replace(changed, restart=True))["by_rule"].keys() == {"z"}


def test_a_draft_that_does_not_fit_stops_it_unless_such_are_left_out(make_project: Make) -> None:
    folder = make_project("project")
    long = revising(folder, rules=words(folder, "long", "x\n" + "y " * 40))
    with pytest.raises(Problem, match="no room for its criticism in the model's context of 48 tokens"):
        self_feedback.run(long)
    assert judged(folder) == []
    left = replace(long, revising=replace(long.revising, skip_overlong=True))
    assert self_feedback.run(left)["overlong"] == 6, "every second draft has the long rule"


def test_without_rules_or_rounds_there_is_nothing_to_do(make_project: Make) -> None:
    folder = make_project("project")
    with pytest.raises(Problem, match="there are no rules"):
        self_feedback.run(revising(folder, rules=""))
    with pytest.raises(Problem, match="0 rounds are none"):
        self_feedback.run(replace(rewarding(folder), rounds=0))


def test_the_verb_and_its_section(make_project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_project("project")
    with (folder / "heedful.toml").open("a", encoding="utf-8") as file:
        file.write("[self-feedback]\nprompts = 4\n[self-feedback.sampling]\nmax_new_tokens = 4\n")
    given = revising(folder)
    options = ["--rules", given.rules, "--revising.critique", given.revising.critique, "--threads", "1"]
    assert cli.main(["self-feedback", str(folder), *options, "--revising.revision", given.revising.revision]) == 0
    assert "4 drafts gave" in capsys.readouterr().out
    assert cli.main(["self-feedback", str(folder)]) == 2
    assert "--rules FILE" in capsys.readouterr().err


# Rewarding itself


@pytest.mark.usefixtures("letters")
def test_rounds_of_writing_judging_and_learning(make_project: Make) -> None:
    folder = make_project("project")
    result = self_feedback.run(rewarding(folder, world="playground"))
    project = Project.open(folder)
    assert result["versions"] == ["v1", "v2"]
    assert [(row["version"], row["made"]) for row in result["rounds"]] == [("v0", "v1"), ("v1", "v2")]
    assert [(model.id, model.parent, model.status) for model in project.store.models("policy")[1:]] == [
        ("v1", "v0", "candidate"),
        ("v2", "v1", "candidate"),
    ]
    for row in result["rounds"]:
        assert row["comparisons"] == len(project.store.questions(row["campaign"]))
        assert -0.5 < row["bias"]["low"] <= row["bias"]["value"] <= row["bias"]["high"] < 0.5
        assert row["truth"]["undecided"] + row["truth"]["pairs"] == row["comparisons"]
    asked = [item.policy for item in project.store.completions()]
    assert set(asked) == {"v0", "v1"}


def test_stopped_in_a_round_it_comes_out_the_same(make_project: Make, break_off: Callable[[int], None]) -> None:
    whole, broken = make_project("whole"), make_project("broken")
    command = rewarding(broken)
    result = self_feedback.run(rewarding(whole))
    break_off(1)  # the second step of learning in the first round
    with pytest.raises(KeyboardInterrupt):
        self_feedback.run(command)
    assert (broken / "runs" / "0001-self-feedback-1-collect" / "result.json").is_file()
    assert self_feedback.run(command) == result
    weights = [(folder / "policies" / "v2" / "model.safetensors").read_bytes() for folder in (whole, broken)]
    assert weights[0] == weights[1]
