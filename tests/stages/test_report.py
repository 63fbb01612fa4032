"""The report on real runs of a tiny model: every kind of run is on the page, with its numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stages.test_self_feedback import revising

from heedful.errors import Problem
from heedful.language.sampling import Sampling
from heedful.records import Annotator, Judgement, Question
from heedful.stages import collect, distil, judge, offline, prefer, reject, report, self_feedback, sft
from heedful.stages.history import finished_runs
from heedful.stages.imitating import Imitation
from heedful.stages.project import Project

Make = Callable[[str], Path]

BRIEF = Imitation(epochs=4, batch=8, learning_rate=1e-3)


def demonstrate(folder: Path) -> None:
    """Somebody shows an answer to each training prompt."""
    project = Project.open(folder)
    questions = [Question(f"show-{p.id}", "demonstration", p.id, campaign="shown") for p in project.prompts("train")]
    said = [Judgement(f"said-{q.id}", q.id, "ada", {"text": "e e e"}) for q in questions]
    project.store.add_everything(annotators=[Annotator("ada")], questions=questions, judgements=said)


def test_before_anything_has_happened_it_says_so(make_project: Make) -> None:
    with pytest.raises(Problem, match="nothing has happened yet"):
        report.run(report.Config(make_project("project")))


def test_every_kind_of_learning_is_on_the_page(make_project: Make) -> None:
    folder = make_project("project")
    function = f"{folder.parent / 'rewards.py'}:score"
    short = Sampling(max_new_tokens=4)
    demonstrate(folder)
    sft.run(sft.Config(folder, imitation=BRIEF, held_out=0.3, threads=1))
    collect.run(collect.Config(folder, questions=40, sampling=short, threads=1))
    judge.run(judge.Config(folder, by=function))
    prefer.run(prefer.Config(folder, held_out=0.3, voices="models", threads=1))
    reject.run(reject.Config(folder, reward_function=function, prompts=12, sampling=short, imitation=BRIEF, threads=1))
    offline.run(offline.Config(folder, method="weighted", scorer=function, imitation=BRIEF, threads=1))
    context = folder.parent / "context.txt"
    context.write_text("x y ", encoding="utf-8")
    distil.run(
        distil.Config(folder, context=str(context), prompts=8, examined=8, sampling=short, imitation=BRIEF, threads=1)
    )
    self_feedback.run(revising(folder))
    page = report.run(report.Config(folder)).read_text(encoding="utf-8")
    for stage in ("sft", "prefer", "reject", "offline", "distil", "self-feedback"):
        (item,) = [past for past in finished_runs(Project.open(folder)) if past.stage == stage]
        assert f'<h3 class="one">{item.name}</h3>' in page, stage
    for sentence in (
        "demonstrations. It became v",
        "learned models&#39; preferences by DPO from",
        "winners among its completions",
        "logged completions by reward-weighted imitation",
        "writes with this context: “x y”",
        "drafts by rules;",
        "always the longer",
        "best of n, learned score",
    ):
        assert sentence in page, sentence
    assert "<script" not in page


def test_costs_are_shown_for_runs_of_all_kinds(make_project: Make) -> None:
    folder = make_project("project")
    collect.run(collect.Config(folder, questions=4, sampling=Sampling(max_new_tokens=4), threads=1))
    path = folder / "runs" / "0001-collect" / "result.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    booked = {"collect": {"tokens_written": 4321, "seconds": 2.0}, "total": {"tokens_written": 4321, "seconds": 2.0}}
    path.write_text(json.dumps(result | {"costs": booked}), encoding="utf-8")
    page = report.run(report.Config(folder)).read_text(encoding="utf-8")
    section = page.partition("What the other runs cost</h2>")[2].partition("</section>")[0]
    assert len(re.findall("4321", section)) == 2
    assert "What it cost: 0001-collect." in section
