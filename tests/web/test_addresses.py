from __future__ import annotations

from heedful.web import addresses


def test_ids_are_quoted_whatever_they_hold() -> None:
    assert addresses.campaign("round-1") == "/campaigns/round-1"
    assert addresses.campaign("a/b c?d#e", "settings") == "/campaigns/a/b%20c%3Fd%23e/settings"
    assert addresses.question("q 1") == "/questions/q%201"
    assert addresses.model("v&1") == "/models/v%261"
    assert addresses.annotator("function x.py:f", "retract") == "/dashboard/annotators/function%20x.py%3Af/retract"
    assert addresses.run("0001-reward") == "/dashboard/runs/0001-reward"


def test_the_list_of_questions_keeps_the_filters_that_are_set() -> None:
    assert addresses.questions() == "/questions"
    assert addresses.questions(campaign="a&b", mark="", text="50 %") == "/questions?campaign=a%26b&text=50+%25"
