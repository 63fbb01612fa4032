"""The form in which an owner gives a question's right answer: the kind's controls as plain inputs, without JavaScript.

The completions stand in the question's own order, and their authors are named: this is no judging.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heedful.errors import Problem
from heedful.feedback import showing
from heedful.feedback.controls import Choice, Control, Flags, Pick, Preference, Ranks, Scales, Writing
from heedful.records import Metadata, Question
from heedful.web.tasks import letter


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the form."""

    name: str
    label: str
    shape: str
    """`radio`, `ticks`, `number`, `text`."""
    options: Sequence[tuple[str, str, bool]] = ()
    """(value, label, whether it is chosen)"""
    value: str = ""
    least: float | None = None
    most: float | None = None
    hint: str = ""


def inputs(question: Question, answer: Metadata | None = None) -> list[Input]:
    """The inputs of a question, filled in with an answer where there is one.

    Raises:
        Problem: the kind has no form.
    """
    said = answer or {}
    return [one for control, given in showing.drawn(question) for one in _inputs(control, given, said, question)]


def answer_of(question: Question, form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The answer that the inputs of a question say; whether it is one, the kind checks.

    Raises:
        Problem: a number is none.
    """
    answer: dict[str, Any] = {}
    for control, given in showing.drawn(question):
        answer |= _said(control, given, form, question)
    return answer


def _inputs(control: Control, given: Mapping[str, Any], said: Metadata, question: Question) -> list[Input]:
    count = len(question.completion_ids)
    match control:
        case Preference():
            return [_preference(control, given, said)]
        case Ranks():
            ranks = list(said.get(control.field, ()))
            return [
                Input(
                    f"{control.field}:{place}",
                    f"Rank of {letter(place)}",
                    "number",
                    value=str(ranks[place]) if place < len(ranks) else "",
                    least=1,
                    most=count,
                    hint="1 is best; the same rank twice is a tie" if place == 0 else "",
                )
                for place in range(count)
            ]
        case Pick():
            picks = [(str(place), letter(place), said.get(control.field) == place) for place in range(count)]
            return [Input(control.field, control.label, "radio", picks)]
        case Choice():
            chosen = [
                (json.dumps(o.value), o.label, control.field in said and said[control.field] == o.value)
                for o in control.options
            ]
            return [Input(control.field, control.label, "radio", chosen)]
        case Scales():
            ratings = said.get(control.field, {})
            return [
                Input(
                    f"{control.field}:{aspect}",
                    aspect,
                    "number",
                    value=str(ratings.get(aspect, "")),
                    least=given["low"],
                    most=given["high"],
                )
                for aspect in given["aspects"]
            ]
        case Flags():
            raised = {flag["name"] for flag in said.get(control.field, ())}
            offered = dict.fromkeys([*given["offered"], *sorted(raised)])
            ticks = [(name, name, name in raised) for name in offered]
            return [Input(control.field, "Flags that the answer shows", "ticks", ticks, hint="none: leave all empty")]
        case Writing():
            return [
                Input(control.field, control.label, "text", value=str(said.get(control.field, "")), hint=control.hint)
            ]


def _preference(control: Preference, given: Mapping[str, Any], said: Metadata) -> Input:
    told = {name: said[name] for name in ("choice", "strength") if name in said}
    options = [*given["steps"], given["bad"]]
    choices = [(json.dumps(each.value), each.label, each.value == told) for each in options]
    if told and not any(chosen for *_, chosen in choices):  # a choice without a strength
        choices.insert(0, (json.dumps(told), f"{str(told['choice']).upper()} is better", True))
    return Input(control.field, "The right answer", "radio", choices)


def _said(
    control: Control, given: Mapping[str, Any], form: Mapping[str, Sequence[str]], question: Question
) -> dict[str, Any]:
    sent = (list(form.get(control.field, ())) or [""])[0]
    match control:
        case Preference():
            value = _json(sent)
            return value if isinstance(value, dict) else {}
        case Ranks():
            ranks = [_number(form, f"{control.field}:{place}") for place in range(len(question.completion_ids))]
            return {control.field: [int(rank) for rank in ranks if rank is not None]}
        case Pick():
            return {control.field: int(sent)} if sent.isdecimal() else {}
        case Choice():
            return {control.field: _json(sent)} if sent else {}
        case Scales():
            ratings = {aspect: _number(form, f"{control.field}:{aspect}") for aspect in given["aspects"]}
            told = {aspect: value for aspect, value in ratings.items() if value is not None}
            return {control.field: told, control.scale_field: [given["low"], given["high"]]}
        case Flags():
            return {control.field: [{"name": name} for name in form.get(control.field, ())]}
        case Writing():
            return {control.field: sent.replace("\r\n", "\n")}


def _number(form: Mapping[str, Sequence[str]], name: str) -> float | int | None:
    text = (list(form.get(name, ())) or [""])[0].strip()
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise Problem(f"{text!r} is no number", where=f'field "{name}"', mend="write a number") from None
    return int(value) if value.is_integer() else value


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None
