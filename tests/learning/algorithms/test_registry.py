from dataclasses import fields, is_dataclass
from typing import get_args

import pytest

from heedful.errors import Problem
from heedful.learning.algorithms import GRPO, PPO, Algorithms, AnyAlgorithm

NAMED_SETTINGS = {"dr_grpo": GRPO}
"""Papers that are settings of another's algorithm."""

WITH_A_CRITIC = {"ppo", "a2c", "trpo", "nlpo"}


def test_every_algorithm_stands_in_the_registry_under_its_name() -> None:
    found = {field.name: type(getattr(Algorithms(), field.name)) for field in fields(Algorithms)}
    assert set(found.values()) == set(get_args(AnyAlgorithm))
    for name, kind in found.items():
        assert name.replace("_", "") == kind.__name__.lower() or NAMED_SETTINGS[name] is kind
        assert is_dataclass(kind)


def test_every_algorithm_says_whether_it_needs_a_critic() -> None:
    names = {field.name for field in fields(Algorithms)}
    assert {name for name in names if Algorithms().named(name).needs_critic} == WITH_A_CRITIC


def test_named_gives_the_settings_that_were_asked_for() -> None:
    registry = Algorithms(ppo=PPO(clip=0.3))
    assert registry.named("ppo") == PPO(clip=0.3)
    assert registry.named("grpo") == GRPO()


@pytest.mark.parametrize("name", ["dreamer", "named", "PPO", ""])
def test_an_unknown_name_is_a_problem_that_lists_the_known(name: str) -> None:
    with pytest.raises(Problem, match="ppo, rloo, grpo, reinforce"):
        Algorithms().named(name)
