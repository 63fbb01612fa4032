"""Remember earlier rounds: a share of what is learnt from is feedback that was given before.

A system that is deployed, hears of its users and is trained on what it heard forgets the tasks of the rounds
before, if those are not there any more (McCloskey and Cohen 1989, "Catastrophic Interference in Connectionist
Networks"). Going over a sample of the old feedback again is the plainest remedy (Robins 1995, "Catastrophic
Forgetting, Rehearsal and Pseudorehearsal"), and needs no other loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from heedful.errors import Problem
from heedful.seeds import generator

Item = TypeVar("Item")


def with_replay(new: Sequence[Item], earlier: Sequence[Sequence[Item]], share: float, seed: int) -> list[Item]:
    """All of `new`, then items of earlier rounds that make up `share` of the whole.

    Every earlier round gives as many as the others (one more or less), or all it has. An item is taken twice only
    when the rounds together have too few.

    Args:
        new: feedback of this round, or examples, or anything.
        earlier: the rounds before, each with its items; empty ones are passed over.
        share: 0 for none, below 1.
        seed: decides which items are taken.

    Raises:
        Problem: the share is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise Problem(f"a share of {share} cannot be replayed", where='"share"', mend="use a number from 0 to below 1")
    rounds = [list(items) for items in earlier if items]
    wanted = round(share / (1 - share) * len(new)) if rounds else 0
    replayed: list[Item] = []
    visit = 0
    while len(replayed) < wanted:
        orders = [
            generator(seed, "replay", visit, number).permutation(len(items)) for number, items in enumerate(rounds)
        ]
        for place in range(max(map(len, rounds))):
            for items, order in zip(rounds, orders, strict=True):
                if place < len(items) and len(replayed) < wanted:
                    replayed.append(items[order[place]])
        visit += 1
    return [*new, *replayed[:wanted]]
