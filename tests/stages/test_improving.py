"""The parts of a run together: what it costs, and every kind of part broken off and continued."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.stages.test_demonstrated import demonstrate
from tests.stages.test_doubts import settings
from tests.stages.test_resume import outcome

from heedful.language.tuning import Tuning
from heedful.learning.algorithms import NLPO, RLOO, Algorithms
from heedful.reward.ledger import Prices
from heedful.runs import Run
from heedful.stages import improve
from heedful.stages.project import Project
from heedful.stages.versions import load_policy

Make = Callable[[str], Path]

LORA = Tuning(mode="lora", rank=2)
ENTRIES = {"collect", "reward", "update", "check", "total"}


def config(folder: Path, **given: Any) -> improve.Config:
    function = "" if given.get("adversarial") else f"{folder.parent / 'rewards.py'}:score"
    found: improve.Config = settings(improve.Config, folder, reward_function=function, **given)
    return found


def result(folder: Path, run: str = "0001-improve") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / run / "result.json").read_text(encoding="utf-8"))
    return found


def test_a_run_says_and_keeps_what_it_cost(make_project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_project("project")
    twice = Algorithms(rloo=RLOO(epochs=2))
    prices = Prices(reward_call=0.5, token_written=0.25)
    improve.run(config(folder, algorithm="rloo", algorithms=twice, prices=prices, check_every=3))
    costs = result(folder)["costs"]
    assert set(costs) == ENTRIES | {"money"}
    lines = Run(folder / "runs" / "0001-improve", {}).metrics()
    rows, written = 4 * 2, sum(round(line["length"] * 8) for line in lines)
    assert costs["collect"]["tokens_written"] == written
    assert costs["update"]["tokens_trained"] == 2 * written
    checked = costs["total"]["reward_calls"] - rows * len(lines)
    assert checked > 0
    assert checked % 2 == 0, "two checks, before the first and the fourth update"
    assert costs["money"] == 0.5 * costs["total"]["reward_calls"] + 0.25 * costs["total"]["tokens_written"]
    assert all(costs[entry]["seconds"] > 0 for entry in ENTRIES)
    said = capsys.readouterr().out
    assert f"It cost {costs['total']['reward_calls']:,} scored completions, " in said
    assert f"{costs['money']:,.2f} in money." in said


def test_without_prices_there_is_no_money(make_project: Make, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_project("project")
    improve.run(config(folder, algorithm="rloo", steps=1, check_every=0))
    assert set(result(folder)["costs"]) == ENTRIES - {"check"}
    assert "money" not in capsys.readouterr().out


RUNS: dict[str, dict[str, Any]] = {
    "a discriminator": {"adversarial": True, "algorithm": "rloo"},
    "a discriminator with adapters and a critic": {"adversarial": True, "algorithm": "ppo", "tuning": LORA},
    "mixer": {"algorithm": "mixer"},
    "mixer with adapters": {"algorithm": "mixer", "tuning": LORA},
    "trpo with adapters": {"algorithm": "trpo", "tuning": LORA},
    "nlpo with adapters": {
        "algorithm": "nlpo",
        "tuning": LORA,
        "algorithms": Algorithms(nlpo=NLPO(top_k=8, refresh_every=3)),
    },
}


@pytest.mark.parametrize("given", RUNS.values(), ids=RUNS)
def test_broken_off_and_continued_it_is_the_same(
    given: dict[str, Any], make_project: Make, break_off: Callable[[int], None]
) -> None:
    """Broken off a step after a checkpoint; metrics, weights and the counts of the ledger come out the same."""
    whole, broken = make_project("whole"), make_project("broken")
    for folder in (whole, broken):
        demonstrate(folder, "e s e")
    improve.run(config(whole, **given))
    break_off(3)
    with pytest.raises(KeyboardInterrupt):
        improve.run(config(broken, **given))
    improve.run(config(broken, **given))
    found = outcome(whole)
    assert outcome(broken) == found
    assert found["policies/v0/model.safetensors"] != found["policies/v1/model.safetensors"]


@pytest.mark.parametrize("algorithm", ["trpo", "nlpo"])
def test_adapters_alone_are_moved_and_the_first_ratio_is_one(algorithm: str, make_project: Make) -> None:
    folder = make_project("project")
    improve.run(config(folder, algorithm=algorithm, tuning=LORA, steps=3))
    lines = Run(folder / "runs" / "0001-improve", {}).metrics()
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert lines[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert all(line["sampler_gap"] < 1e-4 for line in lines)
    if algorithm == "trpo":
        assert all(line["step_kl"] <= 0.01 for line in lines)
        assert sum(line["step_accepted"] for line in lines) >= 1
    project = Project.open(folder)
    before, after = (load_policy(project, project.model(name)).module.state_dict() for name in ("v0", "v1"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("_proj" in name for name in moved), "adapters sit on the linear layers, and embeddings stay frozen"
