"""Context distillation: a model learns to write without a prompt what it writes with one.

Paper: Askell et al. 2021, "A General Language Assistant as a Laboratory for Alignment" (arXiv:2112.00861), section
3.2: the student, which does not see the context C, descends KL(p(. | C, x) || p_theta(. | x)) on texts. Targets are the
teacher's whole distributions, not its samples, so each token of a text teaches as much as many samples would.

Deviations: the texts after a prompt are the teacher's own samples; the teacher's distributions are computed when they
are needed, over the whole vocabulary, instead of being stored for the 50 most likely tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.language.chat import encode_prompt
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import pad, positions
from heedful.records import Message, Prompt
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class Lesson:
    """A prompt without and with the context, and a completion that the teacher wrote to the latter, in token ids."""

    prompt: list[int]
    prompted: list[int]
    completion: list[int]

    @property
    def length(self) -> int:
        """Tokens that the teacher forwards, which are the most."""
        return len(self.prompted) + len(self.completion)


def in_context(prompt: Prompt, context: str) -> Prompt:
    """The prompt with the context before it: as a system message of a conversation, or simply in front of a text."""
    if prompt.messages:
        return Prompt.of([Message("system", context.strip()), *prompt.messages], prompt.metadata)
    return Prompt.of(context + prompt.text, prompt.metadata)


def both_prompts(model: LanguageModel, prompt: Prompt, context: str, longest: int) -> tuple[list[int], list[int]]:
    """Token ids of a prompt without and with the context.

    Raises:
        Problem: context, prompt and a completion of `longest` tokens do not fit into the model's context.
    """
    plain, prompted = encode_prompt(model, prompt), encode_prompt(model, in_context(prompt, context))
    if len(prompted) + longest > model.context_tokens:
        raise Problem(
            f"the context and a prompt have {len(prompted)} tokens together; with {longest} new ones that is more than "
            f"the {model.context_tokens} that the model can read",
            where=f"prompt {prompt.id}",
            mend="shorten the context file, or lower max_new_tokens",
        )
    return plain, prompted


def distillation_loss(
    student: LanguageModel, teacher: LanguageModel, batch: Sequence[Lesson]
) -> tuple[Tensor, Tensor, Metrics]:
    """(sum over tokens of the cross-entropy from the teacher's distribution to the student's, tokens, metrics).

    Its gradient is that of KL(teacher || student), which is logged as `teacher_kl`, nats per token. Both distributions
    live as long as this batch only: let it be a part of a step, of lessons with like length.
    """
    completions = [lesson.completion for lesson in batch]
    with torch.no_grad():
        taught_BTV, mask_BT = _log_softmax(teacher, [lesson.prompted for lesson in batch], completions)
        chances_BTV = taught_BTV.exp()
        certainty_BT = (chances_BTV * taught_BTV.clamp(min=torch.finfo(taught_BTV.dtype).min)).sum(-1)
    learnt_BTV, _ = _log_softmax(student, [lesson.prompt for lesson in batch], completions)
    crossed_BT = torch.where(mask_BT, -(chances_BTV * learnt_BTV).sum(-1), 0.0)
    kl_BT = crossed_BT.detach() + torch.where(mask_BT, certainty_BT, 0.0)
    return crossed_BT.sum(), mask_BT.sum(), {"teacher_kl": (kl_BT.sum(), mask_BT.sum())}


def _log_softmax(
    model: LanguageModel, prompts: Sequence[list[int]], completions: Sequence[list[int]]
) -> tuple[Tensor, Tensor]:
    """(log-probabilities_BTV of every token at each place of the completions, mask_BT)."""
    padded = pad(prompts, completions, model.device)
    attend_mask_BS = padded.attend_mask_BS
    logits_BLV = model.logits(padded.ids_BS, attend_mask_BS, positions(attend_mask_BS), padded.steps + 1)
    return logits_BLV[:, :-1].float().log_softmax(-1), padded.response_mask_BT
