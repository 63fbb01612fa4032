"""Reward models from whole rankings."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
import torch
from tests.stages.conftest import write_model

from heedful.compute.local import LocalCompute
from heedful.language.heads import ScalarModel
from heedful.language.pretrained import LanguageModel, load
from heedful.learning.preference import bradley_terry
from heedful.learning.schedules import constant
from heedful.records import Prompt, Ranking
from heedful.reward.candidates import fit_candidates
from heedful.reward.completions import score_completions
from heedful.reward.ordering import MOST, encode_ballots, in_order, orders_of
from heedful.runs import Run
from heedful.seeds import generator


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(write_model(tmp_path_factory.mktemp("model") / "tiny"))


def test_ties_leave_orders_open() -> None:
    assert orders_of([2, 1, 3]) == [(1, 0, 2)]
    assert sorted(orders_of([1, 3, 1])) == [(0, 2, 1), (2, 0, 1)]
    assert sorted(orders_of([1, 1, 1, 1])) == sorted(permutations(range(4)))
    drawn = orders_of([1, 1, 1, 1, 1, 6], seed=3)
    assert len(drawn) == MOST
    assert {order[-1] for order in drawn} == {5}
    assert all(sorted(order) == list(range(6)) for order in drawn)
    assert len(set(drawn)) > MOST // 2
    assert drawn == orders_of([1, 1, 1, 1, 1, 6], seed=3) != orders_of([1, 1, 1, 1, 1, 6], seed=4)


def test_two_tied_completions_are_the_tie_of_bradley_terry(model: LanguageModel) -> None:
    reward = ScalarModel(model, seed=0)
    ballots = encode_ballots(reward, [Ranking(Prompt.of("a"), ("b", "c"), ranks) for ranks in ((1, 1), (2, 1))])
    scores_NK = torch.tensor([[0.3, -0.8], [1.5, 1.0]], dtype=torch.float64)
    total, count, metrics = in_order(scores_NK, torch.ones(2, 2, dtype=torch.bool), ballots)
    wanted, votes = bradley_terry(scores_NK[:, 0], scores_NK[:, 1], torch.tensor([0.5, 0.0]))
    torch.testing.assert_close(total, wanted)
    assert float(count) == float(votes) == 2
    right, ballots_of_it = metrics["accuracy"]
    assert (int(right), int(ballots_of_it)) == (1, 2), "either of two tied ones may be first"


def test_ballots_of_unequal_size_count_by_themselves(model: LanguageModel) -> None:
    reward = ScalarModel(model, seed=0)
    some = [Ranking(Prompt.of("a"), ("b", "c", "d"), (3, 1, 1)), Ranking(Prompt.of("a"), ("e", "f"), (2, 1))]
    ballots = encode_ballots(reward, some)
    scores_NK = torch.tensor([[0.2, 0.9, -0.4], [0.5, 0.1, 0.0]])
    mask_NK = torch.tensor([[True] * 3, [True, True, False]])
    total, count, _ = in_order(scores_NK, mask_NK, ballots)
    parts = [
        in_order(scores_NK[:1], mask_NK[:1], ballots[:1])[0],
        in_order(scores_NK[1:, :2], mask_NK[1:, :2], ballots[1:])[0],
    ]
    assert float(count) == 2
    torch.testing.assert_close(total, parts[0] + parts[1])


def test_it_learns_the_order_of_the_worse_ones_too(model: LanguageModel, tmp_path: Path) -> None:
    """The more letters e, the better; the best alone would not tell the second from the third."""
    random = generator(5, "rankings")

    def some(count: int) -> list[Ranking]:
        found: list[Ranking] = []
        while len(found) < count:
            texts = tuple(" ".join(random.choice(list("abcde"), 5, p=[0.15] * 4 + [0.4])) for _ in range(4))
            letters = [text.count("e") for text in texts]
            if len(set(texts)) == 4:
                ranks = tuple(1 + sum(other > own for other in letters) for own in letters)
                found.append(Ranking(Prompt.of("a b"), texts, ranks))
        return found

    reward, compute = ScalarModel(model, seed=0), LocalCompute(micro_batch=8)
    compute.prepare([(reward.parameters(), 1e-2)])
    run = Run.open(tmp_path, "reward", {})
    ballots = encode_ballots(reward, some(200))
    fit_candidates(reward, ballots, in_order, compute, run, epochs=5, per_step=32, seed=0, schedule=constant)
    right = total = 0
    for ranking in some(60):
        scores = score_completions(reward, [ranking.prompt] * 4, ranking.texts).tolist()
        worse = [k for k in range(4) if ranking.ranks[k] > 1]
        pairs = [(i, j) for i in worse for j in worse if ranking.ranks[i] < ranking.ranks[j]]
        right += sum(scores[i] > scores[j] for i, j in pairs)
        total += len(pairs)
    assert right / total > 0.85
