"""Questions for the people who steer: a list to search, and one page with everything that was shown and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast, get_args

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import Response

from heedful.errors import Problem
from heedful.feedback.accounts.accounts import Account, all_accounts
from heedful.feedback.browsing import MARKS, Dossier, Event, Search, dossier, search
from heedful.feedback.quality.aggregate import Consensus, consensus
from heedful.feedback.questions import KINDS
from heedful.feedback.steering import comments, gold
from heedful.feedback.steering.gold import Gold, Use
from heedful.feedback.tracing import descent, snapshots_with
from heedful.records import Metadata
from heedful.web import addresses, importing, site
from heedful.web.access import Owner, Person, Reviewer, redirect, render
from heedful.web.figures.lineage import after_snapshots, drawings, graph_of
from heedful.web.form_fields import Fields, first
from heedful.web.overview import Overview
from heedful.web.rendering import markdown, prompt_parts
from heedful.web.right_answers import answer_of, inputs
from heedful.web.tasks import letter
from heedful.web.words import answer_words, mark_words

router = APIRouter()
router.include_router(importing.router)

PAGE = 25

DONE: Mapping[str, str] = {
    "commented": "Your remark is on the thread.",
    "gold": "This question's answer is known now, and people get it as what you chose.",
    "ordinary": "This is an ordinary question again; it stays one for evaluation.",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A judgement as the page shows it."""

    event: Event
    words: str
    reason: str
    used: Sequence[str]
    """The snapshots that hold it."""


@router.get("/questions")
def questions(
    request: Request,
    person: Reviewer,
    campaign: str = "",
    kind: str = "",
    purpose: str = "",
    policy: str = "",
    mark: str = "",
    text: Annotated[str, Query(max_length=500)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """The questions that match, the newest first."""
    store = site.of(request).store
    wanted = Search(campaign, kind, purpose, policy, mark if mark in MARKS else "", text.strip())
    found, total = search(store, wanted, PAGE * (page - 1), PAGE)
    chosen = {"campaign": campaign, "kind": kind, "purpose": purpose, "policy": policy, "mark": mark, "text": text}
    overview = Overview(site.of(request))
    return render(
        request,
        "questions.html",
        person=person,
        found=found,
        total=total,
        page=page,
        pages=max(1, -(-total // PAGE)),
        chosen=chosen,
        filtered=any(chosen.values()),
        campaigns=[(name, one.title or name) for name, one in overview.campaigns().items()],
        kinds=KINDS,
        kind_choices=[(name, one.title or name) for name, one in KINDS.items()],
        versions=[(model.id, model.id) for model in store.models("policy")],
        marks=[(name, mark_words(name)) for name in MARKS],
        here=lambda number: addresses.questions(**chosen, page=str(number)),
    )


@router.post("/questions/{question_id:path}/comments")
def comment(request: Request, person: Reviewer, question_id: str, text: Annotated[str, Form()] = "") -> Response:
    """Say something on a question's thread."""
    comments.add(site.of(request).store, question_id, person.account.id, text)
    return redirect(request, f"{addresses.question(question_id)}?done=commented#comments")


@router.post("/questions/{question_id:path}/gold")
def know(request: Request, person: Owner, question_id: str, form: Fields) -> Response:
    """Make the question a training, exam or gold item with its right answer, or an ordinary one again."""
    store = site.of(request).store
    found = _dossier(request, question_id)
    if first(form, "use") == "none":
        gold.unset_gold(store, question_id, by=person.account.id)
        return redirect(request, f"{addresses.question(question_id)}?done=ordinary")
    answer: Metadata = {}
    try:
        answer = answer_of(found.question, form)
        use = first(form, "use")
        if use not in get_args(Use):
            raise Problem("it is not said what the question is for", mend="choose training, exam or gold")
        gold.set_gold(store, question_id, cast(Use, use), answer, first(form, "explanation"), by=person.account.id)
    except Problem as problem:
        return _page(request, person, found, problem=problem, answer=answer)
    return redirect(request, f"{addresses.question(question_id)}?done=gold")


@router.get("/questions/{question_id:path}")
def question(request: Request, person: Reviewer, question_id: str, done: str = "") -> Response:
    """One question."""
    return _page(request, person, _dossier(request, question_id), done=DONE.get(done, ""))


def _dossier(request: Request, question_id: str) -> Dossier:
    found = dossier(site.of(request).store, question_id)
    if found is None:
        raise HTTPException(404, f"there is no question {question_id!r}")
    return found


def _page(
    request: Request,
    person: Person,
    found: Dossier,
    *,
    done: str = "",
    problem: Problem | None = None,
    answer: Metadata | None = None,
) -> Response:
    here, asked = site.of(request), found.question
    overview = Overview(here)
    used = snapshots_with(here.store, [event.judgement.id for event in found.events])
    hashes = {hash_ for names in used.values() for hash_ in names}
    lineage = overview.lineage()
    known = next((one for one in gold.gold_of(here.store, asked.campaign) if one.question.id == asked.id), None)
    pictures: Sequence[Any] = ()
    if hashes:
        marked = after_snapshots(lineage, hashes, asked.campaign)
        pictures = drawings(graph_of(lineage, here.url), "lineage", "The models that these judgements shaped", marked)
    people = {account.id: account for account in all_accounts(here.store)}
    return render(
        request,
        "question.html",
        status_code=400 if problem else 200,
        question=asked,
        kind=KINDS.get(asked.kind),
        parts=prompt_parts(found.prompt),
        prompt=found.prompt,
        completions=[(letter(i), one, markdown(one.text)) for i, one in enumerate(found.completions)],
        said=[_said(event, used) for event in found.events],
        consensus=_consensus(overview, asked.id, asked.campaign),
        comments=[(one, _author(people, one.author)) for one in comments.of(here.store, asked.id)],
        gold=known,
        inputs=_inputs(found, known, answer),
        pictures=pictures,
        shaped=descent(lineage.models, hashes),
        snapshots=sorted(hashes),
        done=done,
        problem=problem,
    )


def _inputs(found: Dossier, known: Gold | None, answer: Metadata | None) -> Sequence[Any]:
    try:
        return inputs(found.question, answer or (known.answer if known else None))
    except Problem:  # a kind without a form
        return ()


def _said(event: Event, used: Mapping[str, Sequence[str]]) -> Said:
    answer = event.judgement.answer
    return Said(event, answer_words(answer), str(answer.get("reason", "")), used.get(event.judgement.id, ()))


def _author(people: Mapping[str, Account], account_id: str) -> str:
    account = people.get(account_id)
    return account.name if account else "somebody who left"


def _consensus(overview: Overview, question_id: str, campaign: str) -> Consensus | None:
    found = overview.kept(
        f"consensus {campaign}", lambda: {one.question_id: one for one in consensus(overview.store, campaign)}
    )
    return found.get(question_id)
