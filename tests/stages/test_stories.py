"""Stories from the beginning to the end, told with a model of a few thousand parameters: what a user would see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.records import Annotator, Judgement
from heedful.settings import FILE, load
from heedful.stages import (
    collect,
    evaluate,
    export,
    import_,
    improve,
    init,
    iterate,
    judge,
    pretrain,
    report,
    reward,
    sft,
)
from heedful.stages.project import Project

Make = Callable[[str], Path]


def settings(kind: Any, folder: Path, **given: Any) -> Any:
    return replace(load(kind, folder / FILE, kind.__module__.rpartition(".")[2], project=folder), threads=1, **given)


def function(folder: Path) -> str:
    return f"{folder.parent / 'rewards.py'}:score"


def test_a_reward_function_is_raised_over_two_rounds(make_project: Make) -> None:
    folder = make_project("project")
    first, second = iterate.run(
        iterate.Config(folder, rounds=2, reward_function=function(folder), steps=60, prompts=36, threads=1)
    )
    begun, ended = second["means"]["v0"]["learned"], second["means"]["v2"]["learned"]
    assert first["means"]["v1"]["learned"]["value"] > first["means"]["v0"]["learned"]["value"]
    assert ended["low"] > begun["high"]
    assert second["promoted"]
    assert second["duels"]["v0"]["win_rate"]["low"] > 0.5
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "v2 wins" in page


def test_every_model_can_be_traced_to_the_judgements_behind_it(make_project: Make) -> None:
    folder = make_project("project")
    asked = collect.run(settings(collect.Config, folder))
    judge.run(judge.Config(folder, by=function(folder)))
    made = reward.run(settings(reward.Config, folder))
    version = improve.run(settings(improve.Config, folder))
    store = Project.open(folder).store
    given = {judgement.id for judgement in store.judgements(asked)}
    assert given
    assert set(lineage.judgements_behind(store, made.id)) == given
    assert set(lineage.judgements_behind(store, version.id)) == given
    (annotator,) = {judgement.annotator_id for judgement in store.judgements(asked)}
    assert {model.id for model in lineage.models_touched_by(store, annotator)} == {made.id, version.id}
    assert store.model(version.id).reward == made.id
    assert store.model(version.id).parent == "v0"


def test_later_judgements_do_not_enter_a_reward_model_that_has_begun(make_project: Make) -> None:
    folder = make_project("project")
    collect.run(settings(collect.Config, folder))
    judge.run(judge.Config(folder, by=function(folder)))
    made = reward.run(settings(reward.Config, folder))
    collect.run(settings(collect.Config, folder, campaign="more", seed=9))
    judge.run(judge.Config(folder, by=function(folder)))
    again = reward.run(settings(reward.Config, folder))
    assert made.snapshot != again.snapshot
    store = Project.open(folder).store
    assert set(lineage.judgements_behind(store, made.id)) < set(lineage.judgements_behind(store, again.id))


def test_iterate_waits_for_people_and_goes_on_when_they_have_answered(make_project: Make) -> None:
    """Without waiting it stops where people have to answer; the same command goes on, twice: training, then rating."""
    folder = make_project("project")
    command = iterate.Config(folder, rounds=1, wait=False, questions=24, prompts=12, threads=1)
    assert iterate.run(command) == []
    store = Project.open(folder).store
    assert not store.models("reward")
    _answer(folder, "round-1")
    assert iterate.run(command) == []
    assert [model.status for model in store.models("policy")] == ["promoted", "candidate"]
    _answer(folder, "evaluate-v1")
    (result,) = iterate.run(command)
    assert result["version"] == "v1"
    assert store.model("v1").status in ("promoted", "rejected")


def _answer(folder: Path, campaign: str) -> None:
    """Two people who like the letter e."""
    store = Project.open(folder).store
    store.add_annotators([Annotator(name) for name in ("ada", "ben")])
    texts = {completion.id: completion.text for completion in store.completions()}
    judgements = []
    for number, question in enumerate(store.questions(campaign)):
        a, b = (texts[id_].count("e") for id_ in question.completion_ids)
        choice = "tie" if a == b else "a" if a > b else "b"
        name = ("ada", "ben")[number % 2]
        judgements.append(Judgement(f"{campaign}-{number}", question.id, name, {"choice": choice}))
    store.submit_many(judgements)


def test_evaluation_votes_never_reach_a_reward_model(make_project: Make) -> None:
    folder = make_project("project")
    improve.run(settings(improve.Config, folder, reward_function=function(folder)))
    evaluate.run(settings(evaluate.Config, folder, judges=function(folder)))
    with pytest.raises(Problem, match="no judgements yet"):
        reward.run(settings(reward.Config, folder))


def test_few_held_out_prompts_are_answered_several_times(make_project: Make) -> None:
    folder = make_project("project")
    improve.run(settings(improve.Config, folder, reward_function=function(folder)))
    project = Project.open(folder)
    held_out = {prompt.id for prompt in project.prompts("evaluate")}
    evaluate.run(settings(evaluate.Config, folder, judges=function(folder), prompts=3 * len(held_out)))
    asked = [question.prompt_id for question in project.store.questions("evaluate-v1")]
    assert {name: asked.count(name) for name in held_out} == dict.fromkeys(held_out, 3)


def test_nobody_trains_on_a_held_out_prompt(make_project: Make) -> None:
    folder = make_project("project")
    project = Project.open(folder)
    train, held_out = ({prompt.id for prompt in project.prompts(purpose)} for purpose in ("train", "evaluate"))
    assert train
    assert held_out
    assert not train & held_out
    collect.run(settings(collect.Config, folder))
    assert {question.prompt_id for question in project.store.questions()} <= train


def test_from_plain_texts_to_a_model_that_answers(tmp_path: Path) -> None:
    """pretrain, then sft, on what import brought in; the export of the demonstrations is what came in."""
    folder = tmp_path / "project"
    init.run(init.Config(folder))
    texts = [{"text": f"the {a} sees the {b}"} for a in ("cat", "dog", "owl") for b in ("sun", "sea", "sky")]
    pairs = [
        {"prompt": f"what does the {a} see?", "completion": " the sea"} for a in ("cat", "dog", "owl", "fox", "bat")
    ]
    for name, rows in (("texts", texts * 4), ("pairs", pairs)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps({**row, "n": i}) + "\n" for i, row in enumerate(rows)), encoding="utf-8")
        import_.run(import_.Config(folder, path))
    shape = pretrain.Shape(hidden_size=16, intermediate_size=32, layers=1, heads=2, context_tokens=64)
    begun = pretrain.run(pretrain.Config(folder, shape=shape, vocabulary=300, held_out=0.1, threads=1))
    tuned = sft.run(sft.Config(folder, held_out=0.3, threads=1))
    assert (begun.id, tuned.id, tuned.parent) == ("v0", "v1", "v0")
    result = json.loads((folder / "runs" / "0002-sft" / "result.json").read_text(encoding="utf-8"))
    assert result["after"][0] < result["before"][0]
    export.run(export.Config(folder, tmp_path / "out.jsonl", format="prompt-completion"))
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {(row["prompt"], row["completion"]) for row in rows} >= {(row["prompt"], row["completion"]) for row in pairs}


def test_a_person_judges_in_the_terminal(make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_project("project")
    collect.run(settings(collect.Config, folder, questions=4))
    keys = iter(["1", "nonsense", "2", "t", "q"])
    monkeypatch.setattr("heedful.stages.console.console.input", lambda _text: next(keys))
    assert judge.run(judge.Config(folder, annotator="ada")) == 3
    store = Project.open(folder).store
    found = [(judgement.answer["choice"], judgement.shown) for judgement in store.judgements(annotator_id="ada")]
    first, second, third = found
    assert first[0] == "ab"[first[1][0]], "key 1 is the completion shown first, whichever that was"
    assert second[0] == "ab"[second[1][1]]
    assert third[0] == "tie"


def test_the_report_shows_hostile_completions_as_text(make_project: Make) -> None:
    folder = make_project("project")
    iterate.run(iterate.Config(folder, rounds=1, reward_function=function(folder), threads=1))
    path = folder / "runs" / "round-1-evaluate" / "result.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    result["samples"][0]["completions"][0]["text"] = "<script>alert(1)</script>"
    path.write_text(json.dumps(result), encoding="utf-8")
    page = report.run(report.Config(folder)).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_tenth_of_what_was_collected_is_held_out_with_every_seed_at_its_default(make_project: Make) -> None:
    folder = make_project("project")
    (folder / FILE).write_text("[project]\nheld_out = 0.1\n[collect.sampling]\nmax_new_tokens = 6\n", encoding="utf-8")
    collect.run(settings(collect.Config, folder, questions=100))
    judge.run(judge.Config(folder, by=function(folder)))
    made = reward.run(settings(reward.Config, folder, epochs=0.2, reference_samples=16, max_new_tokens=6))
    assert made.run is not None
    result = json.loads((folder / "runs" / made.run / "result.json").read_text(encoding="utf-8"))
    held_out = result["held_out"]
    assert 4 <= held_out <= 22, "about ten of a hundred; one, if the draw were that of the examination prompts again"
