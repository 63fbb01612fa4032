"""The audit of labels: planted flips found through the model's own features, resumed as if never stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import mannwhitneyu
from tests.stages.test_doubts import settings

from heedful.evaluation.report import render
from heedful.records import Annotator, Completion, Judgement, Question
from heedful.seeds import generator
from heedful.stages import audit, report
from heedful.stages.history import finished_runs
from heedful.stages.project import Project

Make = Callable[[str], Path]

CARELESS, CAREFUL = "mel", ("ann", "bob", "cy")
FLIPS = {CARELESS: 0.44, "ann": 0.12, "bob": 0.12, "cy": 0.12}
"""How often each says the opposite; a fifth of the labels in all."""


def worth(text: str) -> int:
    """How many letters of the first three there are."""
    return sum(letter < "d" for letter in text.split())


def ask(folder: Path, pairs: int = 360) -> tuple[Project, set[str]]:
    """Comparisons of random letters with one vote each; returns the questions whose vote was turned round."""
    project, random, flipped = Project.open(folder), generator(5, "pairs"), set()
    prompts = project.store.prompts()
    completions, questions, judgements = [], [], []
    for i in range(pairs):
        prompt = prompts[i % len(prompts)]
        texts = [" ".join(random.choice(list("abcdef"), 9)) for _ in "ab"]
        ids = [f"c{i}{side}" for side in "ab"]
        completions += [Completion(id_, prompt.id, text) for id_, text in zip(ids, texts, strict=True)]
        questions.append(Question(f"q{i}", "comparison", prompt.id, tuple(ids), "round-1"))
        who = list(FLIPS)[i % len(FLIPS)]
        gap = worth(texts[0]) - worth(texts[1])
        if gap and random.random() < FLIPS[who]:
            gap = -gap
            flipped.add(f"q{i}")
        choice = "tie" if not gap else "a" if gap > 0 else "b"
        judgements.append(Judgement(f"j{i}", f"q{i}", who, {"choice": choice}))
    people = [Annotator(name) for name in FLIPS]
    project.store.add_everything(annotators=people, completions=completions, questions=questions)
    project.store.submit_many(judgements)
    return project, flipped


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def area(rows: list[dict[str, Any]], flipped: set[str]) -> float:
    """Of strength as a sign of a flip: the chance that a flipped label is doubted more than another (Mann-Whitney)."""
    bad = [row["strength"] for row in rows if row["question"] in flipped]
    good = [row["strength"] for row in rows if row["question"] not in flipped and row["label"] != "tie"]
    return 1 - float(mannwhitneyu(bad, good).statistic) / (len(bad) * len(good))


def test_a_fifth_of_planted_flips_is_found_and_a_stopped_audit_goes_on(
    make_project: Make, break_off: Callable[[int], None]
) -> None:
    project, flipped = ask(make_project("project"))
    config = settings(audit.Config, project.folder)
    path = audit.run(config)
    rows = rows_of(path)
    assert area(rows, flipped) >= 0.9
    decided = [row for row in rows if row["label"] != "tie"]
    assert 0.17 < len(flipped) / len(decided) < 0.23
    assert len(rows) == 360
    strengths = [row["strength"] for row in decided]
    assert rows[: len(decided)] == decided
    assert strengths == sorted(strengths)
    worst = json.loads((path.parent / "result.json").read_text())["annotators"][0]
    assert (worst["annotator"], worst["count"]) == (CARELESS, sum(CARELESS in row["annotators"] for row in decided))

    page = render(report.compose(project, finished_runs(project)))
    assert "Whose votes are doubted most" in page

    judged = {row["question"]: row for row in rows}
    kept = project.examination_prompts()
    aside = {q.id for q in project.store.questions() if q.prompt_id in kept}
    assert aside
    assert not any(judged[name]["taught"] for name in aside)

    break_off(4)
    with pytest.raises(KeyboardInterrupt):
        audit.run(config)
    again = audit.run(config)
    assert again.parent.name == "0002-audit"
    assert again.read_bytes() == path.read_bytes()


def test_whole_reward_models_vote_too(make_project: Make, break_off: Callable[[int], None]) -> None:
    """Stopped in the first voter's training, the outcome is that of two voters trained in one go."""
    project, flipped = ask(make_project("project"), 160)
    config = settings(audit.Config, project.folder, voters="whole", models=2, pairs_per_step=16, checkpoint_every=2)
    config = replace(config, epochs=6.0, learning_rate=3e-2)
    path = audit.run(config)
    assert area(rows_of(path), flipped) > 0.7
    break_off(5)
    with pytest.raises(KeyboardInterrupt):
        audit.run(config)
    assert audit.run(config).read_bytes() == path.read_bytes()
