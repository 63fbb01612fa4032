"""Several completions of a prompt in one batch element."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.stages.conftest import write_model

from heedful.compute.local import LocalCompute
from heedful.language.heads import ScalarModel
from heedful.language.pretrained import LanguageModel, load
from heedful.learning.schedules import constant
from heedful.records import Pick, Prompt
from heedful.reward.candidates import candidate_scores, fit_candidates
from heedful.reward.completions import score_completions
from heedful.reward.picking import best_of_all, encode_choices
from heedful.runs import Run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(write_model(tmp_path_factory.mktemp("model") / "tiny"))


def test_every_candidate_stands_in_its_place_and_is_forwarded_once(model: LanguageModel) -> None:
    reward = ScalarModel(model, seed=0)
    prompt = Prompt.of("a b")
    some = [Pick(prompt, ("c", "d e", "f g h"), (0, 1, 0)), Pick(prompt, ("d e", "i"), (0.5, 0.5))]
    rows: list[int] = []
    handle = reward.head.register_forward_hook(lambda _m, inputs, _o: rows.append(inputs[0].shape[0]))
    scores_NK, mask_NK = candidate_scores(reward, encode_choices(reward, some))
    handle.remove()
    assert rows == [4], "four different completions"
    assert mask_NK.tolist() == [[True, True, True], [True, True, False]]
    single = [score_completions(reward, [prompt], [text])[0].item() for text in ("c", "d e", "f g h", "i")]
    assert scores_NK[0].tolist() == pytest.approx(single[:3], abs=1e-5)
    assert scores_NK[1].tolist() == pytest.approx([single[1], single[3], 0], abs=1e-5)


def test_micro_batches_change_nothing(model: LanguageModel, tmp_path: Path) -> None:
    """Items of unequal size and length in one part or in parts of two give the same weights."""
    prompt = Prompt.of("a b")
    some = [
        Pick(prompt, ("c", "d e", "f g h"), (0, 1, 0)),
        Pick(prompt, ("d e", "i"), (0.5, 0.5), weight=2.0),
        Pick(Prompt.of("z"), ("k l m n", "o"), (1, 0)),
    ]
    weights = []
    for parts in (0, 2):
        reward, compute = ScalarModel(model, seed=0), LocalCompute(micro_batch=parts)
        compute.prepare([(reward.parameters(), 1e-2)])
        run = Run.open(tmp_path, f"parts-{parts}", {})
        choices = encode_choices(reward, some)
        fit_candidates(reward, choices, best_of_all, compute, run, epochs=3, per_step=3, seed=0, schedule=constant)
        weights.append(reward.head.weight.detach().clone())
    torch.testing.assert_close(*weights, atol=1e-5, rtol=1e-4)
