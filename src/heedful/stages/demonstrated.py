"""What people wrote, as `improve` learns from it: on prompts that are trained on, and the same after a resume."""

from __future__ import annotations

from heedful.errors import Problem
from heedful.records import Demonstration
from heedful.runs import Run
from heedful.stages.imitating import frozen_demonstrations
from heedful.stages.project import Project


def training_demonstrations(project: Project, run: Run) -> list[Demonstration]:
    """The project's demonstrations and plain texts when the run began, without those on prompts kept for evaluation."""
    kept = project.examination_prompts(run)
    return [item for item in frozen_demonstrations(project, run) if item.prompt.id not in kept]


def training_answers(project: Project, run: Run, why: str) -> list[Demonstration]:
    """Those of them that answer a prompt.

    Args:
        why: what needs them, for the error: adversarial feedback.

    Raises:
        Problem: there are none.
    """
    found = [item for item in training_demonstrations(project, run) if item.prompt.text or item.prompt.messages]
    if not found:
        raise Problem(
            f"{why} needs demonstrations, and there are none on prompts that are trained on",
            where=str(project.folder),
            mend="import some: `heedful import PROJECT file.jsonl` with `prompt` and `completion` on each line",
        )
    return found
