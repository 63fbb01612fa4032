"""What the live chat needs of a model: the app samples nothing by itself, it is handed somebody who does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from heedful.records import Completion, Prompt


class ChatSampler(Protocol):
    """Samples answers of a project's policies, piece by piece."""

    def policies(self) -> list[str]:
        """The versions that can answer, the newest last."""

    def stream(self, prompt: Prompt, policies: tuple[str, str], seed: int) -> Iterator[tuple[int, str | Completion]]:
        """Let two versions answer a prompt.

        Args:
            prompt: a conversation that ends with what a person wrote.
            policies: the version of either side; one twice is allowed, and is then sampled twice.
            seed: of the sampling; the sides get different random numbers.

        Yields:
            (side, piece of text), the sides mixed; and once for either side (side, completion), its whole text with
            token ids, log-probabilities and sampling settings. Ids and `prompt_id` of the completions do not matter.
            When the iterator is closed before its end, sampling stops.
        """
