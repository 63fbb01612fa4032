"""Dense rewards for free: a sequence's score, spread over its tokens by what a model looked at.

Chan et al. 2024, "Dense Reward for Free in Reinforcement Learning from Human Feedback" (arXiv:2402.00782). The
weights are one row of the last layer's attention, mean over heads: the row of the token where the score is read,
restricted to the response and scaled to sum to 1. ABC takes the row from the reward model (it costs nothing, the
same pass gives the score), ABC-D from the policy itself. Deviations from the paper's code: where the reward model
was shown a stop token that the policy did not write, or a completion was cut to its context, what falls outside
the sampled tokens is left out before scaling.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.language.attention import attention_at_last_token, watched
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import pad
from heedful.learning.credit import even_shares, spread, step_shares
from heedful.reward.completions import LearnedReward
from heedful.rollouts import Reward, Rollouts

ATTENTION = "attention_BT"
"""Under this name in `Rollouts.extras`: what each response token has of the model's attention, not yet scaled."""

ENDS = "step_ends_BT"
"""Under this name in `Rollouts.extras`: bool, True at the last token of each step."""


@dataclass(frozen=True)
class Credit:
    """Where in a completion its score is paid."""

    kind: Literal["terminal", "uniform", "step", "attention", "policy_attention"] = "terminal"
    """At the last token, evenly, at the ends of steps, or by the attention of the reward model (ABC) or of the
    policy (ABC-D)."""
    beta: float = 0.5
    """Share of the score that is spread; the rest is paid at the last token."""
    step_ends: tuple[str, ...] = ("\n",)
    """step: texts that end one, such as a line break or a full stop; the end of a completion always does."""


def credited(scorer: Reward, credit: Credit, model: LanguageModel) -> Reward:
    """`scorer`, with its score paid where `credit` says.

    Args:
        scorer: attaches `scores_B`; for `attention` a `LearnedReward`.
        model: the policy's, for `policy_attention`.

    Raises:
        Problem: credit by the attention of a scorer that has none.
    """
    match credit.kind:
        case "terminal":
            return scorer
        case "attention":
            if not isinstance(scorer, LearnedReward):
                raise Problem(
                    "there is no attention to credit: the score is a function's, or several scorers' together",
                    where='setting "kind" of the credit',
                    mend="improve against one reward model, or credit by policy_attention or uniform",
                )
            return Spread(AttentiveReward(scorer), credit)
        case "policy_attention":
            return Spread(PolicyAttention(scorer, model), credit)
        case "step":
            return Spread(Steps(scorer, model, credit.step_ends), credit)
        case _:
            return Spread(scorer, credit)


class Spread:
    """A `Reward` that spreads another one's score over the tokens: attaches `token_scores_BT`.

    `attention` wants a scorer that attaches `attention_BT` (`AttentiveReward`, `PolicyAttention`), `step` one that
    attaches `step_ends_BT` (`Steps`).
    """

    def __init__(self, scorer: Reward, credit: Credit) -> None:
        self.scorer, self.credit = scorer, credit

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """See `heedful.rollouts.Reward`. Token scores that the scorer gives itself are left as they are.

        Raises:
            Problem: the scorer attaches nothing of what the credit goes by.
        """
        scored = self.scorer(rollouts)
        if self.credit.kind == "terminal" or scored.token_scores_BT is not None:
            return scored
        assert scored.scores_B is not None
        shares_BT = self._shares(scored)
        token_scores_BT = spread(scored.scores_B, shares_BT, scored.mask_BT, self.credit.beta)
        return scored.with_(token_scores_BT=token_scores_BT)

    def _shares(self, scored: Rollouts) -> Tensor:
        if self.credit.kind == "uniform":
            return even_shares(scored.mask_BT)
        name = ENDS if self.credit.kind == "step" else ATTENTION
        found_BT = scored.extras.get(name)
        if found_BT is None:
            raise Problem(
                f"the reward says nothing to spread its score by ({name} is missing)",
                where='setting "kind" of the credit',
                mend="use a scorer that attaches it, or credit terminal or uniform",
            )
        return step_shares(found_BT, scored.mask_BT) if name == ENDS else found_BT


UNFINISHED = "\ufffd"
"""What stands for bytes that are no whole character."""

MOST = 8
"""Tokens after which such bytes are taken for what they are."""


class Steps:
    """Any scorer, with where the steps of each completion end (`step_ends_BT` in the extras), unless it says so itself.

    A step is a stretch that ends with one of the texts and has something else in it than these and white space: three
    full stops in a row end one step. Where nothing but that follows the last end, the completion's last token stands
    for it.

    Raises:
        Problem: there is no text that ends a step, or an empty one.
    """

    def __init__(self, scorer: Reward, model: LanguageModel, ends: Sequence[str]) -> None:
        if not ends or not all(ends):
            raise Problem(
                "steps need a text that ends them",
                where='setting "step_ends" of the credit',
                mend="name one or more, such as a line break or a full stop",
            )
        self.scorer, self.model = scorer, model
        self.ends = re.compile("|".join(re.escape(end) for end in sorted(ends, key=len, reverse=True)))
        self.anchor = model.encode("a", start=False)[-1:]
        self.known: dict[tuple[int, ...], str] = {}

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """See `heedful.rollouts.Reward`."""
        scored = self.scorer(rollouts)
        if ENDS in scored.extras:
            return scored
        mask_BT = scored.mask_BT
        written_BT = scored.inputs["ids_BS"][:, -mask_BT.shape[1] :]
        ends_BT = torch.zeros_like(mask_BT)
        for row, (ids_T, mask_T) in enumerate(zip(written_BT.tolist(), mask_BT.tolist(), strict=True)):
            places = [place for place, real in enumerate(mask_T) if real]
            for end in self.found([ids_T[place] for place in places]):
                ends_BT[row, places[end]] = True
        return scored.with_(extras={**scored.extras, ENDS: ends_BT})

    def found(self, ids: Sequence[int]) -> list[int]:
        """Places of the tokens that complete the end of a step, the last token left out."""
        pieces = self._pieces(ids)
        text, begin, ends = "".join(pieces), 0, list[int]()
        for match in self.ends.finditer(text):
            if self.ends.sub("", text[begin : match.start()]).strip():
                ends.append(match.end())
            begin = match.end()
        if ends and not self.ends.sub("", text[ends[-1] :]).strip():
            ends.pop()
        reached = list(accumulate(map(len, pieces)))
        return [bisect_left(reached, end) for end in ends]

    def _pieces(self, ids: Sequence[int]) -> list[str]:
        """What each token adds to the text; of those that make up a character together, the last one adds it."""
        pieces, waiting = list[str](), list[int]()
        for id_ in ids:
            waiting.append(id_)
            piece = self._piece(tuple(waiting))
            whole = not piece.endswith(UNFINISHED) or len(waiting) == MOST
            pieces.append(piece if whole else "")
            if whole:
                waiting.clear()
        return pieces

    def _piece(self, ids: tuple[int, ...]) -> str:
        """What tokens add to a text: behind another one, because some tokenizers drop a space that comes first."""
        if ids not in self.known:
            self.known[ids] = self.model.decode([*self.anchor, *ids])[len(self.model.decode(self.anchor)) :]
        return self.known[ids]


class AttentiveReward:
    """Scores with a reward model and notes in the same pass what it looked at (`attention_BT` in the extras).

    Raises:
        Problem: the reward model reads other tokens than the policy writes, so its attention has no place.
    """

    def __init__(self, learned: LearnedReward) -> None:
        if not learned.same_tokens:
            raise Problem(
                "the reward model reads other tokens than the policy writes, so its attention cannot be credited",
                mend="train the reward model from a policy of this project and sample without stop texts, or credit "
                "by policy_attention or uniform",
            )
        self.learned = learned

    @torch.no_grad()
    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """See `heedful.rollouts.Reward`; attaches `scores_B` too."""
        model, rows = self.learned.model, self.learned.token_rows(rollouts)
        scores_B = torch.zeros(len(rows), device=model.device)
        attention_BT = torch.zeros(rollouts.mask_BT.shape, device=model.device)
        order = sorted(range(len(rows)), key=lambda index: sum(map(len, rows[index])))
        for at in range(0, len(rows), self.learned.chunk):
            index_M = order[at : at + self.learned.chunk]
            padded = pad([rows[i][0] for i in index_M], [rows[i][1] for i in index_M], model.device)
            with watched(model.trunk) as layer:
                scores_B[index_M] = model.score(padded.ids_BS, padded.attend_mask_BS, padded.steps)
                row_MS = layer.row(padded.attend_mask_BS.sum(1) - 1)  # the reward model moves its rows to the left
            for place, i in enumerate(index_M):
                prompt, written = map(len, rows[i])
                width = min(written, attention_BT.shape[1])
                attention_BT[i, :width] = row_MS[place, prompt : prompt + width]
        return rollouts.with_(scores_B=scores_B, extras={**rollouts.extras, ATTENTION: attention_BT})


class PolicyAttention:
    """Any scorer, with the attention of the policy itself at its last token (`attention_BT` in the extras): ABC-D."""

    def __init__(self, scorer: Reward, model: LanguageModel, *, chunk: int = 64) -> None:
        self.scorer, self.model, self.chunk = scorer, model, chunk

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """See `heedful.rollouts.Reward`."""
        scored = self.scorer(rollouts)
        steps = scored.mask_BT.shape[1]

        def look(ids_BS: Tensor, attend_mask_BS: Tensor) -> Tensor:
            return attention_at_last_token(self.model, ids_BS, attend_mask_BS)[:, -steps:]

        attention_BT = _in_chunks(look, scored.inputs["ids_BS"], scored.inputs["attend_mask_BS"], self.chunk)
        return scored.with_(extras={**scored.extras, ATTENTION: attention_BT})


def _in_chunks(look: Callable[[Tensor, Tensor], Tensor], ids_BS: Tensor, mask_BS: Tensor, chunk: int) -> Tensor:
    starts = range(0, len(ids_BS), chunk)
    return torch.cat([look(ids_BS[at : at + chunk], mask_BS[at : at + chunk]) for at in starts])
