"""The parts of the dashboard, on a project in the middle of its work and on nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.evaluation.intervals import Interval
from heedful.feedback.duels import Duel
from heedful.feedback.earnings import Earning
from heedful.feedback.pace import Pace
from heedful.feedback.quality.annotators import AnnotatorProfile
from heedful.feedback.selection import Curve, CurvePoint
from heedful.feedback.steering.ledger import LedgerLine
from heedful.feedback.steering.settings import Campaign, CampaignSettings
from heedful.feedback.steering.standing import Standing
from heedful.feedback.store import Store
from heedful.records import Completion, Model, Prompt, Question
from heedful.web.figures import agreement, annotators, choosing, league, lineage, money, progress, rewards, training
from heedful.web.figures.panel import Panel, duration, share_of, spoken_problem
from heedful.web.remembered import Remembered
from heedful.web.runs import Seen, seen
from heedful.web.sheets import csv_text

NOON = 1_777_636_800.0  # 2026-05-01T12:00Z


def rows(panel: Panel) -> list[list[Any]]:
    return [list(row) for row in panel.sheets[0].table.rows]


# Nothing yet


def test_every_part_says_what_to_do_while_it_is_empty(store: Store) -> None:
    panels = [
        agreement.panel(store, []),
        annotators.panel([], {}),
        choosing.panel(store),
        league.panel(store, []),
        money.panel([], {}),
        rewards.panel([]),
        training.panel([]),
    ]
    for panel in panels:
        assert len(panel.empty) > 40, panel.key
        assert not panel.figures
        assert not panel.sheets
    assert progress.progress_of([], {}) == []


# In words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (40, "40 s"),
        (125, "2 min"),
        (7800, "2 h 10 min"),
        (40_000, "11 h"),
        (200_000, "2 days 8 h"),
        (1_000_000, "12 days"),
        (172_800, "2 days"),
    ],
)
def test_times_have_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_share_has_the_interval_of_wilson() -> None:
    """8 of 10: 0.490 to 0.943 (Wilson 1927, tabulated)."""
    found = share_of(8, 10)
    assert found is not None
    assert found.low == pytest.approx(0.490, abs=5e-4)
    assert found.high == pytest.approx(0.943, abs=5e-4)
    assert share_of(0, 0) is None


def test_a_problem_becomes_sentences() -> None:
    assert spoken_problem(Problem("it is wrong", mend="put it right")) == "It is wrong. To mend it: put it right."
    assert spoken_problem(Problem("it is wrong")) == "It is wrong."


# Progress


def test_progress_says_how_long_the_rest_takes_and_what_was_spent() -> None:
    settings = CampaignSettings(budget=50.0, currency="CHF")
    campaigns = {
        name: Campaign(name, title, state, settings, "x", None, 10)  # type: ignore[arg-type]  # states by name
        for name, title, state in (("one", "First", "open"), ("two", "", "paused"), ("new", "New", "open"))
    }
    paces = [
        Pace("done", 5, 10, 10),
        Pace("two", 5, 10, 3),
        Pace("one", 50, 100, 40, working=3, recent=20, window_s=3600, hours={"2026-05-01T11": 20}),
        Pace("idle", 5, 10, 0),
    ]
    found = {one.name: one for one in progress.progress_of(paces, campaigns, {"one": 12.5}, NOON)}
    assert list(found) == ["one", "idle", "two", "new", "done"]
    assert found["one"].left == "About 3 h left (1 h 57 min to 4 h 55 min), at the pace of the last hour"
    assert found["one"].spent == "12.50 CHF of 50.00 CHF"
    assert found["one"].timeline_says == "answers by the hour, last 48 hours"
    assert "First: 40 of 100 answers, 3 under way" in found["one"].bar
    assert found["two"].left == "Paused: nothing is given out"
    assert found["idle"].left == "Nobody has answered yet"
    assert (found["new"].left, found["done"].left) == ("No questions yet", "")
    table = progress.sheet(list(found.values())).table
    assert [row[0] for row in table.rows] == list(found)
    hours = table.rows[0][-1]
    assert isinstance(hours, Interval)
    assert [hours.value, hours.low, hours.high] == pytest.approx([3.0, 1.95, 4.91], abs=0.01)


def test_a_campaign_of_long_ago_has_a_timeline_of_days() -> None:
    pace = Pace("one", 5, 10, 5, hours={"2026-04-20T08": 4, "2026-04-20T09": 1, "2026-05-01T11": 1})
    [found] = progress.progress_of([pace], {}, now=NOON)
    assert found.timeline_says == "answers by the day, last 48 days"
    assert "20 Apr 2026: 5" in str(found.timeline)


# Annotators


def profile(name: str, **known: Any) -> AnnotatorProfile:
    nothing: dict[str, Any] = dict.fromkeys(AnnotatorProfile.__dataclass_fields__)
    counts = {"answers": 50, "skips": 1, "gold_right": 0, "gold_seen": 0}
    return AnnotatorProfile(**{**nothing, **counts, "annotator_id": name, "name": name.title(), **known})


def test_what_deserves_a_look_is_beyond_chance() -> None:
    def concerns(**known: Any) -> list[str]:
        [one] = annotators.everybody([profile("ann", **known)], {}, [])
        return annotators.concerns(one, known.get("usual", 0.0))

    assert concerns(skill=0.8, skill_interval=(0.7, 0.9), left_share=0.55, left_interval=(0.4, 0.7), left_p=0.4) == []
    assert concerns(skill=0.5, skill_interval=(0.4, 0.6)) == ["cannot be told from guessing"]
    assert concerns(skill=0.2, skill_interval=(0.1, 0.3)) == ["answers the opposite of what others do"]
    assert concerns(left_share=0.9, left_interval=(0.8, 1), left_p=1e-6) == ["leans to the side shown first"]
    assert concerns(left_share=0.1, left_interval=(0, 0.2), left_p=1e-6) == ["leans to the side shown second"]
    assert concerns(too_fast_share=0.5) == ["50% of the answers came faster than the texts can be skimmed"]
    assert concerns(gold_right=1, gold_seen=10) == ["misses gold items"]
    assert concerns(drift=-0.3, drift_interval=(-0.4, -0.2)) == ["got worse over time"]


def test_drift_is_held_against_what_is_usual() -> None:
    [one] = annotators.everybody([profile("ann", drift=-0.2, drift_interval=(-0.3, -0.1))], {}, [])
    assert annotators.concerns(one, -0.15) == []


def test_the_table_joins_profile_standing_and_earnings() -> None:
    people = annotators.everybody(
        [profile("ann", skill=0.8, skill_interval=(0.7, 0.9)), profile("bob")],
        {"one": {"bob": Standing("paused", "missed gold items")}, "two": {"bob": Standing("working")}},
        [
            Earning("ann", "one", 10, 1.5, 0.25),
            Earning("ann", "two", 10, 2.0, 0.25),
            Earning("bob", "one", 1, 0.0, 0.1),
        ],
    )
    assert [one.state for one in people] == ["working", "paused"]
    panel = annotators.panel(people, {"one": "EUR", "two": "CHF"})
    [bob, ann] = rows(panel)
    assert (ann[0], ann[1], ann[4], ann[-2], ann[-1]) == (
        "Ann",
        "working",
        Interval(0.8, 0.7, 0.9),
        "1.50 EUR + 2.00 CHF",
        0.5,
    )
    assert (bob[1], bob[4], bob[-2]) == ("paused", None, None)
    assert "1 paused" in panel.says
    assert panel.sheets[0].links == {0: "/dashboard/annotators/bob", 1: "/dashboard/annotators/ann"}
    csv_text(panel.sheets[0].table)


def test_a_crowd_is_cut_to_those_who_deserve_a_look() -> None:
    many = [profile(f"p{i:02}") for i in range(30)] + [profile("odd", skill=0.2, skill_interval=(0.1, 0.3))]
    panel = annotators.panel(annotators.everybody(many, {}, []), {})
    assert len(rows(panel)) == annotators.SHOWN
    assert rows(panel)[0][0] == "Odd"
    assert panel.link == ("/dashboard/annotators", "All 31 people")


# Agreement


def test_agreement_is_told_for_everything_that_is_asked(lively: Any) -> None:
    panel = agreement.panel(lively.store, ["round-1", "evaluate-v1", "rate-and-mend"])
    found = {(row[0], row[1]): row for row in rows(panel)}
    assert ("round-1", "choice") in found
    assert any(name == "rate-and-mend" and what.startswith("rating") for name, what in found)
    alpha = found["evaluate-v1", "choice"][2]
    assert alpha.low < alpha.value < alpha.high
    assert 0 < found["evaluate-v1", "choice"][4] <= 1
    assert "63 to 77 %" in panel.says


# League


def test_the_league_is_anchored_at_the_first_version(lively: Any) -> None:
    panel = league.panel(lively.store, lively.store.models())
    found = {row[0]: row for row in rows(panel)}
    assert set(found) == {"v0", "v1", "v2"}
    assert found["v0"][1] == Interval(1000, 1000, 1000)
    assert found["v1"][1].value > 1000
    assert found["v1"][2].value > 0.5
    assert [one.key for one in panel.figures] == ["league", "wins"]
    assert panel.sheets[0].links[0].startswith("/models/v")


def test_without_models_the_version_with_most_votes_is_the_anchor(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = [
        Duel("x", "y", 1.0, "ann", "p1", 4, 5),
        Duel("y", "x", 1.0, "bob", "p2", 4, 5),
        Duel("y", "z", 0.5, "ann", "p3", 4, 5),
    ]
    monkeypatch.setattr(league, "duels", lambda _: votes)
    found = {row[0]: row for row in rows(league.panel(store, [Model("v0", "policy", "policies/v0")]))}
    assert found["y"][1].value == 1000
    assert found["x"][5] == "not of this project"


# Reward models and runs


def test_reward_models_stand_beside_their_baseline(lively: Any) -> None:
    runs = seen(lively.folder, Remembered())
    panel = rewards.panel(runs)
    [newest, first] = rows(panel)
    assert (newest[0], first[0]) == ("r2", "r1")
    assert newest[1].low > newest[2].high  # better than always the longer
    assert "knows more than length" in panel.says
    assert [one.key for one in panel.figures] == ["rewards", "calibration-r2"]


def test_a_reward_run_without_calibration_is_shown_without() -> None:
    accuracy = {"accuracy": {"value": 0.6, "low": 0.5, "high": 0.7}, "lead": {"value": 0.0, "low": -0.1, "high": 0.1}}
    run = Seen("1", "reward", "", "finished", 0.0, result={"model": "r1", "accuracy": accuracy})
    panel = rewards.panel([run])
    assert rewards.calibration_figure(run) is None
    assert "not better than" in panel.says
    assert rewards.interval_of({"value": "high"}) is None


def test_runs_in_progress_come_first_with_their_curves(lively: Any) -> None:
    runs = seen(lively.folder, Remembered())
    panel = training.panel(runs)
    assert panel.says.startswith("round-3-improve: in progress, 27 steps")
    assert [figure.title for figure in panel.figures][:2] == [
        "round-3-improve: learned score",
        "round-3-improve: true score",
    ]
    assert [row[0] for row in rows(panel)] == [run.name for run in runs]
    finished = [run for run in runs if run.state == "finished"]
    assert "newest curves are those of round-2-improve" in training.panel(finished).says
    assert len(training.view(runs[0]).figures) > training.CURVES_OF_ONE
    stopped = Seen("1", "reward", "", "stopped", 7200.0)
    assert (
        training.says_of(stopped)
        == "stopped or broken off after no step logged: silent for 2 h. The same command goes on."
    )


# Selection


def test_a_policy_is_drawn_against_random(lively: Any) -> None:
    panel = choosing.panel(lively.store)
    assert {row[0] for row in rows(panel)} == {"random", "disagreement"}
    assert all(row[2].low <= row[2].value <= row[2].high for row in rows(panel))
    [drawn] = panel.figures
    assert [name for name, _ in drawn.legend] == ["random", "disagreement", "always the longer"]
    assert "random" in panel.says


def test_a_policy_without_random_answers_cannot_be_judged(store: Store) -> None:
    store.add_everything(
        prompts=[Prompt("p", text="?")],
        completions=[Completion("a", "p", "x"), Completion("b", "p", "y")],
        questions=[Question("q", "comparison", "p", ("a", "b"), selection="margin")],
    )
    assert choosing.panel(store).empty == choosing.TOO_FEW


def test_what_the_curves_say() -> None:
    def curve(name: str, *points: tuple[int, float]) -> Curve:
        return Curve(name, tuple(CurvePoint(n, p, p - 0.05, p + 0.05, 100) for n, p in points))

    random = curve("random", (10, 0.55), (100, 0.6), (1000, 0.9))
    says = choosing._says([random, curve("ahead", (100, 0.8)), curve("behind", (90, 0.4)), curve("level", (100, 0.62))])
    assert "Ahead is ahead of random beyond the intervals" in says
    assert "behind is behind random beyond the intervals" in says
    assert "level cannot be told from random (62% against 60%)" in says


# Money


def test_amounts_of_different_currencies_are_never_added() -> None:
    lines = [LedgerLine("one", "comparison", 10, 1.2, 0.5), LedgerLine("two", "rating", 4, 2.0, 0.25)]
    panel = money.panel(lines, {"one": "EUR", "two": "CHF"})
    assert panel.says == "14 entries, 0.8 hours of people's time, 1.20 EUR and 2.00 CHF."
    assert [one.key for one in panel.figures] == ["hours"]
    same = money.panel(lines, {"one": "EUR", "two": "EUR"})
    assert [one.key for one in same.figures] == ["hours", "cost"]
    assert rows(same)[0][3:8] == [1.2, pytest.approx(0.12), "EUR", 0.5, pytest.approx(180)]
    free = money.panel([LedgerLine("one", "comparison", 0, 0.0, 0.0)], {})
    assert "hours of people's time." in free.says


# Lineage


def test_the_picture_tells_the_rounds(lively: Any) -> None:
    found = lineage.lineage_of(lively.store)
    graph = lineage.graph_of(found, lambda path: f"/base{path}")
    arrows = set(graph.arrows)
    assert {("m:v0", "c:round-1"), ("c:round-1", "m:r1"), ("m:r1", "m:v1"), ("m:v0", "m:v1")} <= arrows
    assert {("m:v1", "c:round-2"), ("c:round-1", "m:r2"), ("c:round-2", "m:r2"), ("m:r2", "m:v2")} <= arrows
    assert ("c:round-1", "m:v1") not in arrows  # it comes by the reward model
    boxes = {box.key: box for box in graph.boxes}
    assert boxes["c:round-1"].link == "/base/campaigns/round-1"
    assert boxes["m:v2"].note == "candidate"
    assert not any(key.startswith("c:evaluate") for key in boxes)


def test_what_a_model_and_a_judgement_have_to_do_with_each_other(lively: Any) -> None:
    found = lineage.lineage_of(lively.store)
    assert found.campaigns_behind("v1") == {"round-1"}
    assert found.campaigns_behind("v2") == {"round-1", "round-2"}
    assert lineage.around_model(found, "v1") == {"m:v0", "m:r1", "m:v1", "m:v2", "c:round-1"}
    [first, second] = found.snapshots
    assert lineage.after_snapshots(found, [second], "round-2") == {"c:round-2", "m:r2", "m:v2"}
    assert lineage.after_snapshots(found, [first], "round-1") == {"c:round-1", "m:r1", "m:v1", "m:v2"}


def test_a_reward_function_is_a_box_of_its_own(store: Store, tmp_path: Path) -> None:
    store.add_model(Model("v0", "policy", "policies/v0"))
    store.add_model(Model("v1", "policy", "policies/v1", parent="v0", reward="score.py:short", status="rejected"))
    graph = lineage.graph_of(lineage.lineage_of(store), str)
    assert ("f:score.py:short", "m:v1") in graph.arrows
    assert [box.faded for box in graph.boxes] == [False, True, False]
    assert len(lineage.drawings(graph, "lineage", "What was made from what")) == 2
