"""How the server of `heedful serve` bears a crowd: fifty annotators at once, and being killed while they work.

    python benchmarks/serving.py [--quick] [--think SECONDS] [--only pauses rush kill] [--on SQLite PostgreSQL]

2,000 comparisons, overlap 3, on SQLite and, with HEEDFUL_TEST_POSTGRES set to the URL of a database that may be
emptied, on PostgreSQL. Fifty annotators ask for the next question, answer it, and so on until nothing is left:

- pauses: with a pause before each answer (`--think`, exponentially distributed): how long people wait. People take ten
  seconds and more for a comparison; the default is three.
- rush: without any pause: how much the server bears.
- kill: with short pauses, while the server is killed by SIGKILL at five random moments and started again; what was not
  acknowledged is sent again.

After each of them no question may have more answers than its overlap, no acknowledged answer may be lost, changed or
stored twice, and nothing may be left; after each kill the database must pass its integrity check.

Times are given as the annotator sees them and as the server measures them (its header Server-Timing), beside a floor:
the round trip of /health, which asks the database one trivial thing. The server is a process of its own, and so are the
annotators (asyncio, two processes).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from heedful.feedback.accounts import accounts, sessions
from heedful.feedback.store import Store
from heedful.records import Completion, Prompt, Question

CAMPAIGN = "load"
PROGRAM = tuple(os.environ.get("HEEDFUL_BENCHMARK_PROGRAM", "-m heedful").split())
"""How Python is told to run heedful; for running it under a profiler."""

PROCESSES = 2
"""In which the annotators run."""

PATIENCE_S = 120.0
"""An annotator gives up when the server does not answer for so long."""

TEXT = "A sentence of the kind that models write, with **bold** words, `code`, and a formula: $e = mc^2$.\n\n" * 3


@dataclass(frozen=True)
class Plan:
    """What is tried."""

    questions: int = 2000
    overlap: int = 3
    annotators: int = 50
    think_s: float = 0.0
    """Mean pause before each answer."""
    kills: int = 0
    seed: int = 0


@dataclass
class Report:
    """What an annotators' process saw."""

    acknowledged: list[tuple[str, str, str]] = field(default_factory=list)
    """(judgement, question, login) of every answer that the server said it has stored."""
    times: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """`next` and `submit` -> (seconds as seen, seconds by the server) of each call that succeeded at once."""
    refused: Counter[str] = field(default_factory=Counter)


# The server


class Server:
    """A `heedful serve` on a project, as a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and wait until it answers; returns how many seconds that took."""
        began = time.monotonic()
        command = [sys.executable, *PROGRAM, "serve", str(self.folder), "--port", str(self.port)]
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        while True:
            try:
                httpx.get(f"{self.url}/health", timeout=5).raise_for_status()
                return time.monotonic() - began
            except httpx.HTTPError:
                if self.process.poll() is not None or time.monotonic() - began > PATIENCE_S:
                    raise RuntimeError((self.folder / "server.log").read_text()) from None
                time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)


def prepare(folder: Path, database: str, plan: Plan) -> dict[str, str]:
    """A project with questions and annotators that are logged in; returns login -> the token of the session."""
    location = database or str(folder / "heedful.db")
    (folder / "heedful.toml").write_text(f"[project]\ndatabase = {json.dumps(location)}\n")
    prompts = [Prompt(f"p{i}", text=f"Question {i}: {TEXT}") for i in range(plan.questions)]
    texts = [Completion(f"c{i}-{k}", f"p{i}", f"{k}: {TEXT}", "v0") for i in range(plan.questions) for k in range(2)]
    questions = [
        Question(f"q{i}", "comparison", f"p{i}", (f"c{i}-0", f"c{i}-1"), CAMPAIGN, overlap=plan.overlap)
        for i in range(plan.questions)
    ]
    with Store.open(location) as store:
        accounts.create(store, "owner", "Owner", None, "owner")
        store.add_everything(prompts=prompts, completions=texts, questions=questions)
        tokens = {}
        for number in range(plan.annotators):
            login = f"annotator{number}"
            account = accounts.create(store, login, login, None, "annotator")
            tokens[login] = sessions.begin(store, account.id, "a benchmark")[0]
    return tokens


# The annotators, in processes of their own


async def annotate(url: str, login: str, token: str, plan: Plan, report: Report) -> None:
    """One annotator: next, answer, next ... until nothing is left; what is not acknowledged is sent again."""
    dice = random.Random(f"{plan.seed} {login}")
    cookie = {f"heedful_{url.rpartition(':')[2]}": token}
    async with httpx.AsyncClient(base_url=url, cookies=cookie, timeout=60, headers={"Origin": url}) as http:
        csrf = (await insist(http, "GET", "/judge/api/session", None, Report()))["csrf"]
        http.headers["X-CSRF-Token"] = csrf
        await asyncio.sleep(dice.uniform(0, plan.think_s))  # people do not all come at once
        while True:
            found = await insist(http, "POST", "/judge/api/next", {"campaign": CAMPAIGN}, report)
            if "none" in found:
                assert found["none"]["reason"] == "nothing_left", found
                return
            if plan.think_s:
                await asyncio.sleep(dice.expovariate(1 / plan.think_s))
            question, name = found["task"]["question"], str(uuid.UUID(int=dice.getrandbits(128)))
            answer = {"choice": dice.choice("ab"), "strength": dice.randint(1, 3)}
            body = {"id": name, "question": question, "answer": answer, "duration_s": 3.5}
            await insist(http, "POST", "/judge/api/submit", body, report)
            report.acknowledged.append((name, question, login))


async def insist(http: httpx.AsyncClient, method: str, path: str, body: Any, report: Report) -> Any:
    """Ask until the server answers; only calls that succeed at once count for the times."""
    end, first = time.monotonic() + PATIENCE_S, True
    while True:
        began = time.perf_counter()
        try:
            response = await http.request(method, path, json=body)
            response.raise_for_status()
        except httpx.HTTPError as error:
            if isinstance(error, httpx.HTTPStatusError):
                report.refused[f"{path} {error.response.status_code} {error.response.text[:200]}"] += 1
                if error.response.status_code < 500:
                    raise
            if time.monotonic() > end:
                raise
            first = False
            await asyncio.sleep(0.1)
            continue
        took = time.perf_counter() - began
        if first:
            told = float(response.headers["server-timing"].partition("dur=")[2]) / 1000
            report.times.setdefault(path.rpartition("/")[2], []).append((took, told))
        return response.json()


def run_annotators(job: dict[str, Any]) -> None:
    """A process of annotators: the job comes by standard input, the report goes out by standard output."""
    plan, report = Plan(**job["plan"]), Report()

    async def all_of_them() -> None:
        await asyncio.gather(
            *(annotate(job["url"], login, token, plan, report) for login, token in job["tokens"].items())
        )

    asyncio.run(all_of_them())
    json.dump(asdict(report), sys.stdout)


@contextmanager
def crowd(url: str, tokens: dict[str, str], plan: Plan) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The annotators at work, in `PROCESSES` processes."""
    people, processes = list(tokens.items()), []
    for number in range(PROCESSES):
        job = {"url": url, "tokens": dict(people[number::PROCESSES]), "plan": asdict(plan)}
        process = subprocess.Popen(
            [sys.executable, __file__, "--annotators"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(job).encode())
        process.stdin.close()
        process.stdin = None
        processes.append(process)
    try:
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def gather(processes: Sequence[subprocess.Popen[bytes]]) -> Report:
    """Wait for the annotators and put their reports together."""
    whole = Report()
    for process in processes:
        out, _ = process.communicate()
        if process.returncode:
            raise RuntimeError("annotators failed, see above")
        part = json.loads(out)
        whole.acknowledged += [(name, question, login) for name, question, login in part["acknowledged"]]
        whole.refused.update(part["refused"])
        for name, times in part["times"].items():
            whole.times.setdefault(name, []).extend((seen, told) for seen, told in times)
    return whole


# What must hold


def check(location: str, plan: Plan, report: Report) -> None:
    """No question over its overlap, no acknowledged answer lost, changed or doubled, nothing left to do."""
    with Store.open(location) as store:
        stored = {judgement.id: judgement for judgement in store.judgements(CAMPAIGN, current=False)}
        people = {account.annotator_id: account.login for account in accounts.all_accounts(store)}
    assert len(stored) == len({(found.question_id, found.annotator_id) for found in stored.values()})
    counts = Counter(found.question_id for found in stored.values())
    assert max(counts.values()) <= plan.overlap, "a question is over its overlap"
    assert set(counts.values()) == {plan.overlap}, "a question was not finished"
    assert len(counts) == plan.questions
    for name, question, login in report.acknowledged:
        found = stored[name]
        assert (found.question_id, people[found.annotator_id]) == (question, login)
    assert len(report.acknowledged) == len(stored) == plan.questions * plan.overlap


def check_integrity(location: str) -> str:
    """SQLite's own check of the whole file; on PostgreSQL, that every table can be read to its end."""
    if "://" not in location:
        with closing(sqlite3.connect(location)) as connection:
            [(found,)] = connection.execute("PRAGMA integrity_check").fetchall()
            broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        assert found == "ok", found
        assert not broken, broken
        return "integrity_check and foreign_key_check: ok"
    with Store.open(location) as store:
        held = store.judgements(current=False)
        store.questions(ids=sorted({judgement.question_id for judgement in held}))
    return f"{len(held)} judgements read back"


# What is tried


def load(folder: Path, database: str, plan: Plan) -> dict[str, Any]:
    """Annotators judge until nothing is left."""
    tokens = prepare(folder, database, plan)
    server = Server(folder)
    started_s = server.start()
    try:
        alone = floor(server.url, 200)
        began = time.perf_counter()
        with crowd(server.url, tokens, plan) as processes:
            report = gather(processes)
        took_s = time.perf_counter() - began
        alone += floor(server.url, 200)
    finally:
        server.stop()
    check(database or str(folder / "heedful.db"), plan, report)
    assert not report.refused, report.refused
    return {
        "answers": len(report.acknowledged),
        "answers_per_s": round(len(report.acknowledged) / took_s, 1),
        "start_s": round(started_s, 1),
        "floor_ms": percentiles(alone),
        **{
            f"{name}_{side}_ms": percentiles([pair[column] for pair in report.times[name]])
            for name in ("next", "submit")
            for column, side in enumerate(("seen", "server"))
        },
    }


def kill(folder: Path, database: str, plan: Plan) -> dict[str, Any]:
    """The same, while the server is killed at random moments."""
    location = database or str(folder / "heedful.db")
    tokens = prepare(folder, database, plan)
    server, dice = Server(folder), random.Random(plan.seed)
    server.start()
    moments, checks = [], []
    try:
        with crowd(server.url, tokens, plan) as processes:
            for _ in range(plan.kills):
                pause = dice.uniform(1.0, 4.0)
                wait_for_answers(location)
                time.sleep(pause)
                working = all(process.poll() is None for process in processes)
                server.kill()
                checks.append(check_integrity(location))
                assert working, "nothing was left to interrupt: ask more questions"
                moments.append(round(pause, 2))
                server.start()
            report = gather(processes)
    finally:
        server.stop()
    check(location, plan, report)
    return {"killed_after_s": moments, "checks": checks[-1:], "answers": len(report.acknowledged)}


def wait_for_answers(location: str) -> None:
    """Until the annotators have stored something since this was called."""
    end = time.monotonic() + PATIENCE_S
    with Store.open(location) as store:
        before = len(store.judgements(CAMPAIGN))
        while len(store.judgements(CAMPAIGN)) == before:
            assert time.monotonic() < end, "nobody answers anything"
            time.sleep(0.05)


def floor(url: str, count: int) -> list[float]:
    """Seconds of the round trip of /health, one at a time."""
    times = []
    with httpx.Client(base_url=url) as http:
        for _ in range(count):
            began = time.perf_counter()
            http.get("/health").raise_for_status()
            times.append(time.perf_counter() - began)
    return times


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds."""
    return {f"p{at}": round(float(np.percentile(seconds, at)) * 1000, 1) for at in (50, 95, 99)}


def emptied(url: str) -> str:
    """A PostgreSQL database with nothing in it."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return url


TRIALS = ("pauses", "rush", "kill")


def plans(size: Plan, think_s: float, kills: int) -> dict[str, Plan]:
    """What each trial asks for."""
    return {
        "pauses": replace(size, think_s=think_s),
        "rush": size,
        "kill": replace(size, think_s=0.2, kills=kills),
    }


def main() -> None:
    """Try it and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 questions, 10 annotators, one kill")
    parser.add_argument("--questions", type=int, help="another number of questions")
    parser.add_argument("--think", type=float, default=3.0, help="mean pause before an answer, in seconds")
    parser.add_argument("--only", nargs="+", choices=TRIALS, default=TRIALS, help="some of the trials")
    parser.add_argument("--on", nargs="+", choices=("SQLite", "PostgreSQL"), default=("SQLite", "PostgreSQL"))
    parser.add_argument("--annotators", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.annotators:
        run_annotators(json.load(sys.stdin))
        return
    size = Plan(questions=200, annotators=10) if given.quick else Plan()
    size = replace(size, questions=given.questions or size.questions)
    tried = plans(size, given.think, 1 if given.quick else 5)
    databases = {"SQLite": "", "PostgreSQL": os.environ.get("HEEDFUL_TEST_POSTGRES", "")}
    found: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", **asdict(tried["pauses"])}
    for kind in given.on:
        if kind == "PostgreSQL" and not databases[kind]:
            continue
        for name in given.only:
            folder = Path(tempfile.mkdtemp(prefix="heedful-serving-"))
            try:
                url = emptied(databases[kind]) if databases[kind] else ""
                found[f"{kind}, {name}"] = (kill if name == "kill" else load)(folder, url, tried[name])
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            print(f"{kind}, {name}: {json.dumps(found[f'{kind}, {name}'])}", file=sys.stderr)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
