"""Rounds of rejection sampling with a model of a few thousand parameters: the mean rises, winners are remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from heedful.errors import Problem
from heedful.language.sampling import Sampling
from heedful.stages import reject
from heedful.stages.imitating import Imitation
from heedful.stages.project import Project

Make = Callable[[str], Path]


def settings(folder: Path) -> reject.Config:
    return reject.Config(
        folder,
        reward_function=f"{folder.parent / 'rewards.py'}:score",
        prompts=32,
        completions_per_prompt=8,
        sampling=Sampling(max_new_tokens=6),
        imitation=Imitation(epochs=8, batch=16, learning_rate=1e-2, checkpoint_every=5),
        missing_stop_penalty=0.0,
        threads=1,
    )


def result(folder: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / run / "result.json").read_text())
    return found


def test_rounds_raise_the_mean_and_remember_the_winners_of_all(make_project: Make) -> None:
    folder = make_project("project")
    first = reject.run(settings(folder))
    brief = replace(settings(folder), imitation=Imitation(epochs=2, batch=16, learning_rate=1e-2))
    second = reject.run(replace(brief, policy=first.id, seed=1))
    third = reject.run(replace(brief, policy=second.id, seed=2, prompts=8))
    assert [first.id, second.id, third.id] == ["v1", "v2", "v3"]
    assert (first.parent, first.status) == ("v0", "candidate")
    rounds = [result(folder, f"000{number}-reject") for number in (1, 2, 3)]
    # What the best of one scores is the mean of what the policy of that round writes.
    mean, low, _ = zip(*(found["curve"]["1"] for found in rounds), strict=True)
    assert low[1] > mean[0]
    assert low[2] > mean[0]
    for found in rounds:
        assert found["curve"]["1"][0] < found["curve"]["2"][0] < found["curve"]["8"][0]
    # The last round asked 8 prompts only, and learnt from those of all rounds.
    asked = [set(prompt_ids(folder, f"000{number}-reject")) for number in (1, 2, 3)]
    assert [len(some) for some in asked] == [32, 32, 8]
    assert rounds[2]["winners"] == len(asked[0] | asked[1] | asked[2])
    assert 0 < len((asked[0] | asked[1]) - asked[2]) <= rounds[2]["from_earlier_rounds"]
    trained = {prompt.id for prompt in Project.open(folder).prompts("train")}
    assert asked[0] | asked[1] | asked[2] <= trained


def prompt_ids(folder: Path, run: str) -> list[str]:
    lines = (folder / "runs" / run / reject.SAMPLES).read_text().splitlines()
    return [json.loads(line)["prompt_id"] for line in lines]


def test_the_best_of_all_rounds_is_the_best_by_the_reward_of_now(make_project: Make) -> None:
    folder = make_project("project")
    quick = replace(settings(folder), prompts=6, completions_per_prompt=2, imitation=Imitation(epochs=1, batch=32))
    reject.run(quick)
    # Another round finds that the first wrote eight letters for one prompt and nothing for another.
    path = folder / "runs" / "0001-reject" / reject.SAMPLES
    winners = [json.loads(line) for line in path.read_text().splitlines()]
    great, poor = winners[0] | {"text": "e e e e e e e e"}, winners[1] | {"text": ""}
    path.write_text("".join(json.dumps(row) + "\n" for row in [great, poor, *winners[2:]]))
    reject.run(replace(quick, prompts=100, seed=1))
    project = Project.open(folder)
    current = project.begin("reject", replace(quick, prompts=100, seed=1), name="0002-reject")
    prompts = {prompt.id: prompt for prompt in project.prompts("train", current)}
    chosen, remembered = reject._best_of_all_rounds(project, quick, current, prompts, torch.device("cpu"))
    texts = {winner.prompt_id: winner.text for winner in chosen}
    assert texts[great["prompt_id"]] == "e e e e e e e e"
    assert texts[poor["prompt_id"]] != ""
    assert len(chosen) == len(prompts)
    assert 1 <= remembered <= 5
    alone = reject.run(replace(quick, earlier=False, seed=2))
    assert result(folder, alone.run)["from_earlier_rounds"] == 0


def test_a_round_that_was_cut_off_goes_on_with_the_samples_it_has(
    make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project("project")
    quick = replace(settings(folder), prompts=6, imitation=Imitation(epochs=1, batch=6))

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reject, "imitate", broken)
        with pytest.raises(KeyboardInterrupt):
            reject.run(quick)
    before = (folder / "runs" / "0001-reject" / reject.SAMPLES).read_text()
    monkeypatch.setattr(reject, "write_completions", broken)  # nothing is written a second time
    assert reject.run(quick).id == "v1"
    assert (folder / "runs" / "0001-reject" / reject.SAMPLES).read_text() == before


def test_what_cannot_be_kept_is_a_problem(make_project: Make) -> None:
    folder = make_project("project")
    with pytest.raises(Problem, match="best 9 of 8"):
        reject.run(replace(settings(folder), keep=9))


def test_without_a_reward_there_is_nothing_to_choose_by(make_project: Make) -> None:
    folder = make_project("project")
    with pytest.raises(Problem, match="no reward model"):
        reject.run(replace(settings(folder), reward_function=""))
