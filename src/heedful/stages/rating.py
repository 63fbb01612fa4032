"""Votes between versions as numbers: win rates, at equal length and per kind of prompt, and the league."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from heedful.errors import Problem
from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import Interval, proportion_interval
from heedful.evaluation.ratings import Game, league
from heedful.evaluation.win_rate import length_controlled_win_rate, win_rate
from heedful.stages.console import with_interval
from heedful.stages.project import Project

OUTCOMES = {"a": 1.0, "b": 0.0, "tie": 0.5, "bad": 0.5}
"""What a choice is worth to the first completion; `skip` is no vote."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One annotator's choice between the completions of two versions."""

    a: str
    b: str
    outcome: float
    """For version `a`."""
    annotator: str
    prompt: str
    split: str
    """The prompt's own split (`held_out_topics` ...), or empty."""
    length_a: int
    """Characters."""
    length_b: int
    bad: bool = False
    """Neither was acceptable: for the win rate a tie, but no praise for either."""

    def seen_from(self, version: str) -> Vote:
        """The same vote with `version` as `a`."""
        if self.a == version:
            return self
        return replace(
            self, a=self.b, b=self.a, outcome=1 - self.outcome, length_a=self.length_b, length_b=self.length_a
        )


def votes(project: Project, campaigns: Sequence[str] | None = None) -> list[Vote]:
    """All votes of evaluation questions between two policy versions, in order of arrival."""
    store = project.store
    questions = {q.id: q for q in store.questions(campaigns, purpose="evaluate", kind="comparison")}
    ids = list(dict.fromkeys(id_ for question in questions.values() for id_ in question.completion_ids))
    completions = {completion.id: completion for completion in store.completions(ids)}
    prompts = {prompt.id: prompt for prompt in store.prompts({question.prompt_id for question in questions.values()})}
    found = []
    for judgement in store.judgements(campaigns, purpose="evaluate", kind="comparison"):
        question = questions[judgement.question_id]
        a, b = (completions[id_] for id_ in question.completion_ids)
        choice = judgement.answer.get("choice", "skip")
        outcome = OUTCOMES.get(choice)
        if outcome is None or not a.policy or not b.policy or a.policy == b.policy:
            continue
        split = str(prompts[question.prompt_id].metadata.get("split", ""))
        found.append(
            Vote(
                a.policy,
                b.policy,
                outcome,
                judgement.annotator_id,
                question.prompt_id,
                split,
                len(a.text),
                len(b.text),
                bad=choice == "bad",
            )
        )
    return found


def duel(all_votes: Sequence[Vote], version: str, opponent: str) -> dict[str, Any]:
    """How often `version` wins against `opponent`: overall, at equal length, and on each kind of prompt.

    Raises:
        Problem: the two never met.
    """
    between = [vote.seen_from(version) for vote in all_votes if {vote.a, vote.b} == {version, opponent}]
    if not between:
        raise Problem(
            f"nobody has compared {version} with {opponent} yet",
            mend="answer the waiting questions: `heedful judge PROJECT --annotator NAME`",
        )
    splits = sorted({vote.split for vote in between if vote.split})
    return {
        "opponent": opponent,
        "win_rate": _rate(between),
        "length_controlled": asdict(
            length_controlled_win_rate(
                [vote.outcome for vote in between],
                [vote.length_a - vote.length_b for vote in between],
                [vote.annotator for vote in between],
                [vote.prompt for vote in between],
            )
        ),
        "both_bad": asdict(_both_bad(between)),
        "by_split": {split: _rate([vote for vote in between if vote.split == split]) for split in splits},
    }


def in_words(version: str, found: Mapping[str, Any]) -> str:
    """A duel in a sentence or two."""
    rate, fair, bad = found["win_rate"], found["length_controlled"], found["both_bad"]
    told = (
        f"{version} wins {with_interval(rate['rate'], rate['low'], rate['high'], percent=True)} against "
        f"{found['opponent']} ({rate['n']:,} votes of {rate['annotators']} annotators; at equal length "
        f"{with_interval(fair['rate'], fair['low'], fair['high'], percent=True)})."
    )
    if not bad["value"]:
        return told
    share = with_interval(bad["value"], bad["low"], bad["high"], percent=True)
    return f"{told} In {share} of the votes neither answer was acceptable."


def refusal(win_rate: Mapping[str, Any], against: str, *, hacked: bool) -> str:
    """Why a candidate is not promoted, in words; empty: it is.

    Args:
        win_rate: its win rate against the version `against`, with the bounds `low` and `high` of an interval.
        against: the version that it would take the place of.
        hacked: the learned score rose while the true one fell.
    """
    if win_rate["high"] < 0.5:
        return (
            f"people prefer {against} beyond doubt. Training made it worse, as a score with its sign turned round "
            "would: look whether more is better in the judgements or the function that it was trained on"
        )
    if hacked:
        return "the learned score rose while the true one fell"
    return "" if win_rate["low"] > 0.5 else "the lower bound is not above one half"


def standings(all_votes: Sequence[Vote], anchor: str) -> list[dict[str, Any]]:
    """The league of all versions that have met, on the Elo scale with the anchor at 1000."""
    games = [Game(vote.a, vote.b, vote.outcome, vote.annotator, vote.prompt) for vote in all_votes]
    return [asdict(rating) for rating in league(games, anchor)]


def _both_bad(some: Sequence[Vote]) -> Interval:
    clustering = clustering_of([vote.annotator for vote in some], [vote.prompt for vote in some])
    return proportion_interval([float(vote.bad) for vote in some], clustering)


def _rate(some: Sequence[Vote]) -> dict[str, Any]:
    of: Callable[[str], list[Any]] = lambda name: [getattr(vote, name) for vote in some]  # noqa: E731 - three uses
    return asdict(win_rate(of("outcome"), of("annotator"), of("prompt")))
