"""Direct training of a language model: cached references, harmless micro-batches, an opinion that carries over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from heedful.compute.local import LocalCompute
from heedful.language.imitation import Example
from heedful.language.preferring import Mark, Pair, known_logprobs
from heedful.language.pretrained import LanguageModel, new_llama, tokenizer_from_file
from heedful.learning.direct import DPO, KTO, ORPO
from heedful.learning.schedules import constant
from heedful.reward import direct
from heedful.reward.direct import Fitting, fit_marks, fit_pairs, implied_rewards, pairs_of, reference_logprobs
from heedful.runs import Run
from heedful.seeds import generator


@pytest.fixture
def model(tmp_path: Path) -> LanguageModel:
    words = ["<unk>", "<s>", "</s>", "<pad>", *"abcdefghijkl"]
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.save(str(tmp_path / "tokenizer.json"))
    tokenizer: Any = tokenizer_from_file(
        tmp_path / "tokenizer.json", bos="<s>", eos="</s>", pad="<pad>", unk="<unk>", context_tokens=32
    )
    return new_llama(
        tokenizer,
        seed=0,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )


def pairs(count: int) -> list[Pair]:
    """Of ragged lengths; the side with more tokens 5 is preferred."""
    random = generator(0, "pairs")
    found: list[Pair] = []
    for _ in range(count):
        prompt = [1, *random.integers(4, 10, int(random.integers(1, 5))).tolist()]
        a, b = ([*random.integers(4, 8, int(random.integers(1, 7))).tolist(), 2] for _ in range(2))
        gap = a.count(5) - b.count(5)
        found.append(Pair(prompt, a, b, 0.5 + 0.5 * ((gap > 0) - (gap < 0)), 1.0 + (len(found) % 3), 0.0))
    return found


def marks(count: int) -> list[Mark]:
    some = pairs(count)
    return [
        Mark(Example(p.prompt, p.a), Example(q.prompt, p.a), float(5 in p.a), p.weight)
        for p, q in zip(some, [*some[1:], some[0]], strict=True)
    ]


def everything(some: list[Pair]) -> list[Example]:
    return [side for pair in some for side in pair.sides]


def test_the_reference_is_computed_once_and_kept(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = everything(pairs(10))
    known = reference_logprobs(model, examples, tmp_path / "reference.json")
    assert known == known_logprobs(model, examples)
    calls: list[int] = []

    def counted(model: LanguageModel, examples: list[Example]) -> dict[Any, float]:
        calls.append(len(examples))
        return known_logprobs(model, examples)

    monkeypatch.setattr(direct, "known_logprobs", counted)
    assert reference_logprobs(model, examples, tmp_path / "reference.json") == known
    assert calls == []
    reference_logprobs(model, examples[:4], tmp_path / "reference.json")
    assert calls == [4], "of other examples it is made anew"


@pytest.mark.parametrize("kind", ["pairs", "marks"])
def test_micro_batches_do_not_change_a_training(kind: str, model: LanguageModel, tmp_path: Path) -> None:
    start = {name: value.clone() for name, value in model.state_dict().items()}
    ends = []
    for micro_batch in (0, 3):
        model.load_state_dict(start)
        compute = LocalCompute(micro_batch=micro_batch)
        compute.prepare([(model.parameters(), 1e-2)])
        run = Run.open(tmp_path, "prefer", {}, name=f"{kind}-{micro_batch}")
        fitting = Fitting(epochs=2, per_step=8, seed=0, schedule=constant)
        if kind == "pairs":
            known = known_logprobs(model, everything(pairs(16)))
            fit_pairs(model, pairs(16), DPO(0.5), known, compute, run, fitting)
        else:
            known = known_logprobs(model, [each for m in marks(16) for each in (m.example, m.mismatched)])
            fit_marks(model, marks(16), KTO(0.5), known, compute, run, fitting)
        ends.append({name: value.clone() for name, value in model.state_dict().items()})
    for name, value in ends[0].items():
        torch.testing.assert_close(value, ends[1][name], atol=1e-5, rtol=1e-4)
    assert any(not torch.allclose(value, start[name], atol=1e-3) for name, value in ends[0].items())


def test_before_the_first_step_a_policy_is_its_reference(model: LanguageModel) -> None:
    some = pairs(6)
    batch = pairs_of(model, some, known_logprobs(model, everything(some)))
    for side in (batch.a, batch.b):
        torch.testing.assert_close(side.log_ratio().detach(), torch.zeros(6), atol=1e-5, rtol=0)
    assert batch.a.tokens_N.tolist() == [len(pair.a) for pair in some]
    assert batch.weight_N is not None
    assert batch.weight_N.tolist() == [pair.weight for pair in some]


@pytest.mark.parametrize("method", [DPO(0.3), ORPO(2.0)], ids=["dpo", "orpo"])
def test_a_preference_is_learnt_and_carries_over(method: DPO | ORPO, model: LanguageModel, tmp_path: Path) -> None:
    learnt, held = pairs(160)[:120], [pair for pair in pairs(160)[120:] if pair.target != 0.5]
    known = known_logprobs(model, everything([*learnt, *held]))
    compute = LocalCompute()
    compute.prepare([(model.parameters(), 1e-2)])
    fitting = Fitting(epochs=6, per_step=24, seed=0, schedule=constant)
    fit_pairs(model, learnt, method, known, compute, Run.open(tmp_path, "prefer", {}), fitting)
    a, b = (implied_rewards(model, [pair.sides[at] for pair in held], method.rewards, known) for at in (0, 1))
    right = sum((x > y) == (pair.target > 0.5) for x, y, pair in zip(a, b, held, strict=True))
    assert right / len(held) > 0.8
