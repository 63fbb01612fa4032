"""Self-rewarding rounds: what is judged rises, and every version learns only from what its parent said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from heedful.feedback import lineage
from heedful.reward.judge import one_by_one
from heedful.settings import FILE, load
from heedful.stages import collect, prefer
from heedful.stages.model_judging import judge_campaign
from heedful.stages.preferring import Training
from heedful.stages.project import Project
from heedful.stages.self_rewarding import Round, self_rewarding

Make = Callable[[str], Path]


def test_rounds_of_self_rewarding_raise_what_the_judge_likes(make_project: Make) -> None:
    """The judge likes letters before n; every version learns only from what a model said of its parent."""
    folder = make_project("project")
    project = Project.open(folder)
    asked: list[tuple[str, str]] = []

    def asking(number: int, version: str) -> collect.Config:
        found = load(collect.Config, folder / FILE, "collect", project=folder, threads=1, policy=version)
        return replace(found, questions=48, seed=number)

    def learning(number: int, _version: str) -> prefer.Config:
        training = Training(epochs=6, per_step=16, learning_rate=1e-2)
        return prefer.Config(folder, training=training, threads=1, held_out=0.2, seed=number)

    def taste(text: str) -> float:
        return sum(1.0 if letter < "n" else -1.0 for letter in text if letter.isalpha())

    def judging(campaign: str, version: str) -> None:
        asked.append((campaign, version))
        judge = one_by_one(lambda _, a, b: 0.5 + 0.5 * ((taste(a) > taste(b)) - (taste(a) < taste(b))))
        judge_campaign(project.store, campaign, judge, f"model {version}")

    told: list[Round] = []
    made = self_rewarding(2, asking, judging, learning, "v0", on_round=told.append)
    assert told == made
    assert asked == [("collect-v0", "v0"), ("collect-v1", "v1")]
    assert [(each.made.id, each.made.parent) for each in made] == [("v1", "v0"), ("v2", "v1")]
    written = {name: [taste(text.text) for text in project.store.completions(policy=name)] for name in ("v0", "v1")}
    assert sum(written["v1"]) / len(written["v1"]) > sum(written["v0"]) / len(written["v0"])
    frozen = lineage.snapshot_that_stands(project.store, project.model("v2").snapshot or "")
    behind = set(frozen.judgement_ids)
    authors = {item.annotator_id for item in project.store.judgements() if item.id in behind}
    assert authors == {"model v1"}, "a round learns from its own"
    assert (project.runs / "self-2-prefer" / "result.json").is_file()
