"""What is said of a reward model on held-out comparisons."""

from __future__ import annotations

from heedful.evaluation.accuracy import PairAccuracy
from heedful.evaluation.intervals import Interval
from heedful.stages.examining import in_words


def test_accuracy_is_told_with_its_interval_beside_the_trivial_baseline() -> None:
    share = Interval(0.7, 0.6, 0.8)
    alone = PairAccuracy(accuracy=share, vote_accuracy=share, pairs=1200, undecided=3)
    assert in_words(alone) == "accuracy 70.0 % [60.0, 80.0] on 1,200 decided"
    beside = PairAccuracy(
        share, share, 1200, 3, length_baseline=Interval(0.5, 0.4, 0.6), lead=Interval(0.2, -0.05, 0.45)
    )
    assert in_words(beside) == (
        "accuracy 70.0 % [60.0, 80.0] on 1,200 decided; always preferring the longer one 50.0 % [40.0, 60.0]; "
        "lead +20.0 points [-5.0, +45.0]"
    )
