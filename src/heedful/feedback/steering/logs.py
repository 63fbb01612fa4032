"""A deployment's logs as questions: the active queue of `selection.active_queue`, asked in a campaign."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from heedful.feedback.selection import Queued, active_queue
from heedful.feedback.store import Store
from heedful.records import Completion, Metadata, Question, content_id


def queue_logs(
    store: Store,
    logs: Sequence[Completion],
    features: ArrayLike,
    scores: ArrayLike,
    budget: int,
    *,
    campaign: str,
    kind: str = "label",
    overlap: int = 1,
    labelled: ArrayLike | None = None,
    random_share: float = 0.2,
    metadata: Metadata | None = None,
    seed: int = 0,
) -> list[Queued]:
    """Ask people about those logs of which the reward models know least, and store the questions.

    Ids follow from campaign, kind and completion, so that asking the same again adds nothing. Each question carries
    its propensity, how it was chosen, and in its metadata `doubt` and `novelty`.

    Args:
        store: where the logs are stored already, as completions.
        logs: N of them.
        features: (N, D), what they are like.
        scores: (E, N) or (N) by the reward models.
        budget: how many to ask about.
        campaign: under which name.
        kind: of the questions: one about a single completion.
        overlap: how many annotators answer each.
        labelled: (M, D) features of what people have judged already.
        random_share: of the budget, chosen at random.
        metadata: of every question: the aspects and scale of a rating, the flags on offer.
        seed: of the random share.

    Returns:
        The queue; `position` counts in `logs`.

    Raises:
        Problem: the shapes do not fit, a log is not stored, or the kind asks about several completions.
    """
    queue = active_queue(features, scores, budget, labelled=labelled, random_share=random_share, seed=seed)
    store.add_questions(
        Question(
            id=content_id("question", campaign, kind, logs[each.position].id),
            kind=kind,
            prompt_id=logs[each.position].prompt_id,
            completion_ids=(logs[each.position].id,),
            campaign=campaign,
            overlap=overlap,
            propensity=each.propensity,
            selection=each.selection,
            metadata={**(metadata or {}), "doubt": each.doubt, "novelty": each.novelty},
        )
        for each in queue
    )
    return queue
