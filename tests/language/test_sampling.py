"""Choosing a token: the distribution, truncation, and the stop rules."""

from __future__ import annotations

import pytest
import torch

from heedful.errors import Problem
from heedful.language.engines.local import LocalSampler
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling, choose, truncate


def test_inverting_the_cumulative_distribution() -> None:
    logits_BV = torch.tensor([0.2, 0.3, 0.5]).log().expand(6, 3)
    uniforms_B = torch.tensor([0.0, 0.19, 0.21, 0.49, 0.51, 0.999999])
    tokens_B, logprobs_B = choose(logits_BV, uniforms_B, Sampling())
    assert tokens_B.tolist() == [0, 0, 1, 1, 2, 2]
    assert logprobs_B[2] == pytest.approx(torch.tensor(0.3).log().item(), abs=1e-6)


def test_a_token_without_weight_is_never_drawn_at_the_edges() -> None:
    logits_BV = torch.tensor([[-torch.inf, 0.0, -torch.inf]])
    for uniform in (0.0, 0.5, 1 - 2**-53):
        assert choose(logits_BV, torch.tensor([uniform], dtype=torch.float64), Sampling())[0].item() == 1


def test_logits_that_are_no_numbers_give_log_probabilities_that_are_none() -> None:
    logits_BV = torch.tensor([[0.0, float("nan"), 0.0], [-torch.inf] * 3, [0.0, 0.0, 0.0]])
    tokens_B, logprobs_B = choose(logits_BV, torch.tensor([0.5, 0.5, 0.9]), Sampling(max_new_tokens=1))
    assert bool((tokens_B < 3).all())
    assert logprobs_B.isnan().tolist() == [True, True, False]


def test_temperature_divides_the_logits() -> None:
    logits_BV = torch.tensor([[1.0, 0.0]])
    _, logprobs_B = choose(logits_BV, torch.tensor([0.0]), Sampling(temperature=0.5))
    assert logprobs_B.item() == pytest.approx(-torch.log1p(torch.tensor(-2.0).exp()).item(), abs=1e-6)


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [(0, 1.0, [0, 1, 2, 3]), (2, 1.0, [1, 3]), (0, 0.5, [1, 3]), (0, 0.39, [1]), (0, 0.71, [0, 1, 3]), (1, 0.9, [1])],
)
def test_truncation_keeps_the_most_probable(top_k: int, top_p: float, kept: list[int]) -> None:
    weights_BV = torch.tensor([[0.2, 0.4, 0.1, 0.3]])
    assert truncate(weights_BV, top_k, top_p)[0].nonzero()[:, 0].tolist() == kept


def test_log_probabilities_are_those_before_truncation() -> None:
    logits_BV = torch.tensor([[0.2, 0.4, 0.1, 0.3]]).log()
    token, logprob = choose(logits_BV, torch.tensor([0.9]), Sampling(top_k=1))
    assert token.item() == 1
    assert logprob.item() == pytest.approx(torch.tensor(0.4).log().item(), abs=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1}, {"top_p": 0}, {"top_p": 1.5}, {"top_k": -1}, {"max_new_tokens": 0}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(Problem):
        Sampling(**wrong)  # type: ignore[arg-type] # that is the point


def test_only_the_full_distribution_counts_as_on_policy() -> None:
    assert Sampling(temperature=0.7).on_policy
    assert not Sampling(top_p=0.9).on_policy
    assert not Sampling(top_k=5).on_policy
    assert not Sampling(temperature=0).on_policy


def test_a_stop_text_ends_a_completion(any_model: LanguageModel) -> None:
    free = LocalSampler(any_model).sample([[1, 5]], Sampling(max_new_tokens=20), [7])[0]
    text = any_model.decode(free.token_ids[:3]).strip()[-1]
    stopped = LocalSampler(any_model).sample([[1, 5]], Sampling(max_new_tokens=20, stop=(text,)), [7])[0]
    assert len(stopped.token_ids) <= 3
    assert stopped.finish == "stop"
    assert stopped.token_ids == free.token_ids[: len(stopped.token_ids)]
