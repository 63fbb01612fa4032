"""MIXER by its name on the command line: from people's answers to better ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stages.test_demonstrated import demonstrate
from tests.stages.test_doubts import settings

from heedful.errors import Problem
from heedful.learning.algorithms import MIXER, Algorithms
from heedful.learning.monitors import Limits
from heedful.runs import Run
from heedful.stages import improve
from heedful.stages.leash import Leash

Make = Callable[[str], Path]


def test_imitation_turns_into_reward_and_goes_beyond_the_demonstrations(make_project: Make) -> None:
    """People write two letters e in six; the policy first learns to do so too, and ends with more."""
    folder = make_project("project")
    demonstrate(folder, "q e q e q q")
    config = settings(
        improve.Config,
        folder,
        algorithm="mixer",
        reward_function=f"{folder.parent / 'rewards.py'}:score",
        steps=40,
        prompts_per_step=8,
        completions_per_prompt=4,
        learning_rate=2e-2,
        leash=Leash(coefficient=0.01),
        missing_stop_penalty=0.0,
        monitors=Limits(stop=False),
        check_every=5,
    )
    improve.run(config, name="run")
    lines = Run(folder / "runs" / "run", {}).metrics()
    imitation, reward = lines[:10], lines[30:]
    assert [line["given_fraction"] for line in imitation] == [1.0] * 10
    assert [line["given_fraction"] for line in reward] == [0.0] * 10
    assert all(line["kl"] == 0 for line in imitation), "nobody pays for what somebody else wrote"
    assert all(line["score"] == 2 for line in imitation)
    own = {line["step"]: line["check_score"] for line in lines if "check_score" in line}
    assert own[0] < 1
    assert own[10] > own[0] + 0.5
    assert own[35] > 3


def test_prompts_are_those_with_demonstrations(make_project: Make) -> None:
    folder = make_project("project")
    function = f"{folder.parent / 'rewards.py'}:score"
    config = settings(improve.Config, folder, algorithm="mixer", reward_function=function, steps=2)
    with pytest.raises(Problem, match="the algorithm mixer needs demonstrations"):
        improve.run(config)
    demonstrate(folder, "e s e")
    improve.run(config, name="run")
    assert Run(folder / "runs" / "run", {}).metrics()[-1]["given_fraction"] == 0


def test_a_boundary_that_cannot_move_is_a_problem(make_project: Make) -> None:
    folder = make_project("project")
    demonstrate(folder, "e s e")
    function = f"{folder.parent / 'rewards.py'}:score"
    backwards = Algorithms(mixer=MIXER(delta_tokens=-1))
    with pytest.raises(Problem, match="never move"):
        improve.run(settings(improve.Config, folder, algorithm="mixer", reward_function=function, algorithms=backwards))
