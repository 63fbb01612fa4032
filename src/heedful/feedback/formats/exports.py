"""The store's judgements as dataset rows: the field's standard columns, or heedful's own, which lose nothing.

A standard row says that one completion was chosen. Votes that disagree are written as the majority has it; an even
vote (ties, "bad", as many on either side) cannot be said and is left out, and so is an empty completion. Everything
left out or said less exactly is counted.
"""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from heedful.errors import Problem, from_os_error
from heedful.feedback import views
from heedful.feedback.formats.transcripts import is_transcript, transcript_of, turns_of
from heedful.feedback.formats.votes import row_of
from heedful.feedback.store import Purpose, Store
from heedful.files import write_atomically
from heedful.records import Judgement, Message, Prompt

Row = dict[str, Any]

EVEN = "even votes (ties, bad, or as many on either side)"
EMPTY = "empty completions"
IDENTICAL = "questions about identical completions"
UNANSWERED = "questions without an answer (or skipped by all)"
OTHER_LABELS = "labels that are not thumbs (flags, ratings)"
DIVIDED = "divided votes, written as the majority has them"


@dataclass(frozen=True, slots=True)
class Export:
    """What was written, and what was not."""

    rows: int
    left_out: Mapping[str, int]
    notes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Tally:
    """Counts that a writer makes on the way."""

    left_out: Counter[str]
    notes: Counter[str]


def write(store: Store, path: Path, name: str, purpose: Purpose) -> Export:
    """Write the rows of the format `name` as JSON Lines (gzipped where `path` ends in .gz), whole or not at all.

    Raises:
        Problem: an unknown format, nothing to write, or a prompt that the format cannot say.
    """
    tally = _Tally(Counter(), Counter())
    rows = list(_rows(store, name, purpose, tally))
    text = "".join(map(_line, rows))
    content = _gzipped(text.encode()) if path.name.endswith(".gz") else text.encode()
    try:
        write_atomically(path, lambda temporary: _write_bytes(temporary, content))
    except OSError as error:
        raise from_os_error(error) from error
    return Export(len(rows), dict(tally.left_out), dict(tally.notes))


def lines(store: Store, name: str, purpose: Purpose) -> Iterator[str]:
    """The same rows, one line each, as they are made.

    Raises:
        Problem: as `write`; an unknown format and an empty store before there is an iterator to read from.
    """
    return map(_line, _rows(store, name, purpose, _Tally(Counter(), Counter())))


def _rows(store: Store, name: str, purpose: Purpose, tally: _Tally) -> Iterator[Row]:
    """The rows of a format, of which there is at least one."""
    if name not in _WRITERS:
        raise Problem(
            f'there is no export format called "{name}"', where="format", mend=f"name one of {', '.join(_WRITERS)}"
        )
    rows = _WRITERS[name](store, purpose, tally)
    first = next(rows, None)
    if first is None:
        raise Problem(
            f"nothing in the store can be written as {name}"
            + "".join(f"; {count} {reason}" for reason, count in tally.left_out.items()),
            where=store.location,
            mend='collect or import judgements first, or export as "heedful"',
        )
    return chain([first], rows)


def _line(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _gzipped(content: bytes) -> bytes:
    """The same bytes for the same content: no name and no time inside."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as archive:
        archive.write(content)
    return packed.getvalue()


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _preference(store: Store, purpose: Purpose, tally: _Tally) -> Iterator[Row]:
    for prompt, chosen, rejected, more in _decided(store, purpose, tally):
        yield {"prompt": _as_text(prompt), "chosen": chosen, "rejected": rejected, **more}


def _conversational(store: Store, purpose: Purpose, tally: _Tally) -> Iterator[Row]:
    for prompt, chosen, rejected, more in _decided(store, purpose, tally):
        sides = {
            "chosen": _turns((Message("assistant", chosen),)),
            "rejected": _turns((Message("assistant", rejected),)),
        }
        yield {"prompt": _turns(prompt.messages or (Message("user", prompt.text),)), **sides, **more}


def _decided(store: Store, purpose: Purpose, tally: _Tally) -> Iterator[tuple[Prompt, str, str, dict[str, float]]]:
    """(prompt, chosen, rejected, margin where any pair has one) of every pair with a favourite."""
    compared = views.comparisons(store, purpose=purpose)
    with_margins = any(pair.margin for pair in compared)
    tally.left_out.update(_silent(store, purpose, {pair.question_id for pair in compared}))
    for pair in compared:
        if pair.target == 0.5:
            tally.left_out[EVEN] += 1
        elif not pair.a.strip() or not pair.b.strip():
            tally.left_out[EMPTY] += 1
        else:
            if 0 < pair.target < 1:
                tally.notes[DIVIDED] += 1
            chosen, rejected = (pair.a, pair.b) if pair.target > 0.5 else (pair.b, pair.a)
            yield pair.prompt, chosen, rejected, {"margin": pair.margin} if with_margins else {}


def _silent(store: Store, purpose: Purpose, speaking: Collection[str]) -> Iterator[str]:
    """For each question about several completions that gives no pair, why it gives none."""
    silent = [q for q in store.questions(purpose=purpose, kind=("comparison", "ranking")) if q.id not in speaking]
    shown = list(dict.fromkeys(name for question in silent for name in question.completion_ids))
    texts = {completion.id: completion.text for completion in store.completions(shown)}
    for question in silent:
        different = {texts[name] for name in question.completion_ids}
        yield UNANSWERED if len(different) > 1 else IDENTICAL


def _unpaired(store: Store, purpose: Purpose, tally: _Tally) -> Iterator[Row]:
    """Thumbs as they are; both completions of a comparison that was judged `bad` as false."""
    for labelled in views.labelled(store, purpose=purpose):
        if labelled.name not in ("thumb", "bad"):
            tally.left_out[OTHER_LABELS] += 1
        elif not labelled.text.strip():
            tally.left_out[EMPTY] += 1
        else:
            label = labelled.value > 0 if labelled.name == "thumb" else not labelled.value
            yield {"prompt": _as_text(labelled.prompt), "completion": labelled.text, "label": label}


def _prompt_completion(store: Store, purpose: Purpose, _tally: _Tally) -> Iterator[Row]:
    for shown in views.demonstrations(store, purpose=purpose):
        yield {"prompt": _as_text(shown.prompt), "completion": shown.text}


def _heedful(store: Store, _purpose: Purpose, _tally: _Tally) -> Iterator[Row]:
    prompts = {prompt.id: prompt for prompt in store.prompts()}
    completions = {text.id: text for text in store.completions()}
    undescribed = {annotator.id: annotator for annotator in store.annotators()}
    judgements: dict[str, list[Judgement]] = {}
    for judgement in store.judgements():
        judgements.setdefault(judgement.question_id, []).append(judgement)
    unasked = dict(completions)
    silent = dict(prompts)
    for question in store.questions():
        given = [(said, undescribed.pop(said.annotator_id, None)) for said in judgements.get(question.id, [])]
        shown = [completions[name] for name in question.completion_ids]
        silent.pop(question.prompt_id, None)
        for text in shown:
            unasked.pop(text.id, None)
        yield row_of(question, prompts[question.prompt_id], shown, given)
    left: dict[str, list[str]] = {name: [] for name in silent}
    for text in unasked.values():
        left.setdefault(text.prompt_id, []).append(text.id)
    for prompt_id, ids in left.items():
        yield row_of(None, prompts[prompt_id], [completions[name] for name in ids], ())


def _as_text(prompt: Prompt) -> str:
    """A prompt as one text: a conversation in the notation of HH-RLHF, which is read back as the same turns."""
    if not prompt.messages:
        return prompt.text
    speakers = {turn.role for turn in prompt.messages}
    text = transcript_of(prompt.messages) if speakers <= {"user", "assistant"} else ""
    stripped = tuple(Message(turn.role, turn.content.strip()) for turn in prompt.messages)
    if not is_transcript(text) or turns_of(text)[:-1] != stripped:
        raise Problem(
            "a conversation cannot be written as one text without loss",
            where=f'prompt "{prompt.id}"',
            mend='export as "conversational" or "heedful"',
        )
    return text


def _turns(turns: Iterable[Message]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


_WRITERS: Mapping[str, Callable[[Store, Purpose, _Tally], Iterator[Row]]] = {
    "preference": _preference,
    "conversational": _conversational,
    "unpaired": _unpaired,
    "prompt-completion": _prompt_completion,
    "heedful": _heedful,
}

NAMES = tuple(_WRITERS)
"""Every format that is written."""
