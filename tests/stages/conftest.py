"""A tiny project: a model of a few thousand parameters, a handful of prompts, a reward function of three lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.stages.forking import Forks

LETTERS = "abcdefghijklmnopqrstuvwxyz"

SETTINGS = """
[project]
held_out = 0.3
[collect]
questions = 24
[collect.sampling]
max_new_tokens = 6
[reward]
epochs = 2.0
pairs_per_step = 8
held_out = 0.3
reference_samples = 16
max_new_tokens = 6
checkpoint_every = 2
[improve]
steps = 6
prompts_per_step = 4
completions_per_prompt = 2
checkpoint_every = 2
learning_rate = 3e-3
[improve.sampling]
max_new_tokens = 6
[evaluate]
prompts = 12
[evaluate.sampling]
max_new_tokens = 6
"""

REWARD = """
def score(prompts, completions):
    return [float(text.count("e")) for text in completions]
"""


def write_model(folder: Path, words: list[str] | None = None, seed: int = 0) -> Path:
    """A Llama with one token per letter, in Hugging Face format."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers

    from heedful.language.pretrained import new_llama, save, tokenizer_from_file

    vocabulary = words or ["<unk>", "<s>", "</s>", "<pad>", *LETTERS]
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.parent / f"{folder.name}.tokenizer.json"
    raw.save(str(path))
    tokenizer = tokenizer_from_file(path, bos="<s>", eos="</s>", pad="<pad>", unk="<unk>", context_tokens=48)
    model = new_llama(
        tokenizer,
        seed=seed,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=48,
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0)
    save(model, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model."""
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def make_project(tmp_path: Path, tiny_model: Path) -> Callable[[str], Path]:
    """Make a project with prompts, settings and a reward function; its judge is a file beside it."""
    from heedful.stages import import_, init

    (tmp_path / "rewards.py").write_text(REWARD, encoding="utf-8")
    prompts = tmp_path / "prompts.jsonl"
    rows = [{"prompt": f"{a} {b} {c}"} for a in "abcdefgh" for b in "ijkl" for c in "mnop"]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def make(name: str = "project") -> Path:
        folder = tmp_path / name
        init.run(init.Config(folder, model=str(tiny_model)))
        (folder / "heedful.toml").write_text(SETTINGS, encoding="utf-8")
        import_.run(import_.Config(folder, prompts))
        return folder

    return make


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Processes of the command line that do not import everything anew."""
    found = Forks()
    yield found
    found.close()


@pytest.fixture
def heedful(forks: Forks, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Call the command line in a process of its own, started by the program `within` where one is named."""

    def call(*arguments: Any, expect: int = 0, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        if within:
            asked = [*within, *command(*arguments)]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=300, check=False)
        else:
            done = forked(forks, [str(argument) for argument in arguments], tmp_path)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    return call


def forked(forks: Forks, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` would return."""
    printed, told = folder / "heedful.stdout", folder / "heedful.stderr"
    pid, deadline = forks.start(arguments, printed, told), time.monotonic() + 300
    while (status := forks.poll(pid)) is None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    texts = [path.read_text(encoding="utf-8") for path in (printed, told)]
    printed.unlink()
    told.unlink()
    return subprocess.CompletedProcess(arguments, status, *texts)


@pytest.fixture
def killed_when(forks: Forks) -> Callable[..., None]:
    """Start the command line and kill it with SIGKILL as soon as a condition holds."""

    def call(condition: Callable[[], bool], *arguments: Any) -> None:
        pid = forks.start([str(argument) for argument in arguments], os.devnull, os.devnull)
        deadline = time.monotonic() + 240
        while not condition():
            if (status := forks.poll(pid)) is not None:
                pytest.fail(f"{arguments} ended with {status} before it could be killed")
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                pytest.fail(f"{arguments} never came to the point where it was to be killed")
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
        while forks.poll(pid) is None:
            time.sleep(0.002)

    return call


def command(*arguments: Any) -> list[str]:
    """The command line with the interpreter of the tests."""
    return [sys.executable, "-m", "heedful", *map(str, arguments)]


@pytest.fixture
def break_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the next run be stopped, once, when it has logged its step of that number."""
    from heedful.runs import Run

    def arm(step: int) -> None:
        real = Run.log

        def log(self: Run, number: int, metrics: Any) -> None:
            real(self, number, metrics)
            if number == step:
                monkeypatch.setattr(Run, "log", real)
                raise KeyboardInterrupt

        monkeypatch.setattr(Run, "log", log)

    return arm
