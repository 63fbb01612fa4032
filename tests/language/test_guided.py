"""NLPO in the text world: the mask on both sides, on a tiny model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.acting import Acting, PromptTokens
from heedful.language.engines.local import LocalSampler
from heedful.language.guided import Guide, GuidedActing
from heedful.language.heads import ScalarModel
from heedful.language.policy import LanguagePolicy, response_logprobs
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sample, Sampling
from heedful.learning.algorithms import NLPO, PPO
from heedful.learning.kl import leashed_logprobs, leashed_rewards
from heedful.records import Prompt
from heedful.rollouts import Rollouts

MakeModel = Callable[[str, int], LanguageModel]
PROMPTS = [Prompt(id=str(number), text=text) for number, text in enumerate(["a b c", "d", "e f g h i", "j k"])]
STOP = 2


def moved(model: LanguageModel, seed: int) -> None:
    """The model after some learning."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * parameter.std() * torch.randn(parameter.shape, generator=rng))


def acting(model: LanguageModel, reference: LanguageModel, rows: int = 64) -> Acting:
    return Acting(
        prompts=PROMPTS,
        sampler=LocalSampler(model, rows),
        sampling=Sampling(max_new_tokens=6, temperature=0.9),
        tokens=PromptTokens(model),
        reference=reference,
        prompts_per_step=4,
        completions_per_prompt=4,
        seed=0,
    )


def next_chances(model: LanguageModel, ids: list[int]) -> list[float]:
    """Of each token after `ids`, by the bare model."""
    with torch.no_grad():
        chances: list[float] = model.module(torch.tensor([ids])).logits[0, -1].double().softmax(-1).tolist()
    return chances


def nucleus(chances: list[float], top_p: float) -> set[int]:
    taken: set[int] = set()
    for token in sorted(range(len(chances)), key=lambda token: -chances[token]):
        if taken and sum(chances[other] for other in taken) >= top_p:
            break
        taken.add(token)
    return taken


@pytest.mark.parametrize("rows", [64, 3], ids=["at-once", "refilled"])
def test_no_token_is_sampled_that_the_copy_does_not_allow(any_model: LanguageModel, rows: int) -> None:
    model = any_model.frozen_copy()
    guide = Guide(model, NLPO(top_p=0.6).rule(model.stop_ids))
    moved(model, 1)
    ids = [[1, 5, 9, 7], [1, 8], [1, 20, 21, 22, 23, 24]] * 4
    sampler = LocalSampler(guide.guided(), rows)
    samples = sampler.sample(ids, Sampling(max_new_tokens=8), list(range(len(ids))))
    beyond_own = 0
    for prompt, sample in zip(ids, samples, strict=True):
        for t, token in enumerate(sample.token_ids):
            before = [*prompt, *sample.token_ids[:t]]
            allowed = nucleus(next_chances(guide.copy, before), 0.6) | {STOP}
            assert token in allowed
            mine = next_chances(model, before)
            beyond_own += token not in nucleus(mine, 0.6)
            expected = np.log(mine[token] / sum(mine[other] for other in allowed))
            assert sample.logprobs[t] == pytest.approx(expected, abs=1e-4)
    assert beyond_own > 0  # the rule goes by the copy, not by the model of now


def test_the_policy_means_the_distribution_that_was_sampled_from(make_model: MakeModel) -> None:
    model = make_model("llama", 0)
    reference = model.frozen_copy()
    guide = Guide(model, NLPO(top_p=0.7).rule(model.stop_ids))
    moved(model, 1)
    policy = LanguagePolicy(guide.guided(), temperature=0.9)
    rollouts = GuidedActing(acting(guide.guided(), reference), guide, lambda _step: False)(policy, 0)
    assert rollouts.sampler_logprobs_BT is not None
    torch.testing.assert_close(rollouts.sampler_logprobs_BT, rollouts.logprobs_BT, atol=1e-4, rtol=0)
    now = policy.evaluate(rollouts)
    torch.testing.assert_close(now.logprobs_BT.detach(), rollouts.logprobs_BT, atol=1e-5, rtol=0)
    assert bool(torch.isfinite(now.entropy_BT).all())
    bare_BT, _ = response_logprobs(model, rollouts, 0.9)
    torch.testing.assert_close(leashed_logprobs(rollouts), bare_BT.detach(), atol=1e-5, rtol=0)
    assert now.bare_logprobs is not None
    assert torch.equal(now.bare_logprobs(), bare_BT)
    assert now.bare_logprobs().requires_grad
    assert bool((rollouts.logprobs_BT >= bare_BT - 1e-5).all())
    assert float((rollouts.logprobs_BT - bare_BT).detach().max()) > 0.1
    (now.logprobs_BT.sum() + now.entropy_BT.sum()).backward()  # type: ignore[no-untyped-call]  # no annotation there
    assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters() if p.grad is not None)
    assert all(p.grad is None for p in guide.copy.parameters())


def scored(rollouts: Rollouts) -> Rollouts:
    """Paid for the letter a, under a leash."""
    scores_B = torch.tensor([float(text.count("a")) for text in rollouts.completions])
    assert rollouts.ref_logprobs_BT is not None
    logprobs_BT = leashed_logprobs(rollouts)
    rewards_BT = leashed_rewards(scores_B, logprobs_BT, rollouts.ref_logprobs_BT, rollouts.mask_BT, 0.1)
    return rollouts.with_(scores_B=scores_B, rewards_BT=rewards_BT)


def trained(make_model: MakeModel, algorithm: PPO | NLPO) -> list[Tensor]:
    """The weights after a few steps of the whole loop."""
    model = make_model("llama", 0)
    critic = ScalarModel(model, zero=True)
    writer, refresh_due, guide = model, (lambda _step: False), None
    if isinstance(algorithm, NLPO):
        guide = Guide(model, algorithm.rule(model.stop_ids))
        writer, refresh_due = guide.guided(), algorithm.refresh_due
    policy = LanguagePolicy(writer, temperature=0.9, critic=critic)
    collect = acting(writer, model.frozen_copy())
    compute = LocalCompute()
    compute.prepare([(policy.parameters(), 1e-3)])
    for step in range(3):
        rollouts = GuidedActing(collect, guide, refresh_due)(policy, step) if guide else collect(policy, step)
        rollouts = scored(rollouts)
        stats = algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=step)
        assert stats["ratio_max"] < 3
    return [parameter.detach() for parameter in policy.parameters()]


def test_at_one_the_whole_loop_is_ppos_bit_for_bit(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heedful.language.llama_rows.SMALL", 0)  # the rule reads the logits of the model's own pass
    ppo = PPO(epochs=1, minibatches=2)
    plain, free = trained(make_model, ppo), trained(make_model, NLPO(ppo, top_p=1.0, refresh_every=2))
    assert all(torch.equal(a, b) for a, b in zip(plain, free, strict=True))
    masked = trained(make_model, NLPO(ppo, top_p=0.5, refresh_every=2))
    assert not all(torch.equal(a, b) for a, b in zip(plain, masked, strict=True))


class Silent:
    """A sampler that writes the stop token at once."""

    def sample(self, prompts: list[list[int]], settings: Sampling, seeds: list[int]) -> list[Sample]:
        return [Sample((STOP,), (0.0,), "stop") for _ in prompts]


def test_the_copy_is_refreshed_when_it_is_due_and_only_then(make_model: MakeModel) -> None:
    model = make_model("llama", 0)
    guide = Guide(model, NLPO(top_p=0.5).rule(model.stop_ids))
    policy = LanguagePolicy(guide.guided())
    still = Acting(PROMPTS, Silent(), Sampling(), PromptTokens(model), model, 1, 1, 0)  # type: ignore[arg-type]  # lists
    collect = GuidedActing(still, guide, NLPO(refresh_every=3).refresh_due)
    seen = []
    for step in range(7):
        moved(model, step)
        collect(policy, step)
        pairs = zip(guide.copy.parameters(), model.parameters(), strict=True)
        seen.append(all(torch.equal(a, b) for a, b in pairs))
    assert seen == [True, False, False, True, False, False, True]


def test_the_copy_survives_a_crash(make_model: MakeModel) -> None:
    model = make_model("llama", 0)
    guide = Guide(model, NLPO().rule(model.stop_ids))
    moved(model, 1)
    saved = {name: tensor.clone() for name, tensor in guide.state_dict().items()}
    again = Guide(model, NLPO().rule(model.stop_ids))
    again.load_state_dict(saved)
    for a, b in zip(again.copy.parameters(), guide.copy.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not all(torch.equal(a, b) for a, b in zip(again.copy.parameters(), model.parameters(), strict=True))


def test_an_encoder_decoder_is_a_problem(make_model: MakeModel) -> None:
    model = make_model("llama", 0)
    model.encoder_decoder = True
    with pytest.raises(Problem, match="encoder-decoder"):
        Guide(model, NLPO().rule(model.stop_ids))
