"""A project: a folder with settings, a store, policies, reward models and runs. No torch here.

PROJECT/
  heedful.toml    settings: [project], and one section per verb
  heedful.db      the store (SQLite), unless [project] database names another
  policies/v0 ... Hugging Face folders, one per version
  rewards/r1 ...  reward models
  scores/         what scorers said, where `improve` keeps it (cache_scores)
  runs/           one folder per run
  report.html     the newest report
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from heedful.errors import Problem
from heedful.feedback.splits import split
from heedful.feedback.store import Store
from heedful.records import Model, Prompt
from heedful.runs import Run
from heedful.settings import FILE, load

RUNTIME_FIELDS = ("project", "restart", "device", "threads", "wait", "patience")
"""Fields of a Config that say where and how to run, not what to compute; two runs may differ in them."""


@dataclass(frozen=True)
class ProjectSettings:
    """The section [project] of heedful.toml."""

    database: str = "heedful.db"
    """A file in the project, or a URL such as postgresql+psycopg://user@host/name."""
    held_out: float = 0.1
    """Share of the prompts that is never trained on, where prompts bring no split of their own."""
    seed: int = 0
    """Decides which prompts are held out."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What models compute in; bfloat16 is for GPUs that are made for it. Weights are kept in float32 either way."""


class Project:
    """An open project. Make it with `Project.open` or `heedful init`."""

    def __init__(self, folder: Path, settings: ProjectSettings) -> None:
        self.folder, self.settings = folder, settings
        database = settings.database
        self.store = Store.open(database if "://" in database else folder / database)

    @classmethod
    def open(cls, folder: Path, database: str = "") -> Project:
        """Open the project in `folder`, on another database than its settings name if `database` is given.

        Raises:
            Problem: there is none, its settings are wrong, or its database cannot be used.
        """
        if not (folder / FILE).is_file():
            raise Problem(
                "this is not a heedful project" if folder.is_dir() else "there is no such folder",
                where=str(folder),
                mend=f"make one with `heedful init {folder}`",
            )
        settings = load(ProjectSettings, folder / FILE, "project")
        return cls(folder, dataclasses.replace(settings, database=database) if database else settings)

    @property
    def runs(self) -> Path:
        """Where the runs are."""
        return self.folder / "runs"

    def begin(self, stage: str, config: Any, *, name: str = "", restart: bool = False, **inputs: Any) -> Run:
        """Open the run of a stage: the unfinished one with the same settings, or a new one.

        Args:
            config: the stage's Config; fields that do not decide the result are left out.
            name: a fixed name for the run's folder.
            restart: put an unfinished run aside.
            inputs: facts that belong to the first start (policy version, snapshot); a resumed run keeps its own. How
                many prompts the store had is always among them. A run that has written nothing but its settings begins
                anew if its reward function (`function`) has been corrected since, under the names that it chose.
        """
        settings = {key: value for key, value in dataclasses.asdict(config).items() if key not in RUNTIME_FIELDS}
        run = Run.open(self.runs, stage, settings, name=name, restart=restart)
        known = run.record.get("inputs", {})
        if known and known.get("function") != inputs.get("function") and _bare(run):
            inputs |= {key: known[key] for key in ("version", "model") if key in known}
            run = Run.open(self.runs, stage, settings, name=name, restart=True)
        if "inputs" not in run.record:
            run.note(inputs={**inputs, "prompts": len(self.store.prompts())})
        return run

    # Models

    def model(self, id_: str) -> Model:
        """The policy or reward model called `id_`.

        Raises:
            Problem: there is none of that name.
        """
        known = {model.id: model for model in self.store.models()}
        if id_ not in known:
            names = ", ".join(known) or "none yet"
            raise Problem(f"there is no model {id_!r}", where=str(self.folder), mend=f"this project has: {names}")
        return known[id_]

    def current_policy(self) -> Model:
        """The newest promoted policy.

        Raises:
            Problem: the project has no model.
        """
        promoted = [model for model in self.store.models("policy") if model.status == "promoted"]
        if not promoted:
            raise Problem(
                "this project has no model; it collects judgements only",
                where=str(self.folder),
                mend=f"give it one: `heedful init {self.folder} --model PATH_OR_ID`",
            )
        return promoted[-1]

    def policy_named(self, version: str) -> Model:
        """The policy `version`, where `current` means the newest promoted one and `start` the first of all."""
        if version == "current":
            return self.current_policy()
        if version == "start":
            self.current_policy()
            return self.store.models("policy")[0]
        return self.model(version)

    def next_id(self, kind: Literal["policy", "reward"]) -> str:
        """A name for a new model: v0, v1, ... or r1, r2, ...; never one that an unfinished run means to give."""
        letter, first = ("v", 0) if kind == "policy" else ("r", 1)
        taken = {model.id for model in self.store.models(kind)} | self._promised()
        number = first + len(self.store.models(kind))
        while f"{letter}{number}" in taken:
            number += 1
        return f"{letter}{number}"

    def _promised(self) -> set[str]:
        """Names that unfinished runs chose for their models when they began."""
        names: set[str] = set()
        for path in self.runs.glob("*/run.json"):
            if ".abandoned-" in path.parent.name or (path.parent / "result.json").is_file():
                continue
            inputs = json.loads(path.read_text(encoding="utf-8")).get("inputs", {})
            names |= {inputs[key] for key in ("version", "model") if key in inputs}
        return names

    # Prompts

    def prompts(self, purpose: Literal["train", "evaluate"], run: Run | None = None) -> list[Prompt]:
        """Prompts to train on (`train`) or to examine with (`evaluate`), never shared between the two.

        A prompt whose metadata has a `split` goes by it (`train` or anything else); the others are divided by a
        hash of their content. With `run`, only those that the store had when the run began: a resumed run works on
        the same ones, whatever has been imported since.

        Raises:
            Problem: the project has no prompts for this purpose.
        """
        usable = self._usable_prompts(run)
        told = [prompt for prompt in usable if "split" in prompt.metadata]
        untold = [_Holder(prompt, prompt.metadata) for prompt in usable if "split" not in prompt.metadata]
        train, held_out = (
            split(untold, held_out=self.settings.held_out, seed=self.settings.seed) if untold else ([], [])
        )
        if purpose == "train":
            found = [p for p in told if p.metadata["split"] == "train"] + [holder.prompt for holder in train]
        else:
            found = [p for p in told if p.metadata["split"] != "train"] + [holder.prompt for holder in held_out]
        if not found:
            raise Problem(
                f"there are no prompts to {purpose} with",
                where=str(self.folder),
                mend="import some: `heedful import PROJECT prompts.jsonl` with a field `prompt` on each line",
            )
        return sorted(found, key=lambda prompt: prompt.id)

    def examination_prompts(self, run: Run | None = None) -> set[str]:
        """Ids of the prompts that are kept for evaluation; nothing is trained on what was said about them."""
        try:
            return {prompt.id for prompt in self.prompts("evaluate", run)}
        except Problem:  # there are none, or only one prompt, which cannot be divided
            return set()

    def _usable_prompts(self, run: Run | None) -> list[Prompt]:
        """Prompts that ask something; with `run`, those that the store had when it began."""
        known = self.store.prompts()
        if run is not None:
            known = known[: run.record["inputs"]["prompts"]]
        return [prompt for prompt in known if prompt.text or prompt.messages]


def _bare(run: Run) -> bool:
    """Whether a run has written nothing but its settings."""
    return [path.name for path in run.folder.iterdir()] == ["run.json"]


@dataclass(frozen=True)
class _Holder:
    """A prompt in the shape that `split` takes."""

    prompt: Prompt
    metadata: Mapping[str, Any]
