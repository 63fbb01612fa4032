"""`heedful prefer`: teach the policy people's preferences directly, without a reward model in between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from heedful.compute.devices import choose_device
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning
from heedful.learning.direct import KTO, DirectMethods
from heedful.records import Model
from heedful.stages.answers import Voices
from heedful.stages.console import say
from heedful.stages.preferences import Wanted, gather
from heedful.stages.preferring import Examples, Training, learn_marks, learn_pairs
from heedful.stages.project import Project
from heedful.stages.versions import (
    automatic_rate,
    keep_policy,
    load_policy,
    share_what_is_frozen,
    start_computing,
    tune_for_run,
)

RATE = 0.1
"""Factor of the automatic learning rate, see `heedful.stages.versions.automatic_rate`."""


@dataclass(frozen=True)
class Config:
    """Teach the policy what people prefer, directly: from comparisons, labels (kto) or demonstrations (spin)."""

    project: Path
    """The project's folder."""
    method: Literal["dpo", "ipo", "simpo", "orpo", "slic", "kto", "spin"] = "dpo"
    """The loss; kto learns from single completions called good or bad, spin from demonstrations."""
    methods: DirectMethods = field(default_factory=DirectMethods)
    policy: str = "current"
    """The version to begin from."""
    reference: str = ""
    """The version that the policy is held near (dpo, ipo, kto); the one it begins from when left out."""
    voices: Voices = "any"
    """Whose answers: people, models, both; any stops where both answered."""
    campaigns: tuple[str, ...] = ()
    """Only answers to questions filed under these names; all when left out."""
    demonstrations: bool = False
    """Also pair each demonstration with the policy's own sample; spin always does, and learns from nothing else."""
    unpair: bool = True
    """kto: let the two sides of a decided comparison count as a good and a bad completion."""
    bad_flags: tuple[str, ...] = ()
    """kto: flags that make a completion a bad one, such as unsafe."""
    margins: bool = False
    """dpo and simpo: ask for larger differences where people were surer (strength of preference)."""
    holdout_by: str = "prompt"
    """What is never shared between training and held-out answers: prompt, or a metadata column."""
    held_out: float = 0.0
    """Share of the prompts (or of the column's values) held out; 0: a tenth of the prompts, a quarter of the values."""
    training: Training = field(default_factory=Training)
    tuning: Tuning = field(default_factory=Tuning)
    sampling: Sampling = field(default_factory=Sampling)
    """Of the policy's own samples beside demonstrations."""
    skip_overlong: bool = False
    """Leave out answers whose prompt fills the model's context, instead of stopping."""
    seed: int = 0
    """Decides what is held out, the order, and samples."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""

    def wanted(self) -> Wanted:
        """Which answers in the store the method learns from."""
        kto, spin = self.method == "kto", self.method == "spin"
        return Wanted(
            pairs=not spin and (self.unpair or not kto),
            labels=kto,
            demonstrations=spin or (self.demonstrations and not kto),
            voices=self.voices,
            campaigns=self.campaigns,
            bad_flags=self.bad_flags,
        )


def run(config: Config, *, name: str = "") -> Model:
    """Train on a snapshot of the answers, report held-out accuracy, save; the version is a candidate until `evaluate`.

    Raises:
        Problem: there is nothing to learn from or to examine with, or an answer does not fit the model.
    """
    project = Project.open(config.project)
    begin, new = project.policy_named(config.policy).id, project.next_id("policy")
    against = project.policy_named(config.reference).id if config.reference and config.method != "spin" else begin
    current = project.begin(
        "prefer", config, name=name, restart=config.restart, policy=begin, version=new, reference=against
    )
    facts = current.record["inputs"]
    if current.finished:
        return project.model(facts["version"])
    learnt, aside = gather(
        project, current, config.wanted(), by=config.holdout_by, held_out=config.held_out, seed=config.seed
    )
    device = choose_device(config.device)
    model = load_policy(project, project.model(facts["policy"]), device)
    reference = load_policy(project, project.model(facts["reference"]), device).frozen_copy()
    start_computing(current, model, config.device, config.threads)
    tune_for_run(current, {"policy": model}, config.tuning, seed=config.seed)
    share_what_is_frozen([model], [reference])
    method = config.methods.named(config.method)
    examples = Examples(
        learnt,
        aside,
        holdout_by=config.holdout_by,
        skip_overlong=config.skip_overlong,
        margins=config.margins,
        sampling=config.sampling,
        bad_flags=config.bad_flags,
        seed=config.seed,
    )
    rate = config.training.learning_rate or automatic_rate(model.parameters(), RATE, config.tuning)
    training = replace(config.training, learning_rate=rate)
    if isinstance(method, KTO):
        result = learn_marks(training, current, model, reference, examples, method)
    else:
        result = learn_pairs(training, current, model, reference, examples, method)
    record = Model(
        facts["version"],
        "policy",
        f"policies/{facts['version']}",
        parent=facts["policy"],
        snapshot=current.record["snapshots"][0],
        run=current.folder.name,
        config={"stage": "prefer", "method": config.method, "seed": config.seed, "reference": facts["reference"]},
        status="candidate",
    )
    keep_policy(project, model, record)
    say(f"This is version {record.id}.")
    current.finish({"version": record.id, **result})
    return record
