"""A language model answers comparisons: what is stored is what it thinks, in lots, once, under its own name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.stages.conftest import write_model

from heedful import cli
from heedful.errors import Problem
from heedful.feedback.store import Store
from heedful.feedback.views import comparisons
from heedful.language.pretrained import load
from heedful.records import Annotator, Completion, Model, Prompt, Question
from heedful.reward.judge import ModelJudge, one_by_one
from heedful.stages import judge
from heedful.stages.judges import answer
from heedful.stages.model_judging import judge_campaign, judge_name
from heedful.stages.project import Project
from heedful.stages.wording import Judging

Make = Callable[[str], Path]

WORDS = "q {prompt} x {a} y {b} z"


@pytest.fixture
def project(make_project: Make) -> Project:
    """Six comparisons of letters, filed under `c`."""
    project = Project.open(make_project("project"))
    texts = [("e e", "a"), ("b", "c d"), ("f", "g"), ("h h h", "i"), ("j", "k"), ("l", "m m")]
    ask(project, "c", *texts)
    return project


def ask(project: Project, campaign: str, *texts: tuple[str, str], kind: str = "comparison") -> None:
    completions, questions = [], []
    for prompt, pair in zip(project.prompts("train"), texts, strict=False):
        sides = [Completion(f"{campaign}-{prompt.id}-{n}", prompt.id, text) for n, text in enumerate(pair)]
        ids = tuple(side.id for side in sides)
        completions += sides
        questions.append(
            Question(f"{campaign}-{prompt.id}", kind, prompt.id, ids if kind == "comparison" else ids[:1], campaign)
        )
    project.store.add_everything(completions=completions, questions=questions)


def judging(project: Project, **given: Any) -> Judging:
    path = project.folder / "question.txt"
    path.write_text(WORDS + "\n", encoding="utf-8")
    return Judging(**{"question": str(path), "options": ("s", "t"), "rows": 4, **given})


def run(project: Project, by: str = "model:v0", campaign: str = "", **given: Any) -> int:
    return judge.run(
        judge.Config(project.folder, by=by, campaign=campaign, judging=judging(project, **given), device="cpu")
    )


@torch.no_grad()
def chance(project: Project, prompt: Prompt, a: str, b: str) -> float:
    """P(s) / (P(s) + P(t)) by the model itself."""
    model = load(project.folder / "policies" / "v0")
    text = WORDS.replace("{prompt}", prompt.text).replace("{a}", a).replace("{b}", b)
    logits = model.module(torch.tensor([model.encode(text)])).logits[0, -1].double()
    s, t = (model.encode(letter, start=False)[0] for letter in "st")
    return float(torch.softmax(logits[[s, t]], 0)[0])


def test_what_is_stored_is_the_mean_of_both_orders_as_the_model_sees_them(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(project) == 6
    store = project.store
    (annotator,) = store.annotators()
    assert (annotator.kind, annotator.metadata["question"]) == ("model", WORDS)
    prompts = {prompt.id: prompt for prompt in store.prompts()}
    texts = {item.id: item.text for item in store.completions()}
    for question, judgement in zip(store.questions("c"), store.judgements("c"), strict=True):
        a, b = (texts[id_] for id_ in question.completion_ids)
        prompt = prompts[question.prompt_id]
        there, back = chance(project, prompt, a, b), chance(project, prompt, b, a)
        said = judgement.answer["metadata"]
        assert said["first"] == pytest.approx([there, back], abs=1e-5)
        assert said["probability"] == pytest.approx((there + 1 - back) / 2, abs=1e-5)
        assert judgement.answer["choice"] == ("a" if there + 1 - back > 1 else "b")
    shown = capsys.readouterr().out
    assert "answered 6 comparisons" in shown
    assert "Position bias over 6 comparisons" in shown
    assert run(project) == 0, "it has answered"
    assert "had answered all comparisons before" in capsys.readouterr().out


def test_stopped_in_the_middle_it_goes_on_with_what_is_left(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = ModelJudge.__call__, []

    def stopping(self: ModelJudge, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[float]:
        asked.append(len(prompts))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(self, prompts, a, b)

    monkeypatch.setattr(ModelJudge, "__call__", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(project)
    assert len(project.store.judgements("c")) == 4, "the first lot is stored"
    assert run(project) == 2
    assert asked == [8, 4, 4], "each comparison in both orders, none of the first lot again"
    assert len(project.store.judgements("c")) == 6


def test_any_model_in_a_folder_can_judge_and_each_way_of_asking_has_a_name(project: Project, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", seed=5)
    assert run(project, f"model:{other}") == 6
    assert run(project, "model:current") == 6
    assert run(project, options=("u", "v")) == 6
    names = [person.id for person in project.store.annotators()]
    assert len(set(names)) == 3
    assert names[0].startswith(f"model {other} (")
    assert judge_name("v0") == judge_name("v0", "", Judging(rows=1)) == "model v0"


def test_only_what_is_a_comparison_is_answered(project: Project) -> None:
    ask(project, "thumbs", ("a", "b"), kind="label")
    assert run(project) == 6
    with pytest.raises(Problem, match="no comparisons in 'thumbs'"):
        run(project, campaign="thumbs")


def test_a_model_that_is_not_there_is_one_problem(project: Project) -> None:
    with pytest.raises(Problem, match=r"no model 'nowhere': there is no such version or folder"):
        run(project, "model:nowhere")
    empty = project.folder / "empty"
    empty.mkdir()
    with pytest.raises(Problem, match="there is such a folder, but this folder holds no model"):
        run(project, f"model:{empty}")
    with pytest.raises(Problem, match="which model judges"):
        run(project, "model:")
    project.store.add_model(Model("r1", "reward", "rewards/r1"))
    with pytest.raises(Problem, match="r1 is a reward model"):
        run(project, "model:r1")
    assert project.store.judgements() == []


def test_a_comparison_longer_than_the_context_is_found_before_anything_is_asked(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(project, "long", ("a " * 20, "b " * 30), ("a", "b"))
    with pytest.raises(Problem, match=r"1 of 2 comparisons are longer than the judge's context"):
        run(project, campaign="long")
    assert project.store.judgements() == []
    assert run(project, campaign="long", skip_overlong=True) == 1
    assert "1 comparisons were left out" in capsys.readouterr().out


def test_options_that_the_tokenizer_does_not_tell_apart_are_refused(project: Project) -> None:
    """Letters are all that the tiny model knows: 1 and 2 are the same unknown token to it."""
    with pytest.raises(Problem, match=r"cannot tell the options ' 1' and ' 2' apart"):
        run(project, options=())
    with pytest.raises(Problem, match="1 options were named"):
        run(project, options=("s",))


def test_the_command_line_and_the_stages_know_it(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    path = judging(project).question
    given = ["--judging.question", path, "--judging.options", "s", "t", "--device", "cpu"]
    assert cli.main(["judge", str(project.folder), "--by", "model:v0", *given]) == 0
    assert len(project.store.judgements()) == 6
    assert cli.main(["judge", str(project.folder), "--by", "model:v9", *given]) == 2
    assert "name a version of this project (v0)" in capsys.readouterr().err
    with pytest.raises(Problem, match="cannot tell the options"):
        answer(project, "c", "model:v0", purpose="train", seed=0)


# Any judge


def small(store: Store) -> None:
    prompt = Prompt("p", "why")
    pairs = [("long one", "short"), ("x", "longer"), ("same", "size")]
    texts = [Completion(f"{n}{side}", "p", text) for n, pair in enumerate(pairs) for side, text in enumerate(pair)]
    asked = [Question(f"q{n}", "comparison", "p", (f"{n}0", f"{n}1"), "small") for n in range(3)]
    store.add_everything(prompts=[prompt], completions=texts, questions=asked)


def test_a_judges_answers_are_stored_as_a_models_once(project: Project) -> None:
    small(project.store)
    judge_ = one_by_one(lambda _, a, b: 0.9 if len(a) > len(b) else 0.2 if len(a) < len(b) else 0.7)
    seen: list[int] = []
    assert judge_campaign(project.store, "small", judge_, "robot", rows=2, on_progress=seen.append) == 3
    assert seen == [2, 1]
    assert judge_campaign(project.store, "small", judge_, "robot") == 0, "it has answered"
    answers = [judgement.answer for judgement in project.store.judgements("small")]
    assert [answer["choice"] for answer in answers] == ["a", "b", "tie"], "a bias of place is no preference"
    assert answers[0]["metadata"]["probability"] == pytest.approx((0.9 + 1 - 0.2) / 2)
    assert {person.id: person.kind for person in project.store.annotators()} == {"robot": "model"}
    assert {name for item in comparisons(project.store) for name in item.annotator_ids} == {"robot"}


def test_a_model_does_not_answer_in_a_persons_name(project: Project) -> None:
    project.store.add_annotators([Annotator("ada")])
    with pytest.raises(Problem, match="name of a person"):
        judge_campaign(project.store, "c", one_by_one(lambda *_: 0.5), "ada")
