"""`heedful prefer` on a tiny model: every method learns, from every kind of answer, and can be traced and resumed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.language.engines.local import LocalSampler
from heedful.language.sampling import Sampling
from heedful.learning.direct import DPO, IPO, KTO, ORPO, SPIN, DirectMethods
from heedful.records import Annotator, Completion, Judgement, Model, Prompt, Question
from heedful.seeds import generator
from heedful.stages import prefer
from heedful.stages.preferring import Training
from heedful.stages.project import Project

Make = Callable[[str], Path]

TRAINING = Training(epochs=6, per_step=16, learning_rate=3e-3, micro_batch=8, checkpoint_every=2)


@pytest.fixture
def judged(make_project: Make) -> Make:
    """Make a project in which a model has compared two answers to each training prompt: it likes the letter e."""

    def make(name: str) -> Path:
        folder = make_project(name)
        project = Project.open(folder)
        completions, questions, judgements = [], [], []
        for prompt in project.prompts("train"):
            drawn = generator("answers", prompt.id).choice(list("aeou"), size=(2, 4))
            texts = [" ".join(letters) for letters in drawn.tolist()]
            pair = [Completion(f"{prompt.id}-{side}", prompt.id, text) for side, text in enumerate(texts)]
            gap = texts[0].count("e") - texts[1].count("e")
            choice = "a" if gap > 0 else "b" if gap < 0 else "tie"
            completions += pair
            questions.append(Question(prompt.id, "comparison", prompt.id, (pair[0].id, pair[1].id)))
            judgements.append(Judgement(f"vote-{prompt.id}", prompt.id, "machine", {"choice": choice}))
        annotators = [Annotator("machine", kind="model")]
        project.store.add_everything(
            completions=completions, annotators=annotators, questions=questions, judgements=judgements
        )
        return folder

    return make


def settings(folder: Path, **given: Any) -> prefer.Config:
    given = {"training": TRAINING, "held_out": 0.3, "sampling": Sampling(max_new_tokens=6), **given}
    return prefer.Config(folder, threads=1, **given)


def result_of(folder: Path, version: Model) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / version.run / "result.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("method", ["dpo", "ipo", "simpo", "orpo", "slic", "kto"])
def test_every_method_learns_from_comparisons(method: str, judged: Make) -> None:
    """Held-out pairs are ordered as the judge orders them, better than by chance; the version is a candidate."""
    folder = judged("project")
    methods = DirectMethods(ipo=IPO(beta=0.5), orpo=ORPO(odds_weight=2.0))
    version = prefer.run(settings(folder, method=method, methods=methods))
    found = result_of(folder, version)
    assert found["accuracy"]["accuracy"]["value"] > 0.6
    assert found["accuracy"]["length_baseline"] is not None
    assert (version.id, version.parent, version.status) == ("v1", "v0", "candidate")


def test_a_version_can_be_traced_to_the_judgements_behind_it(judged: Make) -> None:
    folder = judged("project")
    version = prefer.run(settings(folder, training=replace(TRAINING, epochs=1)))
    store = Project.open(folder).store
    assert set(lineage.judgements_behind(store, version.id)) == {item.id for item in store.judgements()}


def test_a_killed_run_goes_on_bit_for_bit(
    judged: Make,
    heedful: Callable[..., subprocess.CompletedProcess[str]],
    killed_when: Callable[..., None],
) -> None:
    whole, broken = judged("whole"), judged("broken")
    options = ["--threads", 1, "--held-out", 0.3, "--training.per-step", 4, "--training.checkpoint-every", 2]
    options += ["--training.epochs", 1, "--training.learning-rate", 1e-3]
    heedful("prefer", whole, *options)
    metrics = broken / "runs" / "0001-prefer" / "metrics.jsonl"

    def lines() -> int:
        return len(metrics.read_text(encoding="utf-8").splitlines()) if metrics.is_file() else 0

    killed_when(lambda: lines() >= 3, "prefer", broken, *options)
    heedful("prefer", broken, *options)

    def outcome(folder: Path) -> list[Any]:
        run = folder / "runs" / "0001-prefer"
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        weights = (folder / "policies" / "v1" / "model.safetensors").read_bytes()
        logged = [{name: value for name, value in row.items() if name != "time_s"} for row in rows]
        return [logged, json.loads((run / "result.json").read_text(encoding="utf-8")), weights]

    assert outcome(broken) == outcome(whole)


def test_the_reference_is_read_once_and_nothing_is_written_while_it_trains(
    judged: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = judged("project")
    calls: list[str] = []
    monkeypatch.setattr(LocalSampler, "sample", lambda *_: calls.append("sample"))
    version = prefer.run(settings(folder, training=replace(TRAINING, epochs=1)))
    assert calls == []
    kept = json.loads((folder / "runs" / version.run / "reference.json").read_text(encoding="utf-8"))
    found = result_of(folder, version)
    assert len(kept["logprobs"]) <= 2 * (found["pairs"] + found["held_out"])


def answered(folder: Path, kind: str, answer: Callable[[Prompt, str], dict[str, Any]], texts: Sequence[str]) -> None:
    """One person answers a question of a kind about each of some texts of every training prompt."""
    project = Project.open(folder)
    completions, questions, judgements = [], [], []
    for prompt in project.prompts("train"):
        for text in texts:
            name = f"{kind}-{prompt.id}-{text}"
            completion = Completion(f"completion-{name}", prompt.id, text)
            ids = () if kind == "demonstration" else (completion.id,)
            completions.append(completion)
            questions.append(Question(name, kind, prompt.id, ids, campaign=kind))
            judgements.append(Judgement(f"judgement-{name}", name, "ada", answer(prompt, text)))
    project.store.add_everything(
        completions=completions, annotators=[Annotator("ada")], questions=questions, judgements=judgements
    )


@pytest.mark.parametrize("kind", ["label", "rating"])
def test_kto_learns_from_labels_alone(kind: str, make_project: Make) -> None:
    folder = make_project("project")

    def answer(_: Prompt, text: str) -> dict[str, Any]:
        good = "e" in text
        return {"thumb": good} if kind == "label" else {"ratings": {"helpful": 4 if good else 2}, "scale": [1, 5]}

    answered(folder, kind, answer, ["e e a", "b o c"])
    training = replace(TRAINING, per_step=32, epochs=6)
    methods = DirectMethods(kto=KTO(beta=0.3))
    version = prefer.run(settings(folder, method="kto", methods=methods, training=training))
    found = result_of(folder, version)
    assert "accuracy" not in found, "there is nothing to compare"
    assert found["label_accuracy"]["low"] > found["label_baseline"]["high"]


def test_spin_learns_from_demonstrations_alone(make_project: Make) -> None:
    """And its reference is the version that it begins from."""
    folder = make_project("project")
    answered(folder, "demonstration", lambda _, text: {"text": text}, ["e e e"])
    version = prefer.run(settings(folder, method="spin", methods=DirectMethods(spin=SPIN(0.2))))
    found = result_of(folder, version)
    assert found["accuracy"]["accuracy"]["value"] > 0.9
    assert version.config["reference"] == "v0"
    run = folder / "runs" / version.run
    assert (run / "samples-train.json").is_file()
    assert (run / "samples-held-out.json").is_file()


def test_the_first_round_of_spin_is_dpo_with_the_former_self_as_reference(make_project: Make) -> None:
    """Demonstrations above own samples, from the same seed: the same weights, bit for bit."""
    found = []
    for name, given in (("spin", {"method": "spin"}), ("dpo", {"demonstrations": True, "reference": "start"})):
        folder = make_project(name)
        answered(folder, "demonstration", lambda _, text: {"text": text}, ["e e e"])
        version = prefer.run(settings(folder, **given))
        assert result_of(folder, version)["pairs"] > 0
        found.append((folder / version.path / "model.safetensors").read_bytes())
        before = (folder / "policies" / "v0" / "model.safetensors").read_bytes()
        assert found[-1] != before
    assert found[0] == found[1]


def test_a_method_without_its_answers_says_what_it_needs(make_project: Make) -> None:
    folder = make_project("project")
    for method, needed in (("dpo", "comparisons"), ("kto", "comparisons or labels"), ("spin", "demonstrations")):
        with pytest.raises(Problem, match=f"this needs {needed}"):
            prefer.run(settings(folder, method=method))


def test_peoples_and_models_answers_are_not_mixed_unasked(judged: Make) -> None:
    folder = judged("project")
    store = Project.open(folder).store
    store.add_annotators([Annotator("ada")])
    first = store.questions()[0]
    store.submit(Judgement("by-ada", first.id, "ada", {"choice": "tie"}))
    with pytest.raises(Problem, match=r"1 answers are people's and \d+ are models'"):
        prefer.run(settings(folder))
    quick = replace(TRAINING, epochs=1)
    counts = {}
    for voices in ("models", "both"):
        version = prefer.run(settings(folder, voices=voices, training=quick, methods=DirectMethods(dpo=DPO(0.2))))
        counts[voices] = len(lineage.judgements_behind(store, version.id))
    assert counts["both"] == counts["models"] + 1


def test_only_some_campaigns_can_be_learnt_from(judged: Make) -> None:
    folder = judged("project")
    store = Project.open(folder).store
    more = [replace(item, id=f"more-{item.id}", campaign="more") for item in store.questions()]
    said = [Judgement(f"said-{item.id}", item.id, "machine", {"choice": "a"}) for item in more]
    store.add_everything(questions=more, judgements=said)
    version = prefer.run(settings(folder, campaigns=("more",), training=replace(TRAINING, epochs=1)))
    assert set(lineage.judgements_behind(store, version.id)) == {item.id for item in said}
    with pytest.raises(Problem, match="nothing to learn from"):
        prefer.run(settings(folder, campaigns=("nothing",)))
