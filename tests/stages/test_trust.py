"""What training makes of doubted labels and of skill; what is stored and what is held out stays as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.stages.test_audit import ask, rows_of
from tests.stages.test_doubts import settings

from heedful.errors import Problem
from heedful.feedback.views import comparisons
from heedful.records import Annotator, Comparison, Completion, Judgement, Prompt, Question
from heedful.runs import Run
from heedful.stages import audit, examining, reward
from heedful.stages.project import Project
from heedful.stages.trust import Trust, pair_id, trusted

Make = Callable[[str], Path]


@pytest.fixture
def audited(make_project: Make) -> tuple[Project, list[dict[str, Any]]]:
    """A project with flips among its labels, and the rows of an audit."""
    project, _ = ask(make_project("project"), 160)
    return project, rows_of(audit.run(settings(audit.Config, project.folder)))


def a_run(project: Project, folder: Path, name: str) -> Run:
    """A run with the settings of `heedful reward`."""
    told = {"holdout_by": "prompt", "held_out": 0.0, "voices": "any", "seed": 0}
    return Run.open(folder, "reward", told, name=name)


def taught_of(project: Project, rows: Sequence[dict[str, Any]]) -> list[Comparison]:
    taught = {row["pair"] for row in rows if row["taught"]}
    return [item for item in comparisons(project.store) if pair_id(item) in taught]


def test_labels_are_corrected_as_the_audit_says(audited: tuple[Project, list[dict[str, Any]]], tmp_path: Path) -> None:
    project, rows = audited
    training, of = taught_of(project, rows), {row["pair"]: row for row in rows}
    labelled = sorted((of[pair_id(item)]["strength"], i) for i, item in enumerate(training) if item.target != 0.5)
    worst = {i for _, i in labelled[: int(0.1 * len(labelled))]}
    assert len(worst) > 5
    assert labelled[len(worst)][0] < 0, "more are doubted than may be turned, or the share would not count"

    flips = a_run(project, tmp_path / "runs", "flip")
    turned = trusted(project, flips, Trust(audit="flip", share=0.1), training)
    assert {i for i, item in enumerate(turned) if item != training[i]} == worst
    assert all(turned[i].target == 1 - training[i].target for i in worst)
    assert flips.record["audit"] == {
        "run": "0001-audit",
        "how": "flip",
        "changed": len(worst),
        "doubted": sum(strength < 0 for strength, _ in labelled),
    }

    soft = trusted(project, a_run(project, tmp_path / "runs", "smooth"), Trust(audit="smooth", share=0.1), training)
    assert [item.target for item in soft] == [
        0.5 + (item.target - 0.5) / (2 if i in worst else 1) for i, item in enumerate(training)
    ]

    wide = trusted(project, a_run(project, tmp_path / "runs", "margin"), Trust(audit="margin"), training)
    strengths = [of[pair_id(item)]["strength"] or 0.0 for item in training]
    assert [item.margin for item in wide] == pytest.approx([max(strength, 0.0) for strength in strengths])
    assert [item.target for item in wide] == [item.target for item in training]


def test_an_audit_that_does_not_cover_what_is_learnt_is_refused(
    audited: tuple[Project, list[dict[str, Any]]], tmp_path: Path
) -> None:
    project, rows = audited
    training, runs = taught_of(project, rows), tmp_path / "runs"
    with pytest.raises(Problem, match="learnt from 3 comparisons that are not learnt from here"):
        trusted(project, a_run(project, runs, "one"), Trust(audit="flip"), training[3:])
    more = [*training, replace(training[0], question_id="new")]
    other = Run.open(runs, "reward", {"holdout_by": "prompt", "held_out": 0.2, "voices": "both", "seed": 3}, name="two")
    with pytest.raises(Problem, match="does not cover 1 of") as told:
        trusted(project, other, Trust(audit="flip"), more)
    assert "heedful audit" in str(told.value)
    assert "--held-out 0.2 --voices both --seed 3" in str(told.value)
    long = Prompt.of("a " * 60)
    project.store.add_everything(
        prompts=[long],
        completions=[Completion(f"long {side}", long.id, side) for side in "ab"],
        questions=[Question("long", "comparison", long.id, ("long a", "long b"))],
        judgements=[Judgement("long", "long", "ann", {"choice": "a"})],
    )
    rows = rows_of(audit.run(settings(audit.Config, project.folder, skip_overlong=True)))
    assert [row["strength"] for row in rows if row["question"] == "long"] == [None]
    asked = [item for item in comparisons(project.store) if item.question_id == "long"]
    found = trusted(project, a_run(project, runs, "four"), Trust(audit="margin"), [*taught_of(project, rows), *asked])
    assert found[-1].margin == 0, "what is too long for the model is neither judged nor missed"
    before = a_run(project, runs, "three")
    before.note(audit={"run": "0009-audit"})
    with pytest.raises(Problem, match="no audit"):
        trusted(project, before, Trust(audit="flip"), training)


def test_heedful_reward_learns_from_them_and_examines_with_what_people_said(
    audited: tuple[Project, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = audited
    seen: dict[str, list[Comparison]] = {}

    def examine(project: Project, model: Any, data: Any, by: str) -> Any:
        seen["aside"] = data.comparisons
        return examining.examine(project, model, data, by)

    def learnt(_policy: Any, to_learn: Any, _to_examine: Any, _wanted: Any) -> dict[str, Any]:
        seen["learnt"] = to_learn.comparisons
        return {}

    monkeypatch.setattr(reward, "examine", examine)
    monkeypatch.setattr(reward, "learnt_from_fewer", learnt)
    before = project.store.judgements(current=False)
    model = reward.run(settings(reward.Config, project.folder, held_out=0.0, trust=Trust(audit="flip"), epochs=0.2))
    asked = {item.question_id: item for item in comparisons(project.store)}
    assert [item.target for item in seen["aside"]] == [asked[item.question_id].target for item in seen["aside"]]
    changed = [item for item in seen["learnt"] if item.target != asked[item.question_id].target]
    record = json.loads((project.runs / model.run / "run.json").read_text())
    assert len(changed) == record["audit"]["changed"] > 0
    assert project.store.judgements(current=False) == before
    with pytest.raises(Problem, match="of pairs"):
        reward.run(settings(reward.Config, project.folder, learn="best", trust=Trust(weigh="skill")))


def test_votes_weigh_by_skill_and_a_resumed_run_weighs_the_same(make_project: Make, tmp_path: Path) -> None:
    """Three more people judge everything again: two as the careful, one the opposite, whose votes weigh nothing."""
    project, flipped = ask(make_project("project"), 160)
    run, turned = a_run(project, tmp_path / "runs", "skill"), {"a": "b", "b": "a", "tie": "tie"}
    plain = comparisons(project.store)
    assert trusted(project, run, Trust(weigh="skill"), plain) == plain
    assert run.record["vote_weights"] == {}, "nobody else judged the same"
    project.store.add_annotators(Annotator(name) for name in ("dan", "eve", "foe"))
    first = {judgement.question_id: judgement.answer["choice"] for judgement in project.store.judgements()}
    truth = {name: turned[choice] if name in flipped else choice for name, choice in first.items()}
    said = {"dan": truth, "eve": truth, "foe": {name: turned[choice] for name, choice in truth.items()}}
    project.store.submit_many(
        Judgement(f"{who}-{name}", name, who, {"choice": choice})
        for who, choices in said.items()
        for name, choice in choices.items()
    )
    plain = comparisons(project.store)
    run = a_run(project, tmp_path / "runs", "again")
    found = trusted(project, run, Trust(weigh="skill"), plain)
    weights = run.record["vote_weights"]
    assert weights["foe"] == 0 < weights["mel"] < min(weights["dan"], weights["eve"])
    assert sum(weights[name] for item in plain for name in item.annotator_ids) == pytest.approx(4 * 160)
    sure = [item for item in found if truth[item.question_id] != "tie"]
    assert all((item.target > 0.5) == (truth[item.question_id] == "a") for item in sure)
    assert any(item.target == 0.5 for item in plain if truth[item.question_id] != "tie"), "two against two, counted"
    project.store.submit(Judgement("late", "q0", "foe", {"choice": "skip"}, supersedes="foe-q0"))
    resumed = Run.open(tmp_path / "runs", "reward", run.record["settings"], name="again")
    assert trusted(project, resumed, Trust(weigh="skill"), plain) == found
