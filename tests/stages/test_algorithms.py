"""Every algorithm by its name on the command line: each runs, with all that it needs, and goes on after a stop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tests.stages.test_demonstrated import demonstrate
from tests.stages.test_doubts import settings

from heedful.errors import Problem
from heedful.language.pretrained import load
from heedful.language.sampling import Sampling
from heedful.learning.algorithms import PPO, Algorithms
from heedful.reward.credit import Credit, Steps
from heedful.rollouts import Rollouts
from heedful.runs import Run
from heedful.stages import improve
from heedful.stages.regularising import Regularisers

Make = Callable[[str], Path]


def run(folder: Path, algorithm: str, **given: object) -> list[dict[str, float]]:
    function = f"{folder.parent / 'rewards.py'}:score"
    config = settings(improve.Config, folder, algorithm=algorithm, reward_function=function, steps=2, **given)
    improve.run(config, name=algorithm)
    return Run(folder / "runs" / algorithm, {}).metrics()


@pytest.mark.parametrize("algorithm", [field.name for field in fields(Algorithms)])
def test_every_algorithm_runs_by_its_name(algorithm: str, make_project: Make) -> None:
    folder = make_project("project")
    if algorithm == "mixer":
        demonstrate(folder, "e s e")
    lines = run(folder, algorithm)
    assert [line["step"] for line in lines] == [0, 1]
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert lines[0]["kl"] == pytest.approx(0, abs=1e-4), "the first completions are the reference's own"


@pytest.mark.parametrize("minibatches", [1, 2])
def test_sampler_trainer_and_reference_mean_the_same_distribution_at_any_temperature(
    minibatches: int, make_project: Make
) -> None:
    """As long as no weight moves, every ratio is 1, nothing is clipped and there is no KL. With one minibatch the
    update's own pass gives the old log-probabilities, with two the pass before it does."""
    lines = run(
        make_project("project"),
        "ppo",
        algorithms=Algorithms(ppo=PPO(epochs=1, minibatches=minibatches)),
        sampling=Sampling(max_new_tokens=6, temperature=0.7),
        learning_rate=1e-30,
        critic_learning_rate=1e-30,
    )
    for line in lines:
        assert line["ratio_max"] == pytest.approx(1, abs=1e-5)
        assert line["clip_fraction"] == 0
        assert line["kl"] == pytest.approx(0, abs=1e-5)
        assert line["sampler_gap"] < 1e-5


def test_an_unknown_algorithm_is_named_with_those_there_are(make_project: Make) -> None:
    with pytest.raises(Problem, match='there is no algorithm "pop"'):
        run(make_project("project"), "pop")


def test_regularisers_are_logged(make_project: Make) -> None:
    folder = make_project("project")
    for algorithm in ("rloo", "trpo", "online_dpo"):
        assert "kl_loss" in run(folder, algorithm, regularisers=Regularisers(kl_in_loss=0.1))[0]
    with pytest.raises(Problem, match="there is no text to mix in"):
        run(folder, "grpo", regularisers=Regularisers(pretraining=1.0))


@pytest.mark.parametrize("kind", ["uniform", "policy_attention"])
def test_a_score_can_be_paid_along_the_way(kind: Any, make_project: Make) -> None:
    lines = run(make_project("project"), "ppo", credit=Credit(kind))
    assert all(math.isfinite(value) for line in lines for value in line.values())


def test_a_functions_score_is_paid_at_the_ends_of_steps(
    make_project: Make, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step ends with the letter e: whatever is paid, all of it, stands at an e or at the last token."""
    seen: list[Rollouts] = []
    spread = Steps.__call__

    def watched(self: Steps, given: Rollouts) -> Rollouts:
        seen.append(spread(self, given))
        return seen[-1]

    monkeypatch.setattr(Steps, "__call__", watched)
    folder = make_project("project")
    lines = run(folder, "ppo", credit=Credit("step", beta=1.0, step_ends=("e", "t")), reference_samples=0)
    assert all(math.isfinite(value) for line in lines for value in line.values())
    (e,), (t,) = (load(tiny_model).encode(letter, start=False) for letter in "et")
    ends = 0
    for rollouts in seen:
        ids_BT = rollouts.inputs["ids_BS"][:, -rollouts.mask_BT.shape[1] :]
        found_BT = rollouts.extras["step_ends_BT"]
        assert bool(((ids_BT == e) | (ids_BT == t))[found_BT].all())
        ends += int(found_BT.sum())
    assert ends > 0


def test_a_function_has_no_attention(make_project: Make) -> None:
    with pytest.raises(Problem, match="there is no attention to credit"):
        run(make_project("project"), "ppo", credit=Credit("attention"))
