"""What completions are scored by: a reward model of the project, or a Python function; and what it said before."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from heedful.errors import Problem
from heedful.language.acting import Acting
from heedful.language.engines.local import LocalSampler
from heedful.language.heads import ScalarModel
from heedful.language.policy import LanguagePolicy
from heedful.language.pretrained import LanguageModel
from heedful.reward.completions import LearnedReward
from heedful.reward.credit import Credit, credited
from heedful.reward.ledger import CachedScorer, Ledger
from heedful.reward.rules import FunctionReward, load_function, source_hash
from heedful.reward.shaping import Scale
from heedful.rollouts import Reward, Rollouts
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.console import say
from heedful.stages.measuring import true_score
from heedful.stages.project import Project
from heedful.stages.versions import load_reward

SCORES = "scores"
"""The folder in a project that holds what scorers said."""


def newest_reward(project: Project, wanted: str) -> str:
    """The id of a reward model; `newest` names the last one.

    Raises:
        Problem: there is none.
    """
    if wanted != "newest":
        return project.model(wanted).id
    rewards = project.store.models("reward")
    if not rewards:
        raise Problem(
            "there is no reward model yet",
            where=str(project.folder),
            mend="train one with `heedful reward`, or name a function with --reward-function FILE.py:NAME",
        )
    return rewards[-1].id


@dataclass(frozen=True)
class Cache:
    """Where known scores are kept."""

    scorer: str
    """Names what gives them, and its version."""
    path: Path


def cache_of(project: Project, reward: str) -> Cache:
    """The cache of a reward model or function, in the project: the next run knows what this one was told.

    A function is known by its name and the content of its file; of a module that is imported by its name alone.
    """
    source, _, name = reward.rpartition(":")
    version = source_hash(reward) or source
    scorer = f"{name}-{version}" if source else reward
    return Cache(scorer, project.folder / SCORES / f"{scorer}.jsonl")


def bare(judge: ScalarModel | None, function: str, model: LanguageModel, *, by_text: bool) -> Reward:
    """What gives a completion its score.

    Args:
        judge: a reward model; None: the function.
        function: FILE.py:NAME.
        model: the policy's, whose tokens are scored.
        by_text: score the text, because a stop text may have cut the tokens.
    """
    return FunctionReward(load_function(function)) if judge is None else _learned(judge, model, by_text=by_text)


def scorer(
    found: Reward, model: LanguageModel, credit: Credit, ledger: Ledger, cache: Cache | None, *, gold: bool
) -> Reward:
    """What a policy is improved against, before the leash.

    Args:
        found: gives a completion its score.
        model: the policy's.
        credit: where in a completion the score is paid.
        ledger: what the scorer is asked is booked there.
        cache: what is known already is not asked; None: everything is.
        gold: attach the playground's true score too, to be logged.

    Raises:
        Problem: the credit wants to know more of the scorer than the cache keeps.
    """
    if cache is None:
        found = ledger.rewarding(credited(found, credit, model))
    elif credit.kind == "attention":
        raise Problem(
            "a cache keeps scores, and the credit by attention goes by what the scorer looked at",
            where='setting "cache_scores"',
            mend="leave it off, or credit terminal, uniform, step or policy_attention",
        )
    else:
        known = CachedScorer(ledger.rewarding(found), cache.scorer, cache.path, ledger=ledger)
        found = credited(known, credit, model)
    return _with_gold(found) if gold else found


def scale_of(scorer: Reward, acting: Acting, samples: int, run: Run, ledger: Ledger) -> Scale:
    """What brings scores to mean 0 and variance 1 on the reference's own completions; kept in the run's record.

    Args:
        scorer: of training.
        acting: writes what is trained on; its reference writes here.
        samples: completions, at least; 0: scores stay as they are.
        run: measured once in it.
        ledger: of the run, still empty; what it cost is there afterwards, whenever it was paid.
    """
    if not samples:
        return Scale()
    if "scale" not in run.record:
        prompts = -(-samples // acting.completions_per_prompt)
        writer = LocalSampler(acting.reference, samples)
        apart = seed_of(acting.seed, "scale")
        asked = replace(acting, sampler=writer, prompts_per_step=prompts, seed=apart, provisional=False)
        temperature = acting.sampling.temperature
        scores_B = scorer(asked(LanguagePolicy(acting.reference, temperature=temperature), 0)).scores_B
        assert scores_B is not None
        run.note(scale=asdict(Scale.of(scores_B)), scale_costs=ledger.state_dict())
        spread = float(scores_B.std(correction=0))
        say(f"{len(scores_B)} completions of the reference score {float(scores_B.mean()):.2f}, spread {spread:.2f}.")
    ledger.load_state_dict(run.record["scale_costs"])
    return Scale(**run.record["scale"])


def validator(project: Project, name: str, model: LanguageModel, *, by_text: bool) -> Reward | None:
    """What is only watched: a reward model's id, a function as FILE.py:NAME, or nothing."""
    if not name:
        return None
    if ":" in name:
        return FunctionReward(load_function(name))
    return _learned(load_reward(project, project.model(name), model.device), model, by_text=by_text)


def _learned(judge: ScalarModel, model: LanguageModel, *, by_text: bool) -> Reward:
    judge.requires_grad_(requires_grad=False)
    return LearnedReward(judge, model.tokenizer, by_text=by_text)


def _with_gold(found: Reward) -> Reward:
    def scored(rollouts: Rollouts) -> Rollouts:
        pairs = zip(rollouts.prompts, rollouts.completions, strict=True)
        gold_B = torch.tensor([true_score(prompt, text) for prompt, text in pairs], device=rollouts.mask_BT.device)
        return found(rollouts).with_(gold_B=gold_B)

    return scored
