"""Monitors and brakes: what can go wrong in a run, how it shows, and when to stop.

A learned score can be raised by exploiting it (Gao et al. 2022, "Scaling Laws for Reward Model Overoptimization"), and
the score itself does not show it. What shows it is what was not optimised: the KL, the entropy, the length, repetition,
how odd the reference finds the text, and the score that a model of other judgements gives. Each monitor reads one
metric, by itself or beside its value at the start of the run, has a threshold, and says in plain words what it means.
An alarm sounds when the threshold is passed in `patience` steps in a row. What may be harmless has two thresholds: one
that warns, and one farther off, `_stop`, that ends the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from heedful.rollouts import Stats


@dataclass(frozen=True)
class Limits:
    """Thresholds of the monitors; a threshold of 0 turns its monitor off."""

    kl: float = 20.0
    """Stop when a batch's KL from the reference exceeds this many nats per completion."""
    entropy: float = 10.0
    """Stop when the entropy becomes so many times smaller than at the start."""
    length: float = 3.0
    """Stop when completions become so many times as long, or as short, as at the start."""
    repetition: float = 0.5
    """Warn when more than this share of word trigrams is repeated within completions."""
    repetition_stop: float = 0.9
    """Stop when more than this share of word trigrams is repeated."""
    reference: float = 3.0
    """Stop when the reference finds the completions so many standard deviations odder than at the start."""
    clip_fraction: float = 0.5
    """Warn when more than this share of terms is clipped."""
    clip_fraction_stop: float = 0.9
    """Stop when more than this share of terms is clipped: hardly anything is learnt any more, or the policy leaps."""
    explained_variance: float = 1.0
    """Warn when the critic is worse than a constant by this much."""
    explained_variance_stop: float = 0.0
    """Stop when the critic is so much worse than a constant. Off: one that knows nothing yet makes noise and learns."""
    sampler_gap: float = 0.05
    """Stop when sampler and trainer disagree by so many nats per token."""
    held_out: float = 0.5
    """Stop when score and held-out score drift apart by so many standard deviations of the score."""
    patience: int = 3
    """Steps in a row for which a threshold must be passed; KL and held-out score need one."""
    stop: bool = True
    """End the run at an alarm and go back to the best checkpoint; otherwise alarms are only noted."""


@dataclass(frozen=True)
class Monitor:
    """One thing to watch."""

    name: str
    """Of its threshold in `Limits`."""
    measure: Callable[[Stats, Stats], float | None]
    """(stats of now, stats of the start) -> what is held against the threshold; None where it cannot be said."""
    says: str
    """What an alarm means and what to do; `{value}` and `{limit}` are filled in."""
    stops: bool = True
    """Whether an alarm ends the run, or is only noted."""
    patient: bool = True
    """Whether it waits for several steps in a row."""


@dataclass(frozen=True)
class Alarm:
    """A threshold was passed."""

    step: int
    """From 0."""
    monitor: str
    """Its name."""
    value: float
    """What was held against the threshold."""
    words: str
    """What it means and what to do."""
    stops: bool
    """Whether it ended the run."""


def _plain(name: str, sign: float = 1.0) -> Callable[[Stats, Stats], float | None]:
    return lambda now, _start: sign * now[name] if name in now else None


def _fallen(name: str) -> Callable[[Stats, Stats], float | None]:
    """How many times smaller it is than at the start."""

    def measure(now: Stats, start: Stats) -> float | None:
        return None if name not in now or start.get(name, 0) <= 0 else start[name] / max(now[name], 1e-12)

    return measure


def _times(name: str) -> Callable[[Stats, Stats], float | None]:
    """How many times larger or smaller it is than at the start."""

    def measure(now: Stats, start: Stats) -> float | None:
        if start.get(name, 0) <= 0 or now.get(name, 0) <= 0:
            return None
        return max(now[name] / start[name], start[name] / now[name])

    return measure


def _oddity(now: Stats, start: Stats) -> float | None:
    """Standard deviations between the completions of the start, by which the reference finds those of now odder."""
    spread = start.get("reference_nll_std", 0.0)
    if "reference_nll" not in now or spread <= 0:
        return None
    return (now["reference_nll"] - start["reference_nll"]) / spread


def _drift(now: Stats, start: Stats) -> float | None:
    """By how much the score has risen more than the held-out score since the start, in the start's deviations."""
    if "held_out_score" not in now or start.get("score_std", 0) <= 0:
        return None
    rise = now["check_score"] - start["check_score"]
    return (rise - (now["held_out_score"] - start["held_out_score"])) / start["score_std"]


MONITORS: tuple[Monitor, ...] = (
    Monitor(
        "kl",
        _plain("kl"),
        "KL {value:.1f} is over the budget of {limit:g} nats: raise the leash's coefficient, or stop earlier",
        patient=False,
    ),
    Monitor(
        "entropy",
        _fallen("entropy"),
        "the entropy is {value:.1f} times smaller than at the start: the policy writes one thing only; "
        "raise the KL coefficient or add an entropy bonus",
    ),
    Monitor(
        "length",
        _times("length"),
        "completions are {value:.1f} times as long or as short as at the start: the score rewards length; "
        "look at samples, and judge pairs of equal length",
    ),
    Monitor(
        "repetition",
        _plain("repetition"),
        "a share of {value:.2f} of the trigrams is repeated: the policy has found a phrase that scores",
        stops=False,  # a reward may ask for it
    ),
    Monitor(
        "repetition_stop",
        _plain("repetition"),
        "a share of {value:.2f} of the trigrams is repeated: the policy writes little but a phrase that scores; "
        "look at samples, and price repetition in the reward",
    ),
    Monitor(
        "reference",
        _oddity,
        "the reference finds the completions {value:.1f} standard deviations odder than at the start: "
        "the policy leaves the language; raise the KL coefficient",
    ),
    Monitor(
        "clip_fraction",
        _plain("clip_fraction"),
        "a share of {value:.2f} of the terms is clipped: lower the learning rate, or make fewer passes",
        stops=False,
    ),
    Monitor(
        "clip_fraction_stop",
        _plain("clip_fraction"),
        "a share of {value:.2f} of the terms is clipped: the policy has left the one that acted within a single batch; "
        "lower the learning rate, or make fewer passes",
    ),
    Monitor(
        "explained_variance",
        _plain("explained_variance", -1.0),
        "the critic is worse than a constant (explained variance -{value:.2f}): raise its learning rate",
        stops=False,
    ),
    Monitor(
        "explained_variance_stop",
        _plain("explained_variance", -1.0),
        "the critic is worse than a constant (explained variance -{value:.2f}), and advantages are its errors: "
        "choose its learning rate anew, or an algorithm without a critic",
    ),
    Monitor(
        "sampler_gap",
        _plain("sampler_gap"),
        "sampler and trainer disagree by {value:.3f} nats per token: they do not run the same distribution; "
        "check temperature, truncation and precision",
    ),
    Monitor(
        "held_out",
        _drift,
        "the score has risen {value:.2f} deviations more than that of a model of other judgements: it is exploited; "
        "collect judgements of the new completions, or stop here",
        patient=False,
    ),
)
"""Everything that is watched, in the order in which alarms are told."""


class Watch:
    """Watches a run: `stop` is handed to `improve`; remembered between steps and over a resume."""

    def __init__(self, limits: Limits) -> None:
        """Nothing was seen so far."""
        self.limits = limits
        self.start: Stats = {}
        self.streaks: dict[str, int] = {}
        self.alarms: list[Alarm] = []

    def stop(self, step: int, stats: Stats) -> str | None:
        """Take in a step's stats; the words of the first alarm that ends the run, or None."""
        if not self.start:
            self.start = dict(stats)
        for name, value in stats.items():
            self.start.setdefault(name, value)  # what is measured more seldom has its start later
        sounded = [alarm for monitor in MONITORS if (alarm := self._heard(monitor, step, stats)) is not None]
        self.alarms += sounded
        return next((alarm.words for alarm in sounded if alarm.stops), None)

    def _heard(self, monitor: Monitor, step: int, stats: Stats) -> Alarm | None:
        limit = getattr(self.limits, monitor.name)
        value = monitor.measure(stats, self.start) if limit else None
        if value is None:
            return None
        self.streaks[monitor.name] = self.streaks.get(monitor.name, 0) + 1 if value > limit else 0
        needed = self.limits.patience if monitor.patient else 1
        if self.streaks[monitor.name] != needed:  # told once, when it begins
            return None
        words = monitor.says.format(value=value, limit=limit)
        return Alarm(step, monitor.name, value, words, monitor.stops and self.limits.stop)

    def state_dict(self) -> dict[str, Any]:
        """What was seen so far."""
        told = [[a.step, a.monitor, a.value, a.words, a.stops] for a in self.alarms]
        return {"start": dict(self.start), "streaks": dict(self.streaks), "alarms": told}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go back to what was seen."""
        self.start, self.streaks = dict(state_dict["start"]), dict(state_dict["streaks"])
        self.alarms = [Alarm(*told) for told in state_dict["alarms"]]
