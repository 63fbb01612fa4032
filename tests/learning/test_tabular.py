import math

import pytest
import torch
from torch import Tensor

from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Rollouts


def tokens(rollouts: Rollouts, row: int) -> tuple[int, ...]:
    found: list[int] = rollouts.inputs["tokens_BT"][row][rollouts.mask_BT[row]].tolist()
    return tuple(found)


def test_every_completion_is_there_once_and_their_probabilities_sum_to_one() -> None:
    policy = TabularPolicy(prompts=2, vocabulary=3, limit_tokens=3, seed=0)
    every = policy.every_completion(1)
    found = {tokens(every, row) for row in range(len(every))}
    bodies = [(a, b) for a in (1, 2) for b in (1, 2)]
    assert found == {(0,), (1, 0), (2, 0)} | {(*body, last) for body in bodies for last in (0, 1, 2)}
    assert len(every) == len(found) == 15
    assert float(every.logprobs_BT.sum(1).exp().sum()) == pytest.approx(1)


def test_logprobs_and_entropy_come_from_the_prefix_before_each_token() -> None:
    policy = TabularPolicy(prompts=2, vocabulary=3, limit_tokens=2, seed=0)
    every = policy.every_completion(1)
    row = [tokens(every, row) for row in range(len(every))].index((2, 1))
    # The rows of logits count prefixes as a heap does: (), (0), (1), (2), so the prefix (2) is row 3.
    first, second = (torch.softmax(policy.logits[1, prefix], 0).tolist() for prefix in (0, 3))
    assert every.logprobs_BT[row].tolist() == pytest.approx([math.log(first[2]), math.log(second[1])])
    entropy_BT = policy.evaluate(every).entropy_BT.detach()
    assert float(entropy_BT[row, 1]) == pytest.approx(-sum(p * math.log(p) for p in second))


def test_samples_follow_the_distribution_and_the_seed() -> None:
    policy = TabularPolicy(prompts=1, vocabulary=3, limit_tokens=2, seed=3)
    every = policy.every_completion(0)
    probability = {tokens(every, row): float(every.logprobs_BT[row].sum().exp()) for row in range(len(every))}
    sample = policy.sample(torch.zeros(20_000, dtype=torch.int64), seed=5)
    for completion, p in probability.items():
        count = sum(tokens(sample, row) == completion for row in range(len(sample)))
        assert abs(count - 20_000 * p) < 4 * math.sqrt(20_000 * p * (1 - p))
    again = policy.sample(torch.zeros(20_000, dtype=torch.int64), seed=5)
    assert torch.equal(sample.inputs["tokens_BT"], again.inputs["tokens_BT"])
    other = policy.sample(torch.zeros(20_000, dtype=torch.int64), seed=6)
    assert not torch.equal(sample.inputs["tokens_BT"], other.inputs["tokens_BT"])


def test_the_reference_stays_when_the_policy_moves() -> None:
    policy = TabularPolicy(prompts=1, vocabulary=3, limit_tokens=2, seed=0)
    before = policy.every_completion(0)
    assert before.ref_logprobs_BT is not None
    torch.testing.assert_close(before.ref_logprobs_BT, before.logprobs_BT)
    with torch.no_grad():
        policy.logits[..., 1] += 2
    after = policy.every_completion(0)
    assert after.ref_logprobs_BT is not None
    assert torch.equal(after.ref_logprobs_BT, before.ref_logprobs_BT)
    assert not torch.allclose(after.logprobs_BT, before.logprobs_BT)


def test_finished_means_stopped() -> None:
    every = TabularPolicy(prompts=1, vocabulary=3, limit_tokens=2, seed=0).every_completion(0)
    assert every.finished_B is not None
    for row in range(len(every)):
        assert bool(every.finished_B[row]) == (tokens(every, row)[-1] == 0)


def test_distributions_are_those_of_the_prefix_before_each_token_and_can_be_compared() -> None:
    policy = TabularPolicy(prompts=2, vocabulary=3, limit_tokens=2, seed=0)
    every = policy.every_completion(1)
    row = [tokens(every, row) for row in range(len(every))].index((2, 1))
    old_BTV = policy.distributions(every).detach()
    expected = [torch.softmax(policy.logits[1, prefix], 0).tolist() for prefix in (0, 3)]
    assert old_BTV[row].exp().tolist() == [pytest.approx(chances) for chances in expected]
    with torch.no_grad():
        policy.logits[1, 3, 0] += 1.0
    kl_BT = policy.divergence(old_BTV, policy.distributions(every))
    now = torch.softmax(policy.logits[1, 3], 0).tolist()
    by_hand = sum(p * math.log(p / q) for p, q in zip(expected[1], now, strict=True))
    assert kl_BT[row].tolist() == pytest.approx([0.0, by_hand])


def test_a_rule_goes_by_the_logits_of_the_last_refresh() -> None:
    def greedy(logits_XV: Tensor, guide_XV: Tensor) -> Tensor:
        return torch.where(guide_XV == guide_XV.amax(-1, keepdim=True), logits_XV, -1e9)

    policy = TabularPolicy(prompts=1, vocabulary=4, limit_tokens=1, seed=0, rule=greedy)
    first = int(policy.logits[0, 0].argmax())
    with torch.no_grad():
        policy.logits[0, 0, (first + 1) % 4] += 100.0
    for token in (first, (first + 1) % 4):
        rollouts = policy.sample(torch.zeros(20, dtype=torch.int64), seed=1)
        assert rollouts.inputs["tokens_BT"][:, 0].tolist() == [token] * 20
        assert not rollouts.logprobs_BT.any()
        bare = policy.logits[0, 0].log_softmax(0)[token]
        assert rollouts.extras["bare_logprobs_BT"][:, 0].tolist() == pytest.approx([float(bare.detach())] * 20)
        policy.refresh()
    assert "bare_logprobs_BT" not in TabularPolicy(1, 3, 1, seed=0).sample(torch.zeros(1).long(), seed=0).extras
