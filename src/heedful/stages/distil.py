"""`heedful distil`: a version learns to write without a context what a version writes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from heedful.compute.devices import choose_device
from heedful.errors import Problem
from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import Interval, mean_interval
from heedful.language import prompts as order
from heedful.language.distilling import Lesson, both_prompts, distillation_loss
from heedful.language.engines.local import LocalSampler
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning
from heedful.records import Model, Prompt
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.console import say, with_interval
from heedful.stages.imitating import Imitation, descend
from heedful.stages.project import Project
from heedful.stages.versions import keep_policy, load_policy, start_computing, tune_for_run
from heedful.stages.wording import read_words


@dataclass(frozen=True)
class Config:
    """Teach a policy to write without a context (a file of instructions, say) as it writes with it."""

    project: Path
    """The project's folder."""
    context: str = ""
    """A text file that stands before every prompt of the teacher; as a system message where prompts are conversations.
    Empty: the teacher writes without one, and must be another version."""
    policy: str = "current"
    """The version that learns."""
    teacher: str = ""
    """The version that writes with the context; empty: the one that learns, as it is now."""
    prompts: int = 512
    """Prompts of the training part to write to."""
    completions_per_prompt: int = 2
    """The teacher's texts for each."""
    examined: int = 64
    """Prompts kept for evaluation on which the divergence is measured, before and after."""
    sampling: Sampling = field(default_factory=Sampling)
    imitation: Imitation = field(default_factory=lambda: Imitation(learning_rate=3e-4, micro_batch=16))
    tuning: Tuning = field(default_factory=Tuning)
    seed: int = 0
    """Decides the teacher's texts and their order."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""


def run(config: Config, *, name: str = "") -> Model:
    """Let the teacher write, train, measure, save as the next version; a candidate until `evaluate` has rated it.

    Raises:
        Problem: there is no context to distil, or it does not fit into the model's.
    """
    project = Project.open(config.project)
    begin, new = project.policy_named(config.policy).id, project.next_id("policy")
    teacher_id = project.policy_named(config.teacher or config.policy).id
    context = read_words(config.context, "the context", "write into it what the model should always be told")
    if not context and teacher_id == begin:
        raise Problem(
            "the teacher would be its own student: there is no context, and no other version",
            where=config.context,
            mend="name a file with --context, or another version with --teacher",
        )
    facts = {"policy": begin, "version": new, "teacher": teacher_id, "context": context}
    current = project.begin("distil", config, name=name, restart=config.restart, **facts)
    facts = current.record["inputs"]
    begin, new, context = facts["policy"], facts["version"], facts["context"]
    if current.finished:
        return project.model(new)
    device = choose_device(config.device)
    model = load_policy(project, project.model(begin), device)
    teacher = load_policy(project, project.model(facts["teacher"]), device).frozen_copy()
    start_computing(current, model, config.device, config.threads)
    tune_for_run(current, {"policy": model}, config.tuning, seed=config.seed)
    before, after = _teach(project, config, current, model, teacher)
    say(
        f"Divergence from {facts['teacher']}{' with the context' if context else ''} on prompts kept for evaluation: "
        f"{with_interval(before.value, before.low, before.high, digits=3)} nats per token before, "
        f"{with_interval(after.value, after.low, after.high, digits=3)} after. This is version {new}."
    )
    record = Model(
        new,
        "policy",
        f"policies/{new}",
        parent=begin,
        run=current.folder.name,
        config={"stage": "distil", "teacher": facts["teacher"], "context": context, "seed": config.seed},
        status="candidate",
    )
    keep_policy(project, model, record)
    shown = {"before": [before.value, before.low, before.high], "after": [after.value, after.low, after.high]}
    current.finish({"version": new, **shown})
    return record


def _teach(
    project: Project, config: Config, run: Run, model: LanguageModel, teacher: LanguageModel
) -> tuple[Interval, Interval]:
    """The divergence on prompts kept for evaluation, before and after."""
    context = run.record["inputs"]["context"]
    pool = project.prompts("train", run)
    chosen = order.batch(pool, 0, min(config.prompts, len(pool)), seed_of(config.seed, "distil"))
    lessons = _lessons(teacher, chosen * config.completions_per_prompt, context, config, "lessons")
    kept = order.batch(project.prompts("evaluate", run), 0, config.examined, seed_of(config.seed, "examined"))
    kept = list({prompt.id: prompt for prompt in kept}.values())
    examined = _lessons(teacher, kept, context, config, "examined")
    before = divergence(model, teacher, examined)
    say(f"The teacher wrote {len(lessons):,} texts to {len(chosen):,} prompts.")
    loss = partial(distillation_loss, model, teacher)
    descend({"model": model}, lessons, loss, config.imitation, run, seed=config.seed, label="Distilling")
    return before, divergence(model, teacher, examined)


def _lessons(
    teacher: LanguageModel, prompts: Sequence[Prompt], context: str, config: Config, purpose: str
) -> list[Lesson]:
    """What the teacher writes to each prompt, the same at every start of the run."""
    both = [both_prompts(teacher, prompt, context, config.sampling.max_new_tokens) for prompt in prompts]
    seeds = [seed_of(config.seed, purpose, row) for row in range(len(prompts))]
    samples = LocalSampler(teacher).sample([prompted for _, prompted in both], config.sampling, seeds)
    return [Lesson(*pair, list(sample.token_ids)) for pair, sample in zip(both, samples, strict=True)]


@torch.no_grad()
def divergence(model: LanguageModel, teacher: LanguageModel, lessons: Sequence[Lesson]) -> Interval:
    """KL(teacher with the context || model without), nats per token: the mean over texts of each text's mean."""
    means = []
    for lesson in lessons:
        _, count, metrics = distillation_loss(model, teacher, [lesson])
        means.append(float(metrics["teacher_kl"][0]) / float(count))
    return mean_interval(means, clustering_of(None, list(range(len(means)))))
