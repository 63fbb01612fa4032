from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.evaluation import overlap
from heedful.learning.algorithms import REINFORCE
from heedful.learning.algorithms.mixer import MIXER, Annealing
from heedful.learning.kl import at_last_token
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Evaluation, Rollouts
from heedful.seeds import generator

NAN = float("nan")
ROLLOUTS = Rollouts(
    inputs={},
    mask_BT=torch.tensor([[True, True, True], [True, True, False]]),
    group_B=torch.tensor([0, 1]),
    logprobs_BT=torch.tensor([[-1.0, -2, -3], [-4, -5, NAN]], dtype=torch.float64),
    rewards_BT=torch.tensor([[0.0, 0, 4], [0, 1, NAN]], dtype=torch.float64),
    extras={"given_tokens_B": torch.tensor([1, 1])},
)


def test_the_schedule_is_exact() -> None:
    """T = 5, delta 2: after 3 steps of imitation the boundary is at 3 for two steps, at 1 for two, then at 0."""
    given = Annealing(length_tokens=5, first_steps=3, every_steps=2, delta_tokens=2)
    assert [given(step) for step in range(12)] == [5, 5, 5, 3, 3, 1, 1, 0, 0, 0, 0, 0]
    assert [Annealing(3, 0, 1, 1)(step) for step in range(4)] == [2, 1, 0, 0]


def test_a_schedule_that_stands_still_is_a_problem() -> None:
    with pytest.raises(Problem, match="never move"):
        Annealing(5, 3, 0, 2)


def test_what_is_left_open_follows_from_the_runs_length() -> None:
    """A quarter of imitation, then the boundary goes down within half of the run; the last quarter is reward alone."""
    assert MIXER().annealing(60, 40) == Annealing(40, first_steps=15, every_steps=3, delta_tokens=5)
    assert [MIXER().annealing(6, 6)(step) for step in range(6)] == [6, 4, 2, 0, 0, 0]
    assert [MIXER().annealing(2, 6)(step) for step in range(2)] == [6, 0]
    # Nine moves of 2 tokens for 17 in 45 steps: five steps each.
    assert MIXER(delta_tokens=2).annealing(90, 17) == Annealing(17, 22, 5, 2)
    # In the 45 steps from 22 to 67 there is room for four moves, one in ten steps.
    assert MIXER(every_steps=10).annealing(90, 17) == Annealing(17, 22, 10, 5)
    assert MIXER(first_steps=3, every_steps=4, delta_tokens=5).annealing(60, 9) == Annealing(9, 3, 4, 5)
    for steps in (8, 24, 60, 100):
        for length in (1, 7, 64):
            given = MIXER().annealing(steps, length)
            assert given(0) == length
            assert given(3 * steps // 4) == 0
    with pytest.raises(Problem, match="never move"):
        MIXER(delta_tokens=-1).annealing(60, 9)


def test_given_tokens_are_imitated_and_own_ones_credited_with_the_reward() -> None:
    advantages_BT, returns_BT = MIXER().credit(ROLLOUTS)
    # Own tokens have the returns 4, 4 and 1, whose mean is 3.
    assert advantages_BT.tolist() == [[1, 1, 1], [1, -2, 0]]
    assert returns_BT.tolist() == [[4, 4, 4], [1, 1, 0]]
    advantages_BT, _ = MIXER(baseline="none", imitation_coefficient=0.5).credit(ROLLOUTS)
    assert advantages_BT.tolist() == [[0.5, 4, 4], [0.5, 1, 0]]


def test_all_given_is_cross_entropy_whatever_the_reward() -> None:
    whole = ROLLOUTS.with_(extras={"given_tokens_B": torch.tensor([9, 9])})
    now = Evaluation(ROLLOUTS.logprobs_BT, torch.zeros(2, 3))
    loss_sum, count, metrics = MIXER().loss(now, whole, *MIXER().credit(whole))
    assert (float(loss_sum), float(count)) == (15, 2)
    assert [int(part) for part in metrics["given_fraction"]] == [5, 5]
    *_, metrics = MIXER().loss(now, ROLLOUTS, *MIXER().credit(ROLLOUTS))
    assert [int(part) for part in metrics["given_fraction"]] == [2, 5]


def test_nothing_given_is_reinforce() -> None:
    own = ROLLOUTS.with_(extras={"given_tokens_B": torch.tensor([0, 0])})
    for mine, theirs in zip(MIXER().credit(own), REINFORCE().credit(own), strict=True):
        assert torch.equal(mine, theirs)


def test_rollouts_that_do_not_say_what_was_given_are_a_problem() -> None:
    with pytest.raises(Problem, match="MIXER needs given tokens"):
        MIXER().credit(ROLLOUTS.with_(extras={}))


WORDS = ("", "red", "green", "blue")
REFERENCES = ((1, 2, 3), (3, 3, 1), (2, 1, 0), (1, 3, 2))


def text(tokens: tuple[int, ...]) -> str:
    return " ".join(WORDS[token] for token in tokens if token)


@cache
def rouge(prompt: int, tokens: tuple[int, ...]) -> float:
    (score,) = overlap.reward({"p": [text(REFERENCES[prompt])]}, "rougeL")(["p"], [text(tokens)])
    return score


def scores(rollouts: Rollouts) -> Tensor:
    rows = zip(rollouts.group_B.tolist(), rollouts.inputs["tokens_BT"].tolist(), strict=True)
    return torch.tensor([rouge(prompt, tuple(tokens)) for prompt, tokens in rows], dtype=torch.float64)


def exact_rouge(policy: TabularPolicy) -> float:
    """The mean over prompts of the exact expected ROUGE-L."""
    found = [policy.every_completion(prompt) for prompt in range(4)]
    return float(torch.stack([every.logprobs_BT.sum(1).exp() @ scores(every) for every in found]).mean())


def begun(policy: TabularPolicy, given: int, seed: int) -> Rollouts:
    """16 demonstrations a prompt, half of them the reference and half of them random; after `given` tokens the
    policy goes on by itself."""
    random, chosen = generator(seed, "begun"), []
    for prompt in range(4):
        every = policy.every_completion(prompt)
        tokens_ET = every.inputs["tokens_BT"]
        any_NT = tokens_ET[torch.from_numpy(random.integers(0, len(every), 16))]
        known_NT = torch.where(torch.from_numpy(random.random((16, 1)) < 0.5), torch.tensor(REFERENCES[prompt]), any_NT)
        fits_NE = (tokens_ET[:, :given] == known_NT[:, None, :given]).all(-1)
        below_NE = torch.where(fits_NE, every.logprobs_BT.sum(1).exp(), 0).cumsum(1)
        draw_N1 = torch.from_numpy(random.random((16, 1))) * below_NE[:, -1:]
        chosen.append(every.rows(torch.searchsorted(below_NE, draw_N1, right=True)[:, 0]))
    inputs = {name: torch.cat([some.inputs[name] for some in chosen]) for name in ("prompt_B", "tokens_BT")}
    return Rollouts(
        inputs=inputs,
        mask_BT=torch.cat([some.mask_BT for some in chosen]),
        group_B=inputs["prompt_B"],
        logprobs_BT=torch.cat([some.logprobs_BT for some in chosen]),
        extras={"given_tokens_B": torch.full((64,), given)},
    )


def trained(given: Callable[[int], int]) -> dict[int, float]:
    """ROUGE after 40 and after 100 steps, of which each is given so many tokens."""
    policy, compute, algorithm = TabularPolicy(4, 4, 3, seed=0, spread=0), LocalCompute(), MIXER()
    compute.prepare([([policy.logits], 0.1)])
    measured = {}
    for step in range(100):
        rollouts = begun(policy, given(step), seed=step)
        rollouts = rollouts.with_(rewards_BT=2 * at_last_token(scores(rollouts), rollouts.mask_BT))
        algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=step)
        if step in (39, 99):
            measured[step] = exact_rouge(policy)
    return measured


def test_rouge_rises_over_imitation_of_the_same_length() -> None:
    """From imitation of a mixed crowd to nearly the best possible, as the boundary moves from 3 to 0."""
    mixed = trained(Annealing(length_tokens=3, first_steps=40, every_steps=15, delta_tokens=1))
    imitation = trained(lambda _step: 3)
    assert mixed[39] == imitation[39]
    assert 0.55 < imitation[99] < 0.8
    assert mixed[99] > max(0.93, imitation[99] + 0.15)
