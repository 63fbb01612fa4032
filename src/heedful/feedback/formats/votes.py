"""heedful's own rows, which lose nothing: a question, its completions, and who answered what.

A comparison is `{prompt, a, b, votes: [{annotator, choice, strength?, reason?}]}`; any other kind of question is
`{kind, prompt, completions: [...], votes: [{annotator, answer}]}`. Further columns are the question's metadata,
further fields of a vote the answer's. What the plain columns cannot say (ids that do not follow from content, campaign,
sampling settings, times) stands in one optional column `heedful`, of the row and of each vote.

Texts that wait to be asked about need no more than `{prompt, completions: [...]}`; further columns are the prompt's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from heedful.feedback.formats import fields
from heedful.feedback.formats.entries import Answer, Entry, Format, completion, judgement_id, question_id
from heedful.feedback.formats.plain import JUDGED
from heedful.feedback.formats.rows import Row, json_type
from heedful.feedback.questions import KINDS
from heedful.records import CHOICES, Annotator, Completion, Judgement, Metadata, Prompt, Question, content_id

CAMPAIGN = "import"
"""The campaign of imported questions that name none."""

_ROW_COLUMNS = frozenset(("prompt", "a", "b", "kind", "completions", "votes", "heedful"))
_VOTE_FIELDS = frozenset(("annotator", "choice", "strength", "reason", "answer", "metadata", "heedful"))
_QUESTION_FIELDS = {"id": str, "campaign": str, "purpose": str, "overlap": int, "propensity": float, "selection": str}
_COMPLETION_FIELDS = {
    "id": str,
    "policy": str,
    "sampling": dict,
    "finish": str,
    "token_ids": list,
    "logprobs": list,
    "metadata": dict,
}
_JUDGEMENT_FIELDS = {"id": str, "shown": list, "created": str, "duration_s": float}
_ANNOTATOR_FIELDS = {"kind": str, "metadata": dict}
_WORDS = {
    "purpose": ("train", "evaluate"),
    "finish": ("stop", "length", ""),
    "kind": ("person", "simulated", "imported", "model"),
}


def _votes(row: Row) -> Iterator[Entry]:
    compared = "completions" not in row.columns
    kind = "comparison" if compared else row.columns.get("kind")
    if kind is not None and not (isinstance(kind, str) and kind in KINDS):
        raise row.problem(f"unknown kind of question {kind!r}", "kind", f"write one of {', '.join(KINDS)}")
    own = fields.mapping(row, "heedful", row.columns.get("heedful", {}))
    prompt = fields.prompt(row, may_be_empty=True)
    about_prompt = _own_fields(row, "heedful.prompt", own.get("prompt", {}), {"id": str, "metadata": dict})
    prompt = replace(prompt, **about_prompt) if about_prompt else prompt
    written = _completions(row, prompt, own.get("completions", []), compared=compared)
    notes: tuple[str, ...] = ("empty completions",) if not all(text.text.strip() for text in written) else ()
    if compared and written[0].text == written[1].text:
        # People did vote on it, so it is kept; no view learns from it.
        notes += ("identical completions",)
    question = dict(fields.mapping(row, "heedful.question", own.get("question", {})))
    reserved = _reserved(compared=compared)
    metadata = {name: value for name, value in row.columns.items() if name not in reserved}
    metadata |= fields.mapping(row, "heedful.question.metadata", question.pop("metadata", {}))
    question = _own_fields(row, "heedful.question", question, _QUESTION_FIELDS)
    answers = _answers(row, kind or "")
    if kind is None and answers:
        raise row.problem("there are votes but no kind of question", "kind", f"write one of {', '.join(KINDS)}")
    yield Entry(prompt, written, kind or "", answers, metadata, question, notes=notes)


def _completions(row: Row, prompt: Prompt, details: Any, *, compared: bool) -> tuple[Completion, ...]:
    if compared:
        texts = [fields.text(row, name, may_be_empty=True) for name in ("a", "b")]
    else:
        listed = fields.sequence(row, "completions", row.columns["completions"])
        texts = [
            fields.checked_text(row, f"completions[{i}]", text, may_be_empty=True) for i, text in enumerate(listed)
        ]
    details = fields.sequence(row, "heedful.completions", details) or [{}] * len(texts)
    if len(details) != len(texts):
        raise row.problem(
            f"{len(texts)} are wanted, not {len(details)}", "heedful.completions", "give one object for each completion"
        )
    written = []
    for i, (text, detail) in enumerate(zip(texts, details, strict=True)):
        known = _own_fields(row, f"heedful.completions[{i}]", detail, _COMPLETION_FIELDS)
        plain = completion(prompt, text)
        if text in texts[:i]:  # written twice: another completion, and so another id
            plain = replace(plain, id=content_id("completion", prompt.id, text, i))
        written.append(replace(plain, **known) if known else plain)
    return tuple(written)


def _answers(row: Row, kind: str) -> tuple[Answer, ...]:
    votes = fields.sequence(row, "votes", fields.required(row, "votes"))
    answers = tuple(_answer(row, f"votes[{i}]", vote, kind) for i, vote in enumerate(votes))
    seen: set[str | None] = set()
    for i, answer in enumerate(answers):
        if answer.annotator in seen:
            raise row.problem(
                f"annotator {answer.annotator!r} votes twice",
                f"votes[{i}].annotator",
                "keep one vote of each annotator",
            )
        seen.add(answer.annotator)
    return answers


def _answer(row: Row, place: str, vote: Any, kind: str) -> Answer:
    vote = fields.mapping(row, place, vote)
    annotator = vote.get("annotator")
    if isinstance(annotator, int) and not isinstance(annotator, bool):
        annotator = str(annotator)
    if not isinstance(annotator, str) or not annotator.strip():
        what = f"a name is wanted, not {json_type(annotator)}" if "annotator" in vote else "the field is missing"
        raise row.problem(what, f"{place}.annotator", "say who voted; any name that is the same each time will do")
    if kind == "comparison":
        if vote.get("choice") not in CHOICES:
            what = f"unknown choice {vote['choice']!r}" if "choice" in vote else "the field is missing"
            raise row.problem(what, f"{place}.choice", f"write one of {', '.join(CHOICES)}")
        answer = {name: vote[name] for name in ("choice", "strength", "reason") if vote.get(name) is not None}
    else:
        if "answer" not in vote:
            raise row.problem("the field is missing", f"{place}.answer", f"write the answer to a {kind}")
        answer = dict(fields.mapping(row, f"{place}.answer", vote["answer"]))
    more = {name: value for name, value in vote.items() if name not in _VOTE_FIELDS}
    if "metadata" in vote:
        given = vote["metadata"]
        more |= given if isinstance(given, dict) else {"metadata": given}
    if more:
        answer["metadata"] = {**more, **answer.get("metadata", {})}
    if "heedful" not in vote:
        return Answer(answer, annotator)
    own = dict(fields.mapping(row, f"{place}.heedful", vote["heedful"]))
    about = _own_fields(row, f"{place}.heedful.annotator", own.pop("annotator", {}), _ANNOTATOR_FIELDS)
    known = _own_fields(row, f"{place}.heedful", own, _JUDGEMENT_FIELDS)
    return Answer(answer, annotator, about_annotator=about, judgement=known)


def _reserved(*, compared: bool) -> frozenset[str]:
    """The columns that have a meaning of their own, in rows of comparisons and of the other kinds."""
    return _ROW_COLUMNS - {"kind"} if compared else _ROW_COLUMNS


def _own_fields(row: Row, place: str, value: Any, known: Mapping[str, type]) -> dict[str, Any]:
    """The fields of one record that a `heedful` object gives, their types checked; arrays become tuples."""
    checked: dict[str, Any] = {}
    for name, given in fields.mapping(row, place, value).items():
        field = f"{place}.{name}"
        if name not in known:
            raise row.problem("unknown field", field, f"write one of {', '.join(known)}")
        wanted = int | float if known[name] is float else known[name]
        if not isinstance(given, wanted) or isinstance(given, bool):
            raise row.problem(f"wrong type: {json_type(given)}", field, "leave the heedful column as it was exported")
        if name in _WORDS and given not in _WORDS[name]:
            raise row.problem(f"unknown word {given!r}", field, f"write one of {', '.join(_WORDS[name])}")
        checked[name] = tuple(given) if isinstance(given, list) else given
    return checked


def row_of(
    question: Question | None,
    prompt: Prompt,
    completions: Sequence[Completion],
    judgements: Sequence[tuple[Judgement, Annotator | None]],
) -> dict[str, Any]:
    """One row that `heedful` reads back into the same records.

    Args:
        question: what was asked; None for completions that nothing was asked about.
        prompt: of the question.
        completions: in the question's order.
        judgements: the current answers, each with its annotator where that was not described in an earlier row.
    """
    kind = question.kind if question else None
    row: dict[str, Any] = {"prompt": _content(prompt)}
    texts = [text.text for text in completions]
    if kind == "comparison":
        row |= {"a": texts[0], "b": texts[1]}
    else:
        row = {"kind": kind, **row, "completions": texts}
    row["votes"] = [_vote(judgement, annotator, kind) for judgement, annotator in judgements]
    own: dict[str, Any] = {}
    about_question: dict[str, Any] = {}
    if question:
        about_question = _about_question(question, prompt, completions, judgements)
        if _reserved(compared=kind == "comparison") & question.metadata.keys():
            about_question["metadata"] = dict(question.metadata)
        else:
            row |= question.metadata
    own["question"] = about_question
    own["prompt"] = _differing({"id": prompt.id, "metadata": dict(prompt.metadata)}, _plain_prompt(prompt))
    details = [_about_completion(text, prompt) for text in completions]
    own["completions"] = details if any(details) else []
    own = {name: value for name, value in own.items() if value}
    return {**row, "heedful": own} if own else row


def _content(prompt: Prompt) -> Any:
    return [{"role": turn.role, "content": turn.content} for turn in prompt.messages] or prompt.text


def _plain_prompt(prompt: Prompt) -> dict[str, Any]:
    return {"id": Prompt.of(prompt.messages or prompt.text).id, "metadata": {}}


def _about_question(
    question: Question,
    prompt: Prompt,
    completions: Sequence[Completion],
    judgements: Sequence[tuple[Judgement, Annotator | None]],
) -> dict[str, Any]:
    """What reading the row's plain columns would get wrong."""
    text = str(judgements[0][0].answer.get("text", "")) if judgements and question.kind == "demonstration" else ""
    ids = tuple(completion.id for completion in completions)
    plain = {
        "id": question_id(question.kind, prompt.id, ids, question.metadata, text),
        "campaign": CAMPAIGN,
        "purpose": "train",
        "overlap": max(1, len(judgements)),
        "propensity": None,
        "selection": "",
    }
    return _differing({name: getattr(question, name) for name in plain}, plain)


def _about_completion(text: Completion, prompt: Prompt) -> dict[str, Any]:
    plain = completion(prompt, text.text)
    values = {name: getattr(text, name) for name in _COMPLETION_FIELDS}
    return _differing(values, {name: getattr(plain, name) for name in _COMPLETION_FIELDS})


def _vote(judgement: Judgement, annotator: Annotator | None, kind: str | None) -> dict[str, Any]:
    vote: dict[str, Any] = {"annotator": judgement.annotator_id}
    if kind == "comparison":
        answer = dict(judgement.answer)
        metadata: Metadata = answer.pop("metadata", {})
        vote |= answer
        vote |= {"metadata": metadata} if _VOTE_FIELDS & metadata.keys() else metadata
    else:
        vote["answer"] = dict(judgement.answer)
    plain = {"id": judgement_id(judgement.question_id, judgement.annotator_id), "shown": (), "created": ""}
    values = {name: getattr(judgement, name) for name in _JUDGEMENT_FIELDS}
    own = _differing(values, {**plain, "duration_s": None})
    if annotator:
        about = {"kind": annotator.kind, "metadata": dict(annotator.metadata)}
        own |= {"annotator": found} if (found := _differing(about, {"kind": "imported", "metadata": {}})) else {}
    return {**vote, "heedful": own} if own else vote


def _differing(values: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not the plain ones, as JSON writes them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value != plain[name]
    }


def _waiting(row: Row) -> Iterator[Entry]:
    kind = row.columns.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        raise row.problem(
            f"a {kind} without votes", "votes", "write [] where nobody has answered, or leave out the kind"
        )
    prompt = fields.prompt(row)
    about = fields.rest(row, "prompt", "completions")
    written = _completions(row, prompt, [], compared=False)
    yield Entry(Prompt(prompt.id, prompt.text, prompt.messages, about), written)


def _texts(columns: Mapping[str, Any]) -> bool:
    """Beside a prompt, `completions` may be a note of another kind, unless they are texts."""
    texts = columns["completions"]
    return isinstance(texts, list) and bool(texts) and all(isinstance(text, str) for text in texts)


VOTES = Format("heedful", (frozenset({"a", "b", "votes"}), frozenset({"completions", "votes"})), _votes)
WAITING = Format(
    "completions",
    (frozenset({"prompt", "completions"}),),
    _waiting,
    forbids=JUDGED | {"label", "labels", "heedful"},
    fits=_texts,
    family="heedful",
)
