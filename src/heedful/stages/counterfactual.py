"""A log that says with what probability it was written: what a policy learns from it, and would have earned on it.

Every completion that a version of the project writes is stored with its tokens and their log-probabilities, and so
one reward each is enough to improve a policy without sampling (`heedful.learning.bandit`). What other prompts earned
is kept apart and says, weighted in the same way, what the policy is worth beside the log's own mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from statistics import fmean, pstdev
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from heedful.errors import Problem
from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import mean_interval
from heedful.language import prompts as order
from heedful.language.chat import encode_prompt
from heedful.language.imitation import Example, by_length, completion_logprobs
from heedful.language.pretrained import LanguageModel
from heedful.learning.bandit import PLAIN, Bandit, Reweighing, Worth, bandit_loss, log_weights, reweigh, worth
from heedful.records import Completion, Metadata, Prompt
from heedful.rollouts import Metrics, Stats
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.answers import divided
from heedful.stages.console import say, with_interval
from heedful.stages.imitating import Imitation, descend
from heedful.stages.logged import Earned, Source, earned
from heedful.stages.project import Project

TOO_FEW = 30
"""An effective sample below it is said to be too small to trust."""


@dataclass(frozen=True)
class Drawn:
    """A completion as it was sampled, and what it earned."""

    prompt: Prompt
    example: Example
    reward: float
    logprob: float
    """Nats, of the whole completion under whoever wrote it."""
    temperature: float
    """At which it was written."""
    policy: str
    metadata: Metadata = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Tokens to forward."""
        return self.example.length


@dataclass(frozen=True)
class Draws:
    """A log for learning by importance weights."""

    training: list[Drawn]
    aside: list[Drawn]
    """On other prompts: for measuring."""
    what: str
    """Where the rewards come from."""
    left_out: Mapping[str, int]
    """Why completions with a reward cannot be used -> how many."""

    @property
    def mean(self) -> float:
        """Of the rewards that are learnt from."""
        return fmean(row.reward for row in self.training)

    @property
    def deviation(self) -> float:
        """Their population standard deviation."""
        return pstdev(row.reward for row in self.training)


def draws(project: Project, run: Run, model: LanguageModel, source: Source, *, held_out: float, seed: int) -> Draws:
    """The completions of the store that have a reward and say with what probability they were written.

    One row a completion, though its text may be that of another one: it was sampled so often. Several answers on one
    completion are averaged.

    Raises:
        Problem: too few can be used, or all earned the same.
    """
    rewards, what = earned(project, run, model, source)
    values: dict[str, list[float]] = {}
    prompts: dict[str, Prompt] = {}
    for id_, each in zip(_completions_of(project, rewards), rewards, strict=True):
        values.setdefault(id_, []).append(each.value)
        prompts[each.prompt.id] = each.prompt
    usable, reasons = list[Drawn](), list[str]()
    for completion in project.store.completions(values):
        reason = unusable(model, completion)
        if reason:
            reasons.append(reason)
            continue
        prompt = prompts[completion.prompt_id]
        example = Example(encode_prompt(model, prompt), list(completion.token_ids))
        logprob, temperature = sum(completion.logprobs), float(completion.sampling["temperature"])
        usable.append(Drawn(prompt, example, fmean(values[completion.id]), logprob, temperature, completion.policy))
    left_out = dict(Counter(reasons).most_common())
    if len({row.prompt.id for row in usable}) < 2:
        told = "; ".join(f"{count:,} {reason}" for reason, count in left_out.items())
        raise Problem(
            f"of {len(values):,} completions with a reward {len(usable):,} say with what probability they were "
            f"written, and two on different prompts are needed" + (f" ({told})" if told else ""),
            where=str(project.folder),
            mend="learn from what versions of this project wrote at a temperature above 0, without top_p and top_k; "
            "for other logs take --method weighted, which needs no probabilities",
        )
    training, aside = divided(project, run, usable, held_out=held_out, seed=seed)
    found = Draws(training, aside, what, left_out)
    if len(training) < 2 or len(aside) < 2 or found.deviation < 1e-9:
        raise Problem(
            "all logged completions earned the same, so none can be told to be better"
            if len(training) > 1 and len(aside) > 1
            else f"{len(training):,} logged completions are left to learn from and {len(aside):,} to measure with",
            where=str(project.folder),
            mend="collect more labels, on prompts that are not kept for evaluation too, or change --held-out",
        )
    return found


def unusable(model: LanguageModel, completion: Completion) -> str:
    """Why a completion's probability under whoever wrote it is not known; empty where it is."""
    if not completion.logprobs or len(completion.logprobs) != len(completion.token_ids):
        return "without log-probabilities, such as imported ones"
    told = completion.sampling
    if not isinstance(told.get("temperature"), int | float) or told["temperature"] <= 0:
        return "at temperature 0, or at one that is not known"
    if told.get("top_p", 1.0) != 1.0 or told.get("top_k", 0) != 0:
        return "cut off by top_p or top_k, which their log-probabilities do not know of"
    if max(completion.token_ids) >= model.vocabulary or not model.decode(completion.token_ids).startswith(
        completion.text
    ):
        return "in the tokens of another model"
    return ""


def _completions_of(project: Project, rewards: Sequence[Earned]) -> list[str]:
    """The ids of the completions that the rewards are about."""
    asked = {each.question for each in rewards if each.question}
    shown = {question.id: question.completion_ids for question in project.store.questions(ids=asked)}
    texts = {
        completion.id: completion.text
        for completion in project.store.completions(dict.fromkeys(id_ for ids in shown.values() for id_ in ids))
    }
    return [each.completion or next(id_ for id_ in shown[each.question] if texts[id_] == each.text) for each in rewards]


# Learning


def fit_bandit(
    model: LanguageModel, log: Draws, settings: Bandit, pace: Imitation, run: Run, *, seed: int
) -> dict[str, Any]:
    """Train in place, resumable; what the policy would have earned on the held-out part, before and after."""
    before = worth_of(model, log.aside, settings)
    found = Reweigher(model, log, settings, seed=seed)
    stats = descend(
        {"model": model},
        log.training,
        partial(_loss, model, log, settings, found),
        pace,
        run,
        seed=seed,
        label="Learning from a log",
        after=found.after,
        state={"reweighing": found},
    )
    return {"value": _said(log, before, worth_of(model, log.aside, settings)), "last": stats}


def _loss(
    model: LanguageModel, log: Draws, settings: Bandit, weighed: Reweigher, batch: Sequence[Drawn]
) -> tuple[Tensor, Tensor, Metrics]:
    """Rewards come with mean 0 and variance 1, so that a learning rate means the same in any unit."""
    logprobs_BT, mask_BT = logprobs(model, batch)
    rewards_B = (torch.tensor([row.reward for row in batch]) - log.mean) / log.deviation
    logged_B = torch.tensor([row.logprob for row in batch])
    return bandit_loss(
        logprobs_BT,
        mask_BT,
        rewards_B.to(model.device),
        logged_B.to(model.device),
        clip=settings.clip,
        reweighing=weighed.now,
    )


class Reweigher:
    """Looks at the log every now and then: at the mean weight, the value and the effective sample size."""

    def __init__(self, model: LanguageModel, log: Draws, settings: Bandit, *, seed: int) -> None:
        self.model, self.log, self.settings, self.seed = model, log, settings, seed
        self.now: Reweighing = PLAIN
        self.after(-1)

    def after(self, step: int) -> Stats | None:
        """What a look says, where one is due after the step (from 0); -1: before all of them."""
        if (step + 1) % self.settings.reweigh_every:
            return None
        size = min(self.settings.looked_at or len(self.log.training), len(self.log.training))
        rows = order.batch(self.log.training, 0, size, seed_of(self.seed, "looked at", step))
        logs_N, rewards_N = _log_weights(self.model, rows), torch.tensor([row.reward for row in rows])
        if self.settings.estimator == "self_normalised":
            self.now = reweigh(logs_N, (rewards_N - self.log.mean) / self.log.deviation, self.settings.clip)
        found = worth(logs_N, rewards_N, self.settings)
        return {"log_value": found.value, "effective_samples": found.effective * len(self.log.training) / size}

    def state_dict(self) -> dict[str, float]:
        """What the last look gave."""
        return {"log_scale": self.now.log_scale, "baseline": self.now.baseline}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on with it."""
        self.now = Reweighing(**state_dict)


def worth_of(model: LanguageModel, rows: Sequence[Drawn], settings: Bandit) -> Worth:
    """What a model would have earned, writing at the temperatures at which the log was written."""
    return worth(_log_weights(model, rows), torch.tensor([row.reward for row in rows]), settings)


@torch.no_grad()
def _log_weights(model: LanguageModel, rows: Sequence[Drawn], chunk: int = 32) -> Tensor:
    found_N = torch.zeros(len(rows), dtype=torch.float64)
    for index in by_length(rows, chunk):
        some = [rows[i] for i in index]
        logged_M = torch.tensor([row.logprob for row in some], dtype=torch.float64)
        found_N[index] = log_weights(logprobs(model, some)[0].double().sum(1).cpu(), logged_M)
    return found_N


def logprobs(model: LanguageModel, rows: Sequence[Drawn]) -> tuple[Tensor, Tensor]:
    """(logprobs_BT, mask_BT) of completions, each at the temperature at which it was written."""
    places = sorted(range(len(rows)), key=lambda place: rows[place].temperature)
    steps = max(len(row.example.completion) for row in rows)
    parts = []
    for temperature, some in groupby(places, key=lambda place: rows[place].temperature):
        found = completion_logprobs(model, [rows[place].example for place in some], temperature)
        parts.append([F.pad(x_BT, (0, steps - x_BT.shape[1])) for x_BT in found])
    back = sorted(range(len(rows)), key=places.__getitem__)
    logprobs_BT, mask_BT = (torch.cat(column)[back] for column in zip(*parts, strict=True))
    return logprobs_BT, mask_BT


# What came of it


def _said(log: Draws, before: Worth, after: Worth) -> dict[str, Any]:
    """The held-out numbers with intervals, printed and for the run's result."""
    rewards_N = torch.tensor([row.reward for row in log.aside], dtype=torch.float64)
    clusters = clustering_of(None, [row.prompt.id for row in log.aside], "prompt")
    numbers = {
        "logged": rewards_N,
        "before": before.each_N,
        "after": after.each_N,
        "gain": after.each_N - rewards_N,
    }
    found: dict[str, Any] = {}
    for name, values_N in numbers.items():
        each = mean_interval(values_N.numpy(), clusters)
        found[name] = [each.value, each.low, each.high]
    told = {name: with_interval(*values) for name, values in found.items()}
    say(
        f"Held-out log: it earned {told['logged']}; the policy would have earned {told['before']} before and "
        f"{told['after']} now, {told['gain']} more than the log. Effective sample size: {after.effective:.1f} of "
        f"{len(log.aside):,}."
    )
    if after.effective < min(TOO_FEW, 0.5 * len(log.aside)):
        say("That is few: the policy has gone where the log says little. Collect anew, or learn more slowly.")
    return {**found, "effective": after.effective, "held_out": len(log.aside)}
