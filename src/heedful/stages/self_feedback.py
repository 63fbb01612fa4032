"""`heedful self-feedback`: a model judges, criticises and revises in people's place.

Every answer goes into the store as the judgement of an annotator of the kind `model`, so that it can be traced, taken
back, and told from people's. `heedful prefer` mixes the two only when it is told to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from heedful.compute.devices import choose_device
from heedful.errors import Problem
from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import mean_interval
from heedful.language import prompts as order
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages import collect, prefer
from heedful.stages.console import heading, progress, say, with_interval
from heedful.stages.examining import in_words
from heedful.stages.judge_quality import against_truth, measured
from heedful.stages.measuring import true_score
from heedful.stages.model_judging import judge_campaigns, judge_name
from heedful.stages.project import Project
from heedful.stages.revising import (
    CRITIQUE,
    REVISION,
    Kept,
    Reviser,
    Revision,
    Wording,
    keep_revisions,
    kept_lot,
)
from heedful.stages.rounds import settings_of_round
from heedful.stages.self_rewarding import Round, self_rewarding
from heedful.stages.versions import load_policy, start_computing
from heedful.stages.wording import Judging, read_rules, read_template

SHOWN = 3
"""Revisions that a report shows."""


@dataclass(frozen=True)
class Revising:
    """How drafts are criticised and rewritten (--mode revise)."""

    critique: str = ""
    """A text file with {prompt}, {draft} and {rule} in it: how a criticism is asked for; empty: built-in words."""
    revision: str = ""
    """A text file with {prompt}, {draft}, {critique} and {rule}: how the rewritten answer is; empty: built-in words."""
    rows: int = 32
    """Drafts at once; their pairs are stored together, before the next ones are written."""
    skip_overlong: bool = False
    """Leave out drafts that do not fit into the model's context with the rule, instead of stopping."""


@dataclass(frozen=True)
class Config:
    """Let a model give the feedback: it revises its drafts by rules, or judges what it wrote and learns from that."""

    project: Path
    """The project's folder; its heedful.toml sets the steps of a round of --mode reward in [collect] and [prefer]."""
    mode: Literal["revise", "reward"] = "revise"
    """revise: drafts, criticism by rules, revision, pairs for `heedful prefer`; reward: rounds of writing, judging
    itself and learning from it."""
    policy: str = "current"
    """The version to begin from."""
    rules: str = ""
    """revise: a text file with one rule a line, such as "The answer is polite."; they take turns."""
    prompts: int = 256
    """revise: prompts of the training part to write drafts to."""
    campaign: str = ""
    """revise: name under which the pairs are filed; `revise-VERSION` when left out."""
    revising: Revising = field(default_factory=Revising)
    sampling: Sampling = field(default_factory=Sampling)
    """revise: of drafts, criticisms and revisions."""
    rounds: int = 2
    """reward: how often to go round."""
    questions: int = 0
    """reward: comparisons in each round; 0: as in [collect]."""
    judging: Judging = field(default_factory=Judging)
    world: Literal["", "playground"] = ""
    """A world in which the true score is known: it is measured, never learnt from."""
    seed: int = 0
    """Decides prompts, texts and the order of training."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""


def run(config: Config, *, name: str = "") -> dict[str, Any]:
    """Do what the mode says; the run's result.

    Raises:
        Problem: there are no rules or prompts, a file is missing, or a text does not fit into the model's context.
    """
    project = Project.open(config.project)
    facts: dict[str, Any] = {"policy": project.policy_named(config.policy).id}
    if config.mode == "revise":
        facts["rules"] = read_rules(config.rules)
        facts["critique"] = read_template(config.revising.critique, "the wording", ("prompt", "draft", "rule"))
        facts["revision"] = read_template(config.revising.revision, "the wording", ("draft", "critique", "rule"))
    else:
        if config.rounds < 1:
            raise Problem(f"{config.rounds} rounds are none", mend="ask for one or more")
        facts["question"] = read_template(config.judging.question, "the question", ("prompt", "a", "b"))
    current = project.begin("self-feedback", config, name=name, restart=config.restart, **facts)
    if current.finished:
        return current.result
    changed = [key for key, text in facts.items() if key != "policy" and text != current.record["inputs"][key]]
    if changed:
        raise Problem(
            f"the file with the {changed[0]} has changed since this run began",
            where=str(current.folder),
            mend="put it back as it was, or add --restart to begin anew",
        )
    result = _revise(project, config, current) if config.mode == "revise" else _reward(project, config, current)
    current.finish({"mode": config.mode, "policy": current.record["inputs"]["policy"], **result})
    return current.result


# Revising by rules


def _revise(project: Project, config: Config, current: Run) -> dict[str, Any]:
    """Lot after lot: drafts, criticism, revision, pairs in the store, what happened in the run's folder."""
    facts = current.record["inputs"]
    version = facts["policy"]
    model = load_policy(project, project.model(version), choose_device(config.device))
    start_computing(current, model, config.device, config.threads)
    wording = Wording(facts["critique"] or CRITIQUE, facts["revision"] or REVISION)
    size, seed = config.revising.rows, seed_of(config.seed, "self-feedback")
    reviser = Reviser(model, version, config.sampling, facts["rules"], wording, size, seed)
    pool = project.prompts("train", current)
    prompts = order.batch(pool, 0, min(config.prompts, len(pool)), seed)
    campaign, annotator = config.campaign or f"revise-{version}", f"model {version}, revising"

    def lot(at: int) -> list[Revision]:
        found = reviser(prompts[at : at + size], at)
        if not config.revising.skip_overlong:
            _refuse_overlong(found, model)
        keep_revisions(project.store, found, campaign=campaign, name=annotator)
        return found

    rows: list[Kept] = []
    current.resume()
    with progress(f"{version} revises", len(prompts)) as advance:
        for number, at in enumerate(range(0, len(prompts), size)):
            kept = kept_lot(current.folder / "revisions" / f"{number:05d}.json", partial(lot, at))
            counts = Counter(row.outcome for row in kept)
            current.log(number, {"pair": counts["pair"] / len(kept), "unchanged": counts["unchanged"] / len(kept)})
            rows += kept
            advance(len(kept))
    return _outcome(project, config, rows, campaign, annotator)


def _refuse_overlong(found: Sequence[Revision], model: LanguageModel) -> None:
    """Stop at a draft that does not fit, before anything of its lot is stored."""
    for each in found:
        if each.outcome == "overlong":
            what = "its criticism" if each.critique is None else "its revision"
            raise Problem(
                f"there is no room for {what} in the model's context of {model.context_tokens} tokens",
                where=f"prompt {each.prompt.id}",
                mend="lower --sampling.max-new-tokens, shorten rules or wording (--revising.critique, "
                "--revising.revision), or leave such drafts out with --revising.skip-overlong",
            )


def _outcome(project: Project, config: Config, rows: Sequence[Kept], campaign: str, annotator: str) -> dict[str, Any]:
    """What became of the drafts, printed and for the run's result."""
    counts = Counter(row.outcome for row in rows)
    pairs = [row for row in rows if row.outcome == "pair"]
    say(
        f"{len(rows):,} drafts gave {len(pairs):,} pairs, revision above draft, filed as {campaign!r}; "
        f"{counts['unchanged']:,} were not changed, {counts['empty']:,} revisions were empty, "
        f"{counts['overlong']:,} drafts did not fit into the model's context."
    )
    found: dict[str, Any] = {
        "drafts": len(rows),
        "pairs": len(pairs),
        **{name: counts[name] for name in ("unchanged", "empty", "overlong")},
        "campaign": campaign,
        "annotator": annotator,
        "by_rule": dict(Counter(row.rule for row in pairs)),
        "samples": [asdict(row) for row in pairs[:SHOWN]],
    }
    if config.world and pairs:
        prompts = project.store.prompts([row.prompt_id for row in pairs])
        draft = [true_score(prompt, row.draft) for prompt, row in zip(prompts, pairs, strict=True)]
        revision = [true_score(prompt, row.text or "") for prompt, row in zip(prompts, pairs, strict=True)]
        gain = [after - before for before, after in zip(draft, revision, strict=True)]
        clusters = clustering_of(None, [row.prompt_id for row in pairs], "prompt")
        means = {
            name: mean_interval(values, clusters)
            for name, values in (("draft", draft), ("revision", revision), ("gain", gain))
        }
        found["gold"] = {name: [value.value, value.low, value.high] for name, value in means.items()}
        shown = {name: with_interval(value.value, value.low, value.high) for name, value in means.items()}
        say(f"True score: drafts {shown['draft']}, revisions {shown['revision']}, difference {shown['gain']}.")
    say(f"`heedful prefer {project.folder} --campaigns {campaign}` learns from them.")
    return found


# Rewarding itself


def _reward(project: Project, config: Config, current: Run) -> dict[str, Any]:
    """The rounds, and what each one's judge was like."""
    name = current.folder.name
    given: dict[str, Any] = {"device": config.device, "threads": config.threads}
    rounds: list[dict[str, Any]] = []
    current.resume()

    def asking(number: int, version: str) -> collect.Config:
        heading(f"Round {number} of {config.rounds}")
        found = settings_of_round(project, collect.Config, "collect", config.seed, number, **given)
        return replace(
            found, policy=version, campaign=f"{name}-{number}", questions=config.questions or found.questions
        )

    def learning(number: int, _version: str) -> prefer.Config:
        return settings_of_round(project, prefer.Config, "prefer", config.seed, number, **given)

    def judging(campaign: str, version: str) -> None:
        judge_campaigns(project, [campaign], version, config.judging, config.device)

    def on_round(done: Round) -> None:
        facts = _facts(project, config, done, current.record["inputs"]["question"])
        rounds.append(facts)
        current.log(done.number - 1, {"position_bias": facts["bias"]["value"], "turned": facts["turned"]["value"]})

    begin = current.record["inputs"]["policy"]
    made = self_rewarding(config.rounds, asking, judging, learning, begin, name=name, on_round=on_round)
    versions = [each.made.id for each in made]
    say(f"{begin} became {versions[-1]}, a candidate; `heedful evaluate` says whether people like it more.")
    return {"versions": versions, "version": versions[-1], "rounds": rounds}


def _facts(project: Project, config: Config, done: Round, question: str) -> dict[str, Any]:
    """What a round's judge was like, and how well the version that came of it orders held-out answers as it does."""
    annotator = judge_name(done.version, question, config.judging)
    found = measured(project.store, [done.campaign], annotator)
    learnt = Run(project.runs / done.made.run, {}).result
    facts: dict[str, Any] = {"version": done.version, "made": done.made.id, "campaign": done.campaign}
    facts |= {"accuracy": learnt.get("accuracy")} | ({} if found is None else asdict(found))
    if config.world:
        truth = against_truth(project.store, done.campaign, annotator, true_score)
        facts["truth"] = None if truth is None else asdict(truth)
        if truth is not None:
            say(f"{done.version} as judge, against the true score: {in_words(truth)}.")
    return facts
