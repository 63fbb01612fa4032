"""The losses of `heedful offline` on a language model: no sampling, no scoring, and plain imitation at lambda 0."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from heedful.language.engines.local import LocalSampler
from heedful.language.ilql_heads import ILQLHeads, predictions
from heedful.language.imitation import Example, imitation_loss
from heedful.language.pretrained import LanguageModel, load
from heedful.language.sampling import Sampling
from heedful.language.tokens import pad
from heedful.learning.offline.ilql import ILQL
from heedful.learning.offline.irl import IRL, Mode
from heedful.reward import completions, rules
from heedful.runs import Run
from heedful.stages import offline
from heedful.stages.imitating import Imitation, imitate
from heedful.stages.logged import Logged
from heedful.stages.valuing import Attempt, Scored, fit_ilql, fit_irl, ilql_loss, irl_loss, soft_values, weighted_loss

EXAMPLES = [Example([1, 5 + i], [6 + i, 7, 8 + i, 2][: 2 + i % 3]) for i in range(12)]
PACE = Imitation(epochs=2.0, batch=6, learning_rate=1e-2, checkpoint_every=0)


@pytest.fixture
def model(tiny_model: Path) -> LanguageModel:
    return load(tiny_model)


def gradients(model: LanguageModel) -> list[torch.Tensor]:
    found = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.module.zero_grad()
    return found


@pytest.mark.parametrize("settings", [IRL(mode="mle"), IRL(td=0.0), IRL(mode="online", td=0.0)])
def test_irl_without_its_second_term_is_imitation_bit_for_bit(model: LanguageModel, settings: IRL) -> None:
    results = []
    for total, count, _ in (
        imitation_loss(model, EXAMPLES),
        irl_loss(model, settings, [Attempt(example) for example in EXAMPLES]),
    ):
        total.backward()  # type: ignore[no-untyped-call]
        results.append((total.detach(), count, gradients(model)))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert all(torch.equal(a, b) for a, b in zip(results[0][2], results[1][2], strict=True))


def test_whole_trainings_without_the_second_term_give_the_same_weights(tiny_model: Path, tmp_path: Path) -> None:
    plain, inverse = load(tiny_model), load(tiny_model)
    imitate(plain, EXAMPLES, PACE, Run.open(tmp_path / "a", "sft", {}), seed=3, label="")
    fit_irl(inverse, EXAMPLES, IRL(td=0.0), PACE, Run.open(tmp_path / "b", "irl", {}), seed=3, sampling=Sampling())
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), inverse.parameters(), strict=True))


def test_soft_values_are_those_of_the_logits(model: LanguageModel) -> None:
    padded = pad([e.prompt for e in EXAMPLES], [e.completion for e in EXAMPLES], model.device)
    logprobs_BT, values_BT = soft_values(model, padded)
    logits_BTV, _ = predictions(model, padded)
    for t, token in enumerate(EXAMPLES[1].completion):
        logits_V = logits_BTV[1, t].detach().double()
        assert float(values_BT[1, t].detach()) == pytest.approx(float(logits_V.exp().sum().log()), rel=1e-5)
        chance = float(logits_V.softmax(-1)[token])
        assert float(logprobs_BT[1, t].detach().exp()) == pytest.approx(chance, rel=1e-5)


@pytest.mark.parametrize("mode", ["online", "adversarial"])
def test_own_samples_join_and_parts_change_nothing(mode: Mode, model: LanguageModel) -> None:
    settings = IRL(mode=mode, td=0.3)
    batch = [Attempt(example, own=i % 2 == 1) for i, example in enumerate(EXAMPLES)]
    whole = irl_loss(model, settings, batch)
    parts = [irl_loss(model, settings, part) for part in (batch[:5], batch[5:6], batch[6:])]
    assert sum(float(p[0].detach()) for p in parts) == pytest.approx(float(whole[0].detach()), rel=1e-5)
    assert sum(float(p[1]) for p in parts) == float(whole[1])


def test_online_training_samples_once_per_demonstration_and_step(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = LocalSampler.sample

    def counted(self: LocalSampler, prompts: list[list[int]], settings: Sampling, seeds: list[int]) -> object:
        asked.append(len(prompts))
        return real(self, prompts, settings, seeds)

    monkeypatch.setattr(LocalSampler, "sample", counted)
    sampling = Sampling(max_new_tokens=4)
    fit_irl(model, EXAMPLES, IRL(mode="online"), PACE, Run.open(tmp_path, "irl", {}), seed=0, sampling=sampling)
    assert asked == [6, 6, 6, 6]


def test_the_ilql_loss_in_parts_is_the_loss_of_the_whole(model: LanguageModel) -> None:
    heads, settings = ILQLHeads.on(model), ILQL()
    batch = [Scored(example, float(i) - 5) for i, example in enumerate(EXAMPLES)]
    whole = ilql_loss(model, heads, settings, batch)
    parts = [ilql_loss(model, heads, settings, part) for part in (batch[:5], batch[5:])]
    assert sum(float(p[0].detach()) for p in parts) == pytest.approx(float(whole[0].detach()), rel=1e-5)
    assert float(whole[1]) == sum(len(example.completion) for example in EXAMPLES)


def test_weights_of_one_are_imitation(model: LanguageModel) -> None:
    weighted, _, _ = weighted_loss(model, [Scored(example, 1.0) for example in EXAMPLES])
    plain, _, _ = imitation_loss(model, EXAMPLES)
    assert float(weighted.detach()) == pytest.approx(float(plain.detach()), rel=1e-6)


def test_offline_training_samples_nothing_and_scores_nothing(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("offline training must neither sample nor score")

    monkeypatch.setattr(LocalSampler, "sample", never)
    monkeypatch.setattr(model, "next_logits", never)
    for module, name in ((completions, "score_completions"), (completions, "_score_ids"), (rules, "score_texts")):
        monkeypatch.setattr(module, name, never)
    items = [Scored(example, float(i % 2)) for i, example in enumerate(EXAMPLES)]
    heads = ILQLHeads.on(model)
    before = [parameter.detach().clone() for parameter in heads.lagged_q.parameters()]
    stats = fit_ilql(model, heads, items, ILQL(sync_every=2), PACE, Run.open(tmp_path / "a", "ilql", {}), seed=0)
    assert {"q_loss", "v_loss", "q_value", "v_value", "imitation_loss"} <= set(stats)
    after = list(heads.lagged_q.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True)), "the lagged heads follow"
    run = Run.open(tmp_path / "b", "irl", {})
    fit_irl(model, EXAMPLES, IRL(), PACE, run, seed=0, sampling=Sampling())
    assert "td_loss" in run.metrics()[-1]
    config = offline.Config(tmp_path, method="weighted", imitation=PACE)
    log = Logged(items, [str(i // 2) for i in range(len(items))], "label 'thumb'")
    kept = [parameter.detach().clone() for parameter in model.parameters()]
    run = Run.open(tmp_path / "c", "weighted", {})
    offline._learn(config, run, model, None, log)
    assert "imitation_loss" in run.metrics()[-1]
    assert not any(torch.equal(a, b) for a, b in zip(kept, model.parameters(), strict=True)), "it learns all the same"
