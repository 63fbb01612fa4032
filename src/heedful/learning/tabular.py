"""The smallest policy: a table of logits, small enough that every completion can be counted.

Here an algorithm can be held against the exact answer before it meets a language model. Completions are
sequences over V tokens that end with token 0 (stop) or at the length limit T. There is one row of logits
and one value for every prompt and every prefix, so the policy can represent any distribution over
completions, and the optimum of reward minus KL, pi_ref exp(r / coefficient) / Z, is within its reach.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch
from torch import Tensor

from heedful.learning.masks import kept
from heedful.rollouts import Evaluation, LogitRule, Rollouts
from heedful.seeds import generator

STOP = 0


class TabularPolicy(torch.nn.Module):
    """A policy over short sequences, with a critic and a frozen reference (its own first weights).

    Args:
        prompts: how many prompts there are; each has a table of its own.
        vocabulary: V, the stop token included.
        limit_tokens: T.
        seed: of the first logits, which are the reference too.
        spread: standard deviation of those logits; 0 begins uniform.
        rule: restricts the policy by its own logits of the last `refresh`, `guide`.
    """

    reference: Tensor
    guide: Tensor

    def __init__(
        self,
        prompts: int,
        vocabulary: int,
        limit_tokens: int,
        *,
        seed: int,
        spread: float = 1.0,
        rule: LogitRule | None = None,
    ) -> None:
        super().__init__()
        self.rule = rule
        self.vocabulary, self.limit_tokens = vocabulary, limit_tokens
        prefixes = sum(vocabulary**t for t in range(limit_tokens))
        first = spread * generator(seed, "tabular").standard_normal((prompts, prefixes, vocabulary))
        self.logits = torch.nn.Parameter(torch.from_numpy(first))
        self.values = torch.nn.Parameter(torch.zeros(prompts, prefixes, dtype=torch.float64))
        self.register_buffer("reference", self.logits.detach().clone())
        self.register_buffer("guide", self.logits.detach().clone())

    @torch.no_grad()
    def refresh(self) -> None:
        """Let the rule go by the logits of now."""
        self.guide.copy_(self.logits)

    def evaluate(self, rollouts: Rollouts) -> Evaluation:
        """Log-probabilities, entropy and values of the rollouts' tokens (float64, nats); 0 where masked."""
        prompt_B, tokens_BT = rollouts.inputs["prompt_B"], rollouts.inputs["tokens_BT"]
        prefix_BT = self._prefixes(tokens_BT)
        logprobs_BTV = self._logits(prompt_B[:, None], prefix_BT).log_softmax(-1)
        logprobs_BT = logprobs_BTV.gather(-1, tokens_BT[..., None])[..., 0]
        entropy_BT = -(logprobs_BTV.exp() * logprobs_BTV).sum(-1)
        values_BT = self.values[prompt_B[:, None], prefix_BT]
        mask_BT = rollouts.mask_BT
        now = Evaluation(kept(logprobs_BT, mask_BT), kept(entropy_BT, mask_BT), kept(values_BT, mask_BT))
        return now if self.rule is None else replace(now, bare_logprobs=lambda: self._bare(rollouts, self.logits))

    def _bare(self, rollouts: Rollouts, logits: Tensor) -> Tensor:
        """logprobs_BT by a table of logits, without the rule; 0 where masked."""
        tokens_BT = rollouts.inputs["tokens_BT"]
        logprobs_BTV = logits[rollouts.inputs["prompt_B"][:, None], self._prefixes(tokens_BT)].log_softmax(-1)
        return kept(logprobs_BTV.gather(-1, tokens_BT[..., None])[..., 0], rollouts.mask_BT)

    def distributions(self, rollouts: Rollouts) -> Tensor:
        """logprobs_BTV of every token; see `heedful.rollouts.Distributions`."""
        prompt_B, prefix_BT = rollouts.inputs["prompt_B"], self._prefixes(rollouts.inputs["tokens_BT"])
        return self._logits(prompt_B[:, None], prefix_BT).log_softmax(-1)

    def divergence(self, old_BTK: Tensor, new_BTK: Tensor) -> Tensor:
        """kl_BT of two such log-probabilities."""
        return (old_BTK.exp() * (old_BTK - new_BTK)).sum(-1)

    @torch.no_grad()
    def sample(self, prompt_B: Tensor, *, seed: int) -> Rollouts:
        """One completion for each entry of `prompt_B` (int64), groups being prompts."""
        uniform_BT = torch.from_numpy(generator(seed, "sample").random((len(prompt_B), self.limit_tokens)))
        tokens_BT = torch.zeros(uniform_BT.shape, dtype=torch.int64)
        prefix_B = torch.zeros_like(prompt_B)
        for t in range(self.limit_tokens):
            below_BV = self._logits(prompt_B, prefix_B).softmax(-1).cumsum(-1)
            token_B = (uniform_BT[:, t, None] > below_BV[:, :-1]).sum(-1)
            tokens_BT[:, t] = token_B
            prefix_B = torch.clamp(prefix_B * self.vocabulary + token_B + 1, max=self.logits.shape[1] - 1)
        return self._rollouts(prompt_B, tokens_BT)

    @torch.no_grad()
    def every_completion(self, prompt: int) -> Rollouts:
        """All completions of a prompt, once each: exp of their summed log-probabilities is the distribution."""
        found: list[tuple[int, ...]] = []
        for length in range(1, self.limit_tokens + 1):
            for body in itertools.product(range(1, self.vocabulary), repeat=length - 1):
                last = range(self.vocabulary) if length == self.limit_tokens else (STOP,)
                found += [(*body, token) for token in last]
        padded = [tokens + (STOP,) * (self.limit_tokens - len(tokens)) for tokens in found]
        return self._rollouts(torch.full((len(padded),), prompt), torch.tensor(padded))

    def _rollouts(self, prompt_B: Tensor, tokens_BT: Tensor) -> Rollouts:
        """What is known of these tokens under the weights of now; everything after the first stop is masked."""
        stopped_BT = tokens_BT == STOP
        mask_BT = stopped_BT.cumsum(1) - stopped_BT.long() == 0
        rollouts = Rollouts(
            inputs={"prompt_B": prompt_B, "tokens_BT": tokens_BT},
            mask_BT=mask_BT,
            group_B=prompt_B,
            logprobs_BT=torch.zeros(0),
            finished_B=stopped_BT.any(1),
        )
        now = self.evaluate(rollouts)
        return rollouts.with_(
            logprobs_BT=now.logprobs_BT,
            sampler_logprobs_BT=now.logprobs_BT,
            ref_logprobs_BT=self._bare(rollouts, self.reference),
            values_BT=now.values_BT,
            extras={} if self.rule is None else {"bare_logprobs_BT": self._bare(rollouts, self.logits)},
        )

    def _logits(self, prompt: Tensor, prefix: Tensor) -> Tensor:
        """Logits (..., V) after these prefixes, under the rule where there is one."""
        logits = self.logits[prompt, prefix]
        return logits if self.rule is None else self.rule(logits, self.guide[prompt, prefix])

    def _prefixes(self, tokens_BT: Tensor) -> Tensor:
        """prefix_BT: the number of the prefix before each token, counted as in a V-ary heap (0 is the empty one)."""
        prefix_B = torch.zeros_like(tokens_BT[:, 0])
        columns = []
        for t in range(tokens_BT.shape[1]):
            columns.append(prefix_B)
            prefix_B = torch.clamp(prefix_B * self.vocabulary + tokens_BT[:, t] + 1, max=self.logits.shape[1] - 1)
        return torch.stack(columns, 1)
