"""`heedful judge`: answer the waiting questions in the terminal, or let a crowd, a model or a function do it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.panel import Panel
from rich.text import Text

from heedful.errors import Problem
from heedful.feedback.campaigns import Assignment, release
from heedful.feedback.steering import desk, guidelines
from heedful.records import Annotator, Judgement
from heedful.stages.console import console, heading, say
from heedful.stages.judges import MODEL, answer, by_model
from heedful.stages.project import Project
from heedful.stages.wording import Judging

KEYS = {
    "1": "the first is better",
    "2": "the second is better",
    "t": "tie",
    "x": "both are bad",
    "s": "skip",
    "q": "stop",
}


@dataclass(frozen=True)
class Config:
    """Answer the questions that wait."""

    project: Path
    """The project's folder."""
    annotator: str = ""
    """Your name: the questions come one after the other, here in the terminal."""
    by: str = ""
    """Instead of a person: `playground` (simulated people), a language model as model:ID (a version of the project, a
    folder or a hub id), or a scoring function as FILE.py:NAME."""
    campaign: str = ""
    """Only the questions filed under this name."""
    seed: int = 0
    """Of display orders and of simulated people."""
    judging: Judging = field(default_factory=Judging)
    device: str = "auto"
    """Of a model: cpu, cuda, or auto."""


def run(config: Config) -> int:
    """Ask until nothing waits or the annotator stops; returns how many answers were given.

    Raises:
        Problem: neither a person nor a stand-in is named, or nothing waits.
    """
    project = Project.open(config.project)
    campaigns = sorted({question.campaign for question in project.store.questions()})
    if config.campaign and config.campaign not in campaigns:
        raise Problem(f"there is no campaign {config.campaign!r}", mend=f"this project has: {', '.join(campaigns)}")
    chosen = [config.campaign] if config.campaign else campaigns
    if bool(config.by) == bool(config.annotator):
        raise Problem("who judges?", mend="name a person with --annotator NAME, or a stand-in with --by")
    if not chosen:
        raise Problem("no questions wait", where=str(config.project), mend="make some with `heedful collect`")
    if config.annotator:
        return _ask(project, config)
    if config.by.startswith(MODEL):
        return by_model(project, chosen, config.by, config.judging, config.device)
    before = len(project.store.judgements())
    for campaign in chosen:
        purposes = {question.purpose for question in project.store.questions(campaign)}
        for purpose in sorted(purposes):
            answer(project, campaign, config.by, purpose=purpose, seed=config.seed)
    given = len(project.store.judgements()) - before
    say(f"{given:,} judgements were given.")
    return given


def _ask(project: Project, config: Config) -> int:
    """Show one question after the other. Every answer is stored before the next question appears."""
    project.store.add_annotators([Annotator(config.annotator, config.annotator)])
    given = 0
    while True:
        found = desk.next_task(project.store, config.annotator, config.campaign or None, config.seed)
        if isinstance(found, desk.NoTask):
            if _read(project, config, found):
                continue
            say(found.message)
            break
        started = time.monotonic()
        try:
            said = _answer_to(project, found.assignment)
        except (KeyboardInterrupt, EOFError):
            said = None
        if said is None:
            release(project.store, found.assignment)
            break
        outcome = desk.submit(
            project.store,
            Judgement(
                id=str(uuid.uuid4()),
                question_id=found.assignment.question.id,
                annotator_id=config.annotator,
                answer=said,
                shown=found.assignment.shown,
                duration_s=round(time.monotonic() - started, 3),
                supersedes=found.assignment.supersedes,
            ),
        )
        if outcome.feedback is not None:
            say(("That is right. " if outcome.right else "The expected answer is another one. ") + outcome.feedback)
        given += 1
    say(f"You answered {given} question{'s' if given != 1 else ''}. Thank you.")
    return given


def _read(project: Project, config: Config, found: desk.NoTask) -> bool:
    """Show guidelines that have to be read before there is work; whether they were."""
    if found.guidelines is None:
        return False
    heading(f"Guidelines of {found.campaign}")
    console.print(Text(found.guidelines.text))
    try:
        _key({"r": "I have read them"})
    except (KeyboardInterrupt, EOFError):
        return False
    guidelines.mark_read(project.store, found.campaign, config.annotator, found.guidelines.version)
    return True


def _answer_to(project: Project, assignment: Assignment) -> dict[str, Any] | None:
    """Show a question and read its answer; None to stop."""
    question = assignment.question
    prompt = project.store.prompts([question.prompt_id])[0]
    completions = project.store.completions(question.completion_ids)
    heading(prompt.as_text() or "(no prompt)")
    for place, index in enumerate(assignment.shown):
        console.print(Panel(Text(completions[index].text), title=str(place + 1), title_align="left"))
    match question.kind:
        case "comparison":
            key = _key(KEYS)
            sides = {"1": "ab"[assignment.shown[0]], "2": "ab"[assignment.shown[1]]}
            choice = {**sides, "t": "tie", "x": "bad", "s": "skip"}.get(key)
            return {"choice": choice} if choice else None
        case "label":
            key = _key({"y": "good", "n": "bad", "q": "stop"})
            return None if key == "q" else {"thumb": key == "y"}
        case "demonstration" | "edit" | "critique":
            text = console.input(f"Your {question.kind} (one line; empty to stop): ").strip()
            return {"text": text} if text else None
        case _:
            raise Problem(
                f"questions of the kind {question.kind!r} cannot be asked in a terminal",
                where=f"campaign {question.campaign}",
                mend="choose another campaign with --campaign",
            )


def _key(keys: dict[str, str]) -> str:
    """Read one of the keys, asking again for any other."""
    line = "   ".join(f"[b]{key}[/b] {meaning}" for key, meaning in keys.items())
    while True:
        said = console.input(f"{line}\n> ").strip().lower()
        if said in keys:
            return said
