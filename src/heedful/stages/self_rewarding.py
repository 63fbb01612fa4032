"""Self-rewarding rounds: the policy writes, judges what it wrote, learns from that, and the next round begins from it.

Paper: Yuan et al. 2024, "Self-Rewarding Language Models". Deviation: the policy compares two answers, in both orders,
instead of giving points to each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from heedful.records import Model
from heedful.stages import collect, prefer


@dataclass(frozen=True)
class Round:
    """One round that is done."""

    number: int
    version: str
    """Who wrote and judged."""
    campaign: str
    """The comparisons of what it wrote."""
    made: Model
    """What came of it."""


def self_rewarding(
    rounds: int,
    asking: Callable[[int, str], collect.Config],
    judging: Callable[[str, str], object],
    learning: Callable[[int, str], prefer.Config],
    begin: str,
    *,
    name: str = "self",
    on_round: Callable[[Round], None] | None = None,
) -> list[Round]:
    """Round after round; each can be resumed at any point, since its runs have names of their own.

    Args:
        rounds: how many.
        asking: (round from 1, version) -> how completions are collected from that version.
        judging: (campaign, version) -> has that version answer the comparisons of the campaign.
        learning: (round from 1, version) -> how it is trained; whatever it says, `voices` are models and the
            only campaign is the round's.
        begin: the version to begin from.
        name: what the names of the rounds' runs begin with.
        on_round: told of each round that is done.

    Raises:
        Problem: as the stages do.
    """
    done: list[Round] = []
    version = begin
    for number in range(1, rounds + 1):
        campaign = collect.run(asking(number, version), name=f"{name}-{number}-collect")
        judging(campaign, version)
        config = replace(learning(number, version), policy=version, voices="models", campaigns=(campaign,))
        made = prefer.run(config, name=f"{name}-{number}-prefer")
        done.append(Round(number, version, campaign, made))
        if on_round is not None:
            on_round(done[-1])
        version = made.id
    return done
