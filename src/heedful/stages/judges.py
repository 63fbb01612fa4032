"""Who answers questions: people (then we wait), simulated people of the playground, a scoring function, or a model.

Of people a batch of judgements is asked for: so many at least, so many at most, within so much time. Nobody is held
up by the last of them: what has come in can be used at any time, and from the minimum on we go on.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from heedful.errors import Problem
from heedful.feedback.campaigns import progress as progress_of
from heedful.feedback.oracle import SimulatedAnnotator, answer_all
from heedful.feedback.steering import batches
from heedful.feedback.steering.batches import BatchStatus
from heedful.feedback.steering.gold import gold_of
from heedful.feedback.store import Store
from heedful.playground.people import Person, gold_people, training_people
from heedful.playground.qualities import qualities
from heedful.records import Annotator, Judgement, Prompt
from heedful.seeds import seed_of
from heedful.stages.console import progress, say
from heedful.stages.project import Project
from heedful.stages.wording import Judging

Purpose = Literal["train", "evaluate"]

POLL_S = 2.0
"""How often the store is asked whether people have answered."""

CROWD = 40
"""Simulated people of the playground, for training and for examining each."""


MODEL = "model:"
"""Begins the name of a language model as judge: a version of the project, a folder, or a hub id stands behind it."""


class Waiting(Problem):
    """People have not answered everything yet, and nobody wants to wait."""


@dataclass(frozen=True)
class Patience:
    """How long people are waited for."""

    enough: float = 1.0
    """The share of the wanted judgements with which it goes on; those that come later are not lost."""
    hours: float = 0.0
    """After so many hours it goes on with what has come, and asks no more; 0: it waits for as long as it takes."""


def answer(
    project: Project,
    campaign: str,
    judges: str,
    *,
    purpose: Purpose,
    seed: int,
    wait: bool = True,
    crowd: int = CROWD,
    patience: Patience | None = None,
) -> None:
    """Have the questions of a campaign answered.

    Args:
        judges: `people`, `playground`, a language model as `model:ID`, or a scoring function as `FILE.py:NAME`.
        purpose: in the playground, training questions go to the crowd with its bad apples, evaluation questions
            to held-out sincere people who gave no training judgement.
        seed: of the simulated people and their noise.
        wait: for people; otherwise raise `Waiting`.
        crowd: how many simulated people there are.
        patience: how long people are waited for; by default until all have answered.

    Raises:
        Waiting: answers are missing and `wait` is off.
        Problem: `judges` names nobody.
    """
    if judges == "people":
        _wait(project, campaign, patience or Patience(), wait=wait)
    elif judges == "playground":
        people = training_people(crowd, seed) if purpose == "train" else gold_people(crowd, seed)
        _simulate(project, campaign, people, seed)
    elif judges.startswith(MODEL):
        by_model(project, [campaign], judges, Judging())
    elif ":" in judges:
        _by_function(project, campaign, judges)
    else:
        raise Problem(f"there are no judges called {judges!r}", mend="use people, playground, model:ID or FILE.py:NAME")


def by_model(project: Project, campaigns: Sequence[str], judge: str, judging: Judging, device: str = "auto") -> int:
    """Let a language model (`model:ID`) answer the comparisons of some campaigns; returns how many it answered.

    Raises:
        Problem: there is no such model, there are no comparisons, or one does not fit into the model's context.
    """
    from heedful.stages.model_judging import judge_campaigns

    return judge_campaigns(project, campaigns, judge.removeprefix(MODEL), judging, device)


def _wait(project: Project, campaign: str, patience: Patience, *, wait: bool) -> None:
    """Look until there are enough judgements; the store stays open to everybody meanwhile."""
    batch_id = _batch(project.store, campaign, patience)
    if batch_id is None:
        return
    state = batches.status(project.store, batch_id)
    if _goes_on(state):
        return
    if not wait:
        raise _waiting(state)
    say(
        f"Waiting for people: `heedful serve {project.folder}` lets them answer in the browser, "
        f"`heedful judge {project.folder} --annotator NAME` here. They are asked the questions of {campaign!r}."
    )
    with progress("Judgements", state.minimum, done=min(state.judgements, state.minimum)) as advance:
        while not _goes_on(state):
            if state.over:
                raise _waiting(state)
            time.sleep(POLL_S)
            before, state = state, batches.status(project.store, batch_id)
            advance(min(state.judgements, state.minimum) - min(before.judgements, before.minimum))
    if state.judgements < state.maximum:
        say(f"Going on with {state.judgements:,} of {state.maximum:,} judgements.")


def _batch(store: Store, campaign: str, patience: Patience) -> str | None:
    """The batch that asks for a campaign's judgements, opened where there is none; None: nothing more is wanted."""
    state = progress_of(store, campaign)
    if not (0 < patience.enough <= 1 and patience.hours >= 0):
        raise Problem(
            f"{patience.enough} judgements of 1 within {patience.hours} hours cannot be waited for",
            where="patience",
            mend="let enough be above 0 and at most 1, and hours not negative",
        )
    mark = {"for": "stages", "questions": state.questions, **asdict(patience)}
    for batch in batches.batches_of(store, campaign):
        if batch.metadata == mark:  # the command was repeated
            return batch.id
    if state.given >= state.wanted:
        return None
    known = {item.question.id for item in gold_of(store, campaign)}
    questions = [question.id for question in store.questions(campaign) if question.id not in known]
    minimum, ttl_s = max(1, math.ceil(patience.enough * state.wanted)), patience.hours * 3600 or None
    return batches.open_batch(store, campaign, questions, minimum, state.wanted, ttl_s, mark).id


def _goes_on(state: BatchStatus) -> bool:
    """Whether there are enough judgements, or some and no more will come."""
    return state.usable or (state.over and state.judgements > 0) or state.waiting == 0


def _waiting(state: BatchStatus) -> Waiting:
    if state.over:
        return Waiting(
            f"the time for {state.campaign!r} is over and nobody has answered",
            mend="the same command with a longer --patience.hours asks again",
        )
    return Waiting(
        f"{state.judgements} of {state.minimum} judgements are in for {state.campaign!r}",
        mend="the same command goes on when more have come; without --no-wait it waits for them",
    )


def _simulate(project: Project, campaign: str, people: list[Person], seed: int) -> None:
    annotators = [
        SimulatedAnnotator(
            id=person.id,
            weights=person.weights,
            temperature=person.temperature,
            side_bias=person.side_bias,
            lapse=person.lapse,
            spam=person.spam,
            tie_width=person.tie_width,
            bad_below=-math.inf if person.bad_below is None else person.bad_below,
        )
        for person in people
    ]
    known: dict[tuple[str, str], Mapping[str, float]] = {}

    def features(prompt: Prompt, text: str) -> Mapping[str, float]:
        key = (prompt.id, text)
        if key not in known:
            known[key] = qualities(prompt, text)
        return known[key]

    questions, seen = progress_of(project.store, campaign).questions, 0
    with progress("Questions answered", questions) as advance:

        def on_progress(done: int, _total: int) -> None:
            nonlocal seen
            advance(done - seen)
            seen = done

        answer_all(
            project.store,
            annotators,
            features,
            campaign=campaign,
            seed=seed_of(seed, "answers"),
            on_progress=on_progress,
        )


def _by_function(project: Project, campaign: str, spec: str) -> None:
    """One annotator of kind `model` prefers what the function scores higher."""
    from heedful.reward.rules import load_function, score_texts

    store, annotator = project.store, Annotator(f"function {spec}", spec, kind="model")
    questions = store.questions(campaign, kind="comparison")
    done = {judgement.question_id for judgement in store.judgements(campaign, annotator_id=annotator.id)}
    open_questions = [question for question in questions if question.id not in done]
    if not open_questions:
        return
    prompts = {prompt.id: prompt for prompt in store.prompts({question.prompt_id for question in open_questions})}
    ids = list(dict.fromkeys(id_ for question in open_questions for id_ in question.completion_ids))
    completions = store.completions(ids)
    texts = [prompts[completion.prompt_id].as_text() for completion in completions]
    values = score_texts(load_function(spec), texts, [completion.text for completion in completions])
    score = {completion.id: sum(row) for completion, row in zip(completions, values, strict=True)}
    judgements = []
    for question in open_questions:
        a, b = (score[id_] for id_ in question.completion_ids)
        choice = "tie" if a == b else "a" if a > b else "b"
        id_ = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{spec}/{question.id}"))
        judgements.append(Judgement(id_, question.id, annotator.id, {"choice": choice}, shown=(0, 1)))
    store.add_everything(annotators=[annotator], judgements=judgements)
    say(f"{spec} answered {len(judgements):,} comparisons.")
