"""The answers that a run learns from: frozen when it begins, and divided into what is learnt and what is held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.feedback.splits import Prompted, split
from heedful.feedback.store import Store
from heedful.records import Prompt
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.project import Project

Voices = Literal["any", "people", "models", "both"]
"""Whose answers: of whoever answered, if it was people only or models only; of people; of models; of both."""


class Answer(Protocol):
    """A row of a training view: a `Prompted` with its judgements."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def prompt(self) -> Prompt:
        """What was asked."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Columns that it can be divided by."""
        ...

    @property
    def judgement_ids(self) -> tuple[str, ...]:
        """The judgements behind it."""
        ...


Item = TypeVar("Item", bound=Answer)
Asked = TypeVar("Asked", bound=Prompted)


def frozen_answers(
    project: Project,
    run: Run,
    read: Callable[[set[str]], list[Item]],
    *,
    needed: str,
    voices: Voices,
    campaigns: Sequence[str] = (),
    by: str,
    held_out: float,
    seed: int,
) -> tuple[list[Item], list[Item]]:
    """(to learn from, held out): what the judgements of the run's snapshot say; it is taken at the run's first start.

    Nothing about a prompt that is kept for evaluation is learnt from; where `by` is "prompt" it is held out as well.

    Args:
        project: whose store.
        run: keeps the snapshot.
        read: judgement ids -> rows of a view.
        needed: what is missing when nothing is found, in words.
        voices: whose answers.
        campaigns: only answers to questions filed under these names; all when empty.
        by: what is never shared between the two: prompt, or a metadata column.
        held_out: share of the prompts (or of the column's values); 0: a tenth of the prompts, a quarter of the values.
        seed: of the division.

    Raises:
        Problem: there is nothing to learn from, people's and models' answers would be mixed unasked, or an annotator
            of the snapshot was retracted.
    """

    # A column has few values as a rule, and an interval clustered by two of them would say nothing.
    share = held_out or (0.1 if by == "prompt" else 0.25)
    if run.record["snapshots"]:
        frozen = lineage.snapshot_that_stands(project.store, run.record["snapshots"][0])
        return divided(project, run, read(set(frozen.judgement_ids)), by=by, held_out=share, seed=seed)
    found = read(of_voices(project.store, voices, campaigns))
    if not found:
        whose = {"people": " among people's answers", "models": " among models' answers"}.get(voices, "")
        raise Problem(
            f"there is nothing to learn from{whose} yet: {needed}",
            where=str(project.folder),
            mend="import some with `heedful import`, or collect and judge: `heedful collect`, `heedful judge`",
        )
    parts = divided(project, run, found, by=by, held_out=share, seed=seed)
    run.note(snapshots=[lineage.snapshot(project.store, {id_ for item in found for id_ in item.judgement_ids}).hash])
    return parts


def divided(
    project: Project, run: Run, found: Sequence[Asked], *, by: str = "prompt", held_out: float, seed: int
) -> tuple[list[Asked], list[Asked]]:
    """(to learn from, held out), the same at every start of a run: see `heedful.feedback.splits.split`.

    Nothing about a prompt that is kept for evaluation is learnt from; where `by` is "prompt" it is held out as well.

    Raises:
        Problem: as `split`.
    """
    # A stream of its own: with the project's, what is drawn here would be what evaluation has drawn already.
    learnt, aside = split(found, by=by, held_out=held_out, seed=seed_of(seed, "held out answers"))
    kept = project.examination_prompts(run)
    if by == "prompt":
        aside += [item for item in learnt if item.prompt.id in kept]
    return [item for item in learnt if item.prompt.id not in kept], aside


def of_voices(store: Store, voices: Voices, campaigns: Sequence[str] = ()) -> set[str]:
    """Ids of the judgements that hold and that the wanted voices gave, to questions of these campaigns or to all.

    Raises:
        Problem: people and models both answered, and nobody has said whose answers are meant.
    """
    models = {person.id for person in store.annotators() if person.kind == "model"}
    held = {
        judgement.id: judgement.annotator_id for judgement in store.judgements(list(campaigns) or None, purpose="train")
    }
    by_models = {id_ for id_, who in held.items() if who in models}
    by_people = held.keys() - by_models
    match voices:
        case "people":
            return set(by_people)
        case "models":
            return by_models
        case "any" if by_models and by_people:
            counts = Counter("models" if who in models else "people" for who in held.values())
            raise Problem(
                f"{counts['people']:,} answers are people's and {counts['models']:,} are models'",
                where=store.location,
                mend="say whose are meant: --voices people, --voices models, or --voices both",
            )
    return set(held)
