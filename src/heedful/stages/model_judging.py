"""A language model as annotator: it answers comparisons in both orders, and what it says is stored as a model's.

Its answers come in lots, each stored in one transaction: what was answered before Ctrl-C or a crash is not asked again.
An answer keeps the probabilities of both orders, so that position bias can be measured at any time, before averaging.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heedful.compute.devices import choose_device
from heedful.errors import Problem
from heedful.feedback.store import Store
from heedful.language.pretrained import LanguageModel, load
from heedful.records import Annotator, Judgement, Prompt, Question
from heedful.reward.judge import Judge, ModelJudge, asking, averaged, in_both_orders
from heedful.stages.console import progress, say
from heedful.stages.judge_quality import measured, tell
from heedful.stages.project import Project
from heedful.stages.versions import load_policy
from heedful.stages.wording import Judging, read_template

ROWS = 32
"""Comparisons in a lot."""


@dataclass(frozen=True)
class Posed:
    """A comparison that waits for a judge."""

    question: Question
    prompt: Prompt
    a: str
    b: str


def judge_campaigns(
    project: Project, campaigns: Sequence[str], source: str, judging: Judging, device: str = "auto"
) -> int:
    """Let a model answer every comparison of some campaigns that it has not answered; returns how many those were.

    Args:
        project: whose store has the comparisons.
        campaigns: names; those without comparisons are passed over.
        source: a version of the project, `current` or `start`, or else a folder or hub id of a language model.
        judging: how it is asked.
        device: where it is computed: cpu, cuda, or auto.

    Raises:
        Problem: there is no comparison or no such model, or a comparison does not fit into its context.
    """
    store = project.store
    chosen = [name for name in campaigns if store.questions(name, kind="comparison")]
    if not chosen:
        raise Problem(
            f"there are no comparisons in {', '.join(map(repr, campaigns))}",
            where=str(project.folder),
            mend="a model judges comparisons only; make some with `heedful collect`",
        )
    version = version_of(project, source)
    question = read_template(judging.question, "the question", ("prompt", "a", "b"))
    name = judge_name(version or source, question, judging)
    posed = [item for campaign in chosen for item in waiting(store, campaign, name)]
    given = 0
    if posed:
        model = _loaded(project, version, source, device)
        judge = asking(model, question, judging.options, chat={"yes": True, "no": False}.get(judging.chat))
        posed = _fitting(judge, posed, skip_overlong=judging.skip_overlong)
        facts = {"model": source, "question": judge.question, "options": list(judge.options), "chat": judge.chat}
        with progress(f"{name} judges", len(posed)) as advance:
            given = answer_posed(
                store, posed, judge, Annotator(name, name, "model", facts), rows=judging.rows, on_progress=advance
            )
    say(f"{name} answered {given:,} comparisons." if given else f"{name} had answered all comparisons before.")
    tell(measured(store, chosen, name))
    return given


def judge_campaign(
    store: Store,
    campaign: str,
    judge: Judge,
    name: str,
    *,
    rows: int = ROWS,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Let any judge answer the comparisons of a campaign that it has not answered; returns how many.

    Args:
        store: has the comparisons.
        campaign: its name.
        judge: who answers, in both orders; what it says is stored as the better side, its probability beside it.
        name: of the annotator, of the kind `model`; give every model and question a name of its own.
        rows: comparisons in a lot, which is stored in one transaction.
        on_progress: told how many more were stored.

    Raises:
        Problem: the judge misbehaves, or a person has that name.
    """
    annotator = Annotator(name, name, kind="model")
    return answer_posed(store, waiting(store, campaign, name), judge, annotator, rows=rows, on_progress=on_progress)


def waiting(store: Store, campaign: str, name: str) -> list[Posed]:
    """The comparisons of a campaign that this annotator has not answered.

    Raises:
        Problem: somebody who is no model has that name.
    """
    same = [person for person in store.annotators() if person.id == name]
    if same and same[0].kind != "model":
        raise Problem(f"{name!r} is the name of a {same[0].kind}", mend="give the model a name of its own")
    done = {judgement.question_id for judgement in store.judgements(campaign, annotator_id=name)}
    questions = [item for item in store.questions(campaign, kind="comparison") if item.id not in done]
    prompts = {prompt.id: prompt for prompt in store.prompts({item.prompt_id for item in questions})}
    ids = {id_ for item in questions for id_ in item.completion_ids}
    texts = {each.id: each.text for each in store.completions(ids)}
    return [
        Posed(item, prompts[item.prompt_id], *(texts[id_] for id_ in item.completion_ids))  # a comparison has two
        for item in questions
    ]


def answer_posed(
    store: Store,
    posed: Sequence[Posed],
    judge: Judge,
    annotator: Annotator,
    *,
    rows: int = ROWS,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Ask about comparisons in both orders, `rows` at a time, and store each lot; returns how many answers are new."""
    given = 0
    for at in range(0, len(posed), rows):
        lot = posed[at : at + rows]
        said = in_both_orders(judge, [item.prompt for item in lot], [item.a for item in lot], [item.b for item in lot])
        judgements = [
            Judgement(
                id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{annotator.id}/{item.question.id}")),
                question_id=item.question.id,
                annotator_id=annotator.id,
                answer=_answer(*chances),
                shown=(0, 1),
            )
            for item, chances in zip(lot, said, strict=True)
        ]
        given += store.add_everything(annotators=[annotator], judgements=judgements)["judgements"]
        if on_progress is not None:
            on_progress(len(lot))
    return given


def version_of(project: Project, source: str) -> str | None:
    """The id of the policy version that is meant, or None where it is none of this project's.

    Raises:
        Problem: no model is named, or a reward model is.
    """
    if not source:
        raise Problem("which model judges?", mend="name a version, a folder or a hub id: model:v1, model:PATH")
    if source in ("current", "start"):
        return project.policy_named(source).id
    for model in project.store.models():
        if model.id == source and model.kind == "reward":
            raise Problem(f"{source} is a reward model, which answers no question", mend="name a version of the policy")
        if model.id == source:
            return source
    return None


def judge_name(source: str, question: str = "", judging: Judging | None = None) -> str:
    """The name under which a model's answers are stored: another one for each way of asking it."""
    told = judging or Judging()
    ways = [question, *told.options, told.chat]
    if ways == ["", "auto"]:
        return f"model {source}"
    return f"model {source} ({hashlib.sha256(repr(ways).encode()).hexdigest()[:6]})"


def _loaded(project: Project, version: str | None, source: str, device: str) -> LanguageModel:
    if version is not None:
        return load_policy(project, project.model(version), choose_device(device))
    try:
        return load(source, device=choose_device(device))
    except Problem as problem:
        versions = ", ".join(model.id for model in project.store.models("policy")) or "none yet"
        what = "there is such a folder, but" if Path(source).is_dir() else "there is no such version or folder, and"
        raise Problem(
            f"no model {source!r}: {what} {problem.what}",
            where=str(project.folder),
            mend=f"name a version of this project ({versions}), a folder in Hugging Face format, or a hub id",
        ) from problem


def _fitting(judge: ModelJudge, posed: Sequence[Posed], *, skip_overlong: bool) -> list[Posed]:
    """Those that fit into the judge's context; found out before the first is asked."""
    lengths = [judge.tokens(item.prompt, item.a, item.b) for item in posed]
    fitting = [item for item, length in zip(posed, lengths, strict=True) if length <= judge.room]
    over = len(posed) - len(fitting)
    if over and not skip_overlong:
        at = next(i for i, length in enumerate(lengths) if length > judge.room)
        raise Problem(
            f"{over:,} of {len(posed):,} comparisons are longer than the judge's context: this one has "
            f"{lengths[at]} tokens, and there is room for {judge.room}",
            where=f"question {posed[at].question.id}",
            mend="shorten the question (--judging.question FILE), leave such comparisons out with "
            "--judging.skip-overlong, or use a judge with a longer context",
        )
    if over:
        say(f"{over:,} comparisons were left out: they do not fit into the judge's context.")
    return fitting


def _answer(a_first: float, b_first: float) -> dict[str, Any]:
    """The better side by the mean of both orders; equal chances are a tie."""
    chance = averaged(a_first, b_first)
    choice = "tie" if chance == 0.5 else "a" if chance > 0.5 else "b"
    return {"choice": choice, "metadata": {"probability": chance, "first": [a_first, b_first]}}
