"""Looking at a policy while it learns: its score on prompts that it is not trained on, and the best one kept.

The learned score of training prompts rises by construction. Every few steps the policy therefore answers prompts that
are never trained on; where a second scorer is named, which learned from other judgements, the gap between the two is
what `learning.monitors` watches. The weights of the best check are kept, and a run that is stopped by an alarm goes
back to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from heedful.files import write_atomically
from heedful.language.acting import Acting
from heedful.language.policy import LanguagePolicy
from heedful.records import Prompt
from heedful.reward.ledger import Ledger
from heedful.rollouts import Collect, Reward, Stats
from heedful.seeds import seed_of

BEST = "best.pt"

SHARE = 0.1
FEWEST, MOST = 8, 32
"""So much of the training prompts is kept for checks; none where that would be fewer than 8, and at most 32."""


def kept_for_checks(prompts: Sequence[Prompt]) -> tuple[list[Prompt], list[Prompt]]:
    """(prompts to train on, prompts to check with): every k-th in the order of their ids, which are hashes."""
    count = min(MOST, int(SHARE * len(prompts)))
    if count < FEWEST:
        return list(prompts), []
    ordered = sorted(prompts, key=lambda prompt: prompt.id)
    every = len(ordered) // count
    checks = ordered[::every][:count]
    taken = {prompt.id for prompt in checks}
    return [prompt for prompt in prompts if prompt.id not in taken], checks


class Check:
    """Scores the policy on its own prompts every few steps, and keeps the best weights; survives a resume.

    Args:
        policy: whose weights are kept.
        acting: writes completions of the check prompts, always with the same random numbers.
        scorer: what the policy is trained against; it must not learn from what it is shown here.
        validator: a scorer that learned from other judgements, or None.
        folder: where the best weights are kept.
        every: steps between checks.
    """

    def __init__(
        self,
        policy: LanguagePolicy,
        acting: Collect,
        scorer: Reward,
        validator: Reward | None,
        folder: Path,
        every: int,
    ) -> None:
        self.policy, self.acting, self.scorer, self.validator = policy, acting, scorer, validator
        self.path, self.every = folder / BEST, every
        self.best: float | None = None
        self.step = -1

    def __call__(self, step: int) -> Stats:
        """What this step's check found; empty between checks."""
        if step % self.every:
            return {}
        rollouts = self.acting(self.policy, 0)
        scored = self.scorer(rollouts)
        found = {"check_score": _mean(scored.scores_B), "check_score_se": _standard_error(scored.scores_B)}
        if scored.gold_B is not None:
            found["check_gold"] = _mean(scored.gold_B)
        if self.validator is not None:
            held_out = self.validator(rollouts)
            found["held_out_score"] = _mean(held_out.scores_B)
            found["held_out_score_se"] = _standard_error(held_out.scores_B)
        value = found.get("held_out_score", found["check_score"])
        if self.best is None or value > self.best:
            self.best, self.step = value, step
            write_atomically(self.path, lambda path: torch.save(self.policy.model.state_dict(), path))
        return found

    def go_back(self) -> None:
        """Give the policy the weights of its best check.

        Raises:
            FileNotFoundError: there was no check.
        """
        self.policy.model.load_state_dict(torch.load(self.path, map_location="cpu", weights_only=True))

    def state_dict(self) -> dict[str, Any]:
        """The best check so far; its weights are a file of their own."""
        return {"best": self.best, "step": self.step}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go back to a saved one."""
        self.best, self.step = state_dict["best"], state_dict["step"]


def checked(
    policy: LanguagePolicy,
    acting: Acting,
    scorer: Reward,
    validator: Reward | None,
    ledger: Ledger,
    folder: Path,
    every: int,
    seed: int,
) -> tuple[Acting, Check | None]:
    """(how training prompts are answered, what looks at the others); no check where `every` is 0 or prompts are few.

    Args:
        policy, scorer, validator, folder, every: see `Check`.
        acting: with all training prompts.
        ledger: what checks write, and what the validator is asked, is booked there under `check`.
        seed: of the run; the checks' random numbers follow from it.
    """
    training, checks = kept_for_checks(acting.prompts) if every else (list(acting.prompts), [])
    if not checks:
        return acting, None
    looking = replace(
        acting, prompts=checks, prompts_per_step=len(checks), completions_per_prompt=1, seed=seed_of(seed, "check")
    )
    written = ledger.collecting(looking, "check")
    validated = None if validator is None else ledger.rewarding(validator, "check")
    return replace(acting, prompts=training), Check(policy, written, scorer, validated, folder, every)


def _mean(scores_B: Tensor | None) -> float:
    assert scores_B is not None
    return float(scores_B.double().mean())


def _standard_error(scores_B: Tensor | None) -> float:
    assert scores_B is not None
    return float(scores_B.double().std() / len(scores_B) ** 0.5)
