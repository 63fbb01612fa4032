"""Questions from completions: which pairs people are shown, and under what name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, groupby
from typing import Literal

from numpy.typing import ArrayLike

from heedful.feedback.selection import RANDOM_SHARE, choose
from heedful.records import Completion, Question, content_id


def pairs_within_prompts(completions: Sequence[Completion]) -> list[tuple[Completion, Completion]]:
    """All pairs of different texts of one prompt; completions of a prompt stand together."""
    found = []
    for _, group in groupby(completions, key=lambda completion: completion.prompt_id):
        found += [(a, b) for a, b in combinations(group, 2) if a.text != b.text]
    return found


def comparison_questions(
    pairs: Sequence[tuple[Completion, Completion]],
    *,
    campaign: str,
    purpose: Literal["train", "evaluate"],
    overlap: int,
    budget: int,
    seed: int,
    policy: str = "random",
    scores: ArrayLike | None = None,
    features: ArrayLike | None = None,
    random_share: float = RANDOM_SHARE,
) -> list[Question]:
    """Choose `budget` of the pairs by a selection policy and make questions of them, propensity stored.

    Ids follow from campaign and completions, so that asking again after a crash asks the same. The control share,
    which is chosen at random whatever the policy, carries the selection `random`.

    Args:
        pairs: the pool.
        campaign: under which name the questions are filed.
        purpose: train or evaluate.
        overlap: how many annotators answer each.
        budget: how many to choose.
        seed: of the choice.
        policy: a name in `heedful.feedback.selection.POLICIES`.
        scores: (E, N) differences of the two completions' scores, for policies that go by them.
        features: (N, D) differences of their features, likewise.
        random_share: of the budget, chosen at random.
    """
    chosen = choose(pairs, budget, policy, seed, scores=scores, features=features, random_share=random_share)
    return [
        Question(
            id=content_id("question", campaign, a.id, b.id),
            kind="comparison",
            prompt_id=a.prompt_id,
            completion_ids=(a.id, b.id),
            campaign=campaign,
            purpose=purpose,
            overlap=overlap,
            propensity=choice.propensity,
            selection=choice.selection,
        )
        for choice in chosen
        for a, b in [choice.item]
    ]
