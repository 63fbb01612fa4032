"""What a policy wrote while it learnt: a few completions now and then, with what they earned, for the eye.

Curves do not show what a policy found out; its texts do. Every few steps some rows of the batch that was learnt from
go to `samples.jsonl` in the run's folder: step, prompt, completion, score, KL from the reference (k1, nats), and total,
the reward after the leash and penalties.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from heedful.files import write_text
from heedful.learning import masks
from heedful.learning.kl import k1, leashed_logprobs
from heedful.rollouts import Reward, Rollouts

FILE = "samples.jsonl"

EVERY, ROWS = 10, 4
"""Steps between two looks, and how many completions each takes: the first of as many prompts."""


class Excerpts:
    """Writes down rows of batches as they are rewarded, one batch a step; what a crash undid is written anew.

    Args:
        folder: the run's.
        done: steps that a resumed run has behind it; rows of later ones are dropped.
    """

    def __init__(self, folder: Path, done: int) -> None:
        self.path, self.step = folder / FILE, done
        kept = [row for row in read(folder) if row["step"] < done]
        write_text(self.path, "".join(_line(row) for row in kept))

    def rewarding(self, reward: Reward) -> Reward:
        """The same reward, looked at."""

        def seen(rollouts: Rollouts) -> Rollouts:
            rewarded = reward(rollouts)
            if self.step % EVERY == 0:
                with self.path.open("a", encoding="utf-8") as file:
                    file.writelines(_line({"step": self.step, **row}) for row in rows_of(rewarded))
            self.step += 1
            return rewarded

        return seen


def rows_of(rollouts: Rollouts) -> list[dict[str, Any]]:
    """The first completion of each of the first prompts, with its numbers."""
    groups = rollouts.group_B.tolist()
    first = [row for row, group in enumerate(groups) if row == 0 or group != groups[row - 1]][:ROWS]
    columns = {"score": rollouts.scores_B, "kl": _kl(rollouts), "total": _summed(rollouts.rewards_BT, rollouts)}
    return [
        {
            "prompt": rollouts.prompts[row].as_text(),
            "completion": rollouts.completions[row],
            **{name: float(value_B[row]) for name, value_B in columns.items() if value_B is not None},
        }
        for row in first
    ]


def read(folder: Path) -> list[dict[str, Any]]:
    """All whole rows of a run, oldest first."""
    path = folder / FILE
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return [json.loads(line) for line in lines if line]


def newest(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's last look."""
    rows = read(folder)
    return [row for row in rows if row["step"] == rows[-1]["step"]]


def _kl(rollouts: Rollouts) -> Tensor | None:
    if rollouts.ref_logprobs_BT is None:
        return None
    return _summed(k1(leashed_logprobs(rollouts), rollouts.ref_logprobs_BT), rollouts)


def _summed(x_BT: Tensor | None, rollouts: Rollouts) -> Tensor | None:
    return None if x_BT is None else masks.kept(x_BT, rollouts.mask_BT).sum(1)


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
