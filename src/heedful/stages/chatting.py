"""Answers of a project's policies for the live chat, token by token. Torch is loaded when somebody begins to talk."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from heedful.errors import Problem
from heedful.records import Completion, Prompt
from heedful.seeds import seed_of
from heedful.stages.project import Project

if TYPE_CHECKING:
    from heedful.language.engines.local import LocalSampler
    from heedful.language.sampling import Sampling

MODELS = 3
"""So many versions are held in memory; the one used longest ago goes first."""

TURNS = 2
"""So many conversations are answered at once; others wait."""

Piece = tuple[int, str | Completion]
"""(side, piece of text), or once for either side (side, its completion)."""


class _Stopped(Exception):
    """Nobody listens any more."""


@dataclass
class _Side:
    """One answer in the making."""

    side: int
    tokens: list[int] = field(default_factory=list)
    shown: str = ""


class PolicySampler:
    """Samples with the project's own engine; see `heedful.web.sampler.ChatSampler`."""

    def __init__(self, project: Project, device: str = "auto", longest: int = 256, temperature: float = 1.0) -> None:
        """Answer for the versions of `project`, with at most `longest` tokens a turn."""
        self._project, self._device = project, device
        self._longest, self._temperature = longest, temperature
        self._loaded: OrderedDict[str, LocalSampler] = OrderedDict()
        self._loading, self._turns = threading.Lock(), threading.BoundedSemaphore(TURNS)

    def policies(self) -> list[str]:
        """The versions that were not rejected and whose weights are here, the newest last."""
        return [
            model.id
            for model in self._project.store.models("policy")
            if model.status != "rejected" and (self._project.folder / model.path).is_dir()
        ]

    def stream(self, prompt: Prompt, policies: tuple[str, str], seed: int) -> Iterator[Piece]:
        """Let two versions answer a conversation, both at once; closing the iterator stops them.

        Raises:
            Problem: a version is not there, or the conversation is too long for it.
        """
        pieces: queue.SimpleQueue[Piece | BaseException | None] = queue.SimpleQueue()
        stop = threading.Event()
        with self._turns:
            workers = [
                threading.Thread(target=self._answer, args=(prompt, name, sides, seed, pieces, stop), daemon=True)
                for name, sides in _sides_of(policies).items()
            ]
            for worker in workers:
                worker.start()
            try:
                for _ in workers:
                    while (piece := pieces.get()) is not None:
                        if isinstance(piece, BaseException):
                            raise piece
                        yield piece
            finally:
                stop.set()
                for worker in workers:
                    worker.join()

    def _answer(
        self,
        prompt: Prompt,
        name: str,
        sides: list[int],
        seed: int,
        pieces: queue.SimpleQueue[Piece | BaseException | None],
        stop: threading.Event,
    ) -> None:
        """Write the answers of one version; the last thing that it puts into `pieces` is None."""
        try:
            with suppress(_Stopped):
                self._write(prompt, name, sides, seed, pieces, stop)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever listens
            pieces.put(error)
        finally:
            pieces.put(None)

    def _write(
        self,
        prompt: Prompt,
        name: str,
        sides: list[int],
        seed: int,
        pieces: queue.SimpleQueue[Piece | BaseException | None],
        stop: threading.Event,
    ) -> None:
        from heedful.language.acting import completion_text
        from heedful.language.chat import encode_prompt

        engine = self._engine(name)
        model = engine.model
        ids = encode_prompt(model, prompt)
        sampling = self._sampling(engine, len(ids))
        written = [_Side(side) for side in sides]

        def told(number: int, token: int) -> None:
            if stop.is_set():
                raise _Stopped
            one = written[number]
            one.tokens.append(token)
            text = model.decode(one.tokens)
            if text.startswith(one.shown) and text != one.shown and not text.endswith("\ufffd"):
                pieces.put((one.side, text[len(one.shown) :]))
                one.shown = text

        seeds = [seed_of(seed, "chat", side) for side in sides]
        for one, own_seed, sample in zip(
            written, seeds, engine.sample([ids] * len(sides), sampling, seeds, told), strict=True
        ):
            completion = Completion(
                id="",
                prompt_id=prompt.id,
                text=completion_text(model, sample, sampling),
                policy=name,
                token_ids=sample.token_ids,
                logprobs=sample.logprobs,
                sampling={**sampling.record(), "seed": own_seed},
                finish=sample.finish,
            )
            pieces.put((one.side, completion))

    def _sampling(self, engine: LocalSampler, prompt_tokens: int) -> Sampling:
        from heedful.language.sampling import Sampling

        room = engine.model.context_tokens - prompt_tokens
        if room < 1:
            raise Problem("the conversation has become too long for this model", mend="begin another one")
        template = getattr(engine.model.tokenizer, "chat_template", None)
        return Sampling(
            temperature=self._temperature,
            max_new_tokens=min(self._longest, room),
            stop=() if template else ("\nuser:",),  # without a template it would go on with the other's turn
        )

    def _engine(self, name: str) -> LocalSampler:
        """The engine of a version, loaded when it is asked for first."""
        from heedful.compute.devices import choose_device
        from heedful.language.engines.local import LocalSampler
        from heedful.stages.versions import load_policy

        with self._loading:
            if name not in self._loaded:
                record = self._project.model(name)
                model = load_policy(self._project, record, choose_device(self._device))
                self._loaded[name] = LocalSampler(model, rows=2)
            self._loaded.move_to_end(name)
            while len(self._loaded) > MODELS:
                self._loaded.popitem(last=False)
            return self._loaded[name]


def _sides_of(policies: tuple[str, str]) -> dict[str, list[int]]:
    """Version -> the sides that it answers for."""
    found: dict[str, list[int]] = {}
    for side, name in enumerate(policies):
        found.setdefault(name, []).append(side)
    return found
