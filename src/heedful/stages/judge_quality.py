"""How good a model is as a judge: what the place of an answer is worth to it, and how often it says what people say.

Everything is read from its stored answers, which keep the probabilities of both orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.evaluation.accuracy import PairAccuracy, pair_accuracy
from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import Interval, mean_interval, proportion_interval
from heedful.feedback.store import Purpose, Store
from heedful.feedback.views import comparisons
from heedful.records import Prompt, Question
from heedful.stages.console import say, with_interval
from heedful.stages.examining import in_words

PURPOSES: tuple[Purpose, ...] = ("train", "evaluate")


@dataclass(frozen=True)
class Measured:
    """What a judge's answers say about the judge."""

    comparisons: int
    """How many it answered."""
    bias: Interval
    """Mean over single orders, before averaging, of P(the one shown first is better) - 1/2; clustered by prompt."""
    turned: Interval
    """Share of the comparisons in which the same place won in both orders: the order decided, not the answers."""
    agreement: PairAccuracy | None
    """With people's votes, on comparisons that both answered; None where people decided none of them."""


def measured(store: Store, campaigns: Sequence[str], name: str) -> Measured | None:
    """The quality of the model judge `name` on some campaigns; None where it answered nothing in both orders.

    People are all annotators who are no models.
    """
    said = _said(store, campaigns, name)
    if not said:
        return None
    first_N2 = np.array([metadata["first"] for _, metadata in said.values()])
    clusters = clustering_of(None, [question.prompt_id for question, _ in said.values()], "prompt")
    models = {person.id for person in store.annotators() if person.kind == "model"}
    votes = [item for item in store.judgements(list(campaigns), kind="comparison") if item.annotator_id not in models]
    by_people = {item.id for item in votes}
    pooled = [
        item
        for purpose in PURPOSES
        for item in comparisons(
            store, purpose=purpose, campaigns=list(campaigns), kinds="comparison", judgement_ids=by_people
        )
        if item.question_id in said
    ]
    return Measured(
        len(said),
        mean_interval(first_N2.mean(1) - 0.5, clusters),
        proportion_interval((np.prod(first_N2 - 0.5, axis=1) > 0).astype(float), clusters),
        _agreement(
            [said[item.question_id][1]["probability"] for item in pooled],
            [item.target for item in pooled],
            [item.prompt.id for item in pooled],
            [len(item.a) - len(item.b) for item in pooled],
        ),
    )


def against_truth(store: Store, campaign: str, name: str, score: Callable[[Prompt, str], float]) -> PairAccuracy | None:
    """How often the judge prefers what is truly better, in a world where the true score is known."""
    said = _said(store, [campaign], name)
    prompts = {prompt.id: prompt for prompt in store.prompts({question.prompt_id for question, _ in said.values()})}
    ids = {id_ for question, _ in said.values() for id_ in question.completion_ids}
    texts = {each.id: each.text for each in store.completions(ids)}
    chances, targets, names, longer = [], [], [], []
    for question, metadata in said.values():
        a, b = (texts[id_] for id_ in question.completion_ids)
        gap = score(prompts[question.prompt_id], a) - score(prompts[question.prompt_id], b)
        chances.append(metadata["probability"])
        targets.append((np.sign(gap) + 1) / 2)
        names.append(question.prompt_id)
        longer.append(len(a) - len(b))
    return _agreement(chances, targets, names, longer)


def tell(found: Measured | None) -> None:
    """Print it; nothing where there is nothing."""
    if found is None:
        return
    bias, turned = found.bias, found.turned
    say(
        f"Position bias over {found.comparisons:,} comparisons, before averaging: the answer shown first gets "
        f"{100 * bias.value:+.1f} points of probability [{100 * bias.low:+.1f}, {100 * bias.high:+.1f}]; in "
        f"{with_interval(turned.value, turned.low, turned.high, percent=True)} the order decided, not the answers. "
        "What is stored is the mean of both orders, which has no such bias."
    )
    if found.agreement is None:
        say("People have decided none of these comparisons, so nothing says yet how good a judge it is.")
    else:
        say(f"Agreement with people, where both answered: {in_words(found.agreement)}.")


def _said(store: Store, campaigns: Sequence[str], name: str) -> dict[str, tuple[Question, dict[str, Any]]]:
    """Question id -> (the question, what the judge said in both orders)."""
    asked = {question.id: question for question in store.questions(list(campaigns), kind="comparison")}
    found = {}
    for judgement in store.judgements(list(campaigns), annotator_id=name, kind="comparison"):
        metadata = judgement.answer.get("metadata", {})
        if "first" in metadata:
            found[judgement.question_id] = (asked[judgement.question_id], metadata)
    return found


def _agreement(
    chances: Sequence[float], targets: Sequence[float], prompts: Sequence[str], longer: Sequence[int]
) -> PairAccuracy | None:
    """The accuracy of the judge's probabilities that a is better, beside that of preferring the longer one."""
    if not any(target != 0.5 for target in targets):
        return None
    delta_N = np.asarray(chances) - 0.5
    return pair_accuracy(delta_N, targets, prompts, length_difference_N=longer)
