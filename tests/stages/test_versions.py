"""What the stages share of models as files, and the switch that chooses what they train."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from heedful.language.pretrained import LanguageModel, load, new_like
from heedful.language.tuning import Tuning, tune
from heedful.runs import Run
from heedful.stages import improve, reward, sft
from heedful.stages.project import Project
from heedful.stages.versions import ADAPTER_RATE, automatic_rate, share_what_is_frozen, tune_for_run

LORA = Tuning(mode="lora", rank=2)

WEIGHTS = 4 * 16 * 16 + 3 * 16 * 32
"""In the linear layers of the tiny model."""
ADAPTERS = 2 * (4 * (16 + 16) + 3 * (16 + 32))
"""At rank 2, on each of them."""


@pytest.fixture
def model(tiny_model: Path) -> LanguageModel:
    return load(tiny_model)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """As transformers loads them, which knows nothing of how they were trained."""
    found: dict[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    return found


def parameters_of(project: Path, run: str) -> dict[str, dict[str, int]]:
    """What the run recorded of its trained parameters."""
    found: dict[str, dict[str, int]] = json.loads((project / "runs" / run / "run.json").read_text())["parameters"]
    return found


def test_the_automatic_rate_falls_with_size_and_is_ten_times_higher_for_adapters(model: LanguageModel) -> None:
    count = sum(weight.numel() for weight in model.parameters())
    assert automatic_rate(model.parameters(), 0.5) == pytest.approx(0.5 / count**0.5)
    assert automatic_rate(model.parameters(), 0.5, Tuning(mode="last")) == pytest.approx(0.5 / count**0.5)
    assert automatic_rate(model.parameters(), 0.5, LORA) == pytest.approx(ADAPTER_RATE * 0.5 / count**0.5)


def test_a_run_says_and_records_how_much_it_trains(
    model: LanguageModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.open(tmp_path, "sft", {})
    tune_for_run(run, {"policy": model}, LORA, seed=0)
    whole = sum(weight.numel() for weight in model.parameters())
    assert f"Training {ADAPTERS:,} of {whole:,} parameters" in capsys.readouterr().out
    assert run.record["parameters"] == {"policy": {"trained": ADAPTERS, "all": whole}}


def test_a_reference_shares_the_frozen_weights_of_the_policy(model: LanguageModel, tiny_model: Path) -> None:
    reference, other = load(tiny_model).frozen_copy(), new_like(model, 5).frozen_copy()
    tune(model, LORA)
    share_what_is_frozen([model], [reference, other, None])
    places = {weight.data_ptr() for weight in model.parameters()}
    assert {weight.data_ptr() for weight in reference.parameters()} <= places
    assert model.module.get_input_embeddings().weight.data_ptr() not in {w.data_ptr() for w in other.parameters()}


def test_fine_tuning_with_adapters_makes_a_plain_version(make_project: Callable[[str], Path], tmp_path: Path) -> None:
    from heedful.stages import import_

    folder = make_project("project")
    rows = [{"prompt": f"{a} {b}", "completion": f"{b} {a}"} for a in "abcd" for b in "efgh"]
    path = tmp_path / "demonstrations.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_.run(import_.Config(folder, path))
    version = sft.run(sft.Config(folder, tuning=LORA, threads=1))
    before, after = weights_of(folder / "policies" / "v0"), weights_of(folder / version.path)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert sum(before[name].numel() for name in changed) == WEIGHTS
    assert parameters_of(folder, "0001-sft")["policy"]["trained"] == ADAPTERS


def test_a_reward_model_and_then_ppo_with_adapters(make_project: Callable[[str], Path]) -> None:
    from heedful.settings import load as settings
    from heedful.stages import collect, judge

    folder = make_project("project")
    toml = folder / "heedful.toml"
    collect.run(settings(collect.Config, toml, "collect", project=folder, threads=1))
    judge.run(judge.Config(folder, by=f"{folder.parent / 'rewards.py'}:score"))
    learned = reward.run(settings(reward.Config, toml, "reward", project=folder, tuning=LORA, threads=1))
    assert not list((folder / learned.path).glob("adapter*"))
    version = improve.run(settings(improve.Config, toml, "improve", project=folder, tuning=LORA, threads=1))
    before, after = weights_of(folder / "policies" / "v0"), weights_of(folder / version.path)
    assert sum(before[name].numel() for name in before if not torch.equal(before[name], after[name])) == WEIGHTS
    found = parameters_of(folder, "0003-improve")
    assert found["policy"]["trained"] == ADAPTERS
    assert found["critic"]["trained"] == ADAPTERS + 16 + 1
    assert Project.open(folder).model(version.id).reward == learned.id
