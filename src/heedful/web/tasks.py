"""What the judging page is sent of a question: its form as HTML, in the order of the screen, and blind.

Nothing here names a model, a position, a completion's id or a gold item: completions are A, B, C ... as they stand on
the screen, and clips are asked for by their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_uppercase
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from heedful.feedback import showing
from heedful.feedback.controls import BOTH_BAD, STEPS, Control
from heedful.feedback.kind import skipped, withdrawn
from heedful.feedback.questions import kind_of
from heedful.feedback.showing import Shown
from heedful.feedback.steering.desk import Answered
from heedful.feedback.steering.drafts import Draft
from heedful.feedback.store import Store
from heedful.records import Completion, Metadata, Question
from heedful.web.rendering import LONGEST, Rendered, counted, markdown, prompt_parts
from heedful.web.site import Site

TURNS = 6
"""Turns of a conversation that are shown at once; earlier ones are folded away."""

EXCERPT = 90
"""Characters of a text in a list."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion as it stands on the screen."""

    letter: str
    body: Rendered
    clip: str
    """Where its film is; empty when it has none."""
    excerpt: str
    plain: Markup | None
    """Character for character; None when no control needs it."""


def letter(place: int) -> str:
    """The name of a place on the screen: A, B, ... Z, A1, B1, ..."""
    turn, index = divmod(place, len(ascii_uppercase))
    return ascii_uppercase[index] + (str(turn) if turn else "")


def of(
    site: Site, found: Shown, *, draft: Draft | None = None, use: str = "work", editing: bool = False
) -> dict[str, Any]:
    """A question as JSON for the page.

    Args:
        site: whose templates draw it.
        found: the question as it was given.
        draft: what the annotator had begun to answer.
        use: `training` and `exam` items say so; `gold` looks like `work`.
        editing: whether an answer that holds is being changed; it is filled in unless the draft is newer.

    Returns:
        `question`, `campaign`, `kind`, `html`, `answer` and `saved` (what to fill in, in the order of the screen),
        `supersedes`, `editing`, `training`, `prefill` (the text that a correction begins with).
    """
    question = found.question
    answer: Metadata | None = draft.answer if draft is not None else None
    if answer is None and editing and found.last is not None:
        answer = found.last.answer
    form = showing.drawn(question)
    return {
        "question": question.id,
        "campaign": question.campaign,
        "kind": question.kind,
        "html": _drawn(site, found, form, use),
        "answer": None if answer is None else showing.shown(question, answer, found.order),
        "saved": draft.saved if draft is not None else 0.0,
        "supersedes": found.last.id if found.last is not None else None,
        "editing": editing,
        "training": use in ("training", "exam"),
        "prefill": found.completions[0].text if any(getattr(each, "prefill", False) for each, _ in form) else None,
    }


def _drawn(site: Site, found: Shown, form: Sequence[tuple[Control, Mapping[str, Any]]], use: str) -> str:
    question, kind = found.question, kind_of(found.question)
    counts_characters = any(control.name == "flags" for control, _ in form)
    parts = prompt_parts(found.prompt)
    return site.templates.get_template("kinds/task.html").render(
        title=kind.title or kind.name.capitalize(),
        ask=str(question.metadata.get("ask") or kind.ask or "What do you say?"),
        use=use if use in ("training", "exam") else "",
        earlier=parts[:-TURNS],
        parts=parts[-TURNS:],
        first=max(0, len(parts) - TURNS),
        answers=[
            _answer(site, question, completion, place, counts_characters)
            for place, completion in enumerate(found.completions)
        ],
        form=[(control, dict(values)) for control, values in form],
        longest=LONGEST,
    )


def _answer(site: Site, question: Question, completion: Completion, place: int, counts: bool) -> Answer:
    clip = completion.metadata.get("clip")
    query = urlencode({"question": question.id, "place": place})
    return Answer(
        letter=letter(place),
        body=markdown(completion.text),
        clip=site.url(f"/media/clip?{query}") if isinstance(clip, str) and clip else "",
        excerpt=excerpt(completion.text),
        plain=counted(completion.text).html if counts else None,
    )


def excerpt(text: str) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text[: 4 * EXCERPT].split())
    return line if len(line) <= EXCERPT else f"{line[: EXCERPT - 1]}…"


def said(question: Question, answer: Metadata, order: Sequence[int]) -> str:
    """An answer in words, in the order of the screen: "A is much better"."""
    if withdrawn(answer):
        return "taken back"
    if skipped(answer):
        return "skipped"
    turned = showing.shown(question, answer, order)
    return "; ".join(filter(None, (_said(control, turned) for control in kind_of(question).controls)))


def _said(control: Control, answer: Mapping[str, Any]) -> str:
    value = answer.get(control.field)
    match control.name:
        case "preference":
            return _preference(answer)
        case "ranks" if isinstance(value, list):
            order = sorted(range(len(value)), key=lambda place: value[place])
            words = letter(order[0]) if order else ""
            for before, place in pairwise(order):
                words += f" {'=' if value[before] == value[place] else '>'} {letter(place)}"
            return words
        case "pick" if isinstance(value, int):
            return letter(value)
        case "choice":
            return next((each.label for each in getattr(control, "options", ()) if each.value == value), "")
        case "scales" if isinstance(value, Mapping):
            return ", ".join(f"{aspect} {number}" for aspect, number in value.items())
        case "flags" if isinstance(value, list):
            return ", ".join(dict.fromkeys(str(flag["name"]) for flag in value)) or "no flag"
        case _:
            return excerpt(str(value)) if value is not None else ""


def _preference(answer: Mapping[str, Any]) -> str:
    wanted = {name: answer[name] for name in ("choice", "strength") if name in answer}
    for step in (*STEPS, BOTH_BAD):
        if step.value == wanted:
            return step.label
    return f"{str(wanted.get('choice', '')).upper()} is better"


def line(store: Store, answered: Answered) -> dict[str, Any]:
    """One answer of one's own, for a list."""
    judgement, question = answered.judgement, answered.question
    order = order_of(answered)
    prompt = store.prompts([question.prompt_id])[0]
    return {
        "question": question.id,
        "campaign": question.campaign,
        "kind": question.kind,
        "judgement": judgement.id,
        "created": judgement.created,
        "prompt": excerpt(prompt.messages[-1].content if prompt.messages else prompt.text),
        "said": said(question, judgement.answer, order),
        "reason": str(judgement.answer.get("reason", "")),
        "editable": answered.editable,
    }


def order_of(answered: Answered) -> tuple[int, ...]:
    """The order in which the completions of an answered question stood on the screen."""
    return tuple(answered.judgement.shown) or tuple(range(len(answered.question.completion_ids)))
