"""Votes that weigh by the skill of who gave them: every annotator's answers are kept, and the better ones count more.

In the model of `item_response` a vote for a on a pair of difference delta has log-odds skill delta, so near delta = 0
the sum over its votes of skill (y - 1/2) is all that the votes say of a pair. A vote's weight is therefore its
annotator's skill, in log-odds per standard deviation of the pairs, and 0 where the skill is negative. Weights are
scaled to mean 1 over the votes, so that nothing else has to be tuned anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from heedful.feedback.lessons import Pair
from heedful.feedback.quality.evidence import Evidence, Given
from heedful.feedback.quality.fits import Fits, fits
from heedful.feedback.quality.reading import known_answers
from heedful.feedback.quality.skills import skills
from heedful.feedback.store import Store
from heedful.feedback.views import answered
from heedful.records import Comparison


def skill_weights(fitted: Fits) -> dict[str, float]:
    """Annotator -> weight, up to a common factor; empty where no pair was judged by two people or is known.

    Somebody of whom nothing can be known, because nobody else judged the same, has the population's mean skill.
    """
    if fitted.pairs is None or not skills(replace(fitted, labels={}, ratings={})):
        return {}
    votes, fit = fitted.pairs
    skill_A = fit.parameters_AK[:, 0].tolist()
    return {name: max(skill, 0.0) for name, skill in zip(votes.annotators, skill_A, strict=True)}


def weights_behind(store: Store, comparisons: Sequence[Comparison]) -> dict[str, float]:
    """Annotator -> what one of their votes weighs, 1 on the average vote on these comparisons; see `skill_weights`.

    Skills are learnt from the judgements behind the comparisons and from no others, and from what is known of gold
    items among them. Empty where nobody's skill can be known, or nobody has any.
    """
    ids = list(dict.fromkeys(id_ for item in comparisons for id_ in item.judgement_ids))
    events = store.judgements(ids=ids, current=False)
    answers = [Given(e.question_id, e.annotator_id, e.answer, e.shown, e.created, e.duration_s) for e in events]
    asked = store.questions(ids=dict.fromkeys(given.question_id for given in answers))
    questions = {question.id: question for question in asked}
    known, hidden = known_answers(store)
    weights = skill_weights(fits(Evidence(answers, questions, known=known, hidden=hidden)))
    voters = [name for item in comparisons for name in item.annotator_ids]
    usual = sum(weights.values()) / max(len(weights), 1)
    total = sum(weights.get(name, usual) for name in voters)
    if not total:
        return {}
    return {name: weights.get(name, usual) * len(voters) / total for name in dict.fromkeys(voters)}


def votes_on(store: Store, comparisons: Sequence[Comparison]) -> list[list[tuple[str, float]]]:
    """The single votes behind each comparison of `heedful.feedback.views.comparisons`: (annotator, share for a)."""
    ids = {id_ for item in comparisons for id_ in item.judgement_ids}
    votes: dict[tuple[str, str, str], list[tuple[str, float]]] = {}
    for asked in answered(store, "train", None, None, ids):
        for judgement, lesson in asked.lessons():
            if isinstance(lesson, Pair) and lesson.a != lesson.b:
                key = (asked.question.id, lesson.a, lesson.b)
                votes.setdefault(key, []).append((judgement.annotator_id, lesson.target))
    return [votes[item.question_id, item.a, item.b] for item in comparisons]


def weighed(store: Store, comparisons: Sequence[Comparison], weights: Mapping[str, float]) -> list[Comparison]:
    """The comparisons with their votes pooled by weight; those whose votes weigh nothing at all are left out.

    Args:
        store: where the votes are.
        comparisons: of `heedful.feedback.views.comparisons`; order and everything else stays.
        weights: annotator -> weight of a vote.
    """
    pooled = []
    for item, votes in zip(comparisons, votes_on(store, comparisons), strict=True):
        said = [(target, weights[name]) for name, target in votes]
        weight = sum(each for _, each in said)
        if weight > 0:
            pooled.append(replace(item, target=sum(target * each for target, each in said) / weight, weight=weight))
    return pooled
