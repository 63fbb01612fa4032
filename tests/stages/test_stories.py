"""Stories from the beginning to the end, told with a model of a few thousand parameters: what a user would see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.language import prompts as order
from heedful.language.acting import write_completions
from heedful.language.engines.local import LocalSampler
from heedful.language.sampling import Sampling
from heedful.learning.monitors import Limits
from heedful.records import Annotator, Judgement
from heedful.reward.completions import score_completions
from heedful.reward.rules import load_function
from heedful.seeds import seed_of
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
from heedful.stages.leash import Leash
from heedful.stages.project import Project
from heedful.stages.versions import load_policy, load_reward

Make = Callable[[str], Path]


def settings(kind: Any, folder: Path, **given: Any) -> Any:
    return replace(load(kind, folder / FILE, kind.__module__.rpartition(".")[2], project=folder), threads=1, **given)


def function(folder: Path) -> str:
    return f"{folder.parent / 'rewards.py'}:score"


def test_a_reward_function_is_raised_over_two_rounds(make_project: Make) -> None:
    folder = make_project("project")
    first, second = iterate.run(
        iterate.Config(folder, rounds=2, reward_function=function(folder), steps=32, prompts=36, threads=1)
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
    with pytest.raises(Problem, match="nothing to learn from yet"):
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


def test_a_reward_model_finds_the_starts_own_completions_0_plus_minus_1(make_project: Make) -> None:
    """Mean 0 and variance 1 exactly on the completions it was normalised on, nearly on fresh ones."""
    folder, cpu = make_project("project"), torch.device("cpu")
    collect.run(settings(collect.Config, folder))
    judge.run(judge.Config(folder, by=function(folder)))
    made = reward.run(settings(reward.Config, folder, reference_samples=200))
    project = Project.open(folder)
    model, start = load_reward(project, made, cpu), load_policy(project, project.model("v0"), cpu)

    def scores(seed: int) -> torch.Tensor:
        prompts = order.batch(project.prompts("train"), 0, 200, seed)
        sampler, sampling = LocalSampler(start), Sampling(max_new_tokens=6)
        written = write_completions(start, sampler, prompts, sampling, policy="v0", seed=seed)
        return score_completions(model, prompts, [completion.text for completion in written]).double()

    known_B, fresh_B = scores(seed_of(0, "reference")), scores(1)
    assert float(known_B.mean()) == pytest.approx(0, abs=1e-4)
    assert float(known_B.var(correction=0)) == pytest.approx(1, abs=1e-3)
    assert float(fresh_B.mean()) == pytest.approx(0, abs=0.3)
    assert float(fresh_B.var()) == pytest.approx(1, abs=0.4)


def test_the_same_votes_teach_the_same_whoever_gave_them(make_project: Make) -> None:
    """A model's votes and a person's: reward models that are equal bit for bit."""
    folders = [make_project(name) for name in ("by-model", "by-person")]
    for folder in folders:
        collect.run(settings(collect.Config, folder))
    judge.run(judge.Config(folders[0], by=function(folders[0])))
    first, second = (Project.open(folder).store for folder in folders)
    second.add_annotators([Annotator("ada", kind="person")])
    second.submit_many(
        Judgement(f"ada-{number}", vote.question_id, "ada", vote.answer)
        for number, vote in enumerate(first.judgements())
    )
    assert {person.kind for person in first.annotators()} == {"model"}
    made = [reward.run(settings(reward.Config, folder)) for folder in folders]
    for name in ("model.safetensors", "head.safetensors"):
        one, other = ((folder / item.path / name).read_bytes() for folder, item in zip(folders, made, strict=True))
        assert one == other, name


SIGNS = """
def score(prompts, completions):
    return [float(sum(1 if letter < "n" else -1 for letter in text.split())) for text in completions]

def inverted(prompts, completions):
    return [-value for value in score(prompts, completions)]
"""


@pytest.mark.parametrize("judges", ["score", "inverted"])
def test_judges_with_the_sign_turned_round_are_noticed(judges: str, make_project: Make) -> None:
    """Whatever people reward rises; were a sign turned round anywhere, this would fall. Where the judges themselves
    answered the wrong way round, those who rate the version are heard, and told why it may be worse."""
    folder = make_project("project")
    path = folder.parent / "signs.py"
    path.write_text(SIGNS, encoding="utf-8")
    collect.run(settings(collect.Config, folder, questions=160))
    judge.run(judge.Config(folder, by=f"{path}:{judges}"))
    reward.run(settings(reward.Config, folder, epochs=4.0, pairs_per_step=16, learning_rate=1e-2))
    free = {"leash": Leash(0.05), "missing_stop_penalty": 0.0, "monitors": Limits(stop=False)}
    improve.run(settings(improve.Config, folder, steps=15, prompts_per_step=8, learning_rate=1e-2, **free))
    result = evaluate.run(settings(evaluate.Config, folder, judges=f"{path}:score", prompts=40))
    project = Project.open(folder)
    score = load_function(f"{path}:score")
    texts: dict[str, list[str]] = {"v0": [], "v1": []}
    for completion in project.store.completions():
        texts[completion.policy].append(completion.text)
    begun, ended = (sum(score([], written)) / len(written) for written in texts.values())
    words = " ".join(result["sentences"])
    if judges == "score":
        assert ended > begun + 0.5
        assert result["promoted"]
        assert "beyond doubt" not in words
    else:
        assert ended < begun - 0.5
        assert project.model("v1").status == "rejected"
        assert "people prefer v0 beyond doubt" in words
        assert "sign turned round" in words


def test_a_reward_model_learns_from_picks_of_the_best_of_four(make_project: Make) -> None:
    """Imported as released with Ziegler et al. 2019, and comparisons beside them."""
    folder, words = make_project("project"), "abcdfghijklm"
    rows = []
    for number, prompt in enumerate(Project.open(folder).prompts("train")):
        letters = [words[(number + 5 * place) % 12] * 2 + ("e" if place == number % 4 else "a") for place in range(4)]
        samples = {f"sample{place}": " ".join(text) for place, text in enumerate(letters)}
        rows.append({"query": prompt.text, **samples, "best": number % 4})
    path = folder.parent / "best.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_.run(import_.Config(folder, path))
    collect.run(settings(collect.Config, folder))
    judge.run(judge.Config(folder, by=function(folder)))
    made = reward.run(settings(reward.Config, folder, learn="best", voices="both", epochs=8.0, learning_rate=1e-2))
    assert made.metadata["accuracy"] > 0.7
    for refused in ({"margins": True}, {"noise_floor": 0.1}):
        with pytest.raises(Problem, match="of pairs"):
            reward.run(settings(reward.Config, folder, learn="best", **refused))
