"""What the store has for a direct loss: comparisons, opinions on single completions, demonstrations above own samples.

People's votes and models' are told apart here, so that nobody trains on both without having said so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from heedful.feedback.splits import Prompted
from heedful.feedback.store import Store
from heedful.feedback.views import comparisons, demonstrations, labelled
from heedful.language.preferring import Opinion
from heedful.records import Comparison, Demonstration, Labelled, Prompt
from heedful.runs import Run
from heedful.stages.answers import Voices, frozen_answers
from heedful.stages.project import Project


@dataclass(frozen=True)
class Wanted:
    """Which answers a method learns from."""

    pairs: bool
    """Comparisons, rankings and edits."""
    labels: bool
    """Thumbs, ratings, flags and "both are bad"."""
    demonstrations: bool
    """Texts to imitate."""
    voices: Voices = "any"
    campaigns: tuple[str, ...] = ()
    """Only answers to questions filed under these names; all when empty."""
    bad_flags: tuple[str, ...] = ()
    """Flags that make a completion a bad one."""


@dataclass(frozen=True)
class Preferences:
    """Answers in the shapes that losses take."""

    comparisons: list[Comparison]
    labels: list[Labelled]
    demonstrations: list[Demonstration]

    def __len__(self) -> int:
        return len(self.comparisons) + len(self.labels) + len(self.demonstrations)

    @classmethod
    def of(cls, answers: Sequence[Comparison | Labelled | Demonstration]) -> Preferences:
        """Answers of any kind, each kind in its order."""
        return cls(
            [item for item in answers if isinstance(item, Comparison)],
            [item for item in answers if isinstance(item, Labelled)],
            [item for item in answers if isinstance(item, Demonstration)],
        )

    def everything(self) -> list[Comparison | Labelled | Demonstration]:
        """All of them in one list."""
        return [*self.comparisons, *self.labels, *self.demonstrations]


def gather(
    project: Project, run: Run, wanted: Wanted, *, by: str, held_out: float, seed: int
) -> tuple[Preferences, Preferences]:
    """(to learn from, held out): the answers of the run's snapshot, which is taken at its first start.

    Nothing about a prompt that is kept for evaluation is learnt from; where `by` is "prompt" it is held out as well.

    Raises:
        Problem: there is nothing of what is wanted, or people's and models' answers would be mixed unasked.
    """
    parts = frozen_answers(
        project,
        run,
        lambda ids: _read(project.store, wanted, ids).everything(),
        needed=f"this needs {_needed(wanted)}",
        voices=wanted.voices,
        campaigns=wanted.campaigns,
        by=by,
        held_out=held_out,
        seed=seed,
    )
    return Preferences.of(parts[0]), Preferences.of(parts[1])


def opinions(preferences: Preferences, bad_flags: Sequence[str] = ()) -> list[Opinion]:
    """What people said of single completions, pooled by completion.

    A thumb is itself; a rating is good above the middle of its scale and bad below (several aspects of one answer count
    as their mean; the middle says nothing); "both are bad" and the flags named in `bad_flags` are bad. Every decided
    vote of a comparison calls one side good and the other bad. Rows come in the order in which completions appear.
    """
    pooled: dict[tuple[str, str], list[tuple[float, float]]] = {}
    first: dict[tuple[str, str], tuple[Prompt, dict[str, object]]] = {}
    behind: dict[tuple[str, str], list[str]] = {}

    def add(item: Comparison | Labelled, text: str, good: float, weight: float) -> None:
        key = (item.prompt.id, text)
        pooled.setdefault(key, []).append((good, weight))
        first.setdefault(key, (item.prompt, dict(item.metadata)))
        behind.setdefault(key, []).extend(item.judgement_ids)

    for answer, said in _single(preferences.labels, bad_flags):
        add(answer, answer.text, said, 1.0)
    for pair in preferences.comparisons:
        if pair.target != 0.5:
            add(pair, pair.a, pair.target, pair.weight)
            add(pair, pair.b, 1 - pair.target, pair.weight)
    found = []
    for key, votes in pooled.items():
        weight = sum(count for _, count in votes)
        good = sum(share * count for share, count in votes) / weight
        prompt, metadata = first[key]
        found.append(Opinion(prompt, key[1], good, weight, tuple(dict.fromkeys(behind[key])), metadata))
    return found


def above_samples(shown: Sequence[Demonstration], samples: Sequence[str]) -> list[Comparison]:
    """Each demonstration preferred to the policy's own completion; where both are the same text there is no pair."""
    return [
        Comparison(
            prompt=item.prompt,
            a=item.text,
            b=sample,
            target=1.0,
            annotator_ids=item.annotator_ids,
            judgement_ids=item.judgement_ids,
            metadata=item.metadata,
        )
        for item, sample in zip(shown, samples, strict=True)
        if item.text.strip() != sample.strip()
    ]


def _single(labels: Iterable[Labelled], bad_flags: Sequence[str]) -> list[tuple[Labelled, float]]:
    """(a label, 1 good or 0 bad), one for each answer that says either."""
    found: list[tuple[Labelled, float]] = []
    ratings: dict[tuple[str, str], list[tuple[Labelled, float]]] = {}
    for label in labels:
        if label.name == "thumb":
            found.append((label, label.value))
        elif label.name == "bad" or (label.value and label.name in {f"flag:{name}" for name in bad_flags}):
            found.append((label, 0.0))
        elif label.name.startswith("rating:"):
            low, high = label.metadata["scale"]
            height = (label.value - low) / (high - low)
            ratings.setdefault((label.judgement_ids[0], label.text), []).append((label, height))
    for aspects in ratings.values():
        height = fmean(value for _, value in aspects)
        if height != 0.5:
            found.append((aspects[0][0], float(height > 0.5)))
    return found


def _read(store: Store, wanted: Wanted, ids: Iterable[str]) -> Preferences:
    chosen = set(ids)
    asks = [item for item in comparisons(store, judgement_ids=chosen) if _asks(item)] if wanted.pairs else []
    marks = [item for item in labelled(store, judgement_ids=chosen) if _asks(item)] if wanted.labels else []
    bad = {f"flag:{name}" for name in wanted.bad_flags}
    marks = [mark for mark in marks if mark.name in {"thumb", "bad", *bad} or mark.name.startswith("rating:")]
    shown = demonstrations(store, judgement_ids=chosen) if wanted.demonstrations else []
    return Preferences(asks, marks, [item for item in shown if _asks(item)])


def _asks(item: Prompted) -> bool:
    """Whether there is a prompt at all; plain texts have none."""
    return bool(item.prompt.text or item.prompt.messages)


def _needed(wanted: Wanted) -> str:
    names = {"comparisons": wanted.pairs, "labels": wanted.labels, "demonstrations": wanted.demonstrations}
    return " or ".join(name for name, needed in names.items() if needed)
