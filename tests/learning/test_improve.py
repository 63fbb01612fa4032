"""The online loop itself: what it passes on, logs, refuses and stops for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.learning.algorithms import PPO, RLOO, AnyAlgorithm
from heedful.learning.formulas import METRICS, POLICY_GRADIENT
from heedful.learning.improve import improve
from heedful.learning.kl import at_last_token
from heedful.learning.schedules import schedule
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Policy, Reward, Rollouts, Stats
from heedful.runs import Run
from heedful.seeds import seed_of

PROMPT_B = torch.arange(2).repeat_interleave(4)


def count_of_ones(rollouts: Rollouts) -> Rollouts:
    """Score: how many tokens are a 1."""
    ones_BT = (rollouts.inputs["tokens_BT"] == 1) & rollouts.mask_BT
    scores_B = ones_BT.sum(1).double()
    return rollouts.with_(scores_B=scores_B, rewards_BT=at_last_token(scores_B, rollouts.mask_BT))


class Loop:
    """A short run of `improve` on a fresh table."""

    def __init__(self, folder: Path, *, rate: float = 0.05, algorithm: AnyAlgorithm | None = None) -> None:
        self.policy = TabularPolicy(prompts=2, vocabulary=3, limit_tokens=3, seed=0)
        self.algorithm = algorithm or PPO(epochs=2, minibatches=2)
        self.compute = LocalCompute()
        self.compute.prepare([(self.policy.parameters(), rate)])
        self.run = Run.open(folder, "improve", {})
        self.steps_seen: list[int] = []

    def collect(self, policy: Policy, step: int) -> Rollouts:
        assert policy is self.policy
        self.steps_seen.append(step)
        return self.policy.sample(PROMPT_B, seed=seed_of(3, "collect", step))

    def go(
        self,
        steps: int = 4,
        reward: Reward = count_of_ones,
        *,
        seed: int = 0,
        checkpoint_every: int = 0,
        scale: Callable[[int], float] = lambda step: 1.0,
        on_step: Callable[[int, Stats], Stats | None] | None = None,
        stop: Callable[[int, Stats], str | None] | None = None,
    ) -> Stats:
        return improve(
            self.policy,
            self.collect,
            reward,
            self.algorithm,
            self.compute,
            self.run,
            steps=steps,
            seed=seed,
            state={"policy": self.policy},
            schedule=scale,
            checkpoint_every=checkpoint_every,
            on_step=on_step,
            stop=stop,
        )


def test_a_ppo_step_logs_every_metric_of_the_table_that_applies(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    stats = loop.go()
    lines = loop.run.metrics()
    assert [line["step"] for line in lines] == loop.steps_seen == [0, 1, 2, 3]
    assert {**stats, "step": 3, "time_s": lines[-1]["time_s"]} == lines[-1]
    elsewhere = {"gold", "repetition", "kl_coefficient", "non_score_reward"}  # worlds with a truth, texts or a leash
    assert set(stats) == set(POLICY_GRADIENT) - elsewhere


def test_the_reference_stays_and_kl_begins_at_zero(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    reference = loop.policy.reference.clone()
    loop.go(10)
    assert torch.equal(loop.policy.reference, reference)
    assert not torch.equal(loop.policy.logits, reference)
    kl = [line["kl_k3"] for line in loop.run.metrics()]
    assert kl[0] == pytest.approx(0, abs=1e-12)
    assert kl[-1] > 0.01


def test_the_same_seed_gives_the_same_policy_and_another_another(tmp_path: Path) -> None:
    first, same, other = (Loop(tmp_path / name) for name in ("first", "same", "other"))
    first.go(seed=5)
    same.go(seed=5)
    other.go(seed=6)
    assert torch.equal(first.policy.logits, same.policy.logits)
    assert not torch.equal(first.policy.logits, other.policy.logits)


def test_the_schedule_reaches_the_optimiser(tmp_path: Path) -> None:
    still = Loop(tmp_path / "still")
    still.go(scale=lambda step: 0.0)
    assert torch.equal(still.policy.logits, still.policy.reference)
    loop = Loop(tmp_path / "linear", rate=0.08)
    loop.go(scale=schedule("linear", 4))
    assert [line["learning_rate"] for line in loop.run.metrics()] == pytest.approx([0.08, 0.06, 0.04, 0.02])


def test_on_step_sees_the_stats_and_may_add_to_them(tmp_path: Path) -> None:
    loop = Loop(tmp_path)

    def on_step(step: int, stats: Stats) -> Stats | None:
        return {"held_out": 10 * step + stats["score"] - stats["score"]} if step % 2 else None

    loop.go(on_step=on_step)
    assert [line.get("held_out") for line in loop.run.metrics()] == [None, 10, None, 30]


def test_a_monitor_can_stop_the_loop_and_its_reason_is_kept(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.go(9, stop=lambda step, stats: "too much" if step == 2 else None)
    assert loop.steps_seen == [0, 1, 2]
    assert loop.run.record["stopped"] == {"step": 2, "reason": "too much"}


def test_a_finished_loop_opened_again_does_nothing_and_gives_the_last_stats(tmp_path: Path) -> None:
    first = Loop(tmp_path)
    stats = first.go(4, checkpoint_every=2)
    again = Loop(tmp_path)
    assert again.go(4, checkpoint_every=2) == stats
    assert again.steps_seen == []
    assert torch.equal(again.policy.logits, first.policy.logits)


@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
def test_a_reward_that_is_not_finite_is_named_by_row(tmp_path: Path, bad: float) -> None:
    def broken(rollouts: Rollouts) -> Rollouts:
        rewards_BT = torch.zeros(rollouts.mask_BT.shape)
        rewards_BT[5, 0] = bad
        rewards_BT[~rollouts.mask_BT] = float("nan")  # padding may hold anything
        return rollouts.with_(rewards_BT=rewards_BT)

    loop = Loop(tmp_path)
    with pytest.raises(Problem, match="row 5 of the batch, token 0"):
        loop.go(reward=broken)
    assert torch.equal(loop.policy.logits, loop.policy.reference)


def test_a_reward_that_is_missing_or_misshapen_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="it gave none"):
        Loop(tmp_path / "none").go(reward=lambda rollouts: rollouts)
    with pytest.raises(Problem, match=r"it gave the shape \(8,\)"):
        Loop(tmp_path / "flat").go(reward=lambda rollouts: rollouts.with_(rewards_BT=torch.zeros(8)))


def test_every_algorithm_logs_names_of_the_table_only(tmp_path: Path) -> None:
    assert set(Loop(tmp_path, algorithm=RLOO()).go(1)) <= set(METRICS)
