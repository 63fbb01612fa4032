"""Encoder-decoders behind the contract of causal models, checked against the bare modules and `generate`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, BartConfig, T5Config

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.acting import Acting, PromptTokens
from heedful.language.encoder_decoder import divided
from heedful.language.engines.local import LocalSampler
from heedful.language.frozen_trunk import reference_of, shared_trunk
from heedful.language.heads import ScalarModel, load_scalar, save_scalar
from heedful.language.imitation import Example, imitation_loss
from heedful.language.policy import LanguagePolicy, response_logprobs, response_values
from heedful.language.pretrained import LanguageModel, load, new_like, save
from heedful.language.sampling import Sample, Sampling
from heedful.language.tokens import pad
from heedful.language.tuning import Tuning, tune
from heedful.learning.algorithms import REINFORCE
from heedful.learning.kl import FixedKL
from heedful.records import Prompt
from heedful.reward.rules import FunctionReward
from heedful.reward.shaping import Shaping
from heedful.rollouts import Rollouts

START, STOP = 3, 2
IDS = {"pad_token_id": START, "bos_token_id": 1, "eos_token_id": STOP, "decoder_start_token_id": START}
PROMPTS, COMPLETIONS = [[1, 5, 9], [1, 7], [1, 5, 5, 6, 8]], [[4, 5, 2], [6, 6, 6, 6, 2], [9]]
V, D = 32, 24


def build(kind: str, tokenizer: Any, seed: int = 0, loud: float = 4.0) -> LanguageModel:
    """A tiny T5 or BART of random weights, loud enough that its samples differ."""
    if kind == "bart":
        config: Any = BartConfig(
            vocab_size=V,
            d_model=D,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=48,
            decoder_ffn_dim=48,
            max_position_embeddings=64,
            forced_eos_token_id=None,
            **IDS,
        )
    else:
        config = T5Config(
            vocab_size=V,
            d_model=D,
            d_kv=6,
            d_ff=48,
            num_layers=1,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            **IDS,
        )
    torch.manual_seed(seed)
    module = AutoModelForSeq2SeqLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim > 1:
                weight.mul_(loud)
    return LanguageModel(module, tokenizer)


@pytest.fixture(params=["t5", "bart"])
def model(request: pytest.FixtureRequest, tokenizer: Any) -> LanguageModel:
    return build(request.param, tokenizer)


def rollouts(prompts: list[list[int]], completions: list[list[int]], junk: int = 0) -> Rollouts:
    padded = pad(prompts, completions, torch.device("cpu"))
    mask_BT = padded.response_mask_BT
    ids_BS = torch.where(padded.attend_mask_BS, padded.ids_BS, junk)
    inputs = {"ids_BS": ids_BS, "attend_mask_BS": padded.attend_mask_BS}
    return Rollouts(inputs, mask_BT, torch.arange(len(prompts)), torch.zeros(mask_BT.shape))


def bare_logprobs(model: LanguageModel, prompt: list[int], completion: list[int]) -> torch.Tensor:
    """One row by itself, without padding, as the papers feed it."""
    decoder = torch.tensor([[START, *completion[:-1]]])
    logits = model.module(input_ids=torch.tensor([prompt]), decoder_input_ids=decoder).logits[0]
    return torch.log_softmax(logits, -1)[torch.arange(len(completion)), torch.tensor(completion)]


def test_rows_are_divided_with_the_prompts_padding_on_the_right() -> None:
    ids_BS = torch.tensor([[0, 0, 5, 6, 7, 2], [4, 5, 6, 7, 2, 0]])
    mask_BS = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]).bool()
    prompt, mask, decoder = divided(ids_BS, mask_BS, 2, 9)
    assert prompt[0, :2].tolist() == [5, 6]
    assert prompt[1].tolist() == [4, 5, 6, 7]
    assert mask.tolist() == [[True, True, False, False], [True] * 4]
    assert decoder.tolist() == [[9, 7, 2], [9, 2, 0]]


@pytest.mark.parametrize("junk", [0, 7])
def test_log_probabilities_equal_those_of_single_rows(junk: int, model: LanguageModel) -> None:
    found_BT, entropy_BT = response_logprobs(model, rollouts(PROMPTS, COMPLETIONS, junk))
    for row, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
        expected = bare_logprobs(model, prompt, completion)
        torch.testing.assert_close(found_BT[row, : len(completion)], expected, atol=1e-4, rtol=0)
        assert not found_BT[row, len(completion) :].any()
    assert (entropy_BT >= 0).all()


def test_values_and_scores_are_the_head_on_the_decoder(model: LanguageModel) -> None:
    critic = ScalarModel(model, seed=1)
    given = rollouts(PROMPTS, COMPLETIONS, junk=7)
    values_BT = response_values(critic, given)
    scores_B = critic.score(given.inputs["ids_BS"], given.inputs["attend_mask_BS"], 5)
    for row, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
        read = model.module.get_encoder()(input_ids=torch.tensor([prompt])).last_hidden_state
        decoder = torch.tensor([[START, *completion]])
        hidden = model.module.get_decoder()(input_ids=decoder, encoder_hidden_states=read).last_hidden_state[0]
        expected = critic.head(hidden)[:, 0]
        torch.testing.assert_close(values_BT[row, : len(completion)], expected[:-1], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(scores_B[row], expected[-1], atol=1e-4, rtol=1e-4)
    with pytest.raises(Problem, match="apart from its prompt"):
        critic.score(given.inputs["ids_BS"], given.inputs["attend_mask_BS"])


@pytest.mark.parametrize("rows", [2, 64])
def test_samples_carry_the_log_probabilities_of_teacher_forcing(rows: int, model: LanguageModel) -> None:
    prompts = PROMPTS * 4
    seen: list[tuple[int, int]] = []
    samples = LocalSampler(model, rows).sample(
        prompts, Sampling(max_new_tokens=12), range(12), on_token=lambda index, token: seen.append((index, token))
    )
    assert len({len(sample.token_ids) for sample in samples}) > 2, "rows must finish at different steps"
    assert {sample.finish for sample in samples} == {"stop", "length"}
    for index, (prompt, sample) in enumerate(zip(prompts, samples, strict=True)):
        expected = bare_logprobs(model, prompt, list(sample.token_ids))
        torch.testing.assert_close(torch.tensor(sample.logprobs), expected, atol=1e-4, rtol=0)
        assert tuple(token for at, token in seen if at == index) == sample.token_ids
        assert (sample.finish == "stop") == (sample.token_ids[-1] == STOP)


def test_a_completion_does_not_depend_on_its_batch_mates(model: LanguageModel) -> None:
    settings = Sampling(max_new_tokens=10)
    together = LocalSampler(model, 5).sample(PROMPTS * 3, settings, range(9))
    alone = [LocalSampler(model).sample([p], settings, [s])[0] for s, p in enumerate(PROMPTS * 3)]
    assert [sample.token_ids for sample in together] == [sample.token_ids for sample in alone]


def test_greedy_completions_are_those_of_generate(model: LanguageModel) -> None:
    for prompt in PROMPTS:
        (sample,) = LocalSampler(model).sample([prompt], Sampling(temperature=0, max_new_tokens=10), [0])
        ids = model.module.generate(
            input_ids=torch.tensor([prompt]), do_sample=False, max_new_tokens=10, num_beams=1, eos_token_id=STOP
        )
        assert list(sample.token_ids) == ids[0, 1:].tolist()


def test_a_stop_text_ends_a_completion(tokenizer: Any) -> None:
    model = build("t5", tokenizer)
    settings = Sampling(max_new_tokens=12, stop=("e",))
    samples: list[Sample] = LocalSampler(model).sample(PROMPTS * 8, settings, range(24))
    stopped = [model.decode(sample.token_ids) for sample in samples if sample.finish == "stop"]
    assert any(text.endswith("e") for text in stopped)
    assert not any("e" in model.decode(sample.token_ids[:-1]) for sample in samples)


def test_loading_finds_out_what_kind_a_model_is(model: LanguageModel, tmp_path: Path) -> None:
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.encoder_decoder
    given = rollouts(PROMPTS, COMPLETIONS)
    assert torch.equal(response_logprobs(again, given)[0], response_logprobs(model, given)[0])
    reward = ScalarModel(model, seed=3)
    save_scalar(reward, tmp_path / "reward", {})
    scored = (given.inputs["ids_BS"], given.inputs["attend_mask_BS"], 5)
    assert torch.equal(load_scalar(tmp_path / "reward").score(*scored), reward.score(*scored))
    assert new_like(model, 1).encoder_decoder


@pytest.mark.parametrize("mode", ["full", "last", "lora", "heads"])
def test_it_is_tuned_as_causal_models_are(mode: str, model: LanguageModel) -> None:
    given, before = rollouts(PROMPTS, COMPLETIONS), model.frozen_copy()
    size = tune(model, Tuning(mode=mode, last_layers=1, rank=2))  # type: ignore[arg-type]
    reference = reference_of(model)
    if mode == "lora":
        layers = [m for m in before.module.modules() if isinstance(m, torch.nn.Linear) and m.out_features != V]
        assert size.trained == sum(2 * (layer.in_features + layer.out_features) for layer in layers)
    if mode == "last":
        assert not any(p.requires_grad for p in model.module.get_encoder().parameters())
    compute = LocalCompute()
    compute.prepare([(model.parameters(), 0.01)])
    loss, tokens, _ = imitation_loss(model, [Example(p, c) for p, c in zip(PROMPTS, COMPLETIONS, strict=True)])
    compute.backward(loss)
    compute.step(float(tokens))
    expected_BT, _ = response_logprobs(before, given)
    with torch.no_grad(), shared_trunk(model, reference):
        assert not torch.equal(response_logprobs(model, given)[0], expected_BT)
        torch.testing.assert_close(response_logprobs(reference, given)[0], expected_BT, atol=1e-6, rtol=0)


TEXTS = [" ".join(letters) for letters in itertools.product("abcd", repeat=3)]


def exactly_right(model: LanguageModel) -> float:
    """Share of texts that are written backwards without an error, greedily."""
    samples = LocalSampler(model).sample(
        [model.encode(text) for text in TEXTS], Sampling(temperature=0, max_new_tokens=4), range(len(TEXTS))
    )
    written = [model.decode(sample.token_ids) if sample.finish == "stop" else "" for sample in samples]
    return float(np.mean([answer == text[::-1] for answer, text in zip(written, TEXTS, strict=True)]))


def imitate(model: LanguageModel, steps: int) -> None:
    """Supervised fine-tuning on texts and their reversals."""
    examples = [Example(model.encode(text), [*model.encode(text[::-1], start=False), STOP]) for text in TEXTS]
    compute, random = LocalCompute(), np.random.default_rng(0)
    compute.prepare([(model.parameters(), 0.01)])
    for _ in range(steps):
        loss, tokens, _ = imitation_loss(model, [examples[i] for i in random.integers(0, len(examples), 32)])
        compute.backward(loss)
        compute.step(float(tokens))


def reinforce(model: LanguageModel, steps: int, stop: Callable[[], bool]) -> None:
    """The policy gradient on the share of letters that stand where they should, doubled for a whole answer."""

    def score(prompts: list[str], answers: list[str]) -> list[float]:
        pairs = [(prompt[::-1].split(), answer.split()) for prompt, answer in zip(prompts, answers, strict=True)]
        return [
            (sum(a == b for a, b in zip(want, got, strict=True)) / 3 if len(want) == len(got) else 0) + (want == got)
            for want, got in pairs
        ]

    acting = Acting(
        prompts=[Prompt.of(text) for text in TEXTS],
        sampler=LocalSampler(model),
        sampling=Sampling(max_new_tokens=4),
        tokens=PromptTokens(model),
        reference=model.frozen_copy(),
        prompts_per_step=32,
        completions_per_prompt=4,
        seed=0,
    )
    policy, algorithm, reward = LanguagePolicy(model), REINFORCE(scale=True), Shaping(FunctionReward(score), FixedKL(0))
    compute = LocalCompute()
    compute.prepare([(model.parameters(), 0.005)])
    for step in range(steps):
        found = reward(acting(policy, step))
        algorithm.update(
            policy, compute, found, *algorithm.credit(found), seed=step, learning_rate_scale=1 - step / steps
        )
        if step % 10 == 9 and stop():
            break


@pytest.mark.slow
def test_fine_tuning_and_the_policy_gradient_teach_it_to_write_backwards(tokenizer: Any) -> None:
    model = build("t5", tokenizer, loud=1.0)
    imitate(model, 120)
    imitated = exactly_right(model)
    assert 0.3 < imitated < 0.95, "something must be left for the policy gradient"
    reinforce(model, 40, stop=lambda: exactly_right(model) >= 0.95)
    assert exactly_right(model) >= 0.95
