"""`heedful sft`: supervised fine-tuning on demonstrations, critiques, or conversations under an instruction."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from heedful.compute.devices import choose_device
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning
from heedful.records import Model
from heedful.stages.console import say, with_interval
from heedful.stages.imitating import Imitation, held_out_nats, imitate
from heedful.stages.project import Project
from heedful.stages.teaching import Critic, Ghost, Learn, taught, words_of
from heedful.stages.versions import keep_policy, load_policy, start_computing, tune_for_run


@dataclass(frozen=True)
class Config:
    """Teach the policy to answer as people do, to criticise as they do, or to keep to an instruction over many turns;
    the loss is on answers, never on prompts."""

    project: Path
    """The project's folder; import demonstrations first (rows with `prompt` and `completion`)."""
    learn: Learn = "demonstrations"
    """demonstrations; critiques: what people wrote about answers, asked for as self-feedback asks; ghost: the model's
    own conversations, held with an instruction in each turn and learnt with it in the first (Llama 2)."""
    critic: Critic = field(default_factory=Critic)
    ghost: Ghost = field(default_factory=Ghost)
    sampling: Sampling = field(default_factory=Sampling)
    """ghost: of the model's answers in its conversations."""
    policy: str = "current"
    """The version to begin from."""
    imitation: Imitation = field(default_factory=lambda: Imitation(learning_rate=3e-4))
    tuning: Tuning = field(default_factory=Tuning)
    held_out: float = 0.1
    """Share of the prompts whose demonstrations, critiques or conversations are kept for measuring."""
    seed: int = 0
    """Decides the order and what is held out."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""


def run(config: Config) -> Model:
    """Train, measure on held-out prompts beside the start, save as the next version.

    Raises:
        Problem: there is nothing to learn from, or something is empty or too long.
    """
    project = Project.open(config.project)
    begin, new = project.policy_named(config.policy).id, project.next_id("policy")
    words = words_of(config.learn, config.critic, config.ghost)
    current = project.begin("sft", config, restart=config.restart, policy=begin, version=new, **words)
    begin, new = current.record["inputs"]["policy"], current.record["inputs"]["version"]
    model = load_policy(project, project.model(begin), choose_device(config.device))
    start_computing(current, model, config.device, config.threads)
    found = taught(
        project,
        current,
        model,
        config.learn,
        ghost=config.ghost,
        sampling=config.sampling,
        held_out=config.held_out,
        seed=config.seed,
    )
    tune_for_run(current, {"policy": model}, config.tuning, seed=config.seed)
    before = held_out_nats(model, found.aside, found.clusters)
    say(
        f"{begin} learns from {len(found.training):,} {found.what}; {len(found.aside):,} on other prompts are held out."
    )
    imitate(model, found.training, config.imitation, current, seed=config.seed, label="Fine-tuning")
    after = held_out_nats(model, found.aside, found.clusters)
    say(
        f"Held-out {found.what}: {with_interval(after.value, after.low, after.high)} nats per token "
        f"({begin}: {with_interval(before.value, before.low, before.high)}). This is version {new}."
    )
    record = Model(
        new,
        "policy",
        f"policies/{new}",
        parent=begin,
        snapshot=next(iter(current.record["snapshots"]), None),
        run=current.folder.name,
        config={"stage": "sft", "learn": config.learn, "seed": config.seed},
    )
    keep_policy(project, model, record)
    shown = {"before": [before.value, before.low, before.high], "after": [after.value, after.low, after.high]}
    current.finish({"examples": len(found.training), **shown})
    return record
