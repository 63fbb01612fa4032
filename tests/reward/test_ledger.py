"""The ledger says what the counters say, and a score that is known is never asked for again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.learning.algorithms import RLOO, BestOf
from heedful.learning.kl import at_last_token
from heedful.learning.tabular import TabularPolicy
from heedful.records import Prompt
from heedful.reward.ledger import CachedScorer, Costs, Ledger, Prices
from heedful.rollouts import Algorithm, Rollouts


class Counting:
    """Scores by length of text, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        self.asked += rollouts.completions
        return rollouts.with_(scores_B=torch.tensor([len(text) / 3 for text in rollouts.completions]))


def batch(*texts: str, seed: int = 0) -> Rollouts:
    rollouts = TabularPolicy(1, 3, 2, seed=0).sample(torch.zeros(len(texts), dtype=torch.int64), seed=seed)
    return rollouts.with_(prompts=tuple(Prompt.of(text[:1]) for text in texts), completions=texts)


def test_each_text_is_scored_once_and_a_repeated_run_asks_nothing(tmp_path: Path) -> None:
    scorer, path = Counting(), tmp_path / "scores.jsonl"
    cached = CachedScorer(scorer, "r1", path)
    first, second = batch("aa", "ab", "aa"), batch("ab", "b")
    assert cached(first).scores_B is not None
    torch.testing.assert_close(cached(second).scores_B, torch.tensor([2 / 3, 1 / 3]))
    assert scorer.asked == ["aa", "ab", "b"]
    assert (cached.calls, cached.cached) == (3, 2)
    assert cached.tokens == int(first.mask_BT[:2].sum() + second.mask_BT[1].sum())
    again = CachedScorer(scorer, "r1", path)
    for rollouts in (first, second):
        scores_B = again(rollouts).scores_B
        assert scores_B is not None
        assert torch.equal(scores_B, torch.tensor([len(text) / 3 for text in rollouts.completions]))
    assert (again.calls, again.cached) == (0, 5)
    assert scorer.asked == ["aa", "ab", "b"]


def test_another_scorer_or_prompt_is_another_score(tmp_path: Path) -> None:
    scorer, path = Counting(), tmp_path / "scores.jsonl"
    CachedScorer(scorer, "r1", path)(batch("aa"))
    CachedScorer(scorer, "r2", path)(batch("aa"))
    other = batch("aa").with_(prompts=(Prompt.of("another"),))
    CachedScorer(scorer, "r1", path)(other)
    assert len(scorer.asked) == 3


def test_a_line_that_a_crash_cut_off_is_asked_again(tmp_path: Path) -> None:
    scorer, path = Counting(), tmp_path / "scores.jsonl"
    CachedScorer(scorer, "r1", path)(batch("aa", "ab"))
    path.write_text(path.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    CachedScorer(scorer, "r1", path)(batch("aa", "ab"))
    assert scorer.asked == ["aa", "ab", "ab"]
    assert CachedScorer(scorer, "r1", path)(batch("aa", "ab")).scores_B is not None
    assert len(scorer.asked) == 3


def test_scores_of_tokens_and_missing_ones_are_refused(tmp_path: Path) -> None:
    for wrong in (lambda r: r, lambda r: r.with_(scores_B=torch.zeros(1), token_scores_BT=torch.zeros(1, 2))):
        with pytest.raises(Problem, match="one number for a completion"):
            CachedScorer(wrong, "r1", tmp_path / "scores.jsonl")(batch("aa"))
    with pytest.raises(Problem, match="name"):
        CachedScorer(Counting(), "", tmp_path / "scores.jsonl")


def test_the_ledgers_total_equals_the_counters(tmp_path: Path) -> None:
    ledger, scorer = Ledger(), Counting()
    cached = CachedScorer(ledger.rewarding(scorer), "r1", tmp_path / "scores.jsonl", ledger=ledger)
    texts = [("aa", "ab", "aa"), ("ab", "b", "c"), ("c", "c", "dd")]
    collect = ledger.collecting(lambda _policy, step: batch(*texts[step], seed=step))
    written = 0
    for step in range(3):
        rollouts = collect(None, step)
        written += int(rollouts.mask_BT.sum())
        cached(rollouts)
    total = ledger.total()
    assert total.reward_calls == cached.calls == len(scorer.asked) == 5
    assert total.cached == cached.cached == 4
    assert total.tokens_scored == cached.tokens
    assert total.tokens_written == written
    assert total.seconds == sum(costs.seconds for costs in ledger.entries.values()) > 0
    assert total.peak_bytes > 10_000_000


def test_money_by_hand() -> None:
    costs = Costs(reward_calls=200, seconds=1800, tokens_written=10_000, tokens_trained=20_000)
    prices = Prices(reward_call=0.01, hour=3, token_written=1e-4, token_trained=2e-4)
    assert costs.money(prices) == pytest.approx(2 + 1.5 + 1 + 4)
    ledger = Ledger()
    ledger.add("update", costs)
    assert ledger.report(prices)["money"] == pytest.approx(8.5)
    assert ledger.report(prices)["total"]["reward_calls"] == 200
    assert "money" not in ledger.report(Prices())
    assert "8.50 in money" in ledger.sentence(prices)
    assert "money" not in ledger.sentence(Prices())
    assert "200 scored completions, 10,000 tokens written and 20,000 trained on, 1,800.0 s" in ledger.sentence(prices)


def test_tokens_that_somebody_else_wrote_are_not_sampled() -> None:
    ledger, rollouts = Ledger(), batch("aa", "ab")
    begun = rollouts.with_(extras={"given_tokens_B": torch.tensor([1, 0])})
    ledger.collecting(lambda *_: begun)(None, 0)
    assert ledger.total().tokens_written == int(rollouts.mask_BT.sum()) - 1


@pytest.mark.parametrize("micro_batch", [0, 3])
@pytest.mark.parametrize("epochs", [1, 3])
def test_every_pass_of_an_update_is_booked_and_changes_nothing(epochs: int, micro_batch: int) -> None:
    found = []
    for booked in (False, True):
        policy, compute, ledger = TabularPolicy(2, 3, 4, seed=1), LocalCompute(micro_batch=micro_batch), Ledger()
        compute.prepare([([policy.logits], 0.1)])
        rollouts = policy.sample(torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), seed=5)
        rewards_BT = at_last_token(torch.arange(8.0, dtype=torch.float64), rollouts.mask_BT)
        rollouts = rollouts.with_(rewards_BT=rewards_BT)
        rloo: Algorithm = RLOO(epochs=epochs)
        algorithm = ledger.updating(rloo) if booked else rloo
        stats = algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=0)
        found.append((stats, policy.logits.detach().clone()))
    assert found[0][0] == found[1][0]
    assert torch.equal(found[0][1], found[1][1])
    assert ledger.total().tokens_trained == epochs * int(rollouts.mask_BT.sum())
    assert ledger.entries["update"].seconds > 0


def test_completions_that_an_algorithm_leaves_out_are_not_trained_on() -> None:
    policy, compute, ledger = TabularPolicy(1, 3, 4, seed=1), LocalCompute(), Ledger()
    compute.prepare([([policy.logits], 0.1)])
    rollouts = policy.sample(torch.zeros(8, dtype=torch.int64), seed=5)
    rewards_BT = at_last_token(torch.arange(8.0, dtype=torch.float64), rollouts.mask_BT)
    algorithm = ledger.updating(BestOf())
    rollouts = rollouts.with_(rewards_BT=rewards_BT)
    algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=0)
    assert ledger.total().tokens_trained == int(rollouts.mask_BT[-1].sum())


def test_memory_is_a_maximum_and_the_rest_a_sum() -> None:
    both = Costs(reward_calls=1, peak_bytes=5) + Costs(reward_calls=2, peak_bytes=3)
    assert both == Costs(reward_calls=3, peak_bytes=5)


def test_a_resumed_ledger_goes_on() -> None:
    ledger = Ledger()
    ledger.add("collect", Costs(tokens_written=7, seconds=0.5))
    later = Ledger()
    later.load_state_dict(ledger.state_dict())
    later.add("collect", Costs(tokens_written=3))
    assert later.total() == Costs(tokens_written=10, seconds=0.5)
