"""Alarms: each by a run of numbers that a person would stop at, and none for a healthy one."""

from __future__ import annotations

import json

import pytest

from heedful.learning.monitors import MONITORS, Limits, Watch
from heedful.rollouts import Stats

START: Stats = {
    "kl": 0.0,
    "entropy": 2.0,
    "length": 20.0,
    "repetition": 0.02,
    "reference_nll": 1.5,
    "reference_nll_std": 0.25,
    "clip_fraction": 0.0,
    "explained_variance": 0.1,
    "sampler_gap": 1e-7,
    "score": 0.0,
    "score_std": 1.0,
    "check_score": 0.0,
    "held_out_score": 0.0,
}

HACKS = {
    "kl": {"kl": 20.5},
    "entropy": {"entropy": 0.19},
    "length": {"length": 61.0},
    "repetition": {"repetition": 0.6},
    "repetition_stop": {"repetition": 0.95},
    "reference": {"reference_nll": 2.3},  # 3.2 standard deviations
    "clip_fraction": {"clip_fraction": 0.6},
    "clip_fraction_stop": {"clip_fraction": 0.95},
    "explained_variance": {"explained_variance": -1.5},
    "explained_variance_stop": {"explained_variance": -6.0},
    "sampler_gap": {"sampler_gap": 0.06},
    "held_out": {"check_score": 2.0, "held_out_score": 0.5},
}


def told(watch: Watch, *changes: Stats) -> list[str | None]:
    return [watch.stop(step, {**START, **change}) for step, change in enumerate(changes)]


def test_every_monitor_has_a_limit_and_a_hack_that_trips_it() -> None:
    assert [monitor.name for monitor in MONITORS] == list(HACKS)
    off = [monitor.name for monitor in MONITORS if not getattr(Limits(), monitor.name) > 0]
    assert off == ["explained_variance_stop"]


@pytest.mark.parametrize("name", HACKS)
def test_a_hack_trips_its_monitor_and_no_other_after_three_steps(name: str) -> None:
    """Where a milder threshold of the same metric only warns, it is heard as well."""
    watch = Watch(Limits(explained_variance_stop=5.0))
    found = told(watch, {}, HACKS[name], HACKS[name], HACKS[name])
    monitor = next(each for each in MONITORS if each.name == name)
    patient = 1 if name in ("kl", "held_out") else 3
    heard = [name.removesuffix("_stop"), name] if name.endswith("_stop") else [name]
    assert [(alarm.monitor, alarm.step) for alarm in watch.alarms] == [(each, patient) for each in heard]
    assert (
        [alarm.stops for alarm in watch.alarms] == [False, True][-len(heard) :] if len(heard) > 1 else [monitor.stops]
    )
    assert [words is not None for words in found] == [monitor.stops and step == patient for step in range(4)]


def test_a_passing_spike_is_no_alarm() -> None:
    watch = Watch(Limits())
    odd = HACKS["reference"]
    assert told(watch, {}, odd, odd, {}, odd, odd, {}) == [None] * 7
    assert watch.alarms == []


def test_shorter_is_as_odd_as_longer() -> None:
    assert told(Watch(Limits(patience=1)), {}, {"length": 6.0})[1] is not None


def test_a_healthy_run_is_left_alone() -> None:
    steps = [{"kl": k / 4, "score": k / 20, "entropy": 2 - k / 50, "reference_nll": 1.5 + k / 200} for k in range(40)]
    assert told(Watch(Limits()), *steps) == [None] * 40


def test_what_is_measured_now_and_then_counts_when_it_is() -> None:
    watch = Watch(Limits())
    plain = {name: value for name, value in START.items() if name not in ("check_score", "held_out_score")}
    hack = {**plain, "check_score": 2.0, "held_out_score": 0.0}
    assert watch.stop(0, plain) is None
    assert watch.stop(1, {**plain, "check_score": 0.1, "held_out_score": 0.1}) is None  # the start of these two
    for step in (2, 3, 4):
        assert watch.stop(step, plain) is None
    words = watch.stop(5, hack)
    assert words is not None
    assert words.startswith("the score has risen 2.00 deviations more")


def test_alarms_can_be_only_noted_and_monitors_turned_off() -> None:
    watch = Watch(Limits(stop=False, patience=1))
    assert told(watch, {}, HACKS["length"]) == [None, None]
    assert [(alarm.monitor, alarm.stops) for alarm in watch.alarms] == [("length", False)]
    silent = Watch(Limits(length=0, patience=1))
    assert told(silent, {}, HACKS["length"]) == [None, None]
    assert silent.alarms == []


def test_what_cannot_be_said_sounds_no_alarm() -> None:
    watch = Watch(Limits(patience=1))
    assert [watch.stop(step, {"length": 3.0}) for step in range(3)] == [None] * 3
    lone = {**START, "reference_nll_std": 0.0, "score_std": 0.0, "length": 0.0, "entropy": 0.0}
    assert Watch(Limits(patience=1)).stop(0, lone) is None


def test_a_resumed_watch_goes_on_where_it_was() -> None:
    odd = {**START, **HACKS["reference"]}
    whole, first = Watch(Limits()), Watch(Limits())
    for step, stats in enumerate((START, odd, odd)):
        whole.stop(step, stats)
        first.stop(step, stats)
    second = Watch(Limits())
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.stop(3, odd) == whole.stop(3, odd) is not None
    assert second.alarms == whole.alarms
