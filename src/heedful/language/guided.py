"""A model that may write only what a former self of it allows: the mask of NLPO, on both sides.

`Guide.guided` gives a language model whose logits have gone through a `heedful.rollouts.LogitRule`. The sampler and
the policy's evaluation read the same logits, so they mean the same distribution and know nothing of the rule. While
sampling, the copy reads along: its keys and values are further layers of the same cache.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.language.acting import Acting, in_chunks
from heedful.language.policy import LanguagePolicy, response_logprobs
from heedful.language.pretrained import LanguageModel
from heedful.rollouts import LogitRule, Rollouts


class Guide:
    """A copy of a model that lags behind it, and the rule by which it restricts it.

    Its weights change at `refresh` and must survive a crash: give it to the run's `state`.

    Args:
        model: is trained; its bare logits go into the rule.
        rule: (its logits, the copy's) -> the logits to choose from.

    Raises:
        Problem: the model is an encoder-decoder.
    """

    def __init__(self, model: LanguageModel, rule: LogitRule) -> None:
        if model.encoder_decoder:
            raise Problem(
                "the tokens of an encoder-decoder cannot be restricted by a copy of it",
                where=model.source,
                mend="use a causal language model, or another algorithm: ppo",
            )
        self.model, self.rule, self.copy = model, rule, model.frozen_copy()

    def refresh(self) -> None:
        """Let the copy be the model of now."""
        self.copy = self.model.frozen_copy()

    def guided(self) -> LanguageModel:
        """The model under the rule, on the same weights: give it to the sampler and the policy."""
        twin: Any = copy.copy(self.model)
        twin.layers = self.model.layers + self.copy.layers
        twin.logits, twin.next_logits, twin.bare = self._logits, self._next_logits, self.model
        restricted: LanguageModel = twin
        return restricted

    def _logits(self, ids_BS: Tensor, attend_mask_BS: Tensor, positions_BS: Tensor, last: int) -> Tensor:
        """See `LanguageModel.logits`."""
        given = (ids_BS, attend_mask_BS, positions_BS, last)
        with torch.no_grad():
            guide_BLV = self.copy.logits(*given)
        return self.rule(self.model.logits(*given).float(), guide_BLV.float())

    def _next_logits(self, ids_BQ: Tensor, attend_mask_BC: Tensor, positions_BQ: Tensor, cache: Any) -> Tensor:
        """See `LanguageModel.next_logits`; the copy's layers of the cache come after the model's."""
        given, own = (ids_BQ, attend_mask_BC, positions_BQ), self.model.layers
        logits_BV = self.model.next_logits(*given, type(cache)(layers=cache.layers[:own]))
        guide_BV = self.copy.next_logits(*given, type(cache)(layers=cache.layers[own:]))
        return self.rule(logits_BV.float(), guide_BV.float())

    def state_dict(self) -> dict[str, Any]:
        """The copy's weights."""
        state: dict[str, Any] = self.copy.module.state_dict()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go back to a saved copy."""
        self.copy.module.load_state_dict(state_dict)


@dataclass(frozen=True)
class GuidedActing:
    """The `Collect` of the text world under a guide, which it refreshes when that is due."""

    acting: Acting
    """Its sampler writes with the guided model."""
    guide: Guide
    refresh_due: Callable[[int], bool]
    """Whether the copy becomes the present model before this step."""

    @torch.no_grad()
    def __call__(self, policy: LanguagePolicy, step: int) -> Rollouts:
        """Rollouts under the rule, with the bare log-probabilities that the KL leash pays for."""
        if self.refresh_due(step):
            self.guide.refresh()
        rollouts = self.acting(policy, step)
        bare_BT = in_chunks(
            lambda part: response_logprobs(self.guide.model, part, policy.temperature)[0], rollouts, self.acting
        )
        return rollouts.with_(extras={**rollouts.extras, "bare_logprobs_BT": bare_BT})
