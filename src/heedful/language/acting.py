"""Prompts to rollouts: sample completions and evaluate what training needs to know of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.language import prompts as prompt_order
from heedful.language.chat import encode_prompt
from heedful.language.frozen_trunk import shared_trunk
from heedful.language.lora import merged
from heedful.language.policy import LanguagePolicy, response_logprobs, response_values
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sample, Sampler, Sampling
from heedful.language.tokens import pad, pad_right
from heedful.records import Completion, Prompt, content_id
from heedful.rollouts import Rollouts
from heedful.seeds import seed_of


@dataclass
class PromptTokens:
    """Token ids of prompts, encoded once each."""

    model: LanguageModel
    known: dict[str, list[int]] = field(default_factory=dict)

    def __call__(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt."""
        if prompt.id not in self.known:
            self.known[prompt.id] = encode_prompt(self.model, prompt)
        return self.known[prompt.id]


@dataclass(frozen=True)
class Acting:
    """The `Collect` of the text world: some prompts a step, some completions a prompt.

    What it samples is a function of the seed and the step. Log-probabilities come from the trainer's own forward
    pass, so that the first ratio of an update is one; the sampler's are kept beside them. With `provisional` that pass
    is left to the update, which makes it anyway, and the sampler's stand in until then.
    """

    prompts: Sequence[Prompt]
    sampler: Sampler
    sampling: Sampling
    tokens: PromptTokens
    reference: LanguageModel
    """Frozen; the KL penalty is measured against it."""
    prompts_per_step: int
    completions_per_prompt: int
    seed: int
    micro_batch: int = 0
    """Rows per forward pass; 0: all at once."""
    provisional: bool = False
    """Let the update's first pass give the log-probabilities (see `heedful.rollouts.Rollouts.provisional`).

    Where the reference goes on from layers that the policy has computed, they are computed here all the same.
    """

    def __post_init__(self) -> None:
        if not self.sampling.on_policy:
            raise Problem(
                "top_p, top_k or temperature 0 would sample from another distribution than the one that is trained",
                mend="leave top_p at 1, top_k at 0, and use the temperature alone",
            )

    def __call__(self, policy: LanguagePolicy, step: int) -> Rollouts:
        """Rows of one prompt stand together; see `heedful.rollouts.Collect`."""
        chosen = prompt_order.batch(self.prompts, step, self.prompts_per_step, seed_of(self.seed, "prompts"))
        rows = [prompt for prompt in chosen for _ in range(self.completions_per_prompt)]
        ids = [self.tokens(prompt) for prompt in rows]
        seeds = [seed_of(self.seed, "collect", step, row) for row in range(len(rows))]
        with merged(policy.model.module):
            samples = self.sampler.sample(ids, self.sampling, seeds)
        return self._evaluated(policy, rows, ids, samples)

    @torch.no_grad()
    def _evaluated(
        self, policy: LanguagePolicy, rows: Sequence[Prompt], ids: Sequence[Sequence[int]], samples: Sequence[Sample]
    ) -> Rollouts:
        model = policy.model
        padded = pad(ids, [sample.token_ids for sample in samples], model.device)
        mask_BT = padded.response_mask_BT
        groups = torch.arange(len(rows) // self.completions_per_prompt, device=model.device)
        bare = Rollouts(
            inputs=padded.inputs,
            mask_BT=mask_BT,
            group_B=groups.repeat_interleave(self.completions_per_prompt),
            logprobs_BT=torch.zeros(mask_BT.shape, device=model.device),
        )
        sampled_BT = pad_right([sample.logprobs for sample in samples], mask_BT)
        with shared_trunk(model, self.reference) as shared:
            logprobs_BT, provisional = sampled_BT, self.provisional and not shared
            if not provisional:
                logprobs_BT = in_chunks(lambda part: response_logprobs(model, part, policy.temperature)[0], bare, self)
            ref_BT = in_chunks(lambda part: response_logprobs(self.reference, part, policy.temperature)[0], bare, self)
        critic, values_BT = policy.critic, None
        if critic is not None:
            values_BT = in_chunks(lambda part: response_values(critic, part), bare, self)
        return bare.with_(
            logprobs_BT=logprobs_BT,
            provisional=provisional,
            sampler_logprobs_BT=sampled_BT,
            ref_logprobs_BT=ref_BT,
            values_BT=values_BT,
            finished_B=torch.tensor([sample.finish == "stop" for sample in samples], device=model.device),
            prompts=tuple(rows),
            completions=tuple(completion_text(model, sample, self.sampling) for sample in samples),
        )


def in_chunks(of: Callable[[Rollouts], Tensor], rollouts: Rollouts, acting: Acting) -> Tensor:
    """`of` over the rows of `rollouts`, `acting.micro_batch` at a time."""
    size = acting.micro_batch or len(rollouts)
    index = torch.arange(len(rollouts))
    return torch.cat([of(rollouts.rows(index[at : at + size])) for at in range(0, len(rollouts), size)])


def completion_text(model: LanguageModel, sample: Sample, sampling: Sampling) -> str:
    """The text of a sample, without special tokens and cut at the stop text."""
    text = model.decode(sample.token_ids)
    for stop in sampling.stop:
        text = text.split(stop)[0]
    return text


def write_completions(
    model: LanguageModel,
    sampler: Sampler,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    *,
    policy: str,
    seed: int,
    on_progress: Callable[[int], None] | None = None,
    chunk: int = 256,
) -> list[Completion]:
    """One completion per prompt (repeat a prompt for several), as records with everything needed to use them later.

    Ids follow from policy, prompt, settings, seed and place: sampling again after a crash gives the same records.
    """
    tokens, records = PromptTokens(model), []
    for at in range(0, len(prompts), chunk):
        part = prompts[at : at + chunk]
        seeds = [seed_of(seed, "write", at + row) for row in range(len(part))]
        samples = sampler.sample([tokens(prompt) for prompt in part], sampling, seeds)
        for row, (prompt, sample) in enumerate(zip(part, samples, strict=True)):
            records.append(
                Completion(
                    id=content_id("completion", policy, prompt.id, sampling.record(), seed, at + row),
                    prompt_id=prompt.id,
                    text=completion_text(model, sample, sampling),
                    policy=policy,
                    token_ids=sample.token_ids,
                    logprobs=sample.logprobs,
                    sampling={**sampling.record(), "seed": seeds[row]},
                    finish=sample.finish,
                )
            )
        if on_progress is not None:
            on_progress(len(part))
    return records
