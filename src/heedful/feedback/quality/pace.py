"""How long an answer takes at least: the rule by which one counts as too fast.

People read 238 words a minute silently (Brysbaert 2019, "How many words do we read per minute?", Journal of Memory and
Language 109: English non-fiction). Four times that, about 100 characters a second, is taken for skimming: whoever
answers sooner cannot have looked at all the texts. The prompt does not count (it may be known from another question),
and of long texts only `LONGEST_S` do, since the difference may show early.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heedful.feedback.quality.evidence import Given

CHARACTERS_PER_S = 100.0
SHORTEST_S = 1.0
"""Nobody reads and decides within less."""
LONGEST_S = 20.0


def skimming_s(characters: int) -> float:
    """Seconds that it takes at least to skim so many characters and to answer."""
    return min(LONGEST_S, max(SHORTEST_S, characters / CHARACTERS_PER_S))


def too_fast(answers: Sequence[Given], characters: Mapping[str, int]) -> list[bool]:
    """For each answer whose duration is known: whether it came sooner than its texts can be skimmed.

    Args:
        answers: no skips.
        characters: question -> the length of the texts that it shows.
    """
    return [
        each.duration_s < skimming_s(characters.get(each.question_id, 0))
        for each in answers
        if each.duration_s is not None
    ]
