"""The parts of a run together: what it costs, and every kind of part broken off and continued."""

from __future__ import annotations

import importlib
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
from transformers import AutoModelForCausalLM

from heedful.language.pretrained import LanguageModel
from heedful.language.tuning import Tuning
from heedful.learning.algorithms import NLPO, PPO, RLOO, Algorithms
from heedful.reward.ledger import Prices
from heedful.rollouts import Evaluation, Rollouts
from heedful.runs import Run
from heedful.stages import improve
from heedful.stages.project import Project
from heedful.stages.regularising import Regularisers
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
    "a head on a trunk with adapters": {"algorithm": "ppo", "critic": "head", "tuning": LORA},
    "mixer": {"algorithm": "mixer"},
    "mixer with adapters": {"algorithm": "mixer", "tuning": LORA},
    "trpo with adapters": {"algorithm": "trpo", "tuning": LORA},
    "a KL in the loss that is adapted": {
        "algorithm": "rloo",
        "regularisers": Regularisers(kl_in_loss=0.1, kl_target=0.5, kl_horizon=20.0),
    },
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
    if given.get("critic") == "head":
        record = json.loads((whole / "runs" / "0001-improve" / "run.json").read_text(encoding="utf-8"))
        assert record["parameters"]["critic"] == {"trained": 17, "all": 17}
    if "regularisers" in given:
        prices = [row["kl_loss_coefficient"] for row in found["0001-improve/metrics"]]
        assert len(set(prices)) == len(prices), "the price must move for this to mean anything"
    assert found["policies/v0/model.safetensors"] != found["policies/v1/model.safetensors"]


@pytest.mark.parametrize("algorithm", ["trpo", "nlpo"])
def test_adapters_alone_are_moved_and_the_first_ratio_is_one(
    algorithm: str, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each update, too: with one pass in one minibatch NLPO sees no other ratio than the first."""
    folder, ratios = make_project("project"), list[float]()
    module = importlib.import_module(f"heedful.learning.algorithms.{'trpo' if algorithm == 'trpo' else 'ppo'}")
    real = module.log_ratio

    def seen(evaluation: Evaluation, rollouts: Rollouts) -> torch.Tensor:
        found: torch.Tensor = real(evaluation, rollouts)
        ratios.append(float(found.detach().exp().sub(1).abs().max()))
        return found

    monkeypatch.setattr(module, "log_ratio", seen)
    once = Algorithms(nlpo=NLPO(PPO(epochs=1, minibatches=1)))
    improve.run(config(folder, algorithm=algorithm, algorithms=once, tuning=LORA, steps=3, learning_rate=1e-2))
    lines = Run(folder / "runs" / "0001-improve", {}).metrics()
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert lines[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert all(line["sampler_gap"] < 1e-4 for line in lines)
    assert ratios[0] == pytest.approx(0, abs=1e-5)
    if algorithm == "trpo":
        assert all(line["step_kl"] <= 0.01 for line in lines)
        assert sum(line["step_accepted"] for line in lines) >= 1
        assert max(ratios) > 1e-3, "the ratios that the line search tries"
    else:
        assert ratios == pytest.approx([0] * 3, abs=1e-5)
        assert [line["ratio_max"] for line in lines] == pytest.approx([1] * 3, abs=1e-5)
        assert [line["clip_fraction"] for line in lines] == [0] * 3
        assert lines[-1]["kl"] != pytest.approx(0, abs=1e-4), "the policy moves all the same"
    project = Project.open(folder)
    before, after = (load_policy(project, project.model(name)).module.state_dict() for name in ("v0", "v1"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("_proj" in name for name in moved), "adapters sit on the linear layers, and embeddings stay frozen"


@pytest.mark.parametrize("tuning", [Tuning(), LORA], ids=["all weights", "adapters"])
def test_the_reference_stays_as_it_was_while_the_policy_leaves_it(
    tuning: Tuning, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit the start, also where the two share what is frozen; and v0 on the disk is not touched."""
    folder, references = make_project("project"), list[LanguageModel]()
    real, start = LanguageModel.frozen_copy, folder / "policies" / "v0" / "model.safetensors"

    def kept(self: LanguageModel) -> LanguageModel:
        references.append(real(self))
        return references[-1]

    monkeypatch.setattr(LanguageModel, "frozen_copy", kept)
    written = start.read_bytes()
    improve.run(config(folder, algorithm="ppo", tuning=tuning, learning_rate=1e-2))
    [reference] = references
    lines = Run(folder / "runs" / "0001-improve", {}).metrics()
    assert lines[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert lines[-1]["kl"] != pytest.approx(0, abs=1e-2)
    assert start.read_bytes() == written
    before, after = (
        AutoModelForCausalLM.from_pretrained(folder / "policies" / name).state_dict() for name in ("v0", "v1")
    )
    held = reference.module.state_dict()
    assert held.keys() == before.keys() == after.keys()
    assert all(torch.equal(held[name], before[name]) for name in before)
    assert not all(torch.equal(after[name], before[name]) for name in before)
    assert not any(weight.requires_grad for weight in reference.parameters())
