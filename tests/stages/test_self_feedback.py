"""Self-feedback in the store: a model's answers are a model's, criticism becomes pairs, rounds raise what is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.feedback.views import comparisons
from heedful.records import Annotator, Completion, Prompt, Question
from heedful.reward.judge import Judge, one_by_one
from heedful.settings import FILE, load
from heedful.stages import collect, prefer
from heedful.stages.preferring import Training
from heedful.stages.project import Project
from heedful.stages.self_feedback import judge_campaign, keep_revisions, revise, self_rewarding

Make = Callable[[str], Path]


@pytest.fixture
def project(make_project: Make) -> Project:
    return Project.open(make_project("project"))


def ask(project: Project, *texts: tuple[str, str]) -> None:
    """A comparison of two texts each, of the first training prompts."""
    completions, questions = [], []
    for prompt, (a, b) in zip(project.prompts("train"), texts, strict=False):
        both = [Completion(f"{prompt.id}-{side}", prompt.id, text) for side, text in (("a", a), ("b", b))]
        completions += both
        questions.append(Question(f"q-{prompt.id}", "comparison", prompt.id, (both[0].id, both[1].id), campaign="c"))
    project.store.add_everything(completions=completions, questions=questions)


def test_a_judges_answers_are_stored_as_a_models_once(project: Project) -> None:
    ask(project, ("long one", "short"), ("x", "longer"), ("same", "size"))
    judge = one_by_one(lambda _, a, b: 0.9 if len(a) > len(b) else 0.2 if len(a) < len(b) else 0.7)
    assert judge_campaign(project.store, "c", judge, "robot") == 3
    assert judge_campaign(project.store, "c", judge, "robot") == 0, "it has answered"
    answers = [judgement.answer for judgement in project.store.judgements("c")]
    assert [answer["choice"] for answer in answers] == ["a", "b", "tie"], "a bias of place is no preference"
    assert answers[0]["metadata"]["probability"] == pytest.approx((0.9 + 1 - 0.2) / 2)
    assert {person.id: person.kind for person in project.store.annotators()} == {"robot": "model"}
    assert {name for item in comparisons(project.store) for name in item.annotator_ids} == {"robot"}


def test_a_model_does_not_answer_in_a_persons_name(project: Project) -> None:
    ask(project, ("a", "b"))
    project.store.add_annotators([Annotator("ada")])
    with pytest.raises(Problem, match="name of a person"):
        judge_campaign(project.store, "c", one_by_one(lambda *_: 0.5), "ada")


def test_criticism_and_revision_become_pairs(project: Project) -> None:
    prompts = project.prompts("train")[:3]
    drafts = [
        (prompt, Completion(f"draft-{n}", prompt.id, text))
        for n, (prompt, text) in enumerate(zip(prompts, ["rude {draft}", "fine", "rude too"], strict=True))
    ]
    asked: list[list[str]] = []

    def write(some: Sequence[Prompt]) -> list[str]:
        asked.append([prompt.text for prompt in some])
        if len(asked) == 1:
            return ["it is rude"] * len(some)
        return ["kind", "fine", ""]

    revisions = revise(write, drafts, ["be kind", "be brief"])
    assert [each.rule for each in revisions] == ["be kind", "be brief", "be kind"]
    assert "rude {draft}" in asked[0][0]
    assert "be kind" in asked[0][0]
    assert "it is rude" in asked[1][0]
    assert keep_revisions(project.store, revisions, campaign="self", name="robot") == 1, (
        "no change and nothing are none"
    )
    (found,) = comparisons(project.store)
    assert (found.a, found.b, found.target, found.annotator_ids) == ("kind", "rude {draft}", 1.0, ("robot",))
    (judgement,) = project.store.judgements("self")
    assert judgement.answer["reason"] == "it is rude"
    assert keep_revisions(project.store, revisions, campaign="self", name="robot") == 0, "twice is once"
    with pytest.raises(Problem, match="no rule"):
        revise(write, drafts, [])


def test_rounds_of_self_rewarding_raise_what_the_judge_likes(project: Project) -> None:
    """The judge likes letters before n; every version learns only from what a model said of its parent."""
    folder = project.folder
    judges: list[str] = []

    def asking(number: int, version: str) -> collect.Config:
        found = load(collect.Config, folder / FILE, "collect", project=folder, threads=1, policy=version)
        return replace(found, questions=48, seed=number)

    def learning(number: int, _version: str) -> prefer.Config:
        training = Training(epochs=6, per_step=16, learning_rate=1e-2)
        return prefer.Config(folder, training=training, threads=1, held_out=0.2, seed=number)

    def taste(text: str) -> float:
        return sum(1.0 if letter < "n" else -1.0 for letter in text if letter.isalpha())

    def judge_of(version: str) -> Judge:
        judges.append(version)
        return one_by_one(lambda _, a, b: 0.5 + 0.5 * ((taste(a) > taste(b)) - (taste(a) < taste(b))))

    made = self_rewarding(project.store, 2, asking, learning, judge_of, "v0")
    assert judges == ["v0", "v1"]
    assert [(model.id, model.parent) for model in made] == [("v1", "v0"), ("v2", "v1")]
    written = {version: [taste(text.text) for text in project.store.completions(policy=version)] for version in judges}
    assert sum(written["v1"]) / len(written["v1"]) > sum(written["v0"]) / len(written["v0"])
    behind = set(lineage.judgements_behind(project.store, "v2"))
    authors = {item.annotator_id for item in project.store.judgements() if item.id in behind}
    assert authors == {"model v0", "model v1"}
