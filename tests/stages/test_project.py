"""What a project promises its runs: prompts that stay the same, names that are given once, no training on exams."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from heedful.errors import Problem
from heedful.feedback.exchange import import_file
from heedful.records import Model, Prompt, content_id
from heedful.stages.project import Project


@dataclass(frozen=True)
class Config:
    """Settings of a stage that waits for people."""

    wait: bool = True
    size: int = 1


def prompts(first: int, last: int) -> list[Prompt]:
    return [Prompt(content_id("prompt", number), f"question {number}") for number in range(first, last)]


def test_a_resumed_run_has_the_prompts_it_began_with(make_project: Callable[[str], Path]) -> None:
    project = Project.open(make_project("p"))
    run = project.begin("evaluate", Config())
    before = {purpose: project.prompts(purpose, run) for purpose in ("train", "evaluate")}
    project.store.add_prompts(prompts(0, 50))
    again = project.begin("evaluate", Config(wait=False))
    assert again.folder == run.folder, "whether one waits for people decides no result"
    assert {purpose: project.prompts(purpose, again) for purpose in ("train", "evaluate")} == before
    assert len(project.prompts("train")) > len(before["train"])


def test_a_name_that_an_unfinished_run_chose_is_not_given_again(make_project: Callable[[str], Path]) -> None:
    project = Project.open(make_project("p"))
    assert project.next_id("policy") == "v1"
    unfinished = project.begin("improve", Config(), version="v1", policy="v0")
    assert project.next_id("policy") == "v2"
    assert project.next_id("reward") == "r1"
    shutil.rmtree(unfinished.folder)
    assert project.next_id("policy") == "v1"


def test_the_weights_of_another_run_are_not_overwritten(make_project: Callable[[str], Path]) -> None:
    from heedful.stages.versions import keep_policy, load_policy

    project = Project.open(make_project("p"))
    weights = load_policy(project, project.model("v0"))
    keep_policy(project, weights, Model("v1", "policy", "policies/v1", run="0001-sft"))
    with pytest.raises(Problem, match="another run"):
        keep_policy(project, weights, Model("v1", "policy", "policies/v1", run="0002-improve"))


def test_nothing_is_learned_from_prompts_kept_for_evaluation(
    make_project: Callable[[str], Path], tmp_path: Path
) -> None:
    from heedful.language.imitation import examples_of_demonstrations
    from heedful.stages import sft, teaching
    from heedful.stages.imitating import Imitation

    project = Project.open(make_project("p"))
    file = tmp_path / "demonstrations.jsonl"
    rows = [{"prompt": f"{a} {b}", "completion": "e e"} for a in "abcdefgh" for b in "ijkl"]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_file(project.store, file)
    learned: list[set[str]] = []
    original = examples_of_demonstrations

    def spy(model, items):  # type: ignore[no-untyped-def]
        learned.append({item.prompt.id for item in items})
        return original(model, items)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teaching, "examples_of_demonstrations", spy)
        sft.run(sft.Config(project.folder, imitation=Imitation(batch=8), seed=5, threads=1))
    kept = {prompt.id for prompt in project.prompts("evaluate")}
    assert kept & learned[1]
    assert not kept & learned[0]


def test_a_resumed_fine_tuning_has_the_demonstrations_it_began_with(
    make_project: Callable[[str], Path], tmp_path: Path
) -> None:
    from heedful.feedback import lineage
    from heedful.stages.imitating import frozen_demonstrations

    project = Project.open(make_project("p"))
    file = tmp_path / "demonstrations.jsonl"
    for first in (True, False):
        letters = "abc" if first else "def"
        rows = [{"prompt": letter, "completion": "e e"} for letter in letters]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        import_file(project.store, file, campaign=letters)
        run = project.begin("sft", Config())
        assert [item.prompt.text for item in frozen_demonstrations(project, run)] == ["a", "b", "c"]
    [annotator] = {name for item in frozen_demonstrations(project, run) for name in item.annotator_ids}
    lineage.retract(project.store, annotator)
    with pytest.raises(Problem, match="retracted"):
        frozen_demonstrations(project, run)
