"""MIXER in the text world: the prompts that have demonstrations, and answers that people begin and the policy ends."""

from __future__ import annotations

from collections.abc import Sequence

from heedful.errors import Problem
from heedful.language.acting import Acting
from heedful.language.imitation import examples_of_demonstrations
from heedful.language.mixing import Mixing
from heedful.language.pretrained import LanguageModel
from heedful.learning.algorithms import MIXER
from heedful.records import Demonstration, Prompt
from heedful.runs import Run
from heedful.stages.demonstrated import training_answers
from heedful.stages.project import Project


def answered(project: Project, run: Run) -> tuple[list[Prompt], list[Demonstration]]:
    """(training prompts that somebody has answered, the demonstrations that answer them).

    Raises:
        Problem: there are none.
    """
    answers = training_answers(project, run, "the algorithm mixer")
    by = {item.prompt.id for item in answers}
    prompts = [prompt for prompt in project.prompts("train", run) if prompt.id in by]
    if not prompts:
        raise Problem(
            "none of the prompts that are trained on has a demonstration",
            where=str(project.folder),
            mend="import demonstrations of training prompts, or choose another algorithm: ppo, rloo",
        )
    return prompts, answers


def mixed(
    acting: Acting, algorithm: MIXER, answers: Sequence[Demonstration], model: LanguageModel, *, steps: int
) -> Mixing:
    """Completions that begin as the demonstrations do, by fewer and fewer tokens.

    Args:
        acting: writes the rest; all its prompts have demonstrations.
        algorithm: says how the boundary moves.
        answers: demonstrations of these prompts and of any others.
        model: the policy, in whose tokens they are given.
        steps: of the run.
    """
    examples = examples_of_demonstrations(model, answers)
    longest = max(len(example.completion) for example in examples)
    given = algorithm.annealing(steps, min(longest, acting.sampling.max_new_tokens))
    return Mixing(acting, examples, given)
