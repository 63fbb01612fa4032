"""Ghost attention: teach a model to keep an instruction over many turns that stands in the first one only.

Touvron et al. 2023, "Llama 2" (arXiv:2307.09288, section 3.3). The instruction ("always answer with emojis") is
joined to every turn of the user while the answers are sampled, so that each answer obeys it. For training it stays
in the first turn alone, and the loss is zero on all earlier turns, answers included, since those were sampled with
an instruction that is no longer in front of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from heedful.errors import Problem
from heedful.language.acting import completion_text
from heedful.language.chat import encode_completion, encode_prompt
from heedful.language.imitation import Example
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampler, Sampling
from heedful.records import Message, Prompt
from heedful.seeds import seed_of


def instructed(turns: Sequence[Message], instruction: str, *, everywhere: bool) -> tuple[Message, ...]:
    """The turns with `instruction` before the user's words: in every turn of the user, or in the first alone.

    Raises:
        Problem: the user says nothing.
    """
    first = next((place for place, turn in enumerate(turns) if turn.role == "user"), None)
    if first is None:
        raise Problem("the conversation has no turn of the user", mend='give turns whose role is "user"')
    return tuple(
        Message(turn.role, f"{instruction}\n{turn.content}")
        if turn.role == "user" and (everywhere or place == first)
        else turn
        for place, turn in enumerate(turns)
    )


def sample_conversations(
    model: LanguageModel,
    sampler: Sampler,
    questions: Sequence[Sequence[str]],
    instructions: Sequence[str],
    sampling: Sampling,
    *,
    seed: int,
    systems: Sequence[Sequence[Message]] = (),
) -> list[tuple[Message, ...]]:
    """Answer the users' turns one after the other with the instruction in front of each of them.

    Args:
        questions: for each conversation, what the user says, in order; conversations may differ in length.
        instructions: one for each conversation.
        systems: for each conversation, the turns of the system that it begins with; none when left out.

    Returns:
        The conversations as they were held, without any instruction: system, user, assistant, user, assistant ...
    """
    held: list[list[Message]] = [list(turns) for turns in systems] or [[] for _ in questions]
    for number in range(max(map(len, questions), default=0)):
        open_ = [row for row, asked in enumerate(questions) if number < len(asked)]
        for row in open_:
            held[row].append(Message("user", questions[row][number]))
        prompts = [Prompt.of(instructed(held[row], instructions[row], everywhere=True)) for row in open_]
        ids = [encode_prompt(model, prompt) for prompt in prompts]
        samples = sampler.sample(ids, sampling, [seed_of(seed, "ghost", row, number) for row in open_])
        for row, sample in zip(open_, samples, strict=True):
            held[row].append(Message("assistant", completion_text(model, sample, sampling)))
    return [tuple(turns) for turns in held]


def ghost_example(model: LanguageModel, turns: Sequence[Message], instruction: str) -> Example:
    """A conversation to learn from: the instruction in the first turn, the loss on the last answer alone.

    Args:
        turns: as they were held, without the instruction; the last one is the assistant's.

    Raises:
        Problem: the last turn is not the assistant's, or the conversation does not fit the model's context.
    """
    if not turns or turns[-1].role != "assistant":
        raise Problem("the last turn is not the assistant's", mend="end the conversation with the answer to learn")
    prompt = encode_prompt(model, Prompt.of(instructed(turns[:-1], instruction, everywhere=False)))
    completion = encode_completion(model, turns[-1].content)
    room = model.context_tokens - len(prompt)
    if len(completion) > room:
        raise Problem(
            f"the conversation has {len(prompt) + len(completion)} tokens, the model's context is "
            f"{model.context_tokens}",
            mend="leave turns out, or use a model with a longer context",
        )
    return Example(prompt, completion)
