"""A planted exploit: the monitors stop it while the true score still stands, and the best check's weights come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from tests.stages.test_doubts import settings

from heedful.learning.monitors import Limits
from heedful.records import Prompt
from heedful.runs import Run
from heedful.stages import improve, report
from heedful.stages.checking import BEST, kept_for_checks
from heedful.stages.leash import Leash
from heedful.stages.project import Project
from heedful.stages.versions import load_policy

Make = Callable[[str], Path]

HACK = """
def true(prompts, completions):
    return [len(set(text.split())) / 6 for text in completions]

def score(prompts, completions):
    return [good + 0.5 * text.count("e") for good, text in zip(true(prompts, completions), completions)]
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


def run(folder: Path, name: str, monitors: Limits) -> Run:
    function = f"{folder.parent / 'hack.py'}"
    config = settings(
        improve.Config,
        folder,
        reward_function=f"{function}:score",
        validator=f"{function}:true",
        algorithm="rloo",
        steps=40,
        learning_rate=1e-2,
        check_every=1,
        prompts_per_step=8,
        completions_per_prompt=4,
        leash=Leash(coefficient=0.0),
        monitors=monitors,
    )
    improve.run(config, name=name)
    record = json.loads((folder / "runs" / name / "run.json").read_text(encoding="utf-8"))
    return Run(folder / "runs" / name, record)


def test_a_planted_exploit_is_stopped_and_taken_back(make_project: Make, tmp_path: Path) -> None:
    folder = make_project("project")
    (tmp_path / "hack.py").write_text(HACK, encoding="utf-8")
    free = run(folder, "free", Limits(stop=False, kl=0))
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
    kept = load_policy(Project.open(folder), Project.open(folder).store.models("policy")[-1])
    saved = torch.load(held.folder / BEST, weights_only=True)
    for name, weight in kept.module.state_dict().items():
        torch.testing.assert_close(weight, saved[name], rtol=0, atol=0)
