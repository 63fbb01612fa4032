"""Answers as training data: each view joins what holds with its prompts and texts, in one fixed order.

A view reads only judgements that hold (see `Store.judgements`) of questions with one purpose; `evaluate` questions
never reach a training view. Rows follow the questions' order of arrival, then the answers'. Every row names the
judgements and annotators behind it, for weighting by skill and for lineage.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from heedful.feedback.lessons import Imitation, Lesson, Mark, Pair, Remark
from heedful.feedback.questions import KINDS, lessons
from heedful.feedback.store import Names, Purpose, Store
from heedful.records import Comparison, Demonstration, Judgement, Labelled, Pick, Prompt, Question


def comparisons(
    store: Store,
    *,
    purpose: Purpose = "train",
    campaigns: Names | None = None,
    kinds: Names | None = None,
    judgement_ids: Collection[str] | None = None,
) -> list[Comparison]:
    """Pairs of completions and how often people prefer the first.

    The votes of one question on one pair are pooled: `target` is their mean, `weight` their number. A ranking of K
    completions gives C(K, 2) pairs, an edit one (edit above draft). All pairs of one question carry its id as
    `metadata["group"]`, so that they can be kept in one batch element (Ouyang et al. 2022, section 3.5).
    Two completions with the same text teach nothing and give no pair. `margin` is the mean over the votes that
    prefer a side, never negative, and is asked of whichever side people prefer; where no vote has a strength it is
    the number in the question's `metadata["margin"]`, if there is one.

    Args:
        store: where the answers are.
        purpose: of the questions.
        campaigns: only these.
        kinds: only these kinds of question; all that give pairs by default.
        judgement_ids: only these judgements (those of a snapshot), as they were, even if an answer has been revised
            since; all that hold by default.
    """
    pooled: list[Comparison] = []
    for asked in _asked(store, purpose, campaigns, kinds, judgement_ids):
        votes: dict[tuple[str, str], list[tuple[Pair, Judgement]]] = {}
        for judgement, lesson in asked.lessons():
            if isinstance(lesson, Pair) and lesson.a != lesson.b:
                votes.setdefault((lesson.a, lesson.b), []).append((lesson, judgement))
        pooled += [_pool(asked, pair) for pair in votes.values()]
    return pooled


def picks(
    store: Store,
    *,
    purpose: Purpose = "train",
    campaigns: Names | None = None,
    kinds: Names | None = None,
    judgement_ids: Collection[str] | None = None,
) -> list[Pick]:
    """What the same answers say of the best one only: of a ranking its first, of a comparison its better side.

    Comparisons that came with the same `group` in their metadata (an imported choice among several) are one choice.
    An annotator's best are those texts that met every other one and lost to none; they share the vote. Where there is
    no such text, each pair is a choice of two. Votes on the same texts are pooled. Arguments as for `comparisons`.
    """
    ballots: dict[tuple[str, str], list[tuple[Pair, Judgement]]] = {}
    asked_of: dict[str, _Asked] = {}
    for asked in _asked(store, purpose, campaigns, kinds, judgement_ids):
        group = str(asked.question.metadata.get("group", asked.question.id))
        asked_of.setdefault(group, asked)
        for judgement, lesson in asked.lessons():
            if isinstance(lesson, Pair) and lesson.a != lesson.b:
                ballots.setdefault((group, judgement.annotator_id), []).append((lesson, judgement))
    votes: dict[tuple[str, tuple[str, ...]], list[tuple[dict[str, float], list[str]]]] = {}
    for (group, _), pairs in ballots.items():
        for texts, shares, ids in _choices(pairs):
            votes.setdefault((group, texts), []).append((shares, ids))
    return [_picked(asked_of[group], group, texts, said) for (group, texts), said in votes.items()]


def demonstrations(
    store: Store,
    *,
    purpose: Purpose = "train",
    campaigns: Names | None = None,
    kinds: Names | None = None,
    judgement_ids: Collection[str] | None = None,
) -> list[Demonstration]:
    """Texts to imitate: what people wrote from nothing, or made of a draft; `judgement_ids` as for `comparisons`."""
    return [
        _demonstration(asked, judgement, lesson.text, {})
        for asked in _asked(store, purpose, campaigns, kinds, judgement_ids)
        for judgement, lesson in asked.lessons()
        if isinstance(lesson, Imitation)
    ]


def critiques(
    store: Store, *, purpose: Purpose = "train", campaigns: Names | None = None, kinds: Names | None = None
) -> list[Demonstration]:
    """What people wrote about a completion, whose text is `metadata["about"]`; for training a critic."""
    return [
        _demonstration(asked, judgement, lesson.text, {"about": lesson.about})
        for asked in _asked(store, purpose, campaigns, kinds)
        for judgement, lesson in asked.lessons()
        if isinstance(lesson, Remark)
    ]


def labelled(
    store: Store,
    *,
    purpose: Purpose = "train",
    campaigns: Names | None = None,
    kinds: Names | None = None,
    judgement_ids: Collection[str] | None = None,
) -> list[Labelled]:
    """Single completions with a number: thumbs, flags, ratings, and both completions of a `bad` comparison.

    One row an answer, never pooled: raters use scales differently, and a model may want to know who said it.
    `judgement_ids` as for `comparisons`.
    """
    return [
        Labelled(
            prompt=asked.prompt,
            text=lesson.text,
            name=lesson.name,
            value=lesson.value,
            annotator_ids=(judgement.annotator_id,),
            judgement_ids=(judgement.id,),
            metadata={
                **asked.metadata,
                **lesson.metadata,
                "question": asked.question.id,
                "campaign": asked.question.campaign,
            },
        )
        for asked in _asked(store, purpose, campaigns, kinds, judgement_ids)
        for judgement, lesson in asked.lessons()
        if isinstance(lesson, Mark)
    ]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with its prompt, its texts and the judgements that hold."""

    question: Question
    prompt: Prompt
    texts: tuple[str, ...]
    judgements: tuple[Judgement, ...]

    @property
    def metadata(self) -> dict[str, Any]:
        """The columns of the prompt and of the question, so that a view can be divided by any of them."""
        return {**self.prompt.metadata, **self.question.metadata}

    def lessons(self) -> Iterator[tuple[Judgement, Lesson]]:
        for judgement in self.judgements:
            for lesson in lessons(self.question, judgement.answer, self.texts):
                yield judgement, lesson


def _asked(
    store: Store,
    purpose: Purpose,
    campaigns: Names | None,
    kinds: Names | None,
    judgement_ids: Collection[str] | None = None,
) -> list[_Asked]:
    """The questions that have judgements, in order of arrival."""
    wanted = tuple(KINDS) if kinds is None else kinds
    chosen = None if judgement_ids is None else set(judgement_ids)
    judgements: dict[str, list[Judgement]] = {}
    for judgement in store.judgements(campaigns, purpose, kind=wanted, current=chosen is None):
        if chosen is not None and judgement.id not in chosen:
            continue
        judgements.setdefault(judgement.question_id, []).append(judgement)
    questions = [question for question in store.questions(campaigns, purpose, wanted) if question.id in judgements]
    prompts = {prompt.id: prompt for prompt in store.prompts(_unique(question.prompt_id for question in questions))}
    shown = _unique(name for question in questions for name in question.completion_ids)
    texts = {completion.id: completion.text for completion in store.completions(shown)}
    return [
        _Asked(
            question=question,
            prompt=prompts[question.prompt_id],
            texts=tuple(texts[name] for name in question.completion_ids),
            judgements=tuple(judgements[question.id]),
        )
        for question in questions
    ]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _pool(asked: _Asked, votes: Sequence[tuple[Pair, Judgement]]) -> Comparison:
    first = votes[0][0]
    directed = [pair.margin for pair, _ in votes if pair.target != 0.5]
    given = asked.question.metadata.get("margin")
    margin = fmean(directed) if any(directed) else float(given) if isinstance(given, int | float) else 0.0
    return Comparison(
        prompt=asked.prompt,
        a=first.a,
        b=first.b,
        target=fmean(pair.target for pair, _ in votes),
        weight=float(len(votes)),
        margin=margin,
        annotator_ids=tuple(judgement.annotator_id for _, judgement in votes),
        judgement_ids=tuple(judgement.id for _, judgement in votes),
        question_id=asked.question.id,
        metadata={
            **asked.metadata,
            "group": asked.question.id,
            "campaign": asked.question.campaign,
            "kind": asked.question.kind,
        },
    )


def _choices(pairs: Sequence[tuple[Pair, Judgement]]) -> list[tuple[tuple[str, ...], dict[str, float], list[str]]]:
    """(texts, shares of one vote, judgements) of what one annotator said of a group: one choice, or one a pair."""
    texts = tuple(_unique(text for pair, _ in pairs for text in (pair.a, pair.b)))
    met: dict[str, set[str]] = {text: set() for text in texts}
    lost: set[str] = set()
    for pair, _ in pairs:
        for text, other, won in ((pair.a, pair.b, pair.target), (pair.b, pair.a, 1 - pair.target)):
            met[text].add(other)
            if won < 0.5:
                lost.add(text)
    best = [text for text in texts if len(met[text]) == len(texts) - 1 and text not in lost]
    if best:
        return [(texts, dict.fromkeys(best, 1 / len(best)), _unique(judgement.id for _, judgement in pairs))]
    return [((pair.a, pair.b), {pair.a: pair.target, pair.b: 1 - pair.target}, [given.id]) for pair, given in pairs]


def _picked(
    asked: _Asked, group: str, texts: tuple[str, ...], said: Sequence[tuple[dict[str, float], list[str]]]
) -> Pick:
    return Pick(
        prompt=asked.prompt,
        texts=texts,
        shares=tuple(fmean(shares.get(text, 0.0) for shares, _ in said) for text in texts),
        weight=float(len(said)),
        judgement_ids=tuple(_unique(id_ for _, ids in said for id_ in ids)),
        metadata={**asked.metadata, "group": group, "campaign": asked.question.campaign, "kind": asked.question.kind},
    )


def _demonstration(asked: _Asked, judgement: Judgement, text: str, metadata: dict[str, str]) -> Demonstration:
    return Demonstration(
        prompt=asked.prompt,
        text=text,
        annotator_ids=(judgement.annotator_id,),
        judgement_ids=(judgement.id,),
        metadata={**asked.metadata, **metadata, "question": asked.question.id, "campaign": asked.question.campaign},
    )
