"""The tensors of a learning step, and the contracts between the rooms.

Shape suffixes: B sequences, T steps (response tokens), V vocabulary, S prompt and response together,
P prompts, G completions per prompt, N pairs. Masks are True where a position counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from heedful.records import Prompt

Stats = dict[str, float]
"""What a step logs: metric name -> value. Names and formulas stand in docs/metrics.md."""


@dataclass(frozen=True)
class Rollouts:
    """A batch of finished behaviour, and what is known of it so far. Fields are filled from top to bottom."""

    inputs: Mapping[str, Tensor]
    """What the policy needs to evaluate it again, each with leading dimension B; only the policy reads it."""
    mask_BT: Tensor
    """bool; True at each real action (response tokens, the stop token included)."""
    group_B: Tensor
    """int64; which prompt (or start state) a row belongs to. Rows of one group stand together."""
    logprobs_BT: Tensor
    """Nats, under the policy that acted, computed by the trainer's own forward pass; 0 where masked."""
    provisional: bool = False
    """`logprobs_BT` are the sampler's as yet: an update's first pass over all rows puts the trainer's there instead."""
    sampler_logprobs_BT: Tensor | None = None
    """The same as the sampler saw it: their gap is logged at every step."""
    ref_logprobs_BT: Tensor | None = None
    values_BT: Tensor | None = None
    finished_B: Tensor | None = None
    """bool; True where the behaviour ended by itself (stop token), not at the length limit."""
    scores_B: Tensor | None = None
    """The learned (proxy) score, one per sequence."""
    token_scores_BT: Tensor | None = None
    """Per-token scores where the reward gives them; their sum is `scores_B`."""
    gold_B: Tensor | None = None
    """The true score, where the world has one. Never trained on."""
    rewards_BT: Tensor | None = None
    """What credit assignment sees: scores, shaped (KL and the like)."""
    prompts: tuple[Prompt, ...] = ()
    """Length B."""
    completions: tuple[str, ...] = ()
    """Length B; the text of each completion."""
    policy_version: str = ""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """Whatever else belongs to a row, each with leading dimension B: `kl_coefficient_B`, the coefficient of the KL
    leash that shaped the rewards; `last_values_B`, the critic's value after the last step of behaviour that was cut
    off from outside; `bare_logprobs_BT`, where a rule restricts the policy: the log-probabilities without it, whose KL
    the leash pays for."""

    def __len__(self) -> int:
        return int(self.mask_BT.shape[0])

    def with_(self, **fields: Any) -> Rollouts:
        """The same rollouts with some fields filled in."""
        return replace(self, **fields)

    def rows(self, index_M: Tensor) -> Rollouts:
        """The rows `index_M`, of every field."""

        def pick(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value[index_M.to(value.device)]
            if isinstance(value, Mapping):
                return {name: pick(tensor) for name, tensor in value.items()}
            if isinstance(value, tuple) and value:
                return tuple(value[i] for i in index_M.tolist())
            return value

        return Rollouts(**{name: pick(getattr(self, name)) for name in self.__dataclass_fields__})


@dataclass(frozen=True)
class Evaluation:
    """What a policy says of rollouts, with gradients."""

    logprobs_BT: Tensor
    entropy_BT: Tensor
    values_BT: Tensor | None = None
    bare_logprobs: Callable[[], Tensor] | None = None
    """Where a rule restricts the policy: gives `logprobs_BT` without it, with gradients, by a pass of its own."""


class Policy(Protocol):
    """Anything that can act and be evaluated: a language model with or without a critic, a control network."""

    def evaluate(self, rollouts: Rollouts) -> Evaluation:
        """Log-probabilities, entropy and values of `rollouts` under the weights of now, with gradients."""
        ...

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """All trainable parameters."""
        ...


@runtime_checkable
class Distributions(Protocol):
    """A policy that can also show from what it chose: what a bound on the KL needs."""

    def evaluate(self, rollouts: Rollouts) -> Evaluation:
        """See `Policy.evaluate`."""
        ...

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """See `Policy.parameters`."""
        ...

    def distributions(self, rollouts: Rollouts) -> Tensor:
        """What describes the distribution at each step, (B, T, K), twice differentiable; masked positions may hold
        anything. For tokens: their log-probabilities, K = V. Whoever calls it decides how many rows fit into memory."""
        ...

    def divergence(self, old_BTK: Tensor, new_BTK: Tensor) -> Tensor:
        """kl_BT in nats: KL(old || new) between two of them, step by step."""
        ...


LogitRule = Callable[[Tensor, Tensor], Tensor]
"""(logits_XV of the policy, logits_XV of a guide for the same tokens) -> logits_XV to choose from. What the sampler
and the policy's evaluation both apply, so that they mean the same distribution."""


class Compute(Protocol):
    """Where a step runs. Losses are sums; the division by the global count happens once, in `step`."""

    device: torch.device
    micro_batch: int
    """Sequences per forward and backward pass, 0 for all at once: it decides the memory, never the result."""

    @property
    def learning_rate(self) -> float:
        """The learning rate of the first group given to `prepare`."""
        ...

    def prepare(self, groups: Sequence[tuple[Iterable[torch.nn.Parameter], float]]) -> None:
        """Make the optimiser for groups of (parameters, learning rate)."""

    def backward(self, loss_sum: Tensor) -> None:
        """Accumulate the gradient of a summed loss."""

    def step(self, count: float, *, learning_rate_scale: float = 1.0) -> float:
        """Divide the accumulated gradient by `count`, clip, update, clear; returns its norm before clipping."""

    def discard(self) -> None:
        """Drop the accumulated gradient without a step."""

    def save(self, path: Path) -> None:
        """Write the optimiser's state to a file."""

    def load(self, path: Path) -> None:
        """Read what `save` wrote."""


Metrics = Mapping[str, tuple[Tensor, Tensor]]
"""What a loss observes: name -> (sum, count), added up over a step and divided once. The (maximum, count) of a
name that ends in `_max` are combined by maximum instead."""

Loss = Callable[[Evaluation, Rollouts, Tensor, Tensor], tuple[Tensor, Tensor, Metrics]]
"""(evaluation, some rows, their advantages_BT, their returns_BT) -> (loss sum, count, metrics)."""

Collect = Callable[[Any, int], Rollouts]
"""(policy, step) -> rollouts: sampler and prompts, or stepping and environments. Random as a function of a seed
and the step only, so that a resumed run collects the same again. The tensors carry no gradient."""


class Stateful(Protocol):
    """Anything that changes during a run and must survive a crash: a module, a KL controller, a queue."""

    def state_dict(self) -> Any:
        """Tensors, numbers, strings, lists and dictionaries of them."""
        ...

    def load_state_dict(self, state_dict: Any) -> Any:
        """Go back to what `state_dict` gave."""
        ...


Reward = Callable[[Rollouts], Rollouts]
"""Attaches `scores_B` and `rewards_BT`; sees the whole batch, so pairwise and group rewards fit."""


class Algorithm(Protocol):
    """One paper: how behaviour becomes advantage, and how advantage becomes a better policy."""

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT)"""

        ...

    def update(
        self,
        policy: Policy,
        compute: Compute,
        rollouts: Rollouts,
        advantages_BT: Tensor,
        returns_BT: Tensor,
        *,
        seed: int,
        learning_rate_scale: float = 1.0,
    ) -> Stats:
        """Improve `policy` in place and say what happened."""
        ...
