"""Reward models from picks: the best is learnt, nothing of the others; of two it is a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.stages.conftest import write_model

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.heads import ScalarModel
from heedful.language.pretrained import LanguageModel, load
from heedful.learning.preference import bradley_terry, pick_best
from heedful.learning.schedules import constant
from heedful.records import Comparison, Pick, Prompt
from heedful.reward.candidates import candidate_scores, fit_candidates, length
from heedful.reward.completions import encode, pair_scores, score_completions
from heedful.reward.picking import best_of_all, encode_choices
from heedful.runs import Run
from heedful.seeds import generator


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(write_model(tmp_path_factory.mktemp("model") / "tiny"))


def picks(count: int, seed: int) -> list[Pick]:
    """Of two to five answers people pick the one with the most letters e, any of several that have as many."""
    random = generator(seed, "picks")
    found: list[Pick] = []
    while len(found) < count:
        prompt, *texts = (" ".join(random.choice(list("abcde"), 3 + (i > 0))) for i in range(random.integers(3, 7)))
        letters = [text.count("e") for text in texts]
        most = [float(number == max(letters)) for number in letters]
        if len(set(texts)) == len(texts):
            found.append(Pick(Prompt.of(prompt), tuple(texts), tuple(share / sum(most) for share in most)))
    return found


def test_it_learns_what_people_pick(model: LanguageModel, tmp_path: Path) -> None:
    reward, compute = ScalarModel(model, seed=0), LocalCompute(micro_batch=8)
    compute.prepare([(reward.parameters(), 1e-2)])
    run = Run.open(tmp_path, "reward", {})
    training = encode_choices(reward, picks(300, 1))
    fit_candidates(reward, training, best_of_all, compute, run, epochs=5, per_step=32, seed=0, schedule=constant)
    right, held_out = 0, picks(100, 2)
    for pick in held_out:
        best = int(score_completions(reward, [pick.prompt] * len(pick.texts), pick.texts).argmax())
        right += pick.shares[best] > 0
    assert right / len(held_out) > 0.9
    assert run.metrics()[-1]["loss"] < run.metrics()[0]["loss"]


def test_choices_of_two_give_the_gradient_of_their_comparisons(model: LanguageModel) -> None:
    prompts = [Prompt.of(text) for text in ("a b", "c", "d d d")]
    sides = [("a", "b c"), ("d", "e"), ("f f f", "g")]
    votes = [(1.0, 1.0), (0.25, 4.0), (0.5, 2.0)]
    gradients = []
    for kind in ("choices", "comparisons"):
        reward = ScalarModel(model, seed=0)
        target_N, weight_N = torch.tensor(votes).unbind(1)
        if kind == "choices":
            some = [Pick(p, s, (t, 1 - t), w) for p, s, (t, w) in zip(prompts, sides, votes, strict=True)]
            scores_NK, mask_NK = candidate_scores(reward, encode_choices(reward, some))
            total, count = pick_best(scores_NK, torch.stack([target_N, 1 - target_N], 1), weight_N, mask_NK)
        else:
            pairs = [Comparison(p, a, b, t, w) for p, (a, b), (t, w) in zip(prompts, sides, votes, strict=True)]
            total, count = bradley_terry(*pair_scores(reward, encode(reward, pairs).pairs), target_N, weight_N)
        assert float(count) == 7
        total.backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
        gradients.append([p.grad for p in reward.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 5
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_what_is_too_long_is_cut_left_out_or_refused(model: LanguageModel) -> None:
    reward = ScalarModel(model, seed=0)
    (cut,) = encode_choices(reward, [Pick(Prompt.of("a"), ("b " * 90, "c"), (1, 0))])
    assert length(cut) == model.context_tokens
    assert cut.candidates[0].completion[-1] == model.eos_id
    long = Pick(Prompt.of("a " * 90), ("b", "c"), (1, 0))
    assert encode_choices(reward, [long], skip_overlong=True) == []
    with pytest.raises(Problem, match="context"):
        encode_choices(reward, [long])
