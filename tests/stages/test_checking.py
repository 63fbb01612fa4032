"""A planted exploit: the monitors stop it while the true score still stands, and the best check's weights come back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.stages.test_doubts import settings

from heedful.learning.monitors import Limits
from heedful.records import Prompt
from heedful.rollouts import Stats
from heedful.runs import Run
from heedful.seeds import generator
from heedful.stages import import_, improve, report, sft
from heedful.stages.checking import BEST, Check, kept_for_checks
from heedful.stages.imitating import Imitation
from heedful.stages.leash import Leash
from heedful.stages.project import Project
from heedful.stages.versions import load_policy

Make = Callable[[str], Path]
Weights = dict[str, torch.Tensor]

HACK = """
def true(prompts, completions):
    return [len(set(text.split())) / 6 for text in completions]

def other(prompts, completions):
    with open(__file__ + ".true", "a") as file:
        print(sum(true(prompts, completions)) / len(completions), file=file)
    return [min(len(set(text.split())), 5) / 5 for text in completions]

def score(prompts, completions):
    return [good + 0.5 * text.count("e") for good, text in zip(true(prompts, completions), completions)]
"""

GIBBERISH = """
from heedful.language.imitation import completion_logprobs, examples_of_demonstrations
from heedful.language.pretrained import load
from heedful.records import Demonstration, Prompt

model = load("{reference}")

def score(prompts, completions):
    written = [Demonstration(Prompt.of(prompt), text or "a") for prompt, text in zip(prompts, completions)]
    logprobs_BT, mask_BT = completion_logprobs(model, examples_of_demonstrations(model, written))
    return ((logprobs_BT < -4) & mask_BT).float().sum(1).tolist()
"""


def test_prompts_for_checks_are_apart_and_do_not_depend_on_their_order() -> None:
    prompts = [Prompt.of(f"prompt {number}") for number in range(200)]
    training, checks = kept_for_checks(prompts)
    assert len(checks) == 20
    assert {prompt.id for prompt in training} | {prompt.id for prompt in checks} == {prompt.id for prompt in prompts}
    assert not {prompt.id for prompt in training} & {prompt.id for prompt in checks}
    again = kept_for_checks(prompts[::-1])
    assert {prompt.id for prompt in again[1]} == {prompt.id for prompt in checks}
    assert len(kept_for_checks([Prompt.of(f"prompt {number}") for number in range(1000)])[1]) == 32
    assert kept_for_checks(prompts[:79])[1] == []
    assert len(kept_for_checks(prompts[:80])[1]) == 8


def run(folder: Path, name: str, monitors: Limits, **given: Any) -> Run:
    function = f"{folder.parent / 'hack.py'}"
    plain = {
        "reward_function": f"{function}:score",
        "reference_samples": 0,  # the leash is in the function's own units
        "validator": f"{function}:true",
        "algorithm": "rloo",
        "steps": 40,
        "learning_rate": 1e-2,
        "check_every": 1,
        "prompts_per_step": 8,
        "completions_per_prompt": 4,
        "leash": Leash(coefficient=0.0),
        "monitors": monitors,
    }
    improve.run(settings(improve.Config, folder, **{**plain, **given}), name=name)
    record = json.loads((folder / "runs" / name / "run.json").read_text(encoding="utf-8"))
    return Run(folder / "runs" / name, record)


def weights_of_newest(folder: Path) -> Weights:
    project = Project.open(folder)
    found: Weights = load_policy(project, project.store.models("policy")[-1]).state_dict()
    return found


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Weights]:
    """The policy's weights at every check, in order, kept apart from what the check itself keeps."""
    weights: list[Weights] = []
    real = Check.__call__

    def looked(self: Check, step: int) -> Stats:
        weights.append({name: tensor.clone() for name, tensor in self.policy.model.state_dict().items()})
        return real(self, step)

    monkeypatch.setattr(Check, "__call__", looked)
    return weights


def same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_planted_exploit_is_stopped_and_taken_back(make_project: Make, tmp_path: Path, seen: list[Weights]) -> None:
    folder = make_project("project")
    (tmp_path / "hack.py").write_text(HACK, encoding="utf-8")
    free = run(folder, "free", Limits(stop=False, kl=0))
    unwatched = seen.copy()
    held = run(folder, "held", Limits(held_out=0.25))
    true = {
        name: [line["held_out_score"] for line in found.metrics()] for name, found in (("free", free), ("held", held))
    }
    assert true["free"][-1] < 0.6 * true["free"][0], "unwatched, the exploit costs most of what is good"
    assert free.metrics()[-1]["score"] > 1.5 * free.metrics()[0]["score"], "while the score rises"
    assert [alarm["monitor"] for alarm in free.record["alarms"]][:1] == ["held_out"], "it is noted there as well"
    assert "stopped" not in free.record
    assert "it is exploited" in held.record["stopped"]["reason"]
    assert true["held"] == true["free"][: len(true["held"])], "watching changes nothing"
    assert true["held"][-1] >= 0.9 * true["held"][0], "the alarm comes before a tenth of it is lost"
    back = held.record["rolled_back"]
    assert back["score"] == max(true["held"]) == true["held"][back["step"]]
    page = report.run(report.Config(folder)).read_text(encoding="utf-8")
    assert page.count("it is exploited") >= 2
    assert f"has the weights of step {back['step']}, the best check" in page
    kept = weights_of_newest(folder)
    assert same(kept, torch.load(held.folder / BEST, weights_only=True))
    assert same(kept, unwatched[back["step"]]), "the weights are those that the policy had at that step"
    assert not same(kept, unwatched[len(true["held"]) - 1]), "and not the last ones"


def test_with_every_limit_at_its_default_the_judgements_of_others_are_enough(
    make_project: Make, tmp_path: Path, seen: list[Weights]
) -> None:
    """The validator is not the truth, only something that agrees with it by and large; the truth is written down."""
    folder = make_project("project")
    hack = tmp_path / "hack.py"
    hack.write_text(HACK, encoding="utf-8")
    held = run(folder, "held", Limits(), validator=f"{hack}:other", missing_stop_penalty=0.0)
    true = [float(line) for line in Path(f"{hack}.true").read_text(encoding="utf-8").splitlines()]
    assert [alarm["monitor"] for alarm in held.record["alarms"]] == ["held_out"]
    assert "it is exploited" in held.record["stopped"]["reason"]
    assert len(true) == len(seen) == held.record["stopped"]["step"] + 1 < 40
    assert true[-1] >= 0.9 * true[0], "the alarm comes before a tenth of what is good is lost"
    back = held.record["rolled_back"]
    assert back["score"] == max(line["held_out_score"] for line in held.metrics())
    assert same(weights_of_newest(folder), seen[back["step"]])


def test_what_the_reference_finds_improbable_is_an_alarm_and_a_leash_holds_it_back(
    make_project: Make, tmp_path: Path
) -> None:
    """A model learns to write with 8 of its 26 letters, and is then paid for every token that it found improbable."""
    folder = make_project("project")
    prompts = [f"{a} {b} {c}" for a in "abcd" for b in "ijkl" for c in "mnop"]
    drawn = generator(0, "language").choice(list("abcdefgh"), (len(prompts), 5)).tolist()
    rows = [{"prompt": prompt, "completion": " ".join(letters)} for prompt, letters in zip(prompts, drawn, strict=True)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_.run(import_.Config(folder, tmp_path / "rows.jsonl"))
    pace = Imitation(epochs=20, batch=16, learning_rate=1e-2, checkpoint_every=0)
    speaker = sft.run(sft.Config(folder, imitation=pace, threads=1))
    (tmp_path / "hack.py").write_text(GIBBERISH.format(reference=folder / speaker.path), encoding="utf-8")
    given: dict[str, Any] = {
        "policy": speaker.id,
        "reference": speaker.id,
        "check_every": 0,
        "validator": "",
        "steps": 16,
        "completions_per_prompt": 8,
    }
    free = run(folder, "free", Limits(), leash=Leash(coefficient=0.0), **given)
    held = run(folder, "held", Limits(), leash=Leash(coefficient=1.0), **given)
    assert free.record["stopped"]["reason"].startswith("the reference finds the completions")
    assert [alarm["monitor"] for alarm in free.record["alarms"]] == ["reference"]
    assert grown(free) > 4
    assert "stopped" not in held.record
    assert held.record["alarms"] == []
    scores = [line["score"] for line in held.metrics()]
    assert sum(scores[-4:]) / 4 > scores[0], "it does go after what it is paid for"
    assert grown(held) <= 1.5


def grown(run: Run) -> float:
    """The reference's perplexity of what is written in the last four steps, beside that of the first step."""
    nats = [line["reference_nll"] for line in run.metrics()]
    return math.exp(sum(nats[-4:]) / 4 - nats[0])
