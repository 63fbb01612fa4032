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
from heedful.records import Comparison, Demonstration, Judgement, Labelled, Prompt, Question


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
    for asked in answered(store, purpose, campaigns, kinds, judgement_ids):
        votes: dict[tuple[str, str], list[tuple[Pair, Judgement]]] = {}
        for judgement, lesson in asked.lessons():
            if isinstance(lesson, Pair) and lesson.a != lesson.b:
                votes.setdefault((lesson.a, lesson.b), []).append((lesson, judgement))
        pooled += [_pool(asked, pair) for pair in votes.values()]
    return pooled


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
        for asked in answered(store, purpose, campaigns, kinds, judgement_ids)
        for judgement, lesson in asked.lessons()
        if isinstance(lesson, Imitation)
    ]


def critiques(
    store: Store,
    *,
    purpose: Purpose = "train",
    campaigns: Names | None = None,
    kinds: Names | None = None,
    judgement_ids: Collection[str] | None = None,
) -> list[Demonstration]:
    """What people wrote about a completion, whose text is `metadata["about"]`; for training a critic.

    `judgement_ids` as for `comparisons`.
    """
    return [
        _demonstration(asked, judgement, lesson.text, {"about": lesson.about})
        for asked in answered(store, purpose, campaigns, kinds, judgement_ids)
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
        for asked in answered(store, purpose, campaigns, kinds, judgement_ids)
        for judgement, lesson in asked.lessons()
        if isinstance(lesson, Mark)
    ]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its prompt, its texts and the judgements that hold."""

    question: Question
    prompt: Prompt
    texts: tuple[str, ...]
    judgements: tuple[Judgement, ...]

    @property
    def metadata(self) -> dict[str, Any]:
        """The columns of the prompt and of the question, so that a view can be divided by any of them."""
        return {**self.prompt.metadata, **self.question.metadata}

    @property
    def described(self) -> dict[str, Any]:
        """The same, with the question's campaign and kind."""
        return {**self.metadata, "campaign": self.question.campaign, "kind": self.question.kind}

    def lessons(self) -> Iterator[tuple[Judgement, Lesson]]:
        """What each answer teaches, in the order of the answers."""
        for judgement in self.judgements:
            for lesson in lessons(self.question, judgement.answer, self.texts):
                yield judgement, lesson


def answered(
    store: Store,
    purpose: Purpose,
    campaigns: Names | None,
    kinds: Names | None,
    judgement_ids: Collection[str] | None = None,
) -> list[Asked]:
    """The questions that have judgements, in order of arrival."""
    wanted = tuple(KINDS) if kinds is None else kinds
    chosen = None if judgement_ids is None else set(judgement_ids)
    judgements: dict[str, list[Judgement]] = {}
    for judgement in store.judgements(campaigns, purpose, kind=wanted, current=chosen is None):
        if chosen is not None and judgement.id not in chosen:
            continue
        judgements.setdefault(judgement.question_id, []).append(judgement)
    questions = [question for question in store.questions(campaigns, purpose, wanted) if question.id in judgements]
    prompts = {prompt.id: prompt for prompt in store.prompts(unique(question.prompt_id for question in questions))}
    shown = unique(name for question in questions for name in question.completion_ids)
    texts = {completion.id: completion.text for completion in store.completions(shown)}
    return [
        Asked(
            question=question,
            prompt=prompts[question.prompt_id],
            texts=tuple(texts[name] for name in question.completion_ids),
            judgements=tuple(judgements[question.id]),
        )
        for question in questions
    ]


def unique(names: Iterable[str]) -> list[str]:
    """Each once, in the order in which they first appear."""
    return list(dict.fromkeys(names))


def _pool(asked: Asked, votes: Sequence[tuple[Pair, Judgement]]) -> Comparison:
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
        metadata={**asked.described, "group": asked.question.id},
    )


def _demonstration(asked: Asked, judgement: Judgement, text: str, metadata: dict[str, str]) -> Demonstration:
    return Demonstration(
        prompt=asked.prompt,
        text=text,
        annotator_ids=(judgement.annotator_id,),
        judgement_ids=(judgement.id,),
        metadata={**asked.metadata, **metadata, "question": asked.question.id, "campaign": asked.question.campaign},
    )
