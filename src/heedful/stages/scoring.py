"""What completions are scored by: a reward model of the project, or a Python function."""

from __future__ import annotations

import torch

from heedful.errors import Problem
from heedful.language.heads import ScalarModel
from heedful.language.pretrained import LanguageModel
from heedful.reward.completions import LearnedReward
from heedful.reward.credit import Credit, credited
from heedful.reward.rules import FunctionReward, load_function
from heedful.rollouts import Reward, Rollouts
from heedful.stages.measuring import true_score
from heedful.stages.project import Project
from heedful.stages.versions import load_reward


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


def scorer(
    judge: ScalarModel | None, function: str, model: LanguageModel, credit: Credit, *, by_text: bool, gold: bool
) -> Reward:
    """What a policy is improved against, before the leash.

    Args:
        judge: a reward model; None: the function.
        function: FILE.py:NAME.
        model: the policy's, whose tokens are scored.
        credit: where in a completion the score is paid.
        by_text: score the text, because a stop text may have cut the tokens.
        gold: attach the playground's true score too, to be logged.
    """
    found: Reward = (
        FunctionReward(load_function(function)) if judge is None else _learned(judge, model, by_text=by_text)
    )
    found = credited(found, credit, model)
    return _with_gold(found) if gold else found


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
