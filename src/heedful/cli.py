"""The command line: one verb per stage, and no logic of its own.

A verb's stage is the module `heedful.stages.<verb>` (or one of `OTHER_MODULES`) with a frozen dataclass `Config`, whose
field docstrings are the help, and a function `run(config)`. The values come in layers: the field's default, the
project's heedful.toml, the command line. `heedful --help` imports no stage, so that it answers at once.

Exit status: 0 done, 2 a `Problem` that its reader can mend, 130 stopped by Ctrl-C. Anything else that escapes is a
defect of heedful and keeps its traceback.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import sys
import typing
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypeVar

from heedful import __version__
from heedful.errors import Problem, from_os_error
from heedful.settings import FILE, from_file, nearest

C = TypeVar("C")

VERBS: dict[str, str] = {
    "demo": "the whole loop in a playground with known hidden qualities, in minutes and on a laptop",
    "init": "begin a project: a folder with a model, prompts and a store for judgements",
    "serve": "the feedback app: people judge in their browsers, the owner steers",
    "import": "read prompts, demonstrations, comparisons or votes from a file into the store",
    "export": "write judgements and training views to files that other libraries read",
    "pretrain": "train a small language model from scratch on plain text",
    "sft": "fine-tune the policy on demonstrations (supervised)",
    "collect": "sample completions from the policy and make questions of them",
    "queue": "ask people about what a deployed model answered, where the reward models know least",
    "judge": "answer the waiting questions in the terminal, or let a model or a function answer them",
    "self-feedback": "let a model revise its own answers by rules, or judge what it wrote and learn from that",
    "audit": "find labels that are probably wrong, by reward models that did not learn from them",
    "reward": "train a reward model on the judgements",
    "prefer": "teach the policy people's preferences directly, without a reward model (dpo, kto, spin ...)",
    "improve": "improve the policy by reinforcement learning under a KL leash",
    "reject": "sample many, keep the best of all rounds and imitate them (rejection sampling)",
    "offline": "learn from logged completions and what they earned: ILQL, inverse RL, reward-weighted imitation",
    "distil": "teach the policy to write without a prompt as it does with one (context distillation)",
    "evaluate": "rate policies against each other, with error bars",
    "iterate": "go round: collect, judge, reward, improve, evaluate, and again",
    "report": "write what happened as one page: metrics, ratings, samples, provenance",
    "backup": "copy the store to a file while the server runs, and check the copy",
}
"""Verb -> what it does, in the order in which a project meets them."""

EXTRAS: dict[str, str] = {
    "torch": "train",
    "transformers": "train",
    "tokenizers": "train",
    "safetensors": "train",
    "peft": "train",
    "tensorboard": "train",
    "gymnasium": "control",
    "psycopg": "postgres",
    "ray": "ray",
    "vllm": "vllm",
}
"""A package that may be missing -> the extra of heedful that brings it."""

USAGE = "usage: heedful VERB PROJECT [options]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line `arguments` (by default the process's own) and return the exit status."""
    try:
        return _dispatch(list(sys.argv[1:] if arguments is None else arguments))
    except Problem as problem:
        return _complain(problem)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        return _complain(
            Problem(f"{package} is not installed", mend=f"pip install 'heedful[{EXTRAS[package]}]'"),
        )
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except OSError as error:
        return _complain(from_os_error(error))
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command continues\n")
        return 130


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_overview())
        return 0
    if arguments[0] in ("-V", "--version"):
        sys.stdout.write(f"heedful {__version__}\n")
        return 0
    verb = arguments[0]
    if verb not in VERBS:
        near = nearest(verb, VERBS)
        raise Problem(
            f"there is no verb {verb!r}",
            mend=f"did you mean {' or '.join(near)}?" if near else "`heedful --help` lists the verbs",
        )
    stage = stage_of(verb)
    stage.run(parse(verb, stage.Config, arguments[1:]))
    return 0


OTHER_MODULES = {
    "import": "heedful.stages.import_",
    "self-feedback": "heedful.stages.self_feedback",
    "serve": "heedful.serve",
}
"""Verbs whose module is not `heedful.stages.<verb>`: `import` is a word of Python, `self-feedback` is none, and `serve`
joins web and stages."""


def stage_of(verb: str) -> ModuleType:
    """The module behind a verb."""
    return importlib.import_module(OTHER_MODULES.get(verb, f"heedful.stages.{verb}"))


def parse(verb: str, config_type: type[C], arguments: Sequence[str]) -> C:
    """The settings of a stage: defaults < the project's heedful.toml < `arguments`.

    The settings file stands in the project's folder, so the folder is looked for first: it is the first argument,
    or else the value that `project` has after a first reading.

    Raises:
        Problem: the settings file has an unknown section or key, or a value of the wrong type.
        SystemExit: the arguments do not fit (status 2), or ask for help (status 0); both are printed.
    """
    arguments = list(arguments)
    default = next(field.default for field in dataclasses.fields(typing.cast(Any, config_type)))
    named = bool(arguments) and not arguments[0].startswith("-")
    project = Path(arguments[0]) if named else default if isinstance(default, Path) else None
    config = _parse(verb, config_type, arguments, project)
    found: Path = config.project  # type: ignore[attr-defined]  # every Config begins with it
    if found != project and (found / FILE).is_file():
        config = _parse(verb, config_type, arguments, found)
    return config


def _parse(verb: str, config_type: type[C], arguments: list[str], project: Path | None) -> C:
    import tyro  # slow to import, and not needed for `heedful --help`

    values: dict[str, Any] = {}
    if project is not None:
        values = from_file(config_type, project / FILE, verb, sections=["project", *VERBS])
    if {"-h", "--help"} & set(arguments):
        arguments = ["--help"]  # the whole of it, whatever else was typed
    layered = _layered(config_type, values)
    metavar = (tyro.conf.PositionalMetavarFromFieldName,)
    parsed = tyro.cli(
        layered,
        prog=f"heedful {verb}",
        description=inspect.cleandoc(config_type.__doc__ or ""),
        args=arguments,
        config=metavar,
    )
    return config_type(**{f.name: getattr(parsed, f.name) for f in dataclasses.fields(parsed) if f.init})


def _layered(config_type: type, values: dict[str, Any]) -> Any:
    """The same dataclass with `values` as defaults, `project` and all required fields as positional arguments."""
    import tyro

    hints = typing.get_type_hints(config_type, include_extras=True)
    overrides: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(typing.cast(Any, config_type)):
        hint = hints[field.name]
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.name == "project" or required:
            hint = Annotated[hint, tyro.conf.Positional]
        default: Any = dataclasses.field()
        if field.name in values:
            default = dataclasses.field(default_factory=partial(values.get, field.name))
        elif not required:
            default = dataclasses.field(default=field.default, default_factory=field.default_factory)
        overrides.append((field.name, hint, default))
    return dataclasses.make_dataclass(
        config_type.__name__,
        overrides,
        bases=(config_type,),
        namespace={"__post_init__": lambda self: None, "__doc__": config_type.__doc__},
        frozen=True,
        kw_only=True,
    )


def _overview() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {_styled(verb.ljust(width), '1')}  {summary}" for verb, summary in VERBS.items())
    return (
        f"{USAGE}\n\n"
        "Reinforcement learning from human feedback, the whole loop in one place.\n\n"
        f"verbs:\n{verbs}\n\n"
        "`heedful VERB --help` explains a verb's options; PROJECT/heedful.toml keeps them, one section per verb.\n"
        "`heedful --version` says which version this is.\n"
    )


def _complain(problem: Problem) -> int:
    sys.stderr.write(_styled(str(problem), "31", stream=sys.stderr) + "\n")
    return 2


def _styled(text: str, code: str, *, stream: Any = None) -> str:
    """`text` in an ANSI style where a person reads along, plain in a pipe or under NO_COLOR."""
    stream = stream or sys.stdout
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def _silence_stdout() -> None:
    """Point standard output at nothing, so that Python's own flush at exit does not fail on a closed pipe again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
