"""Adversarial feedback: a policy that learns to write as people do from their answers alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.stages.test_demonstrated import demonstrate
from tests.stages.test_doubts import settings

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.language.pretrained import load
from heedful.language.sampling import Sampling
from heedful.reward.credit import Credit
from heedful.runs import Run
from heedful.seeds import generator
from heedful.stages import collect, improve, judge, reward
from heedful.stages.discriminating import Discriminating, untrained
from heedful.stages.leash import Leash
from heedful.stages.project import Project

Make = Callable[[str], Path]

FIRST_HALF = "abcdefghijklm"
SHARE = f"""
def score(prompts, completions):
    return [sum(letter in {FIRST_HALF!r} for letter in text.split()) / 6 for text in completions]
"""


def config(folder: Path, **given: Any) -> improve.Config:
    found: improve.Config = settings(improve.Config, folder, **{"adversarial": True, "algorithm": "rloo", **given})
    return found


def test_a_policy_comes_to_write_as_people_do(make_project: Make) -> None:
    """People write letters of the alphabet's first half, which no function was told; a scorer that only watches sees
    the policy come to do so too."""
    folder = make_project("project")
    demonstrate(folder, *(" ".join(generator(0, "answer", i).choice(list(FIRST_HALF), 6)) for i in range(128)))
    (folder.parent / "share.py").write_text(SHARE, encoding="utf-8")
    made = improve.run(
        config(
            folder,
            algorithm="ppo",
            steps=16,
            prompts_per_step=8,
            completions_per_prompt=4,
            learning_rate=2e-2,
            leash=Leash(coefficient=0.02),
            missing_stop_penalty=0.0,
            check_every=5,
            validator=f"{folder.parent / 'share.py'}:score",
        ),
        name="run",
    )
    lines = Run(folder / "runs" / "run", {}).metrics()
    assert len(lines) == 16, "a discriminator that moves must not sound the monitor of a score that does not"
    watched = [line["held_out_score"] for line in lines[::5]]
    assert watched[-1] > watched[0] + 0.2
    assert lines[0]["discriminator_accuracy"] == 0.5, "a head of zeros knows nothing"
    assert max(line["discriminator_accuracy"] for line in lines) > 0.7
    assert all(0 <= line["deceived"] <= 1 for line in lines)
    assert made.reward is None
    store = Project.open(folder).store
    assert lineage.judgements_behind(store, made.id), "the demonstrations are behind it"


def test_without_a_validator_there_is_no_check(make_project: Make) -> None:
    """Log-odds of a discriminator that moves cannot be compared from one check to the next."""
    folder = make_project("project")
    demonstrate(folder, "e s e")
    improve.run(config(folder, steps=2, check_every=1, credit=Credit("uniform")), name="run")
    assert all("check_score" not in line for line in Run(folder / "runs" / "run", {}).metrics())


def test_frozen_after_its_first_round_it_stays_as_it_is(make_project: Make) -> None:
    folder = make_project("project")
    demonstrate(folder, "e s e")
    same = {"steps": 3, "learning_rate": 1e-9, "seed": 3}
    improve.run(config(folder, discriminator=Discriminating(rounds=1), **same), name="frozen")
    improve.run(config(folder, discriminator=Discriminating(), **same), name="free")
    frozen, free = (Run(folder / "runs" / name, {}).metrics() for name in ("frozen", "free"))
    assert frozen[0]["score"] == free[0]["score"]
    assert free[2]["score"] < free[0]["score"] - 0.1, "refitted, it grows surer that they are not people's"
    assert abs(frozen[2]["score"] - frozen[0]["score"]) < free[0]["score"] - free[2]["score"]


def test_it_may_begin_from_the_reward_model(make_project: Make) -> None:
    folder = make_project("project")
    collect.run(settings(collect.Config, folder))
    judge.run(judge.Config(folder, by=f"{folder.parent / 'rewards.py'}:score"))
    learned = reward.run(settings(reward.Config, folder))
    demonstrate(folder, "e s e")
    made = improve.run(config(folder, steps=2, algorithm="ppo", discriminator=Discriminating(begin="reward")))
    assert made.reward == learned.id


def test_it_begins_from_the_policy_with_a_head_of_zeros(tiny_model: Path) -> None:
    head = untrained(Discriminating(), load(tiny_model), None)
    assert not bool(head.head.weight.any())
    assert head.trunk is not load(tiny_model).module.base_model


@pytest.mark.parametrize("wrong", [{"rounds": -1}, {"learning_rate": -1e-3}])
def test_settings_below_zero_are_a_problem(wrong: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="cannot learn in"):
        Discriminating(**wrong)


def test_what_it_cannot_do_is_one_problem(make_project: Make) -> None:
    folder = make_project("project")
    with pytest.raises(Problem, match="adversarial feedback needs demonstrations"):
        improve.run(config(folder))
    demonstrate(folder, "e s e")
    with pytest.raises(Problem, match="no cache_scores"):
        improve.run(config(folder, cache_scores=True))
    with pytest.raises(Problem, match="no reward_function"):
        improve.run(config(folder, reward_function=f"{folder.parent / 'rewards.py'}:score"))
    with pytest.raises(Problem, match="told from demonstrations by that text alone"):
        improve.run(config(folder, sampling=Sampling(max_new_tokens=6, stop=("q",)), restart=True))
    with pytest.raises(Problem, match="no reward model yet"):
        improve.run(config(folder, discriminator=Discriminating(begin="reward"), restart=True))
