"""Features of texts: the summed states of the last layer, computed one text at a time by the library itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.stages.conftest import write_model

from heedful.language.imitation import Example
from heedful.language.preferring import Pair
from heedful.language.pretrained import LanguageModel, load
from heedful.reward import features
from heedful.reward.features import fit_head, pair_features, text_features
from heedful.seeds import generator


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(write_model(tmp_path_factory.mktemp("features") / "tiny"))


def summed(model: LanguageModel, example: Example) -> np.ndarray:
    ids = torch.tensor([[*example.prompt, *example.completion]])
    with torch.no_grad():
        states = model.module(input_ids=ids, output_hidden_states=True).hidden_states[-1]
    return np.asarray(states[0, len(example.prompt) :].sum(0).double().numpy())


def random_pairs(count: int, seed: int) -> list[Pair]:
    random = generator(seed, "pairs")
    found = []
    for _ in range(count):
        prompt = random.integers(4, 30, random.integers(1, 6)).tolist()
        a, b = ([*random.integers(4, 30, random.integers(1, 9)).tolist(), 2] for _ in "ab")
        found.append(Pair(prompt, a, b, float(a.count(7) > b.count(7)), 1.0, 0.0))
    return found


def test_texts_are_summed_over_their_own_tokens_alone(model: LanguageModel) -> None:
    examples = [side for pair in random_pairs(9, 0) for side in pair.sides]
    wanted = np.stack([summed(model, example) for example in examples])
    assert text_features(model, examples, chunk=4) == pytest.approx(wanted, abs=1e-4)


def test_pairs_are_differences_of_mean_square_one(model: LanguageModel) -> None:
    pairs = random_pairs(12, 1)
    a_NH, b_NH = (np.stack([summed(model, pair.sides[side]) for pair in pairs]) for side in (0, 1))
    wanted = (a_NH - b_NH) / np.sqrt(((a_NH - b_NH) ** 2).mean(0))
    assert pair_features(model, pairs) == pytest.approx(wanted, abs=1e-3)


def test_many_features_become_few_that_say_most(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = random_pairs(40, 2)
    whole = pair_features(model, pairs)
    monkeypatch.setattr(features, "MOST_FEATURES", 6)
    few = pair_features(model, pairs)
    values = np.linalg.eigvalsh(whole.T @ whole)[::-1]
    assert (few**2).sum(0) == pytest.approx(values[:6], rel=1e-6), "principal components, the largest first"


def test_a_head_learns_from_what_counts_alone(model: LanguageModel) -> None:
    """Which of two texts has more of one token; the pairs that count 0 say the opposite."""
    pairs = [pair for pair in random_pairs(600, 3) if pair.a.count(7) != pair.b.count(7)]
    x = pair_features(model, pairs)
    truth = np.array([pair.target for pair in pairs])
    count = (np.arange(len(pairs)) % 2 == 0).astype(float)
    weights = fit_head(x, np.where(count > 0, truth, 1 - truth), 2 * count)
    right = ((x @ weights > 0) == (truth > 0.5))[count == 0].mean()
    assert right > 0.75
