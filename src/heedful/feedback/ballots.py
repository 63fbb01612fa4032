"""What answers say of several completions at once: which is the best, and in which order they stand.

Views like those of `heedful.feedback.views`, with the same arguments. Comparisons that came with the same `group` in
their metadata and ask about one prompt (an imported choice among several) are one ballot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from statistics import fmean

from heedful.feedback.lessons import Pair
from heedful.feedback.store import Names, Purpose, Store
from heedful.feedback.views import Asked, answered, unique
from heedful.records import Judgement, Pick, Ranking


def picks(
    store: Store,
    *,
    purpose: Purpose = "train",
    campaigns: Names | None = None,
    kinds: Names | None = None,
    judgement_ids: Collection[str] | None = None,
) -> list[Pick]:
    """What the answers say of the best one only: of a ranking its first, of a comparison its better side.

    An annotator's best are those texts that met every other one and lost to none; they share the vote. Where there is
    no such text, each pair is a choice of two. Votes on the same texts are pooled.
    """
    asked_of, ballots = _ballots(answered(store, purpose, campaigns, kinds, judgement_ids))
    votes: dict[tuple[Group, tuple[str, ...]], list[tuple[dict[str, float], list[str]]]] = {}
    for (group, _), pairs in ballots.items():
        for texts, shares, ids in _choices(pairs):
            votes.setdefault((group, texts), []).append((shares, ids))
    return [_picked(asked_of[group], group[1], texts, said) for (group, texts), said in votes.items()]


def rankings(
    store: Store,
    *,
    purpose: Purpose = "train",
    campaigns: Names | None = None,
    kinds: Names | None = None,
    judgement_ids: Collection[str] | None = None,
) -> list[Ranking]:
    """Whole orders: one row for each annotator and question (or imported choice among several), never pooled.

    Where an annotator has not met every pair of a group, or the pairs contradict each other, each pair is an order of
    two.
    """
    asked_of, ballots = _ballots(answered(store, purpose, campaigns, kinds, judgement_ids))
    return [
        Ranking(
            prompt=asked_of[group].prompt,
            texts=texts,
            ranks=ranks,
            annotator_ids=(annotator,),
            judgement_ids=tuple(ids),
            metadata={**asked_of[group].described, "group": group[1]},
        )
        for (group, annotator), pairs in ballots.items()
        for texts, ranks, ids in _orders(pairs)
    ]


Group = tuple[str, str]
"""(prompt, name): a column called `group` may be anybody's, and mean more than one prompt."""

Ballots = dict[tuple[Group, str], list[tuple[Pair, Judgement]]]
"""Pairs by (group, annotator)."""


def _ballots(questions: Iterable[Asked]) -> tuple[dict[Group, Asked], Ballots]:
    """(The first question of each group, what each annotator said of it in pairs)."""
    asked_of: dict[Group, Asked] = {}
    ballots: Ballots = {}
    for asked in questions:
        group = (asked.prompt.id, str(asked.question.metadata.get("group", asked.question.id)))
        asked_of.setdefault(group, asked)
        for judgement, lesson in asked.lessons():
            if isinstance(lesson, Pair) and lesson.a != lesson.b:
                ballots.setdefault((group, judgement.annotator_id), []).append((lesson, judgement))
    return asked_of, ballots


def _orders(pairs: Sequence[tuple[Pair, Judgement]]) -> list[tuple[tuple[str, ...], tuple[int, ...], list[str]]]:
    """(texts, ranks, judgements) of what one annotator said of a group: one order, or one a pair."""
    texts = tuple(unique(text for pair, _ in pairs for text in (pair.a, pair.b)))
    rank = dict.fromkeys(texts, 1)
    for pair, _ in pairs:
        if pair.target != 0.5:
            rank[pair.b if pair.target > 0.5 else pair.a] += 1
    whole = len({frozenset((pair.a, pair.b)) for pair, _ in pairs}) == len(texts) * (len(texts) - 1) // 2 == len(pairs)
    if whole and all((rank[p.b] > rank[p.a]) - (rank[p.b] < rank[p.a]) == round(2 * p.target - 1) for p, _ in pairs):
        return [(texts, tuple(rank[text] for text in texts), unique(judgement.id for _, judgement in pairs))]
    return [((p.a, p.b), (1 + (p.target < 0.5), 1 + (p.target > 0.5)), [given.id]) for p, given in pairs]


def _choices(pairs: Sequence[tuple[Pair, Judgement]]) -> list[tuple[tuple[str, ...], dict[str, float], list[str]]]:
    """(texts, shares of one vote, judgements) of what one annotator said of a group: one choice, or one a pair."""
    texts = tuple(unique(text for pair, _ in pairs for text in (pair.a, pair.b)))
    met: dict[str, set[str]] = {text: set() for text in texts}
    lost: set[str] = set()
    for pair, _ in pairs:
        for text, other, won in ((pair.a, pair.b, pair.target), (pair.b, pair.a, 1 - pair.target)):
            met[text].add(other)
            if won < 0.5:
                lost.add(text)
    best = [text for text in texts if len(met[text]) == len(texts) - 1 and text not in lost]
    if best:
        return [(texts, dict.fromkeys(best, 1 / len(best)), unique(judgement.id for _, judgement in pairs))]
    return [((pair.a, pair.b), {pair.a: pair.target, pair.b: 1 - pair.target}, [given.id]) for pair, given in pairs]


def _picked(
    asked: Asked, group: str, texts: tuple[str, ...], said: Sequence[tuple[dict[str, float], list[str]]]
) -> Pick:
    return Pick(
        prompt=asked.prompt,
        texts=texts,
        shares=tuple(fmean(shares.get(text, 0.0) for shares, _ in said) for text in texts),
        weight=float(len(said)),
        judgement_ids=tuple(unique(id_ for _, ids in said for id_ in ids)),
        metadata={**asked.described, "group": group},
    )
