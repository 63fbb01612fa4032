"""From advantages to a better policy: how an algorithm's loss becomes optimiser steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.metrics import Totals, sampler_gap
from heedful.rollouts import Compute, Evaluation, Loss, Metrics, Policy, Rollouts, Stats
from heedful.seeds import generator


class ByGradient(Protocol):
    """An algorithm that improves a policy by optimiser steps on a loss: it says `update = by_gradient`."""

    @property
    def epochs(self) -> int:
        """Passes over each batch of rollouts."""
        ...

    @property
    def minibatches(self) -> int:
        """Optimiser steps per pass."""
        ...

    @property
    def approx_kl_limit(self) -> float | None:
        """Stop before the first step whose minibatch shows a mean per-token `approx_kl` above this."""
        ...

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """See `heedful.rollouts.Loss`."""
        ...


def by_gradient(
    algorithm: ByGradient,
    policy: Policy,
    compute: Compute,
    rollouts: Rollouts,
    advantages_BT: Tensor,
    returns_BT: Tensor,
    *,
    seed: int,
    learning_rate_scale: float = 1.0,
    keep_groups: bool = False,
    loss: Loss | None = None,
) -> Stats:
    """Go over the rollouts `algorithm.epochs` times in `algorithm.minibatches` parts, one optimiser step each.

    Every epoch has a fresh permutation, a function of `seed` and the epoch. A minibatch goes through the policy in
    pieces of `compute.micro_batch` rows; losses are sums, and the minibatch's whole count divides once, so the
    pieces change nothing but the memory. Where the log-probabilities are `provisional`, the first pass gives them:
    no weight has changed by then, so they are what another pass before it would have found.

    Args:
        algorithm: its loss and how often; past `approx_kl_limit` a minibatch's gradient is dropped, and the share
            of steps so left out is logged as `early_stop`.
        policy: improved in place. Its modules must not drop out: the ratio of the first minibatch is then exactly 1.
        learning_rate_scale: what the schedule says.
        keep_groups: put all completions of a prompt into the same minibatch.
        loss: what to descend instead of the algorithm's own loss (the same with more terms).

    Returns:
        The loss's metrics as means over everything seen, `gradient_norm` and `early_stop`.

    Raises:
        Problem: more minibatches than rows (or groups) to fill them.
        ValueError: provisional log-probabilities and several minibatches, of which only the first sees old weights.
    """
    epochs, minibatches, limit = algorithm.epochs, algorithm.minibatches, algorithm.approx_kl_limit
    if rollouts.provisional and minibatches > 1:
        raise ValueError("log-probabilities of the sampler's cannot stand for the trainer's in several minibatches")
    totals, norms = Totals(), []
    planned = epochs * minibatches
    for index_M in _minibatches(rollouts.group_B, epochs, minibatches, seed, keep_groups=keep_groups):
        first_BT = torch.zeros_like(rollouts.logprobs_BT) if rollouts.provisional else None
        count, seen = _accumulate(
            policy, compute, rollouts, advantages_BT, returns_BT, loss or algorithm.loss, index_M, first_BT
        )
        if first_BT is not None:
            rollouts = rollouts.with_(logprobs_BT=first_BT, provisional=False)
            totals.add({"sampler_gap": sampler_gap(rollouts)})
        totals.add(seen)
        if limit is not None and _mean(seen["approx_kl"]) > limit:
            compute.discard()
            break
        norms.append(compute.step(count, learning_rate_scale=learning_rate_scale))
    stats = totals.means()
    if norms:
        stats["gradient_norm"] = sum(norms) / len(norms)
    return {**stats, "early_stop": 1 - len(norms) / planned}


def begins_with_a_whole_pass(algorithm: object) -> bool:
    """Whether an algorithm's update sees every row before it changes a weight, and may be given `provisional` ones."""
    return getattr(type(algorithm), "update", None) is by_gradient and getattr(algorithm, "minibatches", 0) == 1


def _accumulate(
    policy: Policy,
    compute: Compute,
    rollouts: Rollouts,
    advantages_BT: Tensor,
    returns_BT: Tensor,
    loss: Loss,
    index_M: Tensor,
    first_BT: Tensor | None,
) -> tuple[float, Metrics]:
    """Accumulate the gradient of one minibatch; (its count, its metrics).

    With `first_BT`, the policy's log-probabilities of now are the old ones too, and are noted there.
    """
    totals, count = Totals(), 0.0
    for index_m in torch.split(index_M, compute.micro_batch or len(index_M)):
        rows = rollouts.rows(index_m)
        evaluation = policy.evaluate(rows)
        if first_BT is not None:
            first_BT[index_m] = evaluation.logprobs_BT.detach()
            rows = rows.with_(logprobs_BT=first_BT[index_m], provisional=False)
        loss_sum, loss_count, metrics = loss(evaluation, rows, advantages_BT[index_m], returns_BT[index_m])
        compute.backward(loss_sum)
        totals.add(metrics)
        count += float(loss_count)
    return count, totals.pairs()


def _minibatches(group_B: Tensor, epochs: int, minibatches: int, seed: int, *, keep_groups: bool) -> Iterator[Tensor]:
    """Row numbers of each minibatch of each epoch, on the device of `group_B`."""
    unit_B = torch.unique(group_B, return_inverse=True)[1] if keep_groups else torch.arange(len(group_B))
    unit_B = unit_B.cpu()
    units = int(unit_B.max()) + 1
    if not 1 <= minibatches <= units:
        noun = "prompts" if keep_groups else "sequences"
        raise Problem(
            f"{units} {noun} cannot be cut into {minibatches} minibatches",
            where='setting "minibatches"',
            mend="ask for fewer minibatches or a larger batch",
        )
    for epoch in range(epochs):
        order = torch.from_numpy(generator(seed, "permutation", epoch).permutation(units))
        for part in order.tensor_split(minibatches):
            yield torch.isin(unit_B, part).nonzero()[:, 0].to(group_B.device)


def _mean(pair: tuple[Tensor, Tensor]) -> float:
    return float(pair[0]) / float(pair[1])
