"""`heedful evaluate`: rate a policy version against earlier ones before people, and promote it or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from heedful.compute.devices import choose_device
from heedful.errors import Problem
from heedful.evaluation.overoptimisation import diagnose, measure
from heedful.feedback import lineage
from heedful.language import prompts as order
from heedful.language.acting import write_completions
from heedful.language.engines.local import LocalSampler
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.records import Model, Prompt
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.asking import comparison_questions
from heedful.stages.console import progress, say, with_interval
from heedful.stages.judges import CROWD, Patience, answer
from heedful.stages.measuring import Written, learned_scores, log_ratio, true_score
from heedful.stages.project import Project
from heedful.stages.rating import duel, in_words, refusal, standings, votes
from heedful.stages.versions import load_policy, start_computing

MOST_REPEATS = 8
"""Completions of one held-out prompt by one version, at the most: more of them say little that is new."""

SAMPLES_SHOWN = 6
"""Prompts whose completions are kept for the report."""


@dataclass(frozen=True)
class Config:
    """Let versions write on prompts that nobody trained on, let people compare, and say who is better."""

    project: Path
    """The project's folder."""
    policy: str = "newest"
    """The version to rate."""
    against: tuple[str, ...] = ("start", "parent")
    """The versions to compare it with."""
    prompts: int = 200
    """How many held-out prompts; where there are fewer, each is answered several times, at most eight."""
    overlap: int = 1
    """How many annotators answer each comparison."""
    judges: str = "people"
    """people (it waits for them), playground, a language model as model:ID, or a scoring function as FILE.py:NAME."""
    crowd: int = CROWD
    """How many simulated people there are."""
    wait: bool = True
    """Wait for people; otherwise stop, and go on when the same command is repeated."""
    patience: Patience = field(default_factory=Patience)
    """How many judgements are enough, and how long they are waited for."""
    sampling: Sampling = field(default_factory=Sampling)
    world: Literal["", "playground"] = ""
    """A world in which the true score is known."""
    promote: bool = True
    """Promote a candidate whose win rate against its parent has a lower bound above one half; reject it otherwise."""
    seed: int = 0
    """Decides prompts and completions."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""


def run(config: Config, *, name: str = "") -> dict[str, Any]:
    """Sample, ask, wait, rate, and promote or reject; the result is also written to the run's folder.

    Raises:
        Problem: there is nothing to compare, or no held-out prompt.
        Waiting: people have not answered everything, and `wait` is off.
    """
    project = Project.open(config.project)
    policies = project.store.models("policy")
    version = policies[-1] if config.policy == "newest" and policies else project.policy_named(config.policy)
    current = project.begin(
        "evaluate", config, name=name, restart=config.restart, version=version.id, status=version.status
    )
    if current.finished:
        return current.result
    version = project.model(current.record["inputs"]["version"])
    opponents = _opponents(project, version, config.against)
    prompts = _prompts(project, config, current)
    campaign = f"evaluate-{version.id}"
    start = load_policy(project, project.policy_named("start"), choose_device(config.device))
    start_computing(current, start, config.device, config.threads)
    written = {}
    for model in [version, *opponents]:
        written[model.id] = _write(project, config, model, start, prompts, campaign)
    _ask(project, config, campaign, version, opponents, written)
    answer(
        project,
        campaign,
        config.judges,
        purpose="evaluate",
        seed=config.seed,
        wait=config.wait,
        crowd=config.crowd,
        patience=config.patience,
    )
    _score(project, config, version, prompts, written)
    result = _rate(project, config, version, opponents, prompts, written)
    if current.record["inputs"]["status"] == "candidate" and config.promote and version.parent:
        _decide(project, version, result)
    for sentence in result["sentences"]:
        say(sentence)
    current.finish(result)
    return result


def _opponents(project: Project, version: Model, wanted: Sequence[str]) -> list[Model]:
    """The versions to compare with, each once.

    Raises:
        Problem: there is none but the version itself.
    """
    names = [version.parent if name == "parent" else name for name in wanted]
    found = {model.id: model for model in (project.policy_named(name) for name in names if name)}
    found.pop(version.id, None)
    if not found:
        raise Problem(
            f"{version.id} has nothing to be compared with",
            where=str(project.folder),
            mend="make a new version with `heedful improve` or `heedful sft` first",
        )
    return list(found.values())


def _prompts(project: Project, config: Config, current: Run) -> list[Prompt]:
    """Held-out prompts, the same for every version, each repeated if they are few; where they have splits, as many of
    each as there are."""
    found = project.prompts("evaluate", current)
    splits = sorted({str(prompt.metadata.get("split", "")) for prompt in found})
    chosen = []
    for number, split in enumerate(splits):
        share = config.prompts // len(splits) + (number < config.prompts % len(splits))
        some = [prompt for prompt in found if str(prompt.metadata.get("split", "")) == split]
        chosen += order.batch(some, 0, min(share, MOST_REPEATS * len(some)), seed_of(config.seed, "evaluate", split))
    return chosen


def _write(
    project: Project, config: Config, model: Model, start: LanguageModel, prompts: Sequence[Prompt], campaign: str
) -> Written:
    """One completion of each prompt by a version, stored, and how far each is from the start."""
    is_start = model.id == project.policy_named("start").id
    weights = start if is_start else load_policy(project, model, choose_device(config.device))
    with progress(f"{model.id} writes", len(prompts)) as advance:
        completions = write_completions(
            weights,
            LocalSampler(weights),
            prompts,
            config.sampling,
            policy=model.id,
            seed=seed_of(config.seed, campaign),
            on_progress=advance,
        )
    project.store.add_completions(completions)
    return Written(model.id, completions, log_ratio(weights, start, prompts, completions))


def _ask(
    project: Project,
    config: Config,
    campaign: str,
    version: Model,
    opponents: Sequence[Model],
    written: dict[str, Written],
) -> None:
    """A comparison of the version with each opponent on each prompt."""
    mine = written[version.id].completions
    pairs = [pair for rival in opponents for pair in zip(mine, written[rival.id].completions, strict=True)]
    questions = comparison_questions(
        pairs,
        campaign=campaign,
        purpose="evaluate",
        overlap=config.overlap,
        budget=len(pairs),
        seed=seed_of(config.seed, campaign),
    )
    project.store.add_questions(questions)


def _score(
    project: Project, config: Config, version: Model, prompts: Sequence[Prompt], written: dict[str, Written]
) -> None:
    """Learned and true scores of every version's completions."""
    device = choose_device(config.device)
    for found in written.values():
        texts = [completion.text for completion in found.completions]
        if version.reward:
            found.learned = learned_scores(project, version.reward, prompts, texts, device)
        if config.world:
            found.gold = [true_score(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]


def _rate(
    project: Project,
    config: Config,
    version: Model,
    opponents: Sequence[Model],
    prompts: Sequence[Prompt],
    measured: dict[str, Written],
) -> dict[str, Any]:
    """Everything that the report and the decision need, JSON-able, with sentences for the reader."""
    start = project.policy_named("start").id
    cast = votes(project)
    mine = votes(project, [f"evaluate-{version.id}"])
    duels = {rival.id: duel(mine, version.id, rival.id) for rival in opponents}
    means = {id_: {k: asdict(v) for k, v in item.means(prompts).items()} for id_, item in measured.items()}
    sentences = [in_words(version.id, found) for found in duels.values()]
    if ":" in (version.reward or "") and start in means:
        before, after = means[start]["learned"], means[version.id]["learned"]
        sentences.append(
            f"Mean score by {version.reward}: {with_interval(after['value'], after['low'], after['high'])}; "
            f"{start}'s is {with_interval(before['value'], before['low'], before['high'])}."
        )
    kl, length = means[version.id]["kl"], means[version.id]["length"]
    sentences.append(
        f"It is {with_interval(kl['value'], kl['low'], kl['high'])} nats of KL from {start} and writes "
        f"{with_interval(length['value'], length['low'], length['high'], digits=1)} tokens."
    )
    verdict = _verdict(config, measured, prompts, start, version.id)
    if verdict:
        sentences.append(verdict["text"])
    return {
        "version": version.id,
        "duels": duels,
        "league": standings(cast, start),
        "means": means,
        "points": verdict["points"] if verdict else [],
        "verdict": {key: value for key, value in verdict.items() if key != "points"},
        "samples": _samples(prompts, measured, config),
        "sentences": sentences,
    }


def _verdict(
    config: Config, measured: dict[str, Written], prompts: Sequence[Prompt], start: str, version: str
) -> dict[str, Any]:
    """Does the true score follow the learned one? Only where a true score is known."""
    if not config.world or not measured[version].learned:
        return {}
    ids = [prompt.id for prompt in prompts]
    names = sorted(measured, key=lambda id_: (id_ != start, id_ == version))
    points = [
        measure(id_, max(0.0, sum(item.kl) / len(item.kl)), item.gold, item.learned, ids)
        for id_, item in ((id_, measured[id_]) for id_ in names)
    ]
    verdict = diagnose(points)
    return {**asdict(verdict), "points": [asdict(point) for point in points]}


def _samples(prompts: Sequence[Prompt], measured: dict[str, Written], config: Config) -> list[dict[str, Any]]:
    """A few prompts with every version's completion and scores, spread evenly over the prompts."""
    step = max(1, len(prompts) // SAMPLES_SHOWN)
    shown = []
    for index in range(0, len(prompts), step)[:SAMPLES_SHOWN]:
        completions = [
            {
                "version": id_,
                "text": item.completions[index].text,
                "learned": item.learned[index] if item.learned else None,
                "gold": item.gold[index] if item.gold else None,
            }
            for id_, item in measured.items()
        ]
        shown.append({"prompt": prompts[index].as_text(), "completions": completions})
    return shown


def _decide(project: Project, version: Model, result: dict[str, Any]) -> None:
    """Promote a candidate that people prefer beyond doubt to its parent; otherwise the parent stays."""
    against = version.parent or ""
    if against not in result["duels"]:
        against = next(iter(result["duels"]))
    rate = result["duels"][against]["win_rate"]
    hacked = bool(result["verdict"].get("hacked"))
    why = refusal(rate, against, hacked=hacked)
    lineage.set_status(project.store, version.id, "rejected" if why else "promoted")
    result["promoted"] = not why
    if why:
        result["sentences"].append(f"Not promoted: {why}. {against} stays the current version.")
    else:
        result["sentences"].append(f"Promoted: {version.id} is the current version now.")
