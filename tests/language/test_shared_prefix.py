"""Beginnings that rows share: which tokens are computed, and that states and gradients stay what they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.language.test_llama import CONFIGS, SHAPE, made

from heedful.language import llama_rows
from heedful.language.forward import token_logprobs
from heedful.language.llama_rows import hidden_states
from heedful.language.pretrained import new_llama
from heedful.language.shared_prefix import SharedPrefix, shared_prefix
from heedful.language.tokens import pad

ROWS = [[1, 4, 5, 6], [1, 4, 5], [1, 4, 7, 6, 9], [2, 4, 5, 6], [1, 4, 5, 6]]
"""The second row begins the first, the last repeats it, the fourth has the same tokens after another beginning."""


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    lengths = [len(row) for row in ROWS]
    filled = [row + [3] * (max(lengths) - len(row)) for row in ROWS]
    return torch.tensor(filled), torch.tensor(lengths)


def test_tokens_are_told_apart_by_what_stands_before_them() -> None:
    """By brute force: a token is known by its row up to and including it."""
    shared = shared_prefix(*padded())
    assert shared is not None
    width = max(map(len, ROWS))
    known = {(b, s): tuple(row[: s + 1]) for b, row in enumerate(ROWS) for s in range(len(row))}
    assert len(shared.place_U) == len(set(known.values())) == 11
    computed = {known[divmod(place, width)] for place in shared.place_U.tolist()}
    assert computed == set(known.values())
    for (b, s), prefix in known.items():
        place = shared.place_U[shared.token_X[b * width + s]]
        assert known[divmod(int(place), width)] == prefix
    again = set(shared.copied_C.tolist())
    assert again == {b * width + s for b, s in known} - set(shared.place_U.tolist())


def test_rows_that_share_little_are_left_as_they_are() -> None:
    ids_BS = torch.arange(20).view(2, 10)
    assert shared_prefix(ids_BS, torch.tensor([10, 10])) is None
    assert shared_prefix(ids_BS, torch.tensor([10, 4])) is not None, "padding is not computed"


def test_gradients_agree_with_finite_differences() -> None:
    shared = shared_prefix(*padded())
    assert shared is not None
    rng = torch.Generator().manual_seed(0)
    x_UF = torch.randn(len(shared.place_U), 2, dtype=torch.float64, generator=rng, requires_grad=True)
    real_X = torch.zeros(len(shared.token_X), 1, dtype=torch.float64)
    real_X[shared.place_U], real_X[shared.copied_C] = 1, 1
    assert torch.autograd.gradcheck(lambda x: shared.spread(x) * real_X, (x_UF,))
    x_XF = torch.randn(len(shared.token_X), 2, dtype=torch.float64, generator=rng, requires_grad=True)
    assert torch.autograd.gradcheck(shared.taken, (x_XF,))


@pytest.mark.parametrize("name", CONFIGS)
def test_states_and_gradients_are_those_of_the_models_own_pass(name: str, tokenizer: Any) -> None:
    ids_BS, length_B = padded()
    body, exact = made(CONFIGS[name], tokenizer).body, made(CONFIGS[name], tokenizer).body.double()
    real_BS1 = (torch.arange(ids_BS.shape[1]) < length_B[:, None])[..., None]
    expected = exact(input_ids=ids_BS, use_cache=False).last_hidden_state * real_BS1
    found = hidden_states(body, ids_BS, length_B) * real_BS1
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)
    by_states = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0))
    wanted = torch.autograd.grad(expected, list(exact.parameters()), by_states.double())
    for one, two in zip(torch.autograd.grad(found, list(body.parameters()), by_states), wanted, strict=True):
        assert float((one - two).abs().max()) < 1e-4 * float(two.abs().max())


def test_a_group_is_evaluated_over_its_prompt_once(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log-probabilities of four completions of one prompt are those of each row by itself, from fewer tokens."""
    model = new_llama(tokenizer, seed=0, **SHAPE)
    prompt, completions = [4, 5, 6, 7, 8, 9], [[10], [11, 12, 13], [11, 4], [5, 6]]
    part = pad([prompt] * 4, completions, torch.device("cpu"))
    seen: list[int] = []

    def counted(ids_BS: torch.Tensor, length_B: torch.Tensor) -> SharedPrefix | None:
        found = shared_prefix(ids_BS, length_B)
        seen.append(ids_BS.numel() if found is None else len(found.place_U))
        return found

    monkeypatch.setattr(llama_rows, "shared_prefix", counted)
    together, _ = token_logprobs(model, part, 1.0)
    assert seen == [6 + 1 + 3 + 1 + 2], "the prompt once, and the 11 that two completions begin with once"
    for row, completion in enumerate(completions):
        alone, _ = token_logprobs(model, pad([prompt], [completion], torch.device("cpu")), 1.0)
        torch.testing.assert_close(together[row, : len(completion)], alone[0], atol=1e-5, rtol=1e-5)
