"""Reward models from each kind of answer, through the verb."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.stages.test_combining import flagged_answers
from tests.stages.test_stories import settings

from heedful.errors import Problem
from heedful.records import Annotator, Completion, Judgement, Prompt, Question
from heedful.reward.completions import score_completions
from heedful.seeds import generator
from heedful.stages import report, reward
from heedful.stages.project import Project
from heedful.stages.versions import load_reward

Make = Callable[[str], Path]


def result(folder: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / run / "result.json").read_text(encoding="utf-8"))
    return found


def ranked_answers(folder: Path, count: int = 40) -> None:
    """Rankings of four answers to a prompt each, the more letters e the better, and as many comparisons."""
    project, random = Project.open(folder), generator(7, "answers")
    prompts = project.store.prompts()[:count]
    texts = {
        prompt.id: list(dict.fromkeys(" ".join(random.choice(list("abcde"), 6)) for _ in range(9)))[:6]
        for prompt in prompts
    }
    completions = [
        Completion(f"{prompt.id}-{n}", prompt.id, text) for prompt in prompts for n, text in enumerate(texts[prompt.id])
    ]
    questions, judgements = [], []
    for prompt in prompts:
        ids = [f"{prompt.id}-{n}" for n in range(6)]
        letters = [text.count("e") for text in texts[prompt.id]]
        ranks = [1 + sum(other > own for other in letters[:4]) for own in letters[:4]]
        choice = "a" if letters[4] > letters[5] else "b" if letters[5] > letters[4] else "tie"
        questions += [
            Question(f"r-{prompt.id}", "ranking", prompt.id, tuple(ids[:4])),
            Question(f"c-{prompt.id}", "comparison", prompt.id, tuple(ids[4:])),
        ]
        judgements += [
            Judgement(f"jr-{prompt.id}", f"r-{prompt.id}", "ann", {"ranks": ranks}),
            Judgement(f"jc-{prompt.id}", f"c-{prompt.id}", "ann", {"choice": choice}),
        ]
    project.store.add_everything(
        completions=completions, annotators=[Annotator("ann")], questions=questions, judgements=judgements
    )


@pytest.mark.parametrize("learn", ["pairs", "best", "order"])
def test_rankings_teach_in_three_ways(learn: Any, make_project: Make) -> None:
    folder = make_project("project")
    ranked_answers(folder)
    made = reward.run(settings(reward.Config, folder, learn=learn, epochs=8.0, pairs_per_step=16))
    assert made.config["learn"] == learn
    accuracy = result(folder, made.run)["accuracy"]["accuracy"]
    assert accuracy["low"] > 0.6, "on the pairs of prompts that it has not seen"


def test_ratings_teach_what_their_aspects_weigh(make_project: Make) -> None:
    """People rate two aspects that contradict each other; the model learns the one that weighs more."""
    folder = make_project("project")
    project, random = Project.open(folder), generator(8, "answers")
    asked = [prompt for prompt in project.store.prompts() for _ in range(5)]
    texts = [" ".join(random.choice(list("abcde"), 6)) for _ in asked]
    project.store.add_everything(
        completions=[Completion(f"x{n}", p.id, t) for n, (p, t) in enumerate(zip(asked, texts, strict=True))],
        annotators=[Annotator("ann"), Annotator("bob")],
        questions=[
            Question(f"q{n}", "rating", prompt.id, (f"x{n}",), metadata={"scale": [0, 9]})
            for n, prompt in enumerate(asked)
        ],
        judgements=[
            Judgement(f"j{n}", f"q{n}", "ann" if n % 2 else "bob", {"ratings": {"many": e + n % 2, "few": 7 - e}})
            for n, e in enumerate(text.count("e") for text in texts)
        ],
    )
    how: dict[str, Any] = {"learn": "ratings", "epochs": 8.0, "pairs_per_step": 32}
    for aspects, better in (({"many": 1.0}, "e e e e"), ({"many": 1.0, "few": 3.0}, "a b c d")):
        made = reward.run(settings(reward.Config, folder, **how, aspects=aspects))
        found = result(folder, made.run)
        assert found["accuracy"]["accuracy"]["low"] > 0.6
        assert "calibration" not in found, "the score is no log-odds"
        scores = score_completions(
            load_reward(project, made, torch.device("cpu")), [Prompt.of("a")] * 2, ["e e e e", "a b c d"]
        )
        assert ["e e e e", "a b c d"][int(scores.argmax())] == better
    page = report.run(report.Config(folder))
    assert "Accuracy on held-out answers" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"learn": "ratings"}, "this needs ratings"),
        ({"learn": "flags"}, "this needs flags"),
        ({"learn": "pairs"}, "this needs comparisons, rankings or edits"),
        ({"learn": "order", "margins": True}, "are of pairs"),
    ],
)
def test_what_there_is_nothing_of_is_named(how: dict[str, Any], says: str, make_project: Make) -> None:
    folder = make_project("project")
    with pytest.raises(Problem, match=says):
        reward.run(settings(reward.Config, folder, **how))


def test_names_that_nobody_used_are_told_with_those_that_there_are(make_project: Make) -> None:
    folder = make_project("project")
    flagged_answers(folder)
    with pytest.raises(Problem, match=r"(?s)asked about the flag 'unsafe'.*rude, wrong"):
        reward.run(settings(reward.Config, folder, learn="flags", flags=("unsafe",)))
    with pytest.raises(Problem, match=r"(?s)rated the aspect 'kind'.*lively"):
        reward.run(settings(reward.Config, folder, learn="ratings", aspects={"kind": 1.0}, restart=True))
    with pytest.raises(Problem, match="said the same of every completion"):
        reward.run(settings(reward.Config, folder, learn="flags", flags=("wrong",), restart=True))
