"""A small client for programs: `Client(url, key)`.

    with Client("http://127.0.0.1:8000", key) as heedful:
        heedful.add(prompts=prompts, completions=completions, questions=questions)
        batch = heedful.open_batch("round-1", [question.id for question in questions], minimum=50, maximum=150)
        for judgement in batch.wait(timeout_s=3600).partial():
            ...

Records are those of `heedful.records`. Calls that may be repeated are repeated, with growing pauses, when the server
or the connection fails; a server that says no raises `Refused`, with what is wrong and how to mend it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from heedful.records import Annotator, Completion, Judgement, Metadata, Model, Prompt, Question
from heedful.web import received
from heedful.web.calls import Calls, Refused
from heedful.web.received import BatchStatus, NoTask, Outcome, Task
from heedful.web.signatures import verified

__all__ = ["Batch", "BatchStatus", "Client", "NoTask", "Outcome", "Refused", "Task", "verified"]

AT_ONCE = 500
"""Records in one request."""


class Client:
    """A connection to a heedful server; close it, or use it in a `with`."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = 30.0,
        retries: int = 5,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect to the server at `url` with an API key; the other arguments as for `calls.Calls`."""
        self.calls = Calls(url, key, timeout_s=timeout_s, retries=retries, transport=transport, sleep=sleep)
        """For operations that have no method here: `client.calls.get("/audit")`."""

    def close(self) -> None:
        """Let go of the connection."""
        self.calls.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def me(self) -> dict[str, Any]:
        """The account behind the key: `account`, `annotator`, `role`, `scopes` ..."""
        found: dict[str, Any] = self.calls.get("/me")
        return found

    # What is asked

    def add(
        self,
        *,
        prompts: Iterable[Prompt] = (),
        completions: Iterable[Completion] = (),
        questions: Iterable[Question] = (),
    ) -> dict[str, int]:
        """Store records that are new; returns how many, by the names of the arguments. Twice is once."""
        return {
            name: sum(self._post(f"/{name}", {name: part})["new"] for part in _parts(records))
            for name, records in (("prompts", prompts), ("completions", completions), ("questions", questions))
        }

    def prompts(self) -> Iterator[Prompt]:
        """Every prompt, in order of arrival."""
        return map(received.prompt, self._pages("/prompts"))

    def completions(self, policy: str | None = None, prompt: str | None = None) -> Iterator[Completion]:
        """Completions: all, of a policy version, of a prompt."""
        return map(received.completion, self._pages("/completions", policy=policy, prompt=prompt))

    def questions(
        self, campaign: str | None = None, kind: str | None = None, purpose: str | None = None
    ) -> Iterator[Question]:
        """Questions: all, of a campaign, of a kind, with a purpose."""
        return map(received.question, self._pages("/questions", campaign=campaign, kind=kind, purpose=purpose))

    # Answers

    def judgements(
        self, campaign: str | None = None, annotator: str | None = None, *, current: bool = True
    ) -> Iterator[Judgement]:
        """Judgements that hold (with `current=False` every event): all, of a campaign, of an annotator."""
        found = self._pages("/judgements", campaign=campaign, annotator=annotator, current=current)
        return map(received.judgement, found)

    def add_judgements(self, judgements: Iterable[Judgement], annotators: Iterable[Annotator] = ()) -> int:
        """Store answers that were given elsewhere; returns how many are new. Ids are UUIDs."""
        people, new = [asdict(annotator) for annotator in annotators], 0
        for part in _parts(judgements):
            sent = [{name: value for name, value in judgement.items() if name != "created"} for judgement in part]
            new += self._post("/judgements", {"annotators": people, "judgements": sent})["new"]
            people = []
        return new

    def next_task(self, campaign: str | None = None) -> Task | NoTask:
        """The question that the key's account holds, otherwise a new one."""
        offer = self._post("/tasks/next", {"campaign": campaign})
        if offer["task"] is None:
            return NoTask(offer["reason"], offer["message"])
        return received.task(offer["task"])

    def submit(self, task: Task, answer: Metadata, duration_s: float | None = None, uuid_: str = "") -> Outcome:
        """Answer a task. When this returns, the answer is on the server's disk."""
        body = {"id": uuid_ or str(uuid.uuid4()), "question": task.question, "supersedes": task.supersedes}
        return Outcome(**self._post("/tasks/submit", {**body, "answer": dict(answer), "duration_s": duration_s}))

    def skip(self, task: Task, reason: str = "", uuid_: str = "") -> Outcome:
        """Say that one cannot tell; somebody else is asked."""
        body = {"id": uuid_ or str(uuid.uuid4()), "question": task.question, "supersedes": task.supersedes}
        return Outcome(**self._post("/tasks/skip", {**body, "reason": reason}))

    # Steering

    def campaigns(self) -> list[dict[str, Any]]:
        """Every campaign with its settings."""
        found: list[dict[str, Any]] = self.calls.get("/campaigns")
        return found

    def save_campaign(self, name: str, title: str = "", **settings: Any) -> dict[str, Any]:
        """Give a campaign its title and settings, making it where there is none of this name."""
        sent = {"title": title, "settings": settings}
        found: dict[str, Any] = self.calls.send("PUT", f"/campaigns/{quote(name, safe='')}", json=sent)
        return found

    def progress(self, campaign: str) -> dict[str, int]:
        """`questions`, `wanted`, `given`, `annotators`."""
        found: dict[str, int] = self.calls.get(f"/campaigns/{quote(campaign, safe='')}/progress")
        return found

    def open_batch(
        self,
        campaign: str,
        question_ids: Sequence[str],
        minimum: int,
        maximum: int,
        ttl_s: float | None = None,
        metadata: Metadata | None = None,
    ) -> Batch:
        """Ask for so many judgements of these questions; returns at once."""
        body = {"campaign": campaign, "questions": list(question_ids), "minimum": minimum, "maximum": maximum}
        opened = self._post("/batches", body | {"ttl_s": ttl_s, "metadata": dict(metadata or {})}, again=False)
        return self.batch(opened["id"])

    def batch(self, batch_id: str) -> Batch:
        """A batch that was opened before."""
        return Batch(self.calls, batch_id)

    # Models and datasets

    def models(self) -> list[Model]:
        """Every model, in the order in which they were made."""
        return [Model(**found) for found in self.calls.get("/models")]

    def lineage(self, model_id: str) -> dict[str, Any]:
        """What a model rests on (`ancestors`, `snapshots`, `shares`), what rests on it, and whether it `stands`."""
        found: dict[str, Any] = self.calls.get(f"/models/{quote(model_id, safe='')}")
        return found

    def export(self, format: str = "heedful", purpose: str = "train") -> Iterator[dict[str, Any]]:  # noqa: A002
        """The rows of an export, as they arrive."""
        with self.calls.stream(f"/exports/{quote(format, safe='')}", purpose=purpose) as response:
            for line in response.iter_lines():
                yield json.loads(line)

    def import_file(self, path: Path, *, campaign: str = "", skip_bad: bool = False) -> dict[str, Any]:
        """Store a dataset file of any known shape; twice adds nothing."""
        form = {"campaign": campaign, "skip_bad": str(skip_bad).lower()}
        sent = {"file": (path.name, path.read_bytes())}
        found: dict[str, Any] = self.calls.send("POST", "/imports", data=form, files=sent)
        return found

    def _post(self, path: str, body: Mapping[str, Any], *, again: bool = True) -> Any:
        return self.calls.send("POST", path, json=body, again=again)

    def _pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        after: int | None = 0
        while after is not None:
            page = self.calls.get(path, **query, after=after, limit=AT_ONCE)
            yield from page["items"]
            after = page["after"]


class Batch:
    """So many judgements of some questions; made by `Client.open_batch`."""

    def __init__(self, calls: Calls, batch_id: str) -> None:
        self._calls, self.id = calls, batch_id

    def status(self) -> BatchStatus:
        """How far it has come."""
        return BatchStatus(**self._calls.get(f"/batches/{self.id}"))

    def partial(self) -> list[Judgement]:
        """The answers that are there and hold, whatever the state."""
        return [received.judgement(found) for found in self._calls.get(f"/batches/{self.id}/judgements")]

    def wait(self, timeout_s: float | None = None, *, full: bool = False, poll_s: float = 2.0) -> Batch:
        """Wait until it is usable (with `full`: until it is over), at most `timeout_s`; whatever came, go on after it.

        Returns:
            The batch itself, for `.partial()` and `.status()`.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            found = self.status()
            if found.over or (found.usable and not full):
                return self
            left = poll_s if end is None else min(poll_s, end - time.monotonic())
            if left <= 0:
                return self
            time.sleep(left)

    def cancel(self) -> BatchStatus:
        """Ask its questions no more; what came in stays."""
        return BatchStatus(**self._calls.send("POST", f"/batches/{self.id}/cancel"))


def _parts(records: Iterable[Any]) -> Iterator[list[dict[str, Any]]]:
    rows = [asdict(record) for record in records]
    return (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))
