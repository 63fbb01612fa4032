"""What `heedful sft` learns from: demonstrations, people's critiques, or conversations under an instruction.

A critique is learnt as the answer to the very question that `heedful self-feedback` asks of a model about its own
drafts, so that people's critiques make a better critic of it (Saunders et al. 2022, "Self-critiquing models for
assisting human evaluators"). Conversations are for ghost attention (`heedful.language.ghost_attention`): the model
holds them with an instruction in every turn, and learns from them with the instruction in the first turn alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from heedful.errors import Problem
from heedful.feedback.splits import split
from heedful.feedback.views import critiques, demonstrations
from heedful.language import prompts as order
from heedful.language.engines.local import LocalSampler
from heedful.language.ghost_attention import ghost_example, sample_conversations
from heedful.language.imitation import Example, examples_of_demonstrations
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.records import Demonstration, Metadata, Prompt
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.imitating import divided_demonstrations
from heedful.stages.project import Project
from heedful.stages.revising import CRITIQUE, as_asked, critique_prompt
from heedful.stages.wording import read_rules, read_template

Learn = Literal["demonstrations", "critiques", "ghost"]


@dataclass(frozen=True)
class Critic:
    """How the model is asked for a criticism (--learn critiques)."""

    critique: str = ""
    """A text file with {prompt}, {draft} and perhaps {rule} in it; empty: the built-in words of self-feedback."""
    rules: str = ""
    """A text file with the rules that people criticised by, one a line; they take turns. A column `rule` of the
    question or the prompt goes before them."""


@dataclass(frozen=True)
class Ghost:
    """Conversations that are held under an instruction (--learn ghost)."""

    instructions: str = ""
    """A text file with one instruction a line, such as "Answer in one sentence."; they take turns."""
    conversations: int = 256
    """How many to hold, with users' turns from prompts that have two or more; those come again if they are fewer."""


@dataclass(frozen=True)
class Taught:
    """Examples to learn from, and others to measure with."""

    training: list[Example]
    aside: list[Example]
    clusters: list[str]
    """Which of `aside` belong together: ids of their prompts."""
    what: str
    """`demonstrations`, `critiques` or `conversations`."""


def words_of(learn: Learn, critic: Critic, ghost: Ghost) -> dict[str, Any]:
    """What the files say that a run needs; it is kept with the run, which goes on with it even if they have changed.

    Raises:
        Problem: a file is missing, empty, or lacks a place.
    """
    if learn == "critiques":
        words = read_template(critic.critique, "the wording", ("prompt", "draft")) or CRITIQUE
        return {"critique": words, "rules": read_rules(critic.rules) if critic.rules else []}
    if learn == "ghost":
        if not ghost.instructions:
            raise Problem(
                "there are no instructions to hold conversations under",
                mend="name a text file with one instruction a line: --ghost.instructions FILE",
            )
        return {"instructions": read_rules(ghost.instructions)}
    return {}


def taught(
    project: Project,
    run: Run,
    model: LanguageModel,
    learn: Learn,
    *,
    ghost: Ghost,
    sampling: Sampling,
    held_out: float,
    seed: int,
) -> Taught:
    """The examples of a run, the same at every start of it.

    Raises:
        Problem: there are none, or one does not fit into the model's context.
    """
    if learn == "ghost":
        return _conversations(project, run, model, ghost, sampling, held_out=held_out, seed=seed)
    view = critiques if learn == "critiques" else demonstrations
    training, aside = divided_demonstrations(project, run, held_out=held_out, seed=seed, view=view)
    clusters = [item.prompt.id for item in aside]
    if learn == "critiques":
        words, rules = run.record["inputs"]["critique"], run.record["inputs"]["rules"]
        training, aside = (
            [asked_for(model, row, words, _rule(row, rules, i)) for i, row in enumerate(s)] for s in (training, aside)
        )
    return Taught(
        examples_of_demonstrations(model, training), examples_of_demonstrations(model, aside), clusters, learn
    )


def asked_for(model: LanguageModel, critique: Demonstration, words: str, rule: str) -> Demonstration:
    """A critique as the answer to the question for it, in the words of `heedful self-feedback`.

    Raises:
        Problem: the question names a rule, and there is none.
    """
    if not rule and "{rule}" in words:
        raise Problem(
            "a critique does not say by which rule the answer was criticised, and the question for it names one",
            where=f'question "{critique.metadata["question"]}"',
            mend="name the rules with --critic.rules FILE, give questions a column `rule`, or ask without one: "
            "--critic.critique FILE with {prompt} and {draft}",
        )
    asked = critique_prompt(words, critique.prompt, critique.metadata["about"], rule)
    return replace(critique, prompt=as_asked(model, asked))


def _rule(critique: Demonstration, rules: Sequence[str], number: int) -> str:
    """The one that the question names, or that whose turn it is."""
    told = critique.metadata.get("rule")
    return str(told) if told else rules[number % len(rules)] if rules else ""


# Conversations


@dataclass(frozen=True)
class _Holder:
    """A prompt in the shape that `split` takes."""

    prompt: Prompt
    metadata: Metadata


def _conversations(
    project: Project, run: Run, model: LanguageModel, ghost: Ghost, sampling: Sampling, *, held_out: float, seed: int
) -> Taught:
    """Held by the model as it is when the run begins."""
    kept = project.examination_prompts(run)
    found = [prompt for prompt in project.prompts("train", run) if _turns(prompt) > 1]
    if not found:
        raise Problem(
            "no prompt that is trained on is a conversation with two or more turns of the user",
            where=str(project.folder),
            mend="import some: rows whose `prompt` is a list of messages, "
            '[{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}, {"role": "user", ...}]',
        )
    aside = [prompt for prompt in project.prompts("evaluate", run) if _turns(prompt) > 1] if kept else []
    if not aside:
        parts = split([_Holder(prompt, {}) for prompt in found], held_out=held_out, seed=seed_of(seed, "held out"))
        found, aside = ([each.prompt for each in part] for part in parts)
    hold = partial(_held, model, run.record["inputs"]["instructions"], sampling)
    many = order.batch(found, 0, ghost.conversations, seed_of(seed, "conversations"))
    examined = hold(aside, seed=seed_of(seed, "examined"))
    return Taught(hold(many, seed=seed_of(seed, "held")), examined, [prompt.id for prompt in aside], "conversations")


def _held(
    model: LanguageModel, instructions: Sequence[str], sampling: Sampling, prompts: Sequence[Prompt], *, seed: int
) -> list[Example]:
    """Conversations with the users' turns of some prompts, the instructions taking turns."""
    told = [instructions[number % len(instructions)] for number in range(len(prompts))]
    questions = [[turn.content for turn in prompt.messages if turn.role == "user"] for prompt in prompts]
    systems = [[turn for turn in prompt.messages if turn.role == "system"] for prompt in prompts]
    held = sample_conversations(model, LocalSampler(model), questions, told, sampling, seed=seed, systems=systems)
    return [ghost_example(model, turns, instruction) for turns, instruction in zip(held, told, strict=True)]


def _turns(prompt: Prompt) -> int:
    """Turns of the user."""
    return sum(turn.role == "user" for turn in prompt.messages)
