"""Which demonstrations `improve` learns from: none on examination prompts, and the same ones after a resume."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stages.test_doubts import settings

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.stages import import_, improve
from heedful.stages.demonstrated import training_answers, training_demonstrations
from heedful.stages.project import Project
from heedful.stages.regularising import Regularisers

Make = Callable[[str], Path]


def demonstrate(folder: Path, *answers: str, name: str = "demonstrations") -> None:
    """Let somebody answer every prompt of the tiny project, in these words by turns."""
    prompts = Project.open(folder).store.prompts()
    rows = [{"prompt": prompt.text, "completion": answers[i % len(answers)]} for i, prompt in enumerate(prompts)]
    path = folder.parent / f"{folder.name}-{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_.run(import_.Config(folder, path))


def test_nothing_on_an_examination_prompt_and_nothing_that_came_later(make_project: Make) -> None:
    folder = make_project("project")
    demonstrate(folder, "e s")
    project = Project.open(folder)
    run = project.begin("improve", improve.Config(folder))
    found = training_answers(project, run, "this test")
    assert {item.prompt.id for item in found} == {prompt.id for prompt in project.prompts("train")}
    assert {item.text for item in found} == {"e s"}
    demonstrate(folder, "q q", name="later")
    assert training_demonstrations(project, run) == found


def test_without_demonstrations_it_says_what_needs_them(make_project: Make) -> None:
    folder = make_project("project")
    project = Project.open(folder)
    run = project.begin("improve", improve.Config(folder))
    assert training_demonstrations(project, run) == []
    with pytest.raises(Problem, match="this test needs demonstrations") as found:
        training_answers(project, run, "this test")
    assert "heedful import" in str(found.value)


def test_a_version_can_be_traced_to_the_demonstrations_mixed_in(make_project: Make) -> None:
    folder = make_project("project")
    demonstrate(folder, "e s")
    function = f"{folder.parent / 'rewards.py'}:score"
    mixed_in = Regularisers(pretraining=1.0)
    config = settings(
        improve.Config, folder, reward_function=function, algorithm="rloo", regularisers=mixed_in, steps=1
    )
    made = improve.run(config)
    store = Project.open(folder).store
    behind = set(lineage.judgements_behind(store, made.id))
    train = {prompt.id for prompt in Project.open(folder).prompts("train")}
    asked = {question.id: question.prompt_id for question in store.questions()}
    on_training_prompts = {each.id for each in store.judgements() if asked[each.question_id] in train}
    assert on_training_prompts <= behind
