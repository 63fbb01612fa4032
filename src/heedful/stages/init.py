"""`heedful init`: begin a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heedful.errors import Problem
from heedful.files import write_text
from heedful.records import Model
from heedful.settings import FILE
from heedful.stages.console import say
from heedful.stages.project import Project

SETTINGS = """\
# Settings of this heedful project. Each section is a verb, each key one of its options: `heedful VERB --help`.
# The command line goes before this file.

[project]
database = "heedful.db"   # or a URL: postgresql+psycopg://user@host/name
held_out = 0.1            # share of the prompts never trained on, where prompts bring no split of their own
seed = 0
# precision = "bfloat16"  # of matrix products, on a GPU that is made for it; weights stay float32

# [improve]
# algorithm = "ppo"
# steps = 100
# [improve.algorithms.ppo]
# clip = 0.2
"""


@dataclass(frozen=True)
class Config:
    """Begin a project: a folder with a store for judgements and, with --model, a model to improve."""

    project: Path
    """The project's folder; made if it is not there."""
    model: str = ""
    """A folder or hub id of a Hugging Face causal language model; without one the project collects judgements only."""
    tokenizer: str = ""
    """A folder or hub id of its tokenizer, when it is not with the model."""


def run(config: Config) -> Project:
    """Make the folder, the settings file, the store and, with a model, version v0.

    Raises:
        Problem: the project exists and has a model already, the folder holds something else, or the model cannot
            be loaded. Nothing is left behind.
    """
    weights = _load(config) if config.model else None
    fresh = not (config.project / FILE).is_file()
    if fresh and config.project.is_dir() and any(config.project.iterdir()):
        raise Problem(
            "this folder is not empty and holds no heedful project",
            where=str(config.project),
            mend="choose another folder",
        )
    if fresh:
        write_text(config.project / FILE, SETTINGS)
    project = Project.open(config.project)
    if not fresh and (weights is None or project.store.models("policy")):
        raise Problem("there is a project here already", where=str(config.project), mend="use it, or choose another")
    say(f"{'Made' if fresh else 'Opened'} the project {config.project}.")
    if weights is not None:
        from heedful.stages.versions import keep_policy

        record = Model("v0", "policy", "policies/v0", config={"source": config.model})
        keep_policy(project, weights, record)
        size = sum(parameter.numel() for parameter in weights.parameters())
        say(f"Version v0 is {config.model} ({size:,} parameters, context {weights.context_tokens} tokens).")
    else:
        say("It has no model: it collects judgements only, until `heedful init` is called again with --model.")
    return project


def _load(config: Config):  # type: ignore[no-untyped-def] # the type's home is imported only with a model
    from heedful.language.pretrained import load

    return load(config.model, tokenizer=config.tokenizer or None)
