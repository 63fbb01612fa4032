"""What a run costs: reward calls, tokens, seconds, memory, money; and scores that are never asked for twice."""

from __future__ import annotations

import copy
import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.algorithms.mixer import GIVEN
from heedful.rollouts import Algorithm, Collect, Policy, Reward, Rollouts, Stats


@dataclass(frozen=True)
class Prices:
    """What things cost, in any one currency."""

    reward_call: float = 0.0
    """Of one completion scored."""
    hour: float = 0.0
    """Of the machine, per hour."""
    token_written: float = 0.0
    """Of one token sampled."""
    token_trained: float = 0.0
    """Of one token that went through a training step."""


@dataclass(frozen=True)
class Costs:
    """What was used."""

    reward_calls: int = 0
    """Completions that a scorer was asked about."""
    cached: int = 0
    """Completions whose score was known already."""
    tokens_scored: int = 0
    """Completion tokens that the scorer was given."""
    tokens_written: int = 0
    """Tokens sampled."""
    tokens_trained: int = 0
    """Completion tokens that went through training steps, each pass counted."""
    seconds: float = 0.0
    """Of wall-clock time, all processes of a resumed run together; what a crash threw away does not count."""
    peak_bytes: int = 0
    """Largest memory: of the device on CUDA, of the process otherwise."""

    def __add__(self, other: Costs) -> Costs:
        """Both together; of memory the larger one."""
        summed = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Costs(**{**summed, "peak_bytes": max(self.peak_bytes, other.peak_bytes)})

    def money(self, prices: Prices) -> float:
        """In the currency of `prices`."""
        return (
            self.reward_calls * prices.reward_call
            + self.seconds / 3600 * prices.hour
            + self.tokens_written * prices.token_written
            + self.tokens_trained * prices.token_trained
        )


class Ledger:
    """Adds up what a run uses, by entry (collect, reward, update ...); survives a crash with the run's checkpoints."""

    def __init__(self) -> None:
        self.entries: dict[str, Costs] = {}

    def add(self, entry: str, costs: Costs) -> None:
        """Book costs under an entry."""
        self.entries[entry] = self.entries.get(entry, Costs()) + costs

    @contextmanager
    def timed(self, entry: str) -> Iterator[None]:
        """Book the time that the block takes, and the memory at its end."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.add(entry, Costs(seconds=time.perf_counter() - begun, peak_bytes=peak_bytes()))

    def total(self) -> Costs:
        """Of all entries."""
        return sum(self.entries.values(), start=Costs())

    def collecting(self, collect: Collect, entry: str = "collect") -> Collect:
        """The same `collect`, its time and its tokens booked."""

        def counted(policy: Any, step: int) -> Rollouts:
            with self.timed(entry):
                rollouts = collect(policy, step)
            given = int(rollouts.extras.get(GIVEN, torch.zeros(1)).sum())  # by somebody else, not sampled
            self.add(entry, Costs(tokens_written=int(rollouts.mask_BT.sum()) - given))
            return rollouts

        return counted

    def rewarding(self, reward: Reward, entry: str = "reward") -> Reward:
        """The same scorer, its time, calls and tokens booked; put it below a cache, not around one."""

        def counted(rollouts: Rollouts) -> Rollouts:
            with self.timed(entry):
                scored = reward(rollouts)
            self.add(entry, Costs(reward_calls=len(rollouts), tokens_scored=int(rollouts.mask_BT.sum())))
            return scored

        return counted

    def updating(self, algorithm: Algorithm) -> Algorithm:
        """The same algorithm, the time of its updates and the tokens of its passes booked under `update`."""
        return _Booked(algorithm, self)

    def report(self, prices: Prices) -> dict[str, Any]:
        """For a run's result: each entry, the total and, where anything has a price, the money."""
        found: dict[str, Any] = {name: asdict(costs) for name, costs in self.entries.items()}
        found["total"] = asdict(self.total())
        if prices != Prices():
            found["money"] = self.total().money(prices)
        return found

    def sentence(self, prices: Prices) -> str:
        """The total in words; with money where anything has a price."""
        total = self.total()
        known = f" ({total.cached:,} more were known)" if total.cached else ""
        money = f", {total.money(prices):,.2f} in money" if prices != Prices() else ""
        return (
            f"It cost {total.reward_calls:,} scored completions{known}, {total.tokens_written:,} tokens written and "
            f"{total.tokens_trained:,} trained on, {total.seconds:,.1f} seconds, {total.peak_bytes / 1e6:,.0f} MB of "
            f"memory at most{money}."
        )

    def state_dict(self) -> dict[str, dict[str, float]]:
        """Every entry."""
        return {name: asdict(costs) for name, costs in self.entries.items()}

    def load_state_dict(self, state_dict: Mapping[str, Mapping[str, Any]]) -> None:
        """Go back to saved entries."""
        self.entries = {name: Costs(**costs) for name, costs in state_dict.items()}


@dataclass(frozen=True)
class _Booked:
    """An algorithm whose updates a ledger writes down."""

    algorithm: Algorithm
    ledger: Ledger

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """The algorithm's."""
        return self.algorithm.credit(rollouts)

    def update(self, policy: Policy, *batch: Any, **how: Any) -> Stats:
        """The algorithm's; its arguments pass through."""
        passes: list[Tensor] = []
        with self.ledger.timed("update"):
            stats = self.algorithm.update(_counted(policy, passes), *batch, **how)
        self.ledger.add("update", Costs(tokens_trained=int(sum(passes))))
        return stats


def _counted(policy: Policy, passes: list[Tensor]) -> Policy:
    """The same policy; the number of tokens of each pass with gradients is appended to `passes`."""

    def counting(method: Callable[[Rollouts], Any]) -> Callable[[Rollouts], Any]:
        def counted(rollouts: Rollouts) -> Any:
            if torch.is_grad_enabled():
                passes.append(rollouts.mask_BT.sum())
            return method(rollouts)

        return counted

    twin: Any = copy.copy(policy)
    for name in ("evaluate", "distributions"):
        if hasattr(policy, name):
            setattr(twin, name, counting(getattr(policy, name)))
    counted: Policy = twin
    return counted


class CachedScorer:
    """A scorer that is asked about each (prompt, text) once; a `Reward`.

    What it said is appended to a file, so that a run that is repeated asks nothing again. Two completions with the same
    text share a score, however they are cut into tokens.

    Args:
        scorer: attaches `scores_B`. It must score each row by itself (a pairwise reward depends on its neighbours) and
            give one number for it.
        reward_id: names the scorer and its version (`r3`, or a function with the hash of its file).
        path: the file, one JSON object a line; made when it is missing.
        ledger: where known scores are booked, under `reward`.
    """

    def __init__(self, scorer: Reward, reward_id: str, path: Path, *, ledger: Ledger | None = None) -> None:
        if not reward_id:
            raise Problem("a cache of scores needs the scorer's name", mend="name the reward model or function")
        self.scorer, self.reward_id, self.path, self.ledger = scorer, reward_id, path, ledger
        self.calls, self.tokens, self.cached = 0, 0, 0
        self._known = _read(path)

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """See `heedful.rollouts.Reward`; only rows that are new reach the scorer, each different one once.

        Raises:
            Problem: the scorer gives no score, or one for each token.
        """
        keys = [self._key(rollouts, row) for row in range(len(rollouts))]
        new = {key: row for row, key in reversed(list(enumerate(keys))) if key not in self._known}
        if new:
            rows = sorted(new.values())
            scores_B = _scores(self.scorer(rollouts.rows(torch.tensor(rows))))
            self.calls += len(rows)
            self.tokens += int(rollouts.mask_BT[rows].sum())
            self._keep([keys[row] for row in rows], scores_B)
        self.cached += len(rollouts) - len(new)
        if self.ledger is not None and len(rollouts) > len(new):
            self.ledger.add("reward", Costs(cached=len(rollouts) - len(new)))
        device = rollouts.mask_BT.device
        return rollouts.with_(scores_B=torch.tensor([self._known[key] for key in keys], device=device))

    def _key(self, rollouts: Rollouts, row: int) -> str:
        content = json.dumps([self.reward_id, rollouts.prompts[row].id, rollouts.completions[row]])
        return hashlib.sha256(content.encode()).hexdigest()

    def _keep(self, keys: list[str], scores_B: Tensor) -> None:
        lines = []
        for key, score in zip(keys, scores_B.tolist(), strict=True):
            self._known[key] = score
            lines.append(json.dumps({"key": key, "score": score}) + "\n")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(lines))


def peak_bytes() -> int:
    """The largest memory so far: of the device on CUDA, of this process otherwise."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # no annotation
        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _scores(rollouts: Rollouts) -> Tensor:
    if rollouts.scores_B is None or rollouts.token_scores_BT is not None:
        found = "no score" if rollouts.scores_B is None else "a number for each token"
        raise Problem(
            f"the scorer gave {found}, and a cache keeps one number for a completion",
            where="reward function",
            mend="give one number for each completion, or leave cache_scores off",
        )
    return rollouts.scores_B


def _read(path: Path) -> dict[str, float]:
    """What the file knows; a line that a crash cut off is left out, and the next one begins on a new line."""
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8")
    whole, _, torn = text.rpartition("\n")
    if torn:
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    rows = [json.loads(line) for line in whole.split("\n") if line]
    return {row["key"]: float(row["score"]) for row in rows}
