"""What the stages share of models as files, and the switch that chooses what they train."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.stages.test_stories import function, settings
from transformers import AutoModelForCausalLM

from heedful.compute import devices
from heedful.errors import Problem
from heedful.language.pretrained import LanguageModel, load, load_tokenizer, new_like, new_llama
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning, tune
from heedful.runs import Run
from heedful.stages import distil, import_, improve, init, offline, prefer, pretrain, reject, reward, sft
from heedful.stages.imitating import Imitation
from heedful.stages.project import Project
from heedful.stages.versions import ADAPTER_RATE, automatic_rate, share_what_is_frozen, start_computing, tune_for_run

LORA = Tuning(mode="lora", rank=2)

WEIGHTS = 4 * 16 * 16 + 3 * 16 * 32
"""In the linear layers of the tiny model."""
ADAPTERS = 2 * (4 * (16 + 16) + 3 * (16 + 32))
"""At rank 2, on each of them."""


@pytest.fixture
def model(tiny_model: Path) -> LanguageModel:
    return load(tiny_model)


def brought(folder: Path, rows: list[dict[str, str]]) -> None:
    """Import rows into a project."""
    path = folder.parent / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_.run(import_.Config(folder, path))


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


def test_the_number_of_threads_is_measured_once_and_kept_when_a_run_goes_on(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another number would give other roundings; so what has become faster since, or is asked for, does not count."""

    def fastest(threads: int) -> None:
        monkeypatch.setattr(devices, "_rate", lambda _: 9.0 if torch.get_num_threads() == threads else 1.0)

    def begin(asked: int = 0) -> tuple[int, int]:
        run = Run.open(tmp_path, "sft", {})
        return start_computing(run, model, "cpu", asked), torch.get_num_threads()

    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    before = torch.get_num_threads()
    try:
        fastest(2)
        assert begin() == (2, 2)
        fastest(4)
        assert begin() == (2, 2)
        assert begin(asked=1) == (2, 2)
        assert Run.open(tmp_path, "sft", {}).record["threads"] == 2
        assert start_computing(Run.open(tmp_path, "reward", {}), model, "cpu", 0) == 4, (
            "another run, another measurement"
        )
    finally:
        torch.set_num_threads(before)


def test_a_reference_shares_the_frozen_weights_of_the_policy(model: LanguageModel, tiny_model: Path) -> None:
    reference, other = load(tiny_model).frozen_copy(), new_like(model, 5).frozen_copy()
    tune(model, LORA)
    share_what_is_frozen([model], [reference, other, None])
    places = {weight.data_ptr() for weight in model.parameters()}
    assert {weight.data_ptr() for weight in reference.parameters()} <= places
    assert model.module.get_input_embeddings().weight.data_ptr() not in {w.data_ptr() for w in other.parameters()}


def test_fine_tuning_with_adapters_makes_a_plain_version(make_project: Callable[[str], Path]) -> None:
    folder = make_project("project")
    brought(folder, [{"prompt": f"{a} {b}", "completion": f"{b} {a}"} for a in "abcd" for b in "efgh"])
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


# Every trainer, every mode

EMBEDDINGS, NORMS = 30 * 16, 3 * 16
"""Of the tiny model: 30 words, tied to the head; three norms."""
TRAINED = {
    "full": EMBEDDINGS + WEIGHTS + NORMS,
    "last": WEIGHTS + NORMS,  # its only layer, and the norm above it
    "lora": ADAPTERS,
    "heads": EMBEDDINGS,
}
PACE, SHORT = Imitation(batch=16, checkpoint_every=0), Sampling(max_new_tokens=4)
SHAPE = pretrain.Shape(hidden_size=16, intermediate_size=32, layers=1, heads=2, context_tokens=48)
LLAMA = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 48,
}
REWARDED = {"reward_function": "rewards.py:score", "sampling": SHORT}

TRAINERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "pretrain": (pretrain, {"shape": SHAPE, "imitation": PACE}),
    "sft": (sft, {"imitation": PACE}),
    "offline": (offline, {"method": "irl", "imitation": PACE}),
    "distil": (distil, {"context": "context.txt", "prompts": 16, "examined": 4, "sampling": SHORT, "imitation": PACE}),
    "reject": (reject, {"prompts": 8, "completions_per_prompt": 2, "imitation": PACE, **REWARDED}),
    "prefer": (prefer, {"held_out": 0.3}),
    "reward": (reward, {"held_out": 0.3, "reference_samples": 16, "max_new_tokens": 4}),
    "improve": (improve, {"steps": 1, "prompts_per_step": 4, "check_every": 0, **REWARDED}),
}
"""Every stage that trains, and the settings of a short run of it."""


def trains(mode: str, name: str, *, scalar: bool) -> bool:
    """Whether this tensor of a version's folder has moved after a run in this mode; a head for numbers is not in it."""
    embeddings = "embed_tokens" in name or "lm_head" in name
    match mode:
        case "full":
            return True
        case "last":
            return not embeddings
        case "heads":
            return embeddings and not scalar
        case _:  # lora
            return name.endswith("proj.weight")


@pytest.mark.parametrize("stage", TRAINERS)
def test_every_trainer_has_the_switch(
    stage: str, make_project: Callable[[str], Path], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every mode a run records as many trained weights as the shapes say, and no tensor moves but theirs."""
    monkeypatch.chdir(tmp_path)
    Path("context.txt").write_text("x y z", encoding="utf-8")
    prompts = [f"{a} {b} n" for a in "abcdefgh" for b in "ij"]
    folder, (module, settings) = make_project("project"), TRAINERS[stage]
    brought(folder, [{"prompt": prompt, "completion": "e a e"} for prompt in prompts])
    brought(folder, [{"prompt": prompt, "chosen": "e e", "rejected": "q r"} for prompt in prompts])
    before, begin = weights_of(tiny_model), {"policy": "v0"}
    if stage == "pretrain":
        new = new_llama(load_tokenizer(tiny_model), seed=0, **LLAMA)
        before, begin = new.module.state_dict(), {"tokenizer": str(tiny_model)}
    for mode, count in TRAINED.items():
        if stage == "pretrain":  # it makes the v0 of a project without a model
            folder = tmp_path / mode
            init.run(init.Config(folder))
            brought(folder, [{"text": text} for text in prompts])
        tuning = Tuning(mode=mode, last_layers=1, rank=2)  # type: ignore[arg-type]
        version = module.run(module.Config(folder, threads=1, tuning=tuning, **begin, **settings))
        found = {name: size["trained"] for name, size in parameters_of(folder, version.run).items()}
        head = 16 + 1 + (0 if mode == "heads" else count)
        assert found == {
            "reward": {"reward model": head},
            "improve": {"policy": count, "critic": head},
        }.get(stage, {"policy": count}), mode
        after = weights_of(folder / version.path)
        assert before.keys() == after.keys()
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved == {name for name in before if trains(mode, name, scalar=stage == "reward")}, mode


def test_a_project_in_bfloat16_learns_and_a_run_keeps_the_precision_it_began_in(
    make_project: Callable[[str], Path], break_off: Callable[[int], None]
) -> None:
    """Rounded products are enough to raise a reward, and what is interrupted goes on to the same weights."""
    outcomes = []
    for name in ("whole", "broken"):
        folder = make_project(name)
        path = folder / "heedful.toml"
        exact = path.read_text(encoding="utf-8")
        rough = exact.replace("[project]", '[project]\nprecision = "bfloat16"')
        assert rough != exact
        path.write_text(rough, encoding="utf-8")
        how: dict[str, Any] = {"reward_function": function(folder), "steps": 24, "learning_rate": 1e-2}
        config = settings(improve.Config, folder, **how, prompts_per_step=16, checkpoint_every=4)
        if name == "broken":
            break_off(10)
            with pytest.raises(KeyboardInterrupt):
                improve.run(config)
            path.write_text(exact, encoding="utf-8")
            with pytest.raises(Problem, match="began in bfloat16, and models compute in float32 now"):
                improve.run(config)
            path.write_text(rough, encoding="utf-8")
        made = improve.run(config)
        run = folder / "runs" / made.run
        assert json.loads((run / "run.json").read_text(encoding="utf-8"))["precision"] == "bfloat16"
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        assert rows[-1]["score"] > rows[0]["score"] + 0.5
        outcomes.append(load(folder / made.path).state_dict())
    assert all(torch.equal(outcomes[0][name], outcomes[1][name]) for name in outcomes[0])
