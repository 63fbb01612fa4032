from __future__ import annotations

from dataclasses import dataclass

import pytest

from heedful.errors import Problem
from heedful.learning.registry import named


@dataclass(frozen=True)
class Fruit:
    apple: int = 3
    pear: int = 4

    def peeled(self) -> int:
        return 0


def test_a_field_is_found_by_its_name() -> None:
    assert named(Fruit(pear=7), "pear", "fruit") == 7


@pytest.mark.parametrize("name", ["plum", "peeled", "Apple", ""])
def test_another_name_is_a_problem_that_lists_the_fields(name: str) -> None:
    with pytest.raises(Problem, match=f'there is no fruit "{name}"') as found:
        named(Fruit(), name, "fruit")
    assert "choose one of apple, pear" in str(found.value)
