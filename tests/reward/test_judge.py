"""Judges: their place bias goes away, a model can be one, and learning from one comes near to learning from people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.pretrained import LanguageModel, new_llama, tokenizer_from_file
from heedful.learning.algorithms import RLOO, OnlineDPO
from heedful.learning.kl import at_last_token
from heedful.learning.tabular import TabularPolicy
from heedful.records import Prompt
from heedful.reward.judge import (
    QUESTION,
    QUESTION_IN_CHAT,
    Judge,
    ModelJudge,
    asking,
    averaged,
    both_orders,
    checked,
    filled,
    in_both_orders,
    judged,
    one_by_one,
    position_bias,
)
from heedful.rollouts import Rollouts
from heedful.seeds import generator, seed_of

PROMPTS = [Prompt.of(str(number)) for number in range(200)]
A = ["x" * int(n) for n in generator(0, "a").integers(1, 9, 200)]
B = ["y" * int(n) for n in generator(0, "b").integers(1, 9, 200)]


def planted(prompt: Prompt, a: str, b: str) -> float:
    """Likes the longer one, and a good deal more what it sees first."""
    return 1 / (1 + math.exp(-(0.5 * (len(a) - len(b)) + 1.5)))


def accuracy(judge: Judge) -> float:
    said = judge(PROMPTS, A, B)
    decided = [(p, len(a) > len(b)) for p, a, b in zip(said, A, B, strict=True) if len(a) != len(b)]
    return sum((p > 0.5) == longer for p, longer in decided) / len(decided)


def test_both_orders_take_the_place_bias_away() -> None:
    biased = one_by_one(planted)
    assert position_bias(biased, PROMPTS, A, B) > 0.15
    assert accuracy(biased) < 0.8
    fair = both_orders(biased)
    assert abs(position_bias(fair, PROMPTS, A, B)) < 0.02
    assert accuracy(fair) == 1
    there, back = fair(PROMPTS, A, B), fair(PROMPTS, B, A)
    assert [x + y for x, y in zip(there, back, strict=True)] == pytest.approx([1] * 200)


def test_both_orders_by_hand() -> None:
    """P(a) is .9 when first and .6 when second: .75."""
    judge = one_by_one(lambda _, a, b: 0.9 if a == "good" else 0.4)
    assert both_orders(judge)([PROMPTS[0]], ["good"], ["poor"]) == pytest.approx([0.75])
    assert position_bias(judge, [PROMPTS[0]], ["good"], ["poor"]) == pytest.approx((0.9 + 0.4) / 2 - 0.5)
    assert in_both_orders(judge, [PROMPTS[0]], ["good"], ["poor"]) == [(0.9, 0.4)]
    assert averaged(0.9, 0.4) == pytest.approx(0.75)


def test_a_judge_in_peoples_place_changes_nothing_else() -> None:
    """Learning from people's votes as the reward, and from a judge that answers as they voted: bit for bit the same."""
    people: dict[tuple[str, str, str], float] = {}

    def vote(prompt: str, a: str, b: str) -> float:
        """The share of five people for a, noted for either order."""
        if (prompt, a, b) not in people:
            share = 0.5 if a == b else int(generator(0, "vote", prompt, a, b).integers(0, 6)) / 5
            people[prompt, a, b], people[prompt, b, a] = share, 1 - share
        return people[prompt, a, b]

    def by_hand(rollouts: Rollouts) -> Rollouts:
        rows = list(zip(rollouts.group_B.tolist(), rollouts.prompts, rollouts.completions, strict=True))
        scores = []
        for i, (group, prompt, text) in enumerate(rows):
            others = [other for j, (of, _, other) in enumerate(rows) if of == group and j != i]
            scores.append(sum(vote(prompt.text, text, other) for other in others) / len(others))
        return rollouts.with_(scores_B=torch.tensor(scores))

    outcomes = []
    for reward in (by_hand, judged(one_by_one(lambda prompt, a, b: people[prompt.text, a, b]))):
        policy, compute, algorithm = TabularPolicy(2, 3, 3, seed=0), LocalCompute(), RLOO()
        compute.prepare([(policy.parameters(), 0.1)])
        scores = []
        for step in range(3):
            rollouts = policy.sample(torch.arange(2).repeat_interleave(4), seed=step)
            texts = tuple(str(tokens) for tokens in rollouts.inputs["tokens_BT"].tolist())
            prompts = tuple(Prompt.of(str(prompt)) for prompt in rollouts.group_B.tolist())
            scored = reward(rollouts.with_(prompts=prompts, completions=texts))
            assert scored.scores_B is not None
            scores.append(scored.scores_B)
            scored = scored.with_(rewards_BT=at_last_token(scored.scores_B.double(), scored.mask_BT))
            algorithm.update(policy, compute, scored, *algorithm.credit(scored), seed=step)
        outcomes.append((torch.stack(scores), policy.logits.detach()))
    torch.testing.assert_close(outcomes[0][0], outcomes[1][0], rtol=0, atol=1e-6)
    torch.testing.assert_close(outcomes[0][1], outcomes[1][1], rtol=0, atol=1e-6)
    assert not torch.equal(outcomes[1][1], TabularPolicy(2, 3, 3, seed=0).logits)


@pytest.mark.parametrize("said", [[0.5], [0.5, 1.2], [0.5, float("nan")]])
def test_what_is_no_probability_is_refused(said: list[float]) -> None:
    with pytest.raises(Problem, match="judge"):
        checked(lambda *_: said, PROMPTS[:2], A[:2], B[:2])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    words = ["<unk>", "<s>", "</s>", "<pad>", "1", "2", "ask", "first", "second", "which", *"abcd"]
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    path: Path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    raw.save(str(path))
    tokenizer: Any = tokenizer_from_file(path, bos="<s>", eos="</s>", pad="<pad>", unk="<unk>", context_tokens=32)
    made = new_llama(
        tokenizer,
        seed=0,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
    return made


QUESTION_OF_TEST = "ask {prompt} first {a} second {b} which"


@torch.no_grad()
def test_a_language_model_judges_by_how_probable_it_finds_the_options(model: LanguageModel) -> None:
    judge = ModelJudge(model, QUESTION_OF_TEST)
    prompts, a, b = [Prompt.of("a"), Prompt.of("b b")], ["c", "d a b"], ["d", "c"]
    expected = []
    for prompt, first, second in zip(prompts, a, b, strict=True):
        ids = torch.tensor([model.encode(f"ask {prompt.text} first {first} second {second} which")])
        logits = model.module(ids).logits[0, -1].double()
        expected.append(float(torch.softmax(logits[[4, 5]], 0)[0]))  # the words 1 and 2
    assert judge(prompts, a, b) == pytest.approx(expected, abs=1e-5)
    assert abs(position_bias(both_orders(judge), prompts, a, b)) < 1e-9


def test_braces_in_a_completion_stay_what_they_are(model: LanguageModel) -> None:
    judge = ModelJudge(model, QUESTION_OF_TEST)
    plain = judge._ids(Prompt.of("a"), "{b}", "c")
    assert plain == model.encode("ask a first {b} second c which")


@torch.no_grad()
def test_options_of_several_tokens_are_whole_continuations(model: LanguageModel) -> None:
    """P(first d) against P(second), two tokens against one; and what both begin with changes nothing."""
    prompts, a, b = [Prompt.of("a"), Prompt.of("b b")], ["c", "d a b"], ["d", "c"]

    def total(text: str, option: str) -> float:
        ids, more = model.encode(text), model.encode(option, start=False)
        logprobs = torch.log_softmax(model.module(torch.tensor([[*ids, *more]])).logits[0].double(), -1)
        return sum(float(logprobs[len(ids) - 1 + i, token]) for i, token in enumerate(more))

    for options in (("first d", "second"), ("which first", "which second")):
        expected = []
        for prompt, one, two in zip(prompts, a, b, strict=True):
            text = f"ask {prompt.text} first {one} second {two} which"
            expected.append(1 / (1 + math.exp(total(text, options[1]) - total(text, options[0]))))
        assert ModelJudge(model, QUESTION_OF_TEST, options)(prompts, a, b) == pytest.approx(expected, abs=1e-5)


def test_options_that_are_the_same_to_the_tokenizer_are_refused(model: LanguageModel) -> None:
    with pytest.raises(Problem, match="cannot tell the options 'yes' and 'no' apart"):
        ModelJudge(model, options=("yes", "no"))
    with pytest.raises(Problem, match="3 options were named"):
        asking(model, options=("1", "2", "a"))


def test_chat_models_are_asked_as_by_a_user(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = asking(model)
    assert (plain.question, plain.options, plain.chat) == (QUESTION, (" 1", " 2"), False)
    template = "{% for turn in messages %}ask {{ turn['content'] }} {% endfor %}which"
    monkeypatch.setattr(model.tokenizer, "chat_template", template)
    judge = asking(model)
    assert (judge.question, judge.options, judge.chat) == (QUESTION_IN_CHAT, ("1", "2"), True)
    own = asking(model, "{prompt} first {a} second {b}", ("first", "second"))
    assert own._ids(Prompt.of("a"), "c", "d") == model.encode("ask a first c second d which", start=False)
    assert own.tokens(Prompt.of("a"), "c c", "d") == 8
    assert not asking(model, chat=False).chat


def test_only_named_places_are_filled_in() -> None:
    assert filled('{"a": {a}} {b} {c}', a="{b}", b="x") == '{"a": {b}} x {c}'


def test_a_question_must_fit_and_be_whole(model: LanguageModel) -> None:
    with pytest.raises(Problem, match=r"lacks \{b\}"):
        ModelJudge(model, "{prompt} {a}")
    with pytest.raises(Problem, match="context"):
        ModelJudge(model, QUESTION_OF_TEST)([Prompt.of("a " * 40)], ["b"], ["c"])


# Learning from a judge instead of from people, on a table whose every completion can be counted.


def truth(rollouts: Rollouts) -> torch.Tensor:
    return ((rollouts.inputs["tokens_BT"] == 1) & rollouts.mask_BT).sum(1).double()


def read(rollouts: Rollouts) -> Rollouts:
    """The same with texts: a letter a token."""
    rows = zip(rollouts.inputs["tokens_BT"].tolist(), rollouts.mask_BT.tolist(), strict=True)
    texts = ["".join("0123"[t] for t, real in zip(tokens, mask, strict=True) if real) for tokens, mask in rows]
    return rollouts.with_(prompts=(PROMPTS[0],) * len(texts), completions=tuple(texts))


def test_a_judge_as_a_reward_by_hand() -> None:
    """Three of one prompt, the longer one always better: it wins both games, the shortest none."""
    rollouts = TabularPolicy(1, 2, 2, seed=0).sample(torch.zeros(3, dtype=torch.int64), seed=0)
    rollouts = rollouts.with_(prompts=(PROMPTS[0],) * 3, completions=("xx", "xxx", "x"))
    scored = judged(one_by_one(lambda _, a, b: float(len(a) > len(b))))(rollouts)
    assert scored.scores_B is not None
    assert scored.scores_B.tolist() == [0.5, 1.0, 0.0]


def gain(seed: int, right: float) -> float:
    """The rise of the true score by online DPO from a judge who is right so often."""
    policy = TabularPolicy(prompts=2, vocabulary=4, limit_tokens=3, seed=seed)
    compute = LocalCompute(max_gradient_norm=0)
    compute.prepare([([policy.logits], 0.15)])
    random = generator(seed, "judge")

    def verdicts(_prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[float]:
        first = np.array([x.count("1") - y.count("1") for x, y in zip(a, b, strict=True)], dtype=float)
        errs = random.random(len(first)) > right
        said = np.where(first == 0, 0.5, (first > 0) ^ errs)
        found: list[float] = said.tolist()
        return found

    def score() -> float:
        every = [policy.every_completion(prompt) for prompt in range(2)]
        return float(np.mean([float((each.logprobs_BT.sum(1).exp() * truth(each)).sum()) for each in every]))

    begun, algorithm = score(), OnlineDPO(0.1)
    for step in range(40):
        rollouts = read(policy.sample(torch.arange(2).repeat_interleave(8), seed=seed_of(seed, "sample", step)))
        rollouts = judged(verdicts)(rollouts.with_(group_B=torch.arange(4).repeat_interleave(4)))
        assert rollouts.scores_B is not None
        rollouts = rollouts.with_(rewards_BT=at_last_token(rollouts.scores_B.double(), rollouts.mask_BT))
        algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=step)
    return score() - begun


def test_a_judge_right_in_85_of_100_brings_nine_tenths_of_what_people_bring() -> None:
    people, model = (np.mean([gain(seed, right) for seed in range(6)]) for right in (1.0, 0.85))
    assert people > 1
    assert model >= 0.9 * people
