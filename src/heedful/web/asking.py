"""Adding questions to a campaign: from what the store holds, from a file, or as a rematch of two versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, cast
from urllib.parse import quote

from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import Response

from heedful.errors import Problem
from heedful.feedback.controls import ASPECTS, FLAGS, SCALE
from heedful.feedback.exchange import Dataset, read
from heedful.feedback.posing import Posed, Wish, pose, rematch
from heedful.feedback.questions import KINDS
from heedful.feedback.steering.settings import Campaign
from heedful.feedback.store import Purpose, Store
from heedful.records import Completion, content_id
from heedful.seeds import seed_of
from heedful.web import addresses, site, uploads
from heedful.web.access import Owner, redirect, render
from heedful.web.campaign_lookup import known
from heedful.web.form_fields import Fields, Sent, first

router = APIRouter()


@router.get("/{name:path}/questions")
def page(request: Request, person: Owner, name: str) -> Response:
    """The three ways to add questions."""
    return _page(request, known(site.of(request).store, name), {})


@router.post("/{name:path}/questions")
def add(
    request: Request, person: Owner, name: str, form: Fields, file: Annotated[UploadFile | None, File()] = None
) -> Response:
    """Add questions in one of the ways."""
    store = site.of(request).store
    campaign = known(store, name)
    try:
        if first(form, "how") == "rematch":
            wish = _wish(campaign, form, purpose="evaluate")
            posed = rematch(store, wish, first(form, "version_a"), first(form, "version_b"), _seed(campaign))
        elif first(form, "how") == "file":
            posed = _from_file(request, campaign, form, file)
        else:
            posed = _pose(store, campaign, _wish(campaign, form))
    except Problem as problem:
        return _page(request, campaign, form, problem)
    return redirect(request, f"{addresses.campaign(name)}?said={quote(_said(posed))}")


def _pose(store: Store, campaign: Campaign, wish: Wish) -> Posed:
    rules = campaign.settings
    return pose(store, wish, _seed(campaign), rules.selection, rules.random_share)


def _wish(campaign: Campaign, form: Sent, purpose: str = "") -> Wish:
    """What the form asks for.

    Raises:
        Problem: a number is none.
    """
    kind = first(form, "kind") or "comparison"
    return Wish(
        campaign=campaign.name,
        kind=kind,
        purpose=cast(Purpose, purpose or ("evaluate" if first(form, "purpose") == "evaluate" else "train")),
        overlap=campaign.settings.overlap,
        budget=_whole(form, "budget", 200),
        per_question=_whole(form, "per_question", 4),
        policies=tuple(form.get("policies", ())),
        metadata=_metadata(kind, form),
    )


def _metadata(kind: str, form: Sent) -> dict[str, Any]:
    """What the form adds to every question: its wording, aspects, scale, flags."""
    found: dict[str, Any] = {}
    if ask := first(form, "ask"):
        found["ask"] = ask
    if kind == "rating":
        found["aspects"] = _words(first(form, "aspects")) or list(ASPECTS)
        found["scale"] = [_whole(form, "scale_low", SCALE[0]), _whole(form, "scale_high", SCALE[1])]
    if kind == "flags" and (flags := _words(first(form, "flags"))):
        found["flags"] = flags
    return found


def _from_file(request: Request, campaign: Campaign, form: Sent, file: UploadFile | None) -> Posed:
    """Questions about the prompts and completions of a file; judgements in it are not taken."""
    text = first(form, "text")
    if (file is None or not file.filename) and not text:
        raise Problem("there is no file", where='field "file"', mend="choose one, or paste some lines")
    with uploads.kept(file, text) as path:
        dataset = uploads.named(path, lambda: read(path, campaign=campaign.name))
    here, wish = site.of(request), _wish(campaign, form)
    asked = [question for question in dataset.questions if question.completion_ids]
    if asked and not dataset.judgements:
        added = here.store.add_everything(
            prompts=dataset.prompts,
            completions=dataset.completions,
            questions=[replace(one, overlap=wish.overlap, purpose=wish.purpose) for one in asked],
        )
        return Posed(len(asked), len(asked), added["questions"])
    here.store.add_everything(prompts=dataset.prompts, completions=_completions(dataset))
    return _pose(here.store, campaign, replace(wish, prompt_ids=tuple(prompt.id for prompt in dataset.prompts)))


def _completions(dataset: Dataset) -> list[Completion]:
    """The completions of a file, those that stand in it as demonstrations among them."""
    prompts = {question.id: question.prompt_id for question in dataset.questions if question.kind == "demonstration"}
    texts = [
        (prompts[one.question_id], str(one.answer["text"])) for one in dataset.judgements if one.question_id in prompts
    ]
    shown = [Completion(content_id("completion", prompt, text), prompt, text) for prompt, text in texts]
    return [*dataset.completions, *shown]


def _whole(form: Sent, name: str, otherwise: int) -> int:
    text = first(form, name)
    if not text:
        return otherwise
    if not text.lstrip("-").isdecimal():
        raise Problem(f"{text!r} is no whole number", where=f'field "{name}"', mend="write digits")
    return int(text)


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in text.replace("\n", ",").split(",") if word.strip()))


def _seed(campaign: Campaign) -> int:
    return seed_of(0, "ask", campaign.name)


def _said(posed: Posed) -> str:
    if not posed.added:
        return "All of these had been asked here before: nothing was added."
    of = f" of {posed.possible:,} possible ones" if posed.possible > posed.chosen else ""
    again = f" {posed.chosen - posed.added:,} had been asked before." if posed.added < posed.chosen else ""
    return f"{posed.added:,} questions were added{of}.{again}"


def _page(request: Request, campaign: Campaign, form: Sent, problem: Problem | None = None) -> Response:
    store = site.of(request).store
    versions = [model.id for model in store.models("policy")]
    return render(
        request,
        "campaign_questions.html",
        status_code=400 if problem else 200,
        campaign=campaign,
        kinds=[kind for kind in KINDS.values() if kind.controls],
        versions=versions,
        form={name: first(form, name) for name in form},
        chosen=list(form.get("policies", ())),
        aspects=", ".join(ASPECTS),
        scale=SCALE,
        flags=", ".join(FLAGS),
        problem=problem,
    )
