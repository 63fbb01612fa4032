"""Scores spread by attention: in the reward model's own pass, at the tokens that the policy wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import AutoModel

from heedful.errors import Problem
from heedful.language.heads import ScalarModel
from heedful.language.pretrained import LanguageModel, new_llama, tokenizer_from_file
from heedful.language.tokens import pad
from heedful.learning.kl import FixedKL
from heedful.reward.completions import LearnedReward
from heedful.reward.credit import AttentiveReward, Credit, PolicyAttention, Spread, Steps, credited
from heedful.reward.shaping import Shaping
from heedful.rollouts import Rollouts

EOS = 2
PROMPTS = [[1, 7, 8], [1, 9], [1, 5, 6, 4]]
WRITTEN = [[10, 11, EOS], [12, 13, 14, 15], [EOS]]
"""Ended by itself, cut at the limit, and nothing but the end."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(20)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    path: Path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    words.save(str(path))
    tokenizer: Any = tokenizer_from_file(path, bos="w1", eos="w2", pad="w3", unk="w0", context_tokens=32)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    made = new_llama(tokenizer, seed=0, num_key_value_heads=2, max_position_embeddings=32, **shape)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8.0)
    return made


@pytest.fixture(scope="module")
def rollouts() -> Rollouts:
    padded = pad(PROMPTS, WRITTEN, torch.device("cpu"))
    zeros_BT = torch.zeros(padded.response_mask_BT.shape)
    finished_B = torch.tensor([True, False, True])
    mask_BT = padded.response_mask_BT
    return Rollouts(padded.inputs, mask_BT, torch.arange(3), zeros_BT, ref_logprobs_BT=zeros_BT, finished_B=finished_B)


def looked_at(trunk: Any, ids: list[int], at: slice) -> Tensor:
    """The last layer's attention of the last token by an eager twin, mean over heads, restricted and scaled."""
    twin = AutoModel.from_config(trunk.config, attn_implementation="eager").eval()
    twin.load_state_dict(trunk.state_dict())
    with torch.no_grad():
        row_S: Tensor = twin(input_ids=torch.tensor([ids]), output_attentions=True).attentions[-1].mean(1)[0, -1]
    return row_S[at] / row_S[at].sum()


def test_abc_spreads_the_score_by_the_reward_models_attention(model: LanguageModel, rollouts: Rollouts) -> None:
    reward = ScalarModel(model, seed=3)
    learned = LearnedReward(reward, model.tokenizer, chunk=2)
    scored = Spread(AttentiveReward(learned), Credit("attention", beta=0.8))(rollouts)
    scores_B = learned(rollouts).scores_B
    assert scored.scores_B is not None
    assert scores_B is not None
    assert scored.token_scores_BT is not None
    torch.testing.assert_close(scored.scores_B, scores_B, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(scored.token_scores_BT.sum(1), scored.scores_B, atol=1e-6, rtol=1e-6)
    for row, (prompt, written) in enumerate(zip(PROMPTS, WRITTEN, strict=True)):
        shown = [*prompt, *written] if written[-1] == EOS else [*prompt, *written, EOS]
        share_T = looked_at(reward.trunk, shown, slice(len(prompt), len(prompt) + len(written)))
        wanted_T = 0.8 * share_T * scores_B[row]
        wanted_T[-1] += 0.2 * scores_B[row]
        found_T = scored.token_scores_BT[row]
        torch.testing.assert_close(found_T[: len(written)], wanted_T.detach(), atol=1e-5, rtol=1e-4)
        assert not bool(found_T[len(written) :].any())


def test_abc_d_spreads_it_by_the_policys(model: LanguageModel, rollouts: Rollouts) -> None:
    def scorer(given: Rollouts) -> Rollouts:
        return given.with_(scores_B=torch.tensor([1.0, -2.0, 3.0]))

    scored = Spread(PolicyAttention(scorer, model, chunk=2), Credit("policy_attention", beta=1.0))(rollouts)
    assert scored.token_scores_BT is not None
    for row, (prompt, written) in enumerate(zip(PROMPTS, WRITTEN, strict=True)):
        share_T = looked_at(model.module.base_model, [*prompt, *written], slice(len(prompt), None))
        wanted_T = share_T * [1.0, -2.0, 3.0][row]
        torch.testing.assert_close(scored.token_scores_BT[row, : len(written)], wanted_T, atol=1e-5, rtol=1e-4)


def test_shaping_pays_the_tokens_and_the_missing_end_at_the_last(rollouts: Rollouts) -> None:
    def scorer(given: Rollouts) -> Rollouts:
        return given.with_(scores_B=torch.tensor([3.0, 4.0, 5.0]))

    shaping = Shaping(Spread(scorer, Credit("uniform", beta=1.0)), FixedKL(0.0), missing_stop_penalty=2.0)
    rewards_BT = shaping(rollouts).rewards_BT
    torch.testing.assert_close(rewards_BT, torch.tensor([[1.0, 1, 1, 0], [1, 1, 1, -1], [5, 0, 0, 0]]))


def test_steps_are_paid_at_their_ends(rollouts: Rollouts) -> None:
    ends_BT = torch.zeros(3, 4, dtype=torch.bool)
    ends_BT[1, 1] = True

    def scorer(given: Rollouts) -> Rollouts:
        return given.with_(scores_B=torch.tensor([3.0, 4.0, 5.0]), extras={"step_ends_BT": ends_BT})

    scored = Spread(scorer, Credit("step", beta=1.0))(rollouts)
    torch.testing.assert_close(scored.token_scores_BT, torch.tensor([[0.0, 0, 3, 0], [0, 2, 0, 2], [5, 0, 0, 0]]))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("w5 w6 w7 w6 w8", [1, 3]),
        ("w5 w6 w7 w6", [1]),  # nothing follows the second end: the last token stands for it
        ("w6 w5 w6 w6 w6 w8", [2]),  # ends without anything between them end nothing
        ("w5 w7 w8", []),
        ("w5 w9 w7 w8", [1]),
        ("w6 w6", []),
    ],
)
def test_steps_end_where_their_texts_do(model: LanguageModel, words: str, wanted: list[int]) -> None:
    steps = Steps(lambda rollouts: rollouts, model, ("w6", "w9"))
    assert steps.found(model.encode(words, start=False)) == wanted


def test_steps_of_text_are_found_token_by_token(tmp_path: Path) -> None:
    """Byte-level pieces: an end of several characters may lie across tokens; a space before a word stays with it."""
    raw = Tokenizer(models.BPE({letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    path = tmp_path / "bytes.json"
    raw.add_special_tokens(["<s>", "</s>", "<pad>", "<unk>"])
    raw.save(str(path))
    tokenizer: Any = tokenizer_from_file(path, bos="<s>", eos="</s>", pad="<pad>", unk="<unk>", context_tokens=32)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    made = new_llama(tokenizer, seed=0, num_key_value_heads=1, max_position_embeddings=32, **shape)
    text = "one. two\n\nthree. "
    ids = [*made.encode(text, start=False), made.eos_id or 0]
    assert len(ids) == len(text) + 1
    found = Steps(lambda rollouts: rollouts, made, (". ", "\n\n")).found(ids)
    assert found == [text.index(". ") + 1, text.index("\n\n") + 1]
    assert Steps(lambda rollouts: rollouts, made, ("\n",)).found(ids) == [text.index("\n")]
    text = "一二。三\ufffd。四五六"  # three bytes a character, and one that stands for broken ones itself
    ids = [*made.encode(text, start=False), made.eos_id or 0]
    found = Steps(lambda rollouts: rollouts, made, ("。",)).found(ids)
    assert found == [len(text[: end + 1].encode()) - 1 for end, letter in enumerate(text) if letter == "。"]


def test_steps_are_paid_by_the_text_alone(model: LanguageModel, rollouts: Rollouts) -> None:
    """The second row is w12 w13 w14 w15, cut at the limit: two steps, paid alike, padding apart."""

    def scorer(given: Rollouts) -> Rollouts:
        return given.with_(scores_B=torch.tensor([3.0, 4.0, 5.0]))

    scored = credited(scorer, Credit("step", beta=0.5, step_ends=("w13",)), model)(rollouts)
    wanted_BT = torch.tensor([[0.0, 0, 3, 0], [0, 1, 0, 3], [5, 0, 0, 0]])
    torch.testing.assert_close(scored.token_scores_BT, wanted_BT)


@pytest.mark.parametrize("ends", [(), ("",)])
def test_steps_without_an_end_are_a_problem(model: LanguageModel, ends: tuple[str, ...]) -> None:
    with pytest.raises(Problem, match="text that ends them"):
        credited(lambda rollouts: rollouts, Credit("step", step_ends=ends), model)


def test_terminal_credit_and_scores_by_token_are_left_alone(rollouts: Rollouts) -> None:
    def scorer(given: Rollouts) -> Rollouts:
        return given.with_(scores_B=torch.ones(3), token_scores_BT=given.mask_BT.float())

    assert Spread(scorer, Credit("uniform"))(rollouts).token_scores_BT is not None
    bare = Spread(lambda given: given.with_(scores_B=torch.ones(3)), Credit("terminal"))(rollouts)
    assert bare.token_scores_BT is None


def test_a_score_that_says_nothing_of_attention_is_a_problem(rollouts: Rollouts) -> None:
    with pytest.raises(Problem, match="attention_BT is missing"):
        Spread(lambda given: given.with_(scores_B=torch.ones(3)), Credit("attention"))(rollouts)


def test_another_tokenizer_has_no_attention_to_credit(model: LanguageModel) -> None:
    with pytest.raises(Problem, match="other tokens"):
        AttentiveReward(LearnedReward(ScalarModel(model), model.tokenizer, by_text=True))


def test_the_setting_finds_its_reward(model: LanguageModel, rollouts: Rollouts) -> None:
    learned = LearnedReward(ScalarModel(model, seed=3), model.tokenizer)
    assert credited(learned, Credit("terminal"), model) is learned
    found = {}
    for kind in ("uniform", "attention", "policy_attention"):
        scored = credited(learned, Credit(kind), model)(rollouts)
        assert scored.scores_B is not None
        assert scored.token_scores_BT is not None
        torch.testing.assert_close(scored.token_scores_BT.sum(1), scored.scores_B, atol=1e-6, rtol=1e-5)
        found[kind] = scored.token_scores_BT
    assert not torch.allclose(found["attention"], found["policy_attention"])
    assert not torch.allclose(found["attention"], found["uniform"])
    with pytest.raises(Problem, match="no attention"):
        credited(lambda given: given, Credit("attention"), model)
