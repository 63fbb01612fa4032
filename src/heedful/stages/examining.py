"""How well a reward model foresees held-out comparisons, beside what is trivial; and the same in words."""

from __future__ import annotations

from collections.abc import Sequence

from heedful.evaluation.accuracy import PairAccuracy, pair_accuracy
from heedful.evaluation.calibration import Calibration, calibration
from heedful.feedback.splits import group_of
from heedful.language.heads import ScalarModel
from heedful.language.preferring import Encoded
from heedful.records import Comparison
from heedful.reward.completions import held_out_scores
from heedful.stages.console import with_interval
from heedful.stages.project import Project


def examine(project: Project, model: ScalarModel, data: Encoded, holdout_by: str) -> tuple[PairAccuracy, Calibration]:
    """Accuracy, baselines and calibration on held-out comparisons, intervals clustered by what was held out."""
    a, b = held_out_scores(model, data.pairs)
    target = [pair.target for pair in data.pairs]
    items = data.comparisons
    clusters = [group_of(item, holdout_by) for item in items]
    longer = [len(item.a) - len(item.b) for item in items]
    votes = _votes(project, items)
    accuracy = pair_accuracy(a - b, target, clusters, length_difference_N=longer, votes=votes)
    weights = [pair.weight for pair in data.pairs]
    return accuracy, calibration(a - b, target, clusters, weight_N=weights)


def _votes(project: Project, items: Sequence[Comparison]) -> list[list[float]] | None:
    """The single votes behind each comparison, where several were given."""
    if max(item.weight for item in items) < 2:
        return None
    said = {"a": 1.0, "b": 0.0, "tie": 0.5, "bad": 0.5}
    ids = [id_ for item in items for id_ in item.judgement_ids]
    votes = {
        judgement.id: said.get(judgement.answer.get("choice", ""))
        for judgement in project.store.judgements(ids=ids, current=False)
    }
    rows = [[vote for id_ in item.judgement_ids if (vote := votes[id_]) is not None] for item in items]
    return rows if all(rows) else None


def in_words(accuracy: PairAccuracy) -> str:
    """Accuracy with interval beside its baseline and ceiling."""
    value = accuracy.accuracy
    words = f"accuracy {with_interval(value.value, value.low, value.high, percent=True)} on {accuracy.pairs:,} decided"
    if (longer := accuracy.length_baseline) is not None:
        words += (
            f"; always preferring the longer one {with_interval(longer.value, longer.low, longer.high, percent=True)}"
        )
    if (lead := accuracy.lead) is not None:
        words += f"; lead {100 * lead.value:+.1f} points [{100 * lead.low:+.1f}, {100 * lead.high:+.1f}]"
    return words
