"""Logged completions and what they earned, as examples: from people's labels, or scored once before training."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from statistics import fmean, pstdev

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.feedback.views import labelled
from heedful.files import write_json
from heedful.language.imitation import examples_of_demonstrations
from heedful.language.pretrained import LanguageModel
from heedful.learning.replay import with_replay
from heedful.records import Demonstration, Labelled, Prompt
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.console import say
from heedful.stages.measuring import learned_scores
from heedful.stages.project import Project
from heedful.stages.valuing import Scored

SCORES = "scores.json"
"""In the run's folder: what the scorer said, so that a resumed run asks it nothing again."""


@dataclass(frozen=True)
class Source:
    """Which completions of the log have a reward, and which."""

    label: str = ""
    scorer: str = ""
    campaigns: tuple[str, ...] = ()
    """Only labels of questions filed under these names; empty: all."""
    replay: float = 0.0
    """Share of labels of other campaigns, where some are named."""
    seed: int = 0
    """Decides which are replayed."""

    def __post_init__(self) -> None:
        if self.campaigns and self.scorer:
            raise Problem(
                "a scorer scores the whole store", where='setting "campaigns"', mend="leave one of the two out"
            )
        if self.replay and not self.campaigns:
            raise Problem(
                "all labels are learnt from, so none are left to replay",
                where='setting "replay"',
                mend="name the newest feedback with --campaigns, or leave replay at 0",
            )


@dataclass(frozen=True)
class Logged:
    """Logged completions with one reward each."""

    rows: list[Scored]
    prompt_ids: list[str]
    """Of each row."""
    what: str
    """Where the rewards come from."""

    @property
    def mean(self) -> float:
        """Of the rewards."""
        return fmean(row.reward for row in self.rows)

    @property
    def deviation(self) -> float:
        """Population standard deviation of the rewards."""
        return pstdev(row.reward for row in self.rows)

    def standardised(self) -> list[Scored]:
        """The rows, with rewards of mean 0 and variance 1."""
        return [Scored(row.example, (row.reward - self.mean) / self.deviation) for row in self.rows]


def logged_rewards(project: Project, run: Run, model: LanguageModel, source: Source) -> Logged:
    """The training completions of the store that have a reward; several answers on one completion are averaged.

    Raises:
        Problem: there are none, they all earned the same, or it is open which label is meant.
    """
    found, what = earned(project, run, model, source)
    kept = project.examination_prompts(run)
    pooled: dict[tuple[str, str], list[float]] = {}
    prompts: dict[str, Prompt] = {}
    for each in found:
        if each.prompt.id not in kept and each.text.strip():
            pooled.setdefault((each.prompt.id, each.text), []).append(each.value)
            prompts[each.prompt.id] = each.prompt
    examples = examples_of_demonstrations(model, [Demonstration(prompts[id_], text) for id_, text in pooled])
    rows = [Scored(example, fmean(values)) for example, values in zip(examples, pooled.values(), strict=True)]
    logged = Logged(rows, [id_ for id_, _ in pooled], what)
    if len(rows) < 2 or logged.deviation < 1e-9:
        raise Problem(
            "all logged completions earned the same, so none can be told to be better"
            if rows
            else "there are no logged completions with a reward",
            where=str(project.folder),
            mend="import or collect labels (thumbs, ratings), or name a scorer: --scorer r1, or FILE.py:NAME",
        )
    return logged


@dataclass(frozen=True, slots=True)
class Earned:
    """What one completion earned, by one person or by a scorer."""

    prompt: Prompt
    text: str
    value: float
    question: str = ""
    """Id of the question that was answered; empty where a scorer said it."""
    completion: str = ""
    """Id of the completion; empty where a person said it, whose question names the completion."""


def earned(project: Project, run: Run, model: LanguageModel, source: Source) -> tuple[list[Earned], str]:
    """Every reward of a completion whose prompt asks something, and where the rewards come from; kept with the run.

    Raises:
        Problem: there are no labels, or several and none was named.
    """
    found, what = _scored(project, run, model, source.scorer) if source.scorer else _labels(project, run, source)
    return [each for each in found if each.prompt.text or each.prompt.messages], what


def _labels(project: Project, run: Run, source: Source) -> tuple[list[Earned], str]:
    """What people said, of the run's snapshot, which is taken at its first start."""
    label = source.label
    if run.record["snapshots"]:
        frozen = lineage.snapshot_that_stands(project.store, run.record["snapshots"][0])
        marks = labelled(project.store, judgement_ids=frozen.judgement_ids)
        label = run.record["label"]
    else:
        marks = labelled(project.store)
        label = label or _only(marks, project)
        ids = {id_ for mark in _chosen([m for m in marks if m.name == label], source) for id_ in mark.judgement_ids}
        if not ids:
            names = ", ".join(sorted({mark.name for mark in marks})) or "none yet"
            raise Problem(f"no completion has a label {label!r}", where=str(project.folder), mend=f"there is: {names}")
        run.note(snapshots=[lineage.snapshot(project.store, ids).hash], label=label)
        marks = [mark for mark in marks if ids.issuperset(mark.judgement_ids)]
    said = [mark for mark in marks if mark.name == label]
    return [Earned(mark.prompt, mark.text, mark.value, mark.metadata["question"]) for mark in said], f"label {label!r}"


def _chosen(marks: list[Labelled], source: Source) -> list[Labelled]:
    """Those of the campaigns that are named, and a share of each other one's; never one twice.

    Raises:
        Problem: the campaigns that are named have none.
    """
    if not source.campaigns:
        return marks
    new = [mark for mark in marks if mark.metadata["campaign"] in source.campaigns]
    if marks and not new:
        known = ", ".join(sorted({mark.metadata["campaign"] for mark in marks}))
        raise Problem("no label is of these campaigns", where='setting "campaigns"', mend=f"there is: {known}")
    earlier: dict[str, list[Labelled]] = {}
    for mark in marks:
        if mark.metadata["campaign"] not in source.campaigns:
            earlier.setdefault(mark.metadata["campaign"], []).append(mark)
    found = with_replay(new, list(earlier.values()), source.replay, seed_of(source.seed, "replay"))
    once = list({id(mark): mark for mark in found}.values())
    if len(once) < len(found):
        share = (len(once) - len(new)) / len(once)
        wanted = f"not {100 * source.replay:.0f} %"
        say(f"The other campaigns have too few labels: {100 * share:.0f} % are theirs, {wanted}.")
    return once


def _only(marks: list[Labelled], project: Project) -> str:
    """The name of the label, where there is one only."""
    counts = Counter(mark.name for mark in marks)
    if len(counts) == 1:
        return next(iter(counts))
    told = ", ".join(f"{name} ({count:,})" for name, count in counts.most_common())
    raise Problem(
        "it is open which label is the reward" if counts else "there are no labelled completions",
        where=str(project.folder),
        mend=f"name one with --label: {told}" if counts else "collect thumbs or ratings, or name a scorer: --scorer r1",
    )


def _scored(project: Project, run: Run, model: LanguageModel, scorer: str) -> tuple[list[Earned], str]:
    """Every completion that the store had when the run began, scored once."""
    prompts = {prompt.id: prompt for prompt in project.store.prompts()}
    path = run.folder / SCORES
    if path.is_file():
        scores: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        texts = {completion.id: completion for completion in project.store.completions(scores)}
    else:
        texts = {completion.id: completion for completion in project.store.completions()}
        asked = [prompts[completion.prompt_id] for completion in texts.values()]
        values = learned_scores(project, scorer, asked, [item.text for item in texts.values()], model.device)
        scores = dict(zip(texts, values, strict=True))
        write_json(path, scores)
    return [
        Earned(prompts[texts[id_].prompt_id], texts[id_].text, value, completion=id_) for id_, value in scores.items()
    ], scorer
