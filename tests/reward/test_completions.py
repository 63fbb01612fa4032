"""Reward models: they learn a preference, score tokens as they score texts, and forward a completion once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.heads import ScalarModel
from heedful.language.pretrained import LanguageModel, new_llama, tokenizer_from_file
from heedful.language.tokens import pad
from heedful.learning.schedules import constant
from heedful.records import Comparison, Prompt
from heedful.reward.completions import (
    LearnedReward,
    describe_completions,
    encode,
    fit_reward,
    held_out_scores,
    pair_scores,
    per_ranking,
    score_completions,
)
from heedful.rollouts import Rollouts
from heedful.runs import Run
from heedful.seeds import generator

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    words = ["<unk>", "<s>", "</s>", "<pad>", *LETTERS]
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    path: Path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    raw.save(str(path))
    tokenizer: Any = tokenizer_from_file(path, bos="<s>", eos="</s>", pad="<pad>", unk="<unk>", context_tokens=32)
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


def comparisons(count: int, seed: int) -> list[Comparison]:
    """People like the answer with more letters e, and see a tie where there are as many."""
    random = generator(seed, "comparisons")
    found = []
    for _ in range(count):
        prompt, a, b = (
            " ".join(random.choice(list("abcde"), n)) for n in (3, random.integers(1, 7), random.integers(1, 7))
        )
        target = 0.5 if a.count("e") == b.count("e") else float(a.count("e") > b.count("e"))
        if a != b:
            found.append(Comparison(Prompt.of(prompt), a, b, target))
    return found


def test_it_learns_what_people_like(model: LanguageModel, tmp_path: Path) -> None:
    reward = ScalarModel(model, seed=0)
    compute = LocalCompute()
    compute.prepare([(reward.parameters(), 1e-2)])
    training, held_out = encode(reward, comparisons(500, 1)), encode(reward, comparisons(200, 2))
    run = Run.open(tmp_path, "reward", {})
    fit_reward(reward, training.pairs, compute, run, epochs=6, pairs_per_step=32, seed=0, schedule=constant)
    a, b = held_out_scores(reward, held_out.pairs)
    decided = [i for i, pair in enumerate(held_out.pairs) if pair.target != 0.5]
    right = [(a[i] > b[i]) == (held_out.pairs[i].target > 0.5) for i in decided]
    assert sum(right) / len(right) > 0.95


def test_a_completion_that_stands_in_several_pairs_is_forwarded_once(model: LanguageModel) -> None:
    reward = ScalarModel(model, seed=0)
    prompt = Prompt.of("a b")
    texts = ["c", "d e", "f", "g h i"]
    ranked = [Comparison(prompt, a, b, 1.0) for i, a in enumerate(texts) for b in texts[i + 1 :]]
    rows: list[int] = []
    handle = reward.head.register_forward_hook(lambda _m, inputs, _o: rows.append(inputs[0].shape[0]))
    a_N, b_N = pair_scores(reward, encode(reward, ranked).pairs)
    handle.remove()
    assert rows == [4], "four completions, six pairs"
    single = {text: score_completions(reward, [prompt], [text])[0] for text in texts}
    for i, item in enumerate(ranked):
        assert a_N[i].item() == pytest.approx(single[item.a].item(), abs=1e-5)
        assert b_N[i].item() == pytest.approx(single[item.b].item(), abs=1e-5)


def test_tokens_are_scored_as_texts_are(model: LanguageModel) -> None:
    """A finished completion, and one cut off at the limit, whose missing stop token is put in its place."""
    reward = ScalarModel(model, seed=0)
    prompts = (Prompt.of("a b c"), Prompt.of("d"))
    written = [[*model.encode("e f", start=False), 2], model.encode("g h i", start=False)]
    padded = pad([model.encode(prompt.text) for prompt in prompts], written, torch.device("cpu"))
    rollouts = Rollouts(
        padded.inputs,
        padded.response_mask_BT,
        torch.arange(2),
        torch.zeros(padded.response_mask_BT.shape),
        prompts=prompts,
        completions=("e f", "g h i"),
    )
    scored = LearnedReward(reward, model.tokenizer)(rollouts)
    expected = score_completions(reward, prompts, ["e f", "g h i"])
    assert scored.scores_B is not None
    torch.testing.assert_close(scored.scores_B, expected, atol=1e-5, rtol=0)


def test_the_score_is_a_linear_function_of_the_features(model: LanguageModel) -> None:
    reward = ScalarModel(model, seed=0)
    prompts = [Prompt.of(text) for text in ("a b c", "d", "a", "b c d e f", "c c")]
    texts = ["e f", "g h i j k", "", "a", "b " * 60]
    features_BD = describe_completions(reward, prompts, texts, chunk=2)
    expected_B = (reward.head(features_BD)[:, 0] * reward.gain + reward.bias).detach()
    torch.testing.assert_close(score_completions(reward, prompts, texts), expected_B, atol=1e-5, rtol=0)


def test_what_is_too_long_is_cut_counted_left_out_or_refused(model: LanguageModel) -> None:
    reward = ScalarModel(model, seed=0)
    long_answer = Comparison(Prompt.of("a"), "b " * 60, "c", 1.0)
    long_prompt = Comparison(Prompt.of("a " * 60), "b", "c", 1.0)
    cut = encode(reward, [long_answer])
    assert cut.cut == 1
    assert len(cut.pairs[0].prompt) + len(cut.pairs[0].a) == model.context_tokens
    assert cut.pairs[0].a[-1] == model.eos_id
    assert encode(reward, [long_prompt], skip_overlong=True).left_out == 1
    with pytest.raises(Problem, match="context"):
        encode(reward, [long_prompt])


def test_a_policy_with_another_tokenizer_is_scored_by_its_texts(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = Tokenizer(models.WordLevel({"<unk>": 0, "other": 1}, unk_token="<unk>"))
    raw.save(str(tmp_path / "tokenizer.json"))
    other: Callable[..., Any] = tokenizer_from_file
    words = other(tmp_path / "tokenizer.json", bos="<unk>", eos="<unk>", pad="<unk>", unk="<unk>", context_tokens=8)
    assert not LearnedReward(ScalarModel(model), words).same_tokens
    assert LearnedReward(ScalarModel(model), model.tokenizer).same_tokens


def test_a_completion_that_fills_the_context_is_cut_for_the_stop_token(model: LanguageModel) -> None:
    """The policy may write up to the last position; the missing stop token must not go beyond it."""
    reward = ScalarModel(model, seed=0)
    prompts = (Prompt.of("a"), Prompt.of("b " * 20))
    ids = [model.encode(prompt.text) for prompt in prompts]
    written = [model.encode("c " * (model.context_tokens - len(ids[0])), start=False), model.encode("d", start=False)]
    padded = pad(ids, written, torch.device("cpu"))
    assert padded.ids_BS.shape[1] > model.context_tokens
    rollouts = Rollouts(
        padded.inputs, padded.response_mask_BT, torch.arange(2), torch.zeros(padded.response_mask_BT.shape)
    )
    learned = LearnedReward(reward, model.tokenizer)
    assert [len(prompt) + len(side) for prompt, side in learned.token_rows(rollouts)] == [model.context_tokens, 22]
    scores_B = learned(rollouts).scores_B
    assert scores_B is not None
    assert torch.isfinite(scores_B).all()


def test_where_stop_texts_are_cut_off_the_text_is_scored(model: LanguageModel) -> None:
    assert not LearnedReward(ScalarModel(model), model.tokenizer, by_text=True).same_tokens


def test_the_pairs_of_a_ranking_weigh_as_one_comparison(model: LanguageModel) -> None:
    """The loss is the mean over C(K, 2) pairs of a ranking, beside comparisons that count once."""

    def pair(question: str, kind: str, a: str, b: str, weight: float = 1.0) -> Comparison:
        return Comparison(
            Prompt.of("a"), a, b, 1.0, weight, 0.5, question_id=question, metadata={"kind": kind, "group": question}
        )

    reward = ScalarModel(model, seed=0)
    ranked = [pair("r", "ranking", a, b, weight=2.0) for a, b in ("bc", "bd", "be", "cd", "ce", "de")]
    data = encode(reward, [*ranked, pair("q", "comparison", "f", "g", weight=3.0), pair("s", "ranking", "h", "i")])
    found = per_ranking(data)
    assert [one.weight for one in found] == pytest.approx([2 / 6] * 6 + [3, 1]), "two people ranked r"
    assert [one.margin for one in found] == [0.5] * 8
    assert [(one.a, one.b) for one in found] == [(one.a, one.b) for one in data.pairs]
