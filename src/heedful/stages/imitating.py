"""What the stages that learn from examples share: descend a loss on them, and say how well on held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import Interval, mean_interval
from heedful.feedback import lineage
from heedful.feedback.store import Store
from heedful.feedback.views import demonstrations
from heedful.language import prompts as order
from heedful.language.imitation import Example, Measured, by_length, imitation_loss, nats_per_token
from heedful.language.pretrained import LanguageModel
from heedful.learning.fit import fit
from heedful.learning.schedules import schedule
from heedful.records import Demonstration
from heedful.rollouts import Metrics, Stateful, Stats
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.answers import divided
from heedful.stages.console import progress
from heedful.stages.project import Project

Item = TypeVar("Item", bound=Measured)


class Trained(Protocol):
    """A module, or a language model."""

    def state_dict(self) -> Any:
        """All weights by name."""
        ...

    def load_state_dict(self, state_dict: Any, /) -> Any:
        """Take weights over."""
        ...

    def parameters(self) -> Iterable[nn.Parameter]:
        """Its weights."""
        ...


@dataclass(frozen=True)
class Imitation:
    """How imitation is trained."""

    epochs: float = 1.0
    """Passes over the examples."""
    batch: int = 64
    """Examples per optimiser step."""
    learning_rate: float = 1e-3
    """AdamW's, after warm-up; it falls to 0 along a cosine."""
    warm_up: float = 0.05
    """Share of the steps in which the learning rate rises from 0."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    micro_batch: int = 0
    """Examples per forward and backward pass; 0: the whole batch. Changes the memory, never the result."""
    checkpoint_every: int = 100
    """Steps between checkpoints."""


def imitate(
    model: LanguageModel, examples: Sequence[Example], settings: Imitation, run: Run, *, seed: int, label: str
) -> Stats:
    """Train `model` in place; resumable."""
    return descend({"model": model}, examples, partial(imitation_loss, model), settings, run, seed=seed, label=label)


def descend(
    modules: Mapping[str, Trained],
    items: Sequence[Item],
    loss: Callable[[list[Item]], tuple[Tensor, Tensor, Metrics]],
    settings: Imitation,
    run: Run,
    *,
    seed: int,
    label: str,
    join: Callable[[int, list[Item]], list[Item]] | None = None,
    after: Callable[[int], Stats | None] | None = None,
    state: Mapping[str, Stateful] | None = None,
) -> Stats:
    """Descend a loss on examples, in parts of like length; resumable.

    Args:
        modules: what is trained in place, by name.
        items: examples, or anything with a length.
        loss: of a part of a step's items.
        settings: how.
        run: keeps metrics and checkpoints.
        seed: of the order.
        label: of the progress bar.
        join: (step, its items) -> the same with more items, those that must be made anew at each step.
        after: called with each step (from 0) when its optimiser step is done; may return more to log.
        state: whatever else changes and must survive a crash, by name.
    """
    first = next(iter(modules.values()))
    device = next(iter(first.parameters())).device
    compute = LocalCompute(device, micro_batch=settings.micro_batch, weight_decay=settings.weight_decay)
    compute.prepare([(module.parameters(), settings.learning_rate) for module in modules.values()])
    size = min(settings.batch, len(items))
    steps = max(1, round(settings.epochs * len(items) / size))

    def batches(step: int) -> list[list[Item]]:
        chosen = order.batch(items, step, size, seed_of(seed, "examples"))
        chosen = chosen if join is None else join(step, chosen)
        return [[chosen[i] for i in part] for part in by_length(chosen, settings.micro_batch or len(chosen))]

    with progress(label, steps, done=run.resume()[0]) as advance:

        def on_step(step: int, stats: Stats) -> Stats | None:
            more = None if after is None else after(step)
            advance(metrics={"loss": stats["loss"]})
            return more

        return fit(
            modules,
            batches,
            loss,
            compute,
            run,
            steps=steps,
            seed=seed,
            schedule=schedule("cosine", steps, warm_up_steps=min(round(settings.warm_up * steps), steps - 1)),
            checkpoint_every=settings.checkpoint_every,
            state=state,
            on_step=on_step,
        )


class View(Protocol):
    """Texts to imitate, of the store: `demonstrations` or `critiques`."""

    def __call__(self, store: Store, *, judgement_ids: Collection[str] | None = None) -> list[Demonstration]:
        """All of them, or those of a snapshot."""
        ...


def frozen_demonstrations(project: Project, run: Run, view: View = demonstrations) -> list[Demonstration]:
    """The demonstrations that the store had when the run began: a resumed run learns from the same ones."""
    if run.record["snapshots"]:
        frozen = lineage.snapshot_that_stands(project.store, run.record["snapshots"][0])
        return view(project.store, judgement_ids=frozen.judgement_ids)
    found = view(project.store)
    if found:
        run.note(
            snapshots=[lineage.snapshot(project.store, (id_ for item in found for id_ in item.judgement_ids)).hash]
        )
    return found


def divided_demonstrations(
    project: Project, run: Run, *, held_out: float, seed: int, view: View = demonstrations
) -> tuple[list[Demonstration], list[Demonstration]]:
    """The run's demonstrations: those to learn from, and those to measure with, on other prompts.

    Raises:
        Problem: there are none, or none are left for one of the two.
    """
    found = [item for item in frozen_demonstrations(project, run, view) if item.prompt.text or item.prompt.messages]
    what = "demonstrations" if view is demonstrations else "critiques"
    if len(found) < 2:
        raise Problem(
            f"there are no {what} to learn from",
            where=str(project.folder),
            mend="import some: `heedful import PROJECT file.jsonl` with `prompt` and `completion` on each line"
            if view is demonstrations
            else "ask people for some: `heedful queue PROJECT --kind critique`",
        )
    training, aside = divided(project, run, found, held_out=held_out, seed=seed)
    if not training or not aside:
        raise Problem(
            f"no {what} are left to {'measure with' if training else 'learn from'}",
            where=str(project.folder),
            mend="import more, on prompts that are not kept for evaluation",
        )
    return training, aside


def held_out_nats(model: LanguageModel, examples: Sequence[Example], clusters: Sequence[Hashable]) -> Interval:
    """Nats per token over all tokens of held-out examples, with a 95 % interval clustered by `clusters`.

    A ratio of sums; its error by linearisation: example i counts as r + (nats_i - r tokens_i) / mean tokens.
    """
    nats, tokens = nats_per_token(model, examples)
    rate = nats.sum() / tokens.sum()
    return mean_interval(rate + (nats - rate * tokens) / tokens.mean(), clustering_of(None, clusters))
