"""The pass over completions beside the model's own logits, and its gradient beside what PyTorch derives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from heedful.language.forward import all_logits, chosen, separable, token_logprobs
from heedful.language.guided import Guide
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import Padded, pad

Make = Callable[[str, int], LanguageModel]

KINDS = ["llama", "gpt2", "mistral-window"]
PROMPTS = [[1, 5, 6], [1], [1, 7, 8, 9, 4, 5], [1, 5]]
COMPLETIONS = [[9, 8, 2], [10, 11, 12, 13], [2], []]


def part() -> Padded:
    return pad(PROMPTS, COMPLETIONS, torch.device("cpu"))


def plain(model: LanguageModel, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Row by row without any padding, by PyTorch's own functions."""
    logprobs_BT, entropy_BT = torch.zeros(4, 4), torch.zeros(4, 4)
    for row, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
        if not completion:
            continue
        logits_SV = model.module(torch.tensor([prompt + completion])).logits[0]
        all_TV = (logits_SV[len(prompt) - 1 : -1] / temperature).log_softmax(-1)
        count = len(completion)
        logprobs_BT[row, :count] = all_TV[torch.arange(count), torch.tensor(completion)]
        entropy_BT[row, :count] = -(all_TV.exp() * all_TV).sum(-1)
    return logprobs_BT, entropy_BT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_numbers_and_gradients_are_those_of_the_models_own_logits(
    kind: str, temperature: float, make_model: Make
) -> None:
    model = make_model(kind, 0)
    assert separable(model)
    rng = torch.Generator().manual_seed(0)
    weights = [torch.randn(4, 4, generator=rng) for _ in range(2)]
    gradients = []
    for found in (token_logprobs(model, part(), temperature), plain(model, temperature)):
        mask_BT = part().response_mask_BT
        total = torch.stack([(w[mask_BT] * x[mask_BT]).sum() for w, x in zip(weights, found, strict=True)]).sum()
        gradients.append(torch.autograd.grad(total, list(model.parameters()), allow_unused=True))
    expected = plain(model, temperature)
    for mine, other in zip(token_logprobs(model, part(), temperature), expected, strict=True):
        torch.testing.assert_close(mine, other, atol=2e-5, rtol=1e-5)
        assert not mine[~part().response_mask_BT].any()
    for one, two in zip(*gradients, strict=True):
        assert (one is None) == (two is None)
        if one is not None:
            torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("asked", [(True, False), (False, True), (True, True)])
def test_the_gradient_agrees_with_finite_differences(asked: tuple[bool, bool]) -> None:
    logits_NV = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    ids_N = torch.tensor([0, 4, 4])

    def picked(logits: torch.Tensor) -> Any:
        found = chosen(logits, ids_N, 0.8)
        return tuple(x for x, wanted in zip(found, asked, strict=True) if wanted)

    assert torch.autograd.gradcheck(picked, (logits_NV,))


def test_a_model_whose_logits_are_changed_after_its_head_is_asked_for_its_logits(make_model: Make) -> None:
    model = make_model("llama", 0)
    before = token_logprobs(model, part(), 1.0)[0]
    head = model.module.forward

    def capped(*given: Any, **named: Any) -> Any:
        out = head(*given, **named)
        out.logits = 0.1 * torch.tanh(out.logits / 0.1)
        return out

    model.module.forward = capped
    capped_model = LanguageModel(model.module, model.tokenizer)
    assert not separable(capped_model)
    found = token_logprobs(capped_model, part(), 1.0)[0]
    mask_BT = part().response_mask_BT
    logits_BTV = all_logits(capped_model, part())
    expected_BT = logits_BTV.log_softmax(-1).gather(-1, part().ids_BS[:, -4:, None])[..., 0]
    torch.testing.assert_close(found[mask_BT], expected_BT[mask_BT], atol=1e-5, rtol=1e-5)
    assert (found - before).abs().max() > 0.05
    del model.module.forward


def test_settings_that_cap_logits_are_believed_without_trying(make_model: Make) -> None:
    model = make_model("llama", 0)
    model.module.config.final_logit_softcapping = 30.0
    assert not separable(model)


def test_a_guided_model_is_never_taken_apart(make_model: Make) -> None:
    model = make_model("llama", 0)
    assert separable(model)
    guided = Guide(model, lambda logits, guide: logits + guide).guided()
    assert not separable(guided)
    found, _ = token_logprobs(guided, part(), 1.0)
    bare, _ = token_logprobs(model, part(), 1.0)
    assert (found - bare).abs().max() > 0.1


def test_padding_up_to_the_end_of_the_context_costs_no_position(make_model: Make) -> None:
    model = make_model("gpt2", 0)  # its table of positions ends at 64
    prompts, completions = [[5] * 60, [6]], [[7] * 4, [8] * 40]
    together, _ = token_logprobs(model, pad(prompts, completions, torch.device("cpu")), 1.0)
    for row in range(2):
        alone, _ = token_logprobs(model, pad([prompts[row]], [completions[row]], torch.device("cpu")), 1.0)
        count = len(completions[row])
        torch.testing.assert_close(together[row, :count], alone[0], atol=1e-5, rtol=1e-5)
