"""What a run learns from: frozen when it begins, and never what is held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.stages.test_reward import ranked_answers

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.feedback.views import comparisons
from heedful.records import Annotator, Comparison, Judgement, Question
from heedful.runs import Run
from heedful.stages.answers import frozen_answers
from heedful.stages.project import Project

Make = Callable[[str], Path]


@dataclass
class Settings:
    number: int


def begun(project: Project, number: int) -> Run:
    return project.begin("learning", Settings(number), name=f"run-{number}")


def divided(project: Project, run: Run, seed: int = 0) -> tuple[list[Comparison], list[Comparison]]:
    def read(ids: set[str]) -> list[Comparison]:
        return comparisons(project.store, judgement_ids=ids)

    return frozen_answers(
        project, run, read, needed="this needs comparisons", voices="any", by="prompt", held_out=0.25, seed=seed
    )


def test_what_is_held_out_shares_no_prompt_and_holds_all_that_evaluation_asks(make_project: Make) -> None:
    project = Project.open(make_project("project"))
    ranked_answers(project.folder)
    learnt, aside = divided(project, begun(project, 1))
    prompts = [{item.prompt.id for item in part} for part in (learnt, aside)]
    assert not prompts[0] & prompts[1]
    assert len(prompts[0] | prompts[1]) == 40
    assert not project.examination_prompts() & prompts[0]
    assert len(learnt) + len(aside) == len(comparisons(project.store))
    again, _ = divided(project, begun(project, 2))
    other, _ = divided(project, begun(project, 3), seed=1)
    assert again == learnt != other


def test_answers_that_come_later_are_for_the_next_run(make_project: Make) -> None:
    project = Project.open(make_project("project"))
    ranked_answers(project.folder)
    run = begun(project, 1)
    first = divided(project, run)
    asked = project.store.questions()[0]
    project.store.add_everything(
        annotators=[Annotator("late")],
        questions=[Question("later", "comparison", asked.prompt_id, asked.completion_ids[:2])],
        judgements=[Judgement("j-late", "later", "late", {"choice": "a"})],
    )
    assert divided(project, run) == first
    assert sum(map(len, divided(project, begun(project, 2)))) == sum(map(len, first)) + 1
    lineage.retract(project.store, "ann", "spam")
    with pytest.raises(Problem, match='"ann", who was retracted since'):
        divided(project, run)


def test_nothing_to_learn_from_says_what_is_needed(make_project: Make) -> None:
    project = Project.open(make_project("project"))
    with pytest.raises(Problem, match="nothing to learn from yet: this needs comparisons"):
        divided(project, begun(project, 1))
