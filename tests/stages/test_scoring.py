"""Scores that are kept in the project: a repeated run asks nothing, and the ledger says what the counter says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.stages.test_doubts import settings
from tests.stages.test_resume import outcome

from heedful.errors import Problem
from heedful.language.pretrained import load
from heedful.language.tuning import Tuning
from heedful.records import Prompt
from heedful.reward.credit import Credit
from heedful.reward.ledger import Ledger
from heedful.reward.rules import FunctionReward
from heedful.rollouts import Rollouts
from heedful.stages import collect, improve, judge, reward
from heedful.stages.project import Project
from heedful.stages.scoring import Cache, cache_of, scorer

Make = Callable[[str], Path]

COUNTING = """
from pathlib import Path

def score(prompts, completions):
    with (Path(__file__).parent / "asked").open("a") as file:
        file.write("x" * len(completions))
    return [float(text.count("e")) for text in completions]
"""


def counting(folder: Path) -> Callable[[], int]:
    """Put the function beside the project; says how many completions it was asked about so far."""
    (folder.parent / "counting.py").write_text(COUNTING, encoding="utf-8")
    (folder.parent / "asked").write_text("")
    return lambda: len((folder.parent / "asked").read_text())


def config(folder: Path, **given: Any) -> improve.Config:
    function = f"{folder.parent / 'counting.py'}:score"
    found: improve.Config = settings(
        improve.Config, folder, **{"reward_function": function, "cache_scores": True, "algorithm": "rloo", **given}
    )
    return found


def costs(folder: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / run / "result.json").read_text(encoding="utf-8"))["costs"]
    return found


def test_a_repeated_run_asks_nothing_and_learns_the_same(make_project: Make) -> None:
    folder = make_project("project")
    asked = counting(folder)
    improve.run(config(folder), name="first")
    calls = asked()
    assert 0 < calls == costs(folder, "first")["total"]["reward_calls"]
    improve.run(config(folder), name="again")
    assert asked() == calls
    again = costs(folder, "again")["total"]
    assert (again["reward_calls"], again["tokens_scored"]) == (0, 0)
    assert again["cached"] == calls + costs(folder, "first")["total"]["cached"]
    improve.run(config(folder, cache_scores=False), name="asking")
    assert asked() == 2 * calls + costs(folder, "first")["total"]["cached"]
    found = outcome(folder)
    assert found["first/metrics"] == found["again/metrics"] == found["asking/metrics"]
    weights = [found[f"policies/{version}/model.safetensors"] for version in ("v1", "v2", "v3")]
    assert len(set(weights)) == 1


def test_another_function_is_asked_anew(make_project: Make) -> None:
    folder = make_project("project")
    asked = counting(folder)
    improve.run(config(folder, steps=1))
    calls = asked()
    (folder.parent / "counting.py").write_text(COUNTING + "\n# another version\n", encoding="utf-8")
    improve.run(config(folder, steps=1))
    assert asked() == 2 * calls
    assert len(list((folder / "scores").iterdir())) == 2


def test_a_cache_is_known_by_what_scored() -> None:
    project = Project.__new__(Project)
    project.folder = Path("here")
    assert cache_of(project, "r3").path == Path("here/scores/r3.jsonl")
    assert cache_of(project, "some.module:score").scorer == "score-some.module"


def test_a_run_that_was_broken_off_asks_only_for_what_is_new(
    make_project: Make, break_off: Callable[[int], None]
) -> None:
    whole, broken = make_project("whole"), make_project("broken")
    asked = counting(whole)
    improve.run(config(whole))
    calls = asked()
    break_off(3)
    with pytest.raises(KeyboardInterrupt):
        improve.run(config(broken))
    improve.run(config(broken))
    assert asked() == 2 * calls
    unlike = {"seconds", "peak_bytes", "cached", "reward_calls", "tokens_scored"}
    assert outcome(broken, unlike) == outcome(whole, unlike)


def test_what_is_more_than_one_number_is_not_cached(make_project: Make, tiny_model: Path, tmp_path: Path) -> None:
    folder = make_project("project")
    counting(folder)
    with pytest.raises(Problem, match="what the scorer looked at"):
        improve.run(config(folder, credit=Credit("attention")))
    improve.run(config(folder, credit=Credit("uniform"), steps=1, restart=True))
    mask_BT = torch.ones(1, 2, dtype=torch.bool)
    rollouts = Rollouts({}, mask_BT, torch.zeros(1), torch.zeros(1, 2), prompts=(Prompt.of("a"),), completions=("e s",))
    by_token = FunctionReward(lambda _, completions: [[1.0, 2.0] for _ in completions])
    found = scorer(by_token, load(tiny_model), Credit(), Ledger(), Cache("by token", tmp_path / "scores"), gold=False)
    with pytest.raises(Problem, match="a number for each token"):
        found(rollouts)


def test_scores_of_a_reward_model_can_be_kept_too(make_project: Make) -> None:
    folder = make_project("project")
    collect.run(settings(collect.Config, folder))
    judge.run(judge.Config(folder, by=f"{folder.parent / 'rewards.py'}:score"))
    made = reward.run(settings(reward.Config, folder))
    improve.run(config(folder, reward_function="", steps=2), name="first")
    improve.run(config(folder, reward_function="", steps=2), name="again")
    assert (folder / "scores" / f"{made.id}.jsonl").is_file()
    assert costs(folder, "again")["total"]["reward_calls"] == 0
    found = outcome(folder)
    assert found["first/metrics"] == found["again/metrics"]


@pytest.mark.parametrize("tuning", [Tuning(), Tuning("last", last_layers=1), Tuning("lora")], ids=lambda how: how.mode)
def test_neither_the_unit_nor_the_zero_of_a_function_matters(make_project: Make, tuning: Tuning) -> None:
    """Scores in other units are the same reward, as they are with a reward model (Ziegler et al. 2019)."""
    logs, scales = [], []
    for name, formula in {"plain": "float(text.count('e'))", "other": "100 * float(text.count('e')) - 7000"}.items():
        folder = make_project(name)
        source = folder.parent / f"{name}.py"
        source.write_text(f"def score(prompts, completions):\n    return [{formula} for text in completions]\n")
        improve.run(settings(improve.Config, folder, reward_function=f"{source}:score", tuning=tuning), name="run")
        text = (folder / "runs" / "run" / "metrics.jsonl").read_text(encoding="utf-8")
        logs.append([json.loads(line) for line in text.splitlines()])
        scales.append(json.loads((folder / "runs" / "run" / "run.json").read_text(encoding="utf-8"))["scale"])
    assert scales[1]["std"] == pytest.approx(100 * scales[0]["std"], rel=1e-4)
    for plain, other in zip(*logs, strict=True):
        assert other["reward"] == pytest.approx(plain["reward"], abs=1e-3)
        assert other["kl"] == pytest.approx(plain["kl"], abs=1e-4)
        assert other["score"] == pytest.approx(100 * plain["score"] - 7000, rel=1e-4)


def test_scores_may_be_taken_as_they_are(make_project: Make) -> None:
    folder = make_project("project")
    asked = counting(folder)
    improve.run(config(folder, steps=1, check_every=0, reference_samples=0, cache_scores=False), name="bare")
    bare = asked()
    improve.run(config(folder, steps=1, check_every=0, reference_samples=10, cache_scores=False), name="scaled")
    per_prompt = config(folder).completions_per_prompt
    assert asked() - 2 * bare == -(-10 // per_prompt) * per_prompt
    assert "scale" not in json.loads((folder / "runs" / "bare" / "run.json").read_text(encoding="utf-8"))
