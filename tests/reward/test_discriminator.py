"""The discriminator as a reward: refitted it leads the policy to write as people do, frozen it is deceived."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example
from heedful.language.pretrained import load
from heedful.language.tokens import pad
from heedful.learning.algorithms import REINFORCE
from heedful.learning.kl import at_last_token
from heedful.learning.tabular import TabularPolicy
from heedful.reward.discriminator import Demonstrated, Discriminator, ReadsText, logistic_loss
from heedful.rollouts import Rollouts
from heedful.seeds import seed_of

PROMPTS, TOKENS, LIMIT = 2, 4, 3
EACH = 48
BUNDLED = Path(str(files("heedful.playground") / "model"))


class Weights(nn.Module):
    """Logistic regression on which token stands where, for each prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(PROMPTS, LIMIT, TOKENS, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(PROMPTS, dtype=torch.float64))

    def forward(self, rollouts: Rollouts) -> Tensor:
        prompt_B, tokens_BT = rollouts.inputs["prompt_B"], rollouts.inputs["tokens_BT"]
        places_T = torch.arange(LIMIT)
        found_BT = self.weight[prompt_B[:, None], places_T, tokens_BT]
        return torch.where(rollouts.mask_BT, found_BT, 0.0).sum(1) + self.bias[prompt_B]


def people() -> TabularPolicy:
    """Who write what each prompt wants at three places in four."""
    writers = TabularPolicy(PROMPTS, TOKENS, LIMIT, seed=0, spread=0.0)
    with torch.no_grad():
        for prompt in range(PROMPTS):
            writers.logits[prompt, :, prompt + 1] = math.log(9)
    return writers


def quality(policy: TabularPolicy) -> float:
    """Exact mean number of wanted tokens."""
    total = 0.0
    for prompt in range(PROMPTS):
        every = policy.every_completion(prompt)
        wanted_B = ((every.inputs["tokens_BT"] == prompt + 1) & every.mask_BT).sum(1)
        total += float((every.logprobs_BT.sum(1).exp() * wanted_B).sum()) / PROMPTS
    return total


def discriminator(rounds: int | None, steps: int) -> Discriminator:
    writers, prompt_B = people(), torch.arange(PROMPTS).repeat_interleave(EACH)
    return Discriminator(
        Weights(),
        lambda _, round_: writers.sample(prompt_B, seed=seed_of(1, "people", round_)),
        LocalCompute(),
        steps=steps,
        learning_rate=0.1,
        rounds=rounds,
    )


def learn(policy: TabularPolicy, score: Discriminator, rounds: int) -> list[tuple[float, float]]:
    """(accuracy, share of fresh samples taken for people's) of each round."""
    compute, algorithm, seen = LocalCompute(), REINFORCE(), []
    compute.prepare([([policy.logits], 0.05)])
    prompt_B = torch.arange(PROMPTS).repeat_interleave(EACH)
    for step in range(rounds):
        rollouts = score(policy.sample(prompt_B, seed=seed_of(0, "collect", step)))
        assert rollouts.scores_B is not None
        rollouts = rollouts.with_(rewards_BT=at_last_token(rollouts.scores_B, rollouts.mask_BT))
        advantages_BT, returns_BT = algorithm.credit(rollouts)
        algorithm.update(policy, compute, rollouts, advantages_BT, returns_BT, seed=step)
        seen.append((score.accuracy, score.deceived))
    return seen


def test_refitted_every_round_it_ends_near_chance_and_quality_rises() -> None:
    policy = TabularPolicy(PROMPTS, TOKENS, LIMIT, seed=0, spread=0.5)
    start = quality(policy)
    seen = learn(policy, discriminator(None, steps=2), 120)
    early = sum(accuracy for accuracy, _ in seen[2:7]) / 5
    late = sum(accuracy for accuracy, _ in seen[-20:]) / 20
    assert early > 0.7
    assert abs(late - 0.5) < 0.1
    assert quality(policy) > start + 0.5
    assert quality(policy) == pytest.approx(quality(people()), abs=0.3)


def test_frozen_after_one_round_it_is_deceived() -> None:
    """It takes nearly all that the policy has learnt to write for people's: less than a fifth is told right."""
    policy = TabularPolicy(PROMPTS, TOKENS, LIMIT, seed=0, spread=0.5)
    score = discriminator(1, steps=60)
    seen = learn(policy, score, 120)
    assert 1 - seen[1][1] > 0.6, "on the first fresh samples after its only lesson it was mostly right"
    assert 1 - seen[-1][1] < 0.2


def test_the_loss_by_hand() -> None:
    logits_N = torch.tensor([0.0, 2.0])
    expected = math.log(2) + math.log1p(math.exp(-2))
    assert float(logistic_loss(logits_N, human=True)[0]) == pytest.approx(expected)
    assert float(logistic_loss(logits_N, human=False)[0]) == pytest.approx(math.log(2) + math.log1p(math.exp(2)))


@pytest.mark.parametrize("micro_batch", [0, 7])
def test_each_side_counts_alike_and_parts_change_nothing(micro_batch: int) -> None:
    """One step's gradient is that of the mean over people's rows plus the mean over the policy's, halved."""
    policy = TabularPolicy(PROMPTS, TOKENS, LIMIT, seed=0)
    own = policy.sample(torch.zeros(20, dtype=torch.int64), seed=1)
    human = people().sample(torch.zeros(10, dtype=torch.int64), seed=2)
    weights = Weights()
    score = Discriminator(weights, lambda *_: human, LocalCompute(micro_batch=micro_batch), steps=1, learning_rate=0.1)
    seen: list[Tensor] = []
    score.compute.step = lambda count: seen.append(weights.bias.grad[0] / count) or 0.0  # type: ignore
    score(own)
    assert float(seen[0]) == pytest.approx((-0.5 + 0.5) / 2, abs=1e-12), "all logits are 0: sigmoid is one half"
    weights.zero_grad()
    weights.bias.data[0] = 1.0
    score(own)
    sigmoid = 1 / (1 + math.exp(-1))
    assert float(seen[1]) == pytest.approx((-(1 - sigmoid) + sigmoid) / 2)


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    policy = TabularPolicy(PROMPTS, TOKENS, LIMIT, seed=0)
    rows = [policy.sample(torch.arange(PROMPTS).repeat_interleave(8), seed=step) for step in range(4)]
    whole, first, second = discriminator(None, 2), discriminator(None, 2), discriminator(None, 2)
    expected = [whole(part).scores_B for part in rows][-1]
    for part in rows[:2]:
        first(part)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert (second.accuracy, second.deceived) == (first.accuracy, first.deceived)
    found = [second(part).scores_B for part in rows[2:]][-1]
    assert found is not None
    assert expected is not None
    assert torch.equal(found, expected)


def test_looking_teaches_nothing_and_parts_change_nothing() -> None:
    policy = TabularPolicy(PROMPTS, TOKENS, LIMIT, seed=0)
    rows = policy.sample(torch.arange(PROMPTS).repeat_interleave(8), seed=1)
    score = discriminator(None, 2)
    learnt = score(rows).scores_B
    assert learnt is not None
    before, seen = score.classifier.state_dict()["weight"].clone(), (score.done, score.stats())
    found = score.look(rows).scores_B
    assert found is not None
    assert torch.equal(found, learnt)
    assert torch.equal(score.classifier.state_dict()["weight"], before)
    assert (score.done, score.stats()) == seen
    assert score.stats() == {"discriminator_accuracy": score.accuracy, "deceived": score.deceived}
    score.compute.micro_batch = 3
    parts = score.look(rows).scores_B
    assert parts is not None
    assert torch.equal(parts, learnt)


def test_no_steps_and_no_demonstrations_are_refused() -> None:
    with pytest.raises(Problem, match="0 steps"):
        Discriminator(Weights(), lambda rollouts, _: rollouts, LocalCompute(), steps=0)
    with pytest.raises(Problem, match="no demonstrations"):
        Demonstrated([], 4, seed=0)


# Text


def text_rows(prompts: list[list[int]], completions: list[list[int]]) -> Rollouts:
    padded = pad(prompts, completions, torch.device("cpu"))
    mask_BT = padded.response_mask_BT
    return Rollouts(padded.inputs, mask_BT, torch.arange(len(prompts)), torch.zeros(mask_BT.shape))


def test_people_s_rows_are_of_the_same_prompts_and_cut_like_samples() -> None:
    human = Demonstrated(
        [Example([1, 5], [6, 2]), Example([1, 7, 8], [9, 9, 9, 9, 2]), Example([1, 5], [4, 2])], 3, seed=0
    )
    found = human(text_rows([[1, 7, 8], [1, 5], [1, 30]], [[4], [4, 4], [4]]), 0)
    ids_BS, mask_BS = found.inputs["ids_BS"], found.inputs["attend_mask_BS"]
    rows = [ids_S[mask_S].tolist() for ids_S, mask_S in zip(ids_BS, mask_BS, strict=True)]
    assert rows[0] == [1, 7, 8, 9, 9, 9]
    assert rows[1] in ([1, 5, 6, 2], [1, 5, 4, 2])
    assert rows[2] in ([1, 5, 6, 2], [1, 5, 4, 2], [1, 7, 8, 9, 9, 9]), "a prompt without one borrows"
    assert int(found.mask_BT.sum()) == sum(map(len, rows)) - 3 - 2 - len(rows[2]) + int(found.mask_BT[2].sum())


def test_a_scalar_model_learns_to_tell_tokens_apart() -> None:
    head = ScalarModel(load(BUNDLED), seed=1)
    prompts = [[1, letter] for letter in range(5, 13)]
    human = Demonstrated([Example(prompt, [20, 21, 2]) for prompt in prompts], 4, seed=0)
    score = Discriminator(ReadsText(head), human, LocalCompute(), steps=3, learning_rate=1e-2)
    for _ in range(4):
        found = score(text_rows(prompts, [[22, 23, 24, 2]] * len(prompts)))
    assert score.accuracy == 1.0
    assert found.scores_B is not None
    assert float(found.scores_B.max()) < 0
