"""Voters score every pair and learn from those alone that count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.reward.test_features import random_pairs
from tests.stages.conftest import write_model

from heedful.language.preferring import Pair
from heedful.language.pretrained import load
from heedful.reward.voters import Pace, linear_voter, whole_voter


@pytest.mark.parametrize("kind", ["linear", "whole"])
def test_labels_that_do_not_count_change_nothing(kind: str, tmp_path: Path) -> None:
    model, pairs = load(write_model(tmp_path / "tiny")), random_pairs(12, 4)
    count_N = np.array([2.0, 0.0, 1.0, 0.0] * 3)
    turned = [
        replace(pair, target=1 - pair.target) if not count else pair for pair, count in zip(pairs, count_N, strict=True)
    ]
    pace = Pace(1.0, 8, 1e-2, 0, 0, seed=1)

    def votes(name: str, of: list[Pair], count_N: np.ndarray) -> np.ndarray:
        voter = linear_voter(model, of) if kind == "linear" else whole_voter(model, of, tmp_path / name, pace)
        return voter(0, count_N)

    found = votes("one", pairs, count_N)
    assert found.shape == (12,)
    assert (votes("two", turned, count_N) == found).all()
    assert not np.allclose(votes("three", pairs, 3 - count_N), found)
