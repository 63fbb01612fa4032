"""`heedful sft`: supervised fine-tuning on demonstrations."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from heedful.compute.devices import choose_device
from heedful.language.imitation import examples_of_demonstrations
from heedful.language.tuning import Tuning
from heedful.records import Model
from heedful.stages.console import say, with_interval
from heedful.stages.imitating import Imitation, divided_demonstrations, held_out_nats, imitate
from heedful.stages.project import Project
from heedful.stages.versions import keep_policy, load_policy, start_computing, tune_for_run


@dataclass(frozen=True)
class Config:
    """Teach the current policy to answer as the demonstrations do; the loss is on answers, never on prompts."""

    project: Path
    """The project's folder; import demonstrations first (rows with `prompt` and `completion`)."""
    policy: str = "current"
    """The version to begin from."""
    imitation: Imitation = field(default_factory=lambda: Imitation(learning_rate=3e-4))
    tuning: Tuning = field(default_factory=Tuning)
    held_out: float = 0.1
    """Share of the prompts whose demonstrations are kept for measuring."""
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
        Problem: there are no demonstrations, or one is empty or too long.
    """
    project = Project.open(config.project)
    begin, new = project.policy_named(config.policy).id, project.next_id("policy")
    current = project.begin("sft", config, restart=config.restart, policy=begin, version=new)
    begin, new = current.record["inputs"]["policy"], current.record["inputs"]["version"]
    model = load_policy(project, project.model(begin), choose_device(config.device))
    start_computing(current, model, config.device, config.threads)
    tune_for_run(current, {"policy": model}, config.tuning, seed=config.seed)
    training, aside = divided_demonstrations(project, current, held_out=config.held_out, seed=config.seed)
    examples, examined = examples_of_demonstrations(model, training), examples_of_demonstrations(model, aside)
    clusters = [item.prompt.id for item in aside]
    before = held_out_nats(model, examined, clusters)
    say(f"{begin} learns from {len(training):,} demonstrations; {len(aside):,} on other prompts are held out.")
    imitate(model, examples, config.imitation, current, seed=config.seed, label="Fine-tuning")
    after = held_out_nats(model, examined, clusters)
    say(
        f"Held-out demonstrations: {with_interval(after.value, after.low, after.high)} nats per token "
        f"({begin}: {with_interval(before.value, before.low, before.high)}). This is version {new}."
    )
    record = Model(
        new,
        "policy",
        f"policies/{new}",
        parent=begin,
        snapshot=current.record["snapshots"][0],
        run=current.folder.name,
        config={"stage": "sft", "seed": config.seed},
    )
    keep_policy(project, model, record)
    current.finish({"before": [before.value, before.low, before.high], "after": [after.value, after.low, after.high]})
    return record
