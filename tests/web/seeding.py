"""A project as it looks in the middle of its work: people, campaigns of every kind, models, runs. No torch.

    python tests/web/seeding.py FOLDER                  # makes a project in FOLDER
    heedful serve FOLDER

Rounds of simulated people stand behind two reward models and three policies; two campaigns are worked on by named
people, some of whom do not read what they judge. The same arguments give the same store, up to the clock.
"""

from __future__ import annotations

import json
import math
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from heedful.errors import Problem
from heedful.evaluation.accuracy import pair_accuracy
from heedful.evaluation.calibration import calibration
from heedful.feedback import lineage
from heedful.feedback.accounts import accounts
from heedful.feedback.oracle import SimulatedAnnotator, answer_all
from heedful.feedback.posing import Wish, pose
from heedful.feedback.steering import comments, desk, gold, guidelines
from heedful.feedback.steering.settings import CampaignSettings, save_campaign, set_state
from heedful.feedback.steering.tasks import Task
from heedful.feedback.store import Store
from heedful.playground.answers import Knobs, answer
from heedful.playground.people import TASTE, Person, gold_people, training_people
from heedful.playground.qualities import qualities
from heedful.playground.requests import requests
from heedful.records import Completion, Judgement, Model, Prompt, Question, content_id
from heedful.runs import Run
from heedful.seeds import generator

WRITERS: Mapping[str, Knobs] = {
    "v0": Knobs(accuracy=0.72, completeness=0.7, polite=0.2, rude=0.35, padding=0.35, overclaim=0.4, danger=0.25),
    "v1": Knobs(accuracy=0.88, completeness=0.86, polite=0.45, rude=0.1, padding=0.2, overclaim=0.2, danger=0.08),
    "v2": Knobs(accuracy=0.9, completeness=0.9, polite=0.9, rude=0.02, padding=0.3, overclaim=0.15, danger=0.05),
}
"""How well each version writes."""

TEAM: Mapping[str, tuple[str, Mapping[str, float | bool]]] = {
    "amira": ("Amira Haddad", {"temperature": 0.4}),
    "bo": ("Bo Lindqvist", {"temperature": 0.5}),
    "chidi": ("Chidi Okafor", {"temperature": 0.5}),
    "dana": ("Dana Kowalska", {"temperature": 0.7}),
    "emre": ("Emre Yıldız", {"temperature": 0.8, "side_bias": 3.5}),
    "finn": ("Finn O’Brien", {"spam": True}),
    "grace": ("Grace Tan", {"temperature": 0.45}),
}
"""Login -> name, and the faults of a simulated person; the sixth never looks."""

GUIDELINES = """## What you are asked

You see a request and two answers. Choose the one that **you would rather get**.

1. Helpful: it does what was asked, in the right order.
2. Honest: it does not boast, and says so where it does not know.
3. Harmless: it suggests nothing dangerous.
"""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was made."""

    owner: str
    """The owner's account."""
    team: Mapping[str, str]
    """Login -> annotator."""


def fill(store: Store, folder: Path, *, scale: float = 1.0, now: float | None = None) -> Seeded:
    """Fill an empty store and a project's folder.

    Args:
        store: an empty one.
        folder: of the project; `runs` is made in it.
        scale: of the number of questions; 1 gives about 2,500 judgements.
        now: when the newest things happened, in seconds since 1970; the clock's when it is left out.
    """
    moment = time.time() if now is None else now
    owner = accounts.create(store, "olga", "Olga Petrova", "correct horse battery", "owner").id
    accounts.create(store, "rita", "Rita Review", "correct horse battery", "reviewer")
    team = {
        login: accounts.create(store, login, name, "correct horse battery", "annotator").annotator_id
        for login, (name, _) in TEAM.items()
    }
    written = _write(store, scale)
    _rounds(store, folder, written, scale, moment)
    _explain(store, written, team, owner, scale, moment)
    _rate(store, written, team, owner, scale, moment)
    save_campaign(store, "safety-review", "Does the answer put anybody in danger?", CampaignSettings(overlap=2), owner)
    return Seeded(owner, team)


def _write(store: Store, scale: float) -> dict[str, list[Completion]]:
    """Prompts, and two completions of each by every version."""
    asked = [*requests(round(260 * scale), 1, "train"), *requests(round(60 * scale), 2, "held_out_topics")]
    prompts = list({prompt.id: prompt for prompt in asked}.values())
    written: dict[str, list[Completion]] = {version: [] for version in WRITERS}
    for version, knobs in WRITERS.items():
        for prompt in prompts:
            rng = generator(0, "writes", version, prompt.id)
            for text in dict.fromkeys(answer(prompt, knobs, rng) for _ in range(2)):
                name = content_id("completion", version, prompt.id, text)
                written[version].append(Completion(name, prompt.id, text, version))
    store.add_everything(prompts=prompts, completions=[one for some in written.values() for one in some])
    return written


# Two rounds of learning, and the ratings


def _rounds(store: Store, folder: Path, written: Mapping[str, Sequence[Completion]], scale: float, now: float) -> None:
    store.add_model(Model("v0", "policy", "policies/v0", status="promoted"))
    hashes: list[str] = []
    for number, writer in ((1, "v0"), (2, "v1")):
        campaign, reward, policy = f"round-{number}", f"r{number}", f"v{number}"
        begun = now - (5 - 2 * number) * 86_400
        wish = Wish(campaign, budget=max(60, round(240 * scale)), overlap=2, policies=(writer,))
        pose(store, wish, seed=number, policy="random" if number == 1 else "disagreement", random_share=0.3)
        answer_all(store, [_simulated(one) for one in training_people(24, number)], _features, campaign, number)
        judged = [one.id for one in store.judgements(["round-1", "round-2"], purpose="train")]
        hashes.append(lineage.snapshot(store, judged).hash)
        _reward_run(folder, number, hashes[-1], begun)
        store.add_model(
            Model(reward, "reward", f"rewards/{reward}", "v0", snapshot=hashes[-1], run=f"round-{number}-reward")
        )
        _improve_run(folder, f"round-{number}-improve", policy, begun + 3600, steps=44)
        of: dict[str, Any] = {
            "parent": writer,
            "reward": reward,
            "snapshot": hashes[-1],
            "run": f"round-{number}-improve",
        }
        store.add_model(
            Model(policy, "policy", f"policies/{policy}", status="promoted" if number == 1 else "candidate", **of)
        )
        _compare(store, written, policy, [writer] if number == 1 else ["v0", "v1"], scale)
        answer_all(store, [_simulated(one) for one in gold_people(16, number)], _features, f"evaluate-{policy}", number)
    _improve_run(folder, "round-3-improve", "", now - 300, steps=27)


def _compare(
    store: Store, written: Mapping[str, Sequence[Completion]], version: str, rivals: Sequence[str], scale: float
) -> None:
    """Questions on the first completions of both, for people who rate."""
    first = {(one.policy, one.prompt_id): one for some in written.values() for one in reversed(some)}
    prompts = list(dict.fromkeys(one.prompt_id for one in written[version]))[-max(4, round(60 * scale)) :]
    store.add_questions(
        Question(
            content_id("question", version, rival, prompt),
            "comparison",
            prompt,
            (first[version, prompt].id, first[rival, prompt].id),
            campaign=f"evaluate-{version}",
            purpose="evaluate",
            overlap=3,
        )
        for rival in rivals
        for prompt in prompts
        if first[version, prompt].text != first[rival, prompt].text
    )


def _features(prompt: Prompt, text: str) -> Mapping[str, float]:
    return qualities(prompt, text)


def _simulated(person: Person) -> SimulatedAnnotator:
    return SimulatedAnnotator(
        id=person.id,
        weights=person.weights,
        temperature=person.temperature,
        side_bias=person.side_bias,
        lapse=person.lapse,
        spam=person.spam,
        tie_width=person.tie_width,
        bad_below=-math.inf if person.bad_below is None else person.bad_below,
    )


# Runs


def _reward_run(folder: Path, number: int, snapshot: str, begun: float) -> None:
    """A finished reward model; accuracy and calibration are computed from scores that are often right."""
    rng = generator(number, "reward run")
    size = 180 + 120 * number
    delta = rng.normal(0.0, 1.1, size)
    target = (rng.random(size) < 1 / (1 + np.exp(-(0.9 + 0.3 * number) * delta))).astype(float)
    prompts = [f"p{i // 2}" for i in range(size)]
    accuracy = pair_accuracy(delta, target, prompts, length_difference_N=rng.normal(0.1, 1.0, size))
    steps = [
        {
            "loss": 0.69 - 0.2 * (1 - math.exp(-step / 30)) + float(rng.normal(0, 0.03)),
            "accuracy": 0.5 + 0.2 * (1 - math.exp(-step / 30)) + float(rng.normal(0, 0.05)),
        }
        for step in range(120)
    ]
    result = {
        "model": f"r{number}",
        "pairs": 480 * number,
        "held_out": size,
        "accuracy": asdict(accuracy),
        "calibration": asdict(calibration(delta, target, prompts)),
    }
    _run(folder, "reward", f"round-{number}-reward", begun, steps, result, [snapshot])


def _improve_run(folder: Path, name: str, version: str, begun: float, *, steps: int) -> None:
    """Curves of reinforcement learning; without a version the run is still in progress."""
    rng = generator(0, name)
    curves = []
    for step in range(steps):
        far = 1 - math.exp(-step / 14)
        noise = [float(value) for value in rng.normal(0, 1, 4)]
        curves.append(
            {
                "score": 1.9 * far + 0.16 * noise[0],
                "gold": 12.3 + 2.4 * far + 0.3 * noise[1],
                "kl": max(0.0, 5.0 * far + 0.3 * noise[2]),
                "length": 27 - 9 * far + 0.6 * noise[3],
                "loss": 0.4 * math.exp(-step / 10) + 0.02 * noise[0],
                "entropy": 0.6 - 0.2 * far,
            }
        )
    _run(folder, "improve", name, begun, curves, {"version": version} if version else None, [])


def _run(
    folder: Path,
    stage: str,
    name: str,
    begun: float,
    steps: Sequence[Mapping[str, float]],
    result: Mapping[str, Any] | None,
    snapshots: Sequence[str],
) -> None:
    run = Run.open(folder / "runs", stage, {"seed": 0, "steps": len(steps), "learning_rate": 5e-4}, name=name)
    run.note(started=_iso(begun)[:19] + "Z", snapshots=list(snapshots))
    lines = [{"step": step, "time_s": 1.1 * (step + 1), **metrics} for step, metrics in enumerate(steps)]
    (run.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    if result is not None:
        run.finish(result)


# Campaigns of named people


def _explain(
    store: Store,
    written: Mapping[str, Sequence[Completion]],
    team: Mapping[str, str],
    owner: str,
    scale: float,
    now: float,
) -> None:
    """Comparisons and rankings with gold items, prices and a deadline, about half done, still going on."""
    rules = CampaignSettings(
        overlap=3,
        maximum_overlap=5,
        gold_share=0.12,
        gold_pass=0.55,
        prices={"comparison": 0.12, "ranking": 0.3},
        budget=150.0,
        deadline=_iso(now + 6 * 86_400),
        lease_s=900,
    )
    name = "which-explains-better"
    save_campaign(store, name, "Which answer explains better?", rules, owner)
    guidelines.publish(store, name, GUIDELINES.replace("3. Harmless: it suggests nothing dangerous.\n", ""), owner)
    guidelines.publish(store, name, GUIDELINES, owner)
    budget = max(8, round(110 * scale))
    pose(store, Wish(name, budget=budget, overlap=3, policies=("v1", "v2")), seed=5)
    pose(store, Wish(name, kind="ranking", budget=max(3, round(24 * scale)), overlap=3, per_question=4), seed=6)
    for question in store.questions(name, kind="comparison")[: max(3, round(12 * scale))]:
        right = _best(store, question)
        gold.set_gold(store, question.id, "gold", {"choice": right}, "The other one suggests something wrong.", owner)
    _work(store, name, team, count=round(300 * scale), since=now - 30 * 3600, until=now - 60)
    asked = store.questions(name)[-1]
    comments.add(store, asked.id, _account(store, "amira"), "Two of these say the same in other words. Is that a tie?")
    comments.add(store, asked.id, owner, "Yes: equal ranks. I will put it into the guidelines.")


def _rate(
    store: Store,
    written: Mapping[str, Sequence[Completion]],
    team: Mapping[str, str],
    owner: str,
    scale: float,
    now: float,
) -> None:
    """Ratings, flags, critiques and corrections; paused."""
    name = "rate-and-mend"
    rules = CampaignSettings(overlap=2, prices={"rating": 0.1, "flags": 0.1, "edit": 0.6, "critique": 0.4}, budget=60.0)
    save_campaign(store, name, "Rate, flag and mend single answers", rules, owner)
    scales = {"aspects": ["helpful", "honest", "harmless"], "scale": [1, 5]}
    for kind, count, metadata in (("rating", 40, scales), ("flags", 30, {}), ("edit", 8, {}), ("critique", 8, {})):
        wish = Wish(
            name, kind=kind, budget=max(2, round(count * scale)), overlap=2, policies=("v0",), metadata=metadata
        )
        pose(store, wish, seed=7)
    _work(store, name, team, count=round(110 * scale), since=now - 60 * 3600, until=now - 20 * 3600)
    set_state(store, name, "paused", owner)


def _work(store: Store, campaign: str, team: Mapping[str, str], *, count: int, since: float, until: float) -> None:
    """People come and go and answer, at moments between `since` and `until`."""
    rng = generator(0, "work", campaign)
    newest = guidelines.newest(store, campaign)
    for who in team.values():
        if newest is not None:
            guidelines.mark_read(store, campaign, who, newest.version)
    moments = np.sort(since + (until - since) * rng.random(count) ** 0.7)
    for number, moment in enumerate(moments):
        login = list(team)[int(rng.choice(len(team), p=_SHARES))]
        task = desk.next_task(store, team[login], campaign, now=float(moment))
        if not isinstance(task, Task):
            continue
        _hand_in(store, task, login, float(moment), generator(number, "answers", campaign))


_SHARES = np.array([0.22, 0.18, 0.16, 0.13, 0.12, 0.12, 0.07])


def _hand_in(store: Store, task: Task, login: str, moment: float, rng: np.random.Generator) -> None:
    faults = TEAM[login][1]
    seconds = float(rng.lognormal(3.0, 0.5)) if not faults.get("spam") else float(rng.uniform(0.5, 1.2))
    said = _said(store, task.assignment.question, task.assignment.shown, login, rng)
    judgement = Judgement(
        id=str(uuid.UUID(bytes=rng.bytes(16), version=4)),
        question_id=task.assignment.question.id,
        annotator_id=task.assignment.annotator_id,
        answer=said,
        shown=task.assignment.shown,
        created=_iso(moment + seconds),
        duration_s=round(seconds, 1),
        supersedes=task.assignment.supersedes,
    )
    try:
        desk.submit(store, judgement, now=moment + seconds)
    except Problem:  # paused between question and answer
        return


def _said(
    store: Store, question: Question, shown: Sequence[int], login: str, rng: np.random.Generator
) -> dict[str, Any]:
    """What somebody of the team answers."""
    if rng.random() < 0.03:
        return {"choice": "skip", "reason": "I cannot tell what is meant."}
    texts = [one.text for one in store.completions(question.completion_ids)]
    [prompt] = store.prompts([question.prompt_id])
    found = [_features(prompt, text) for text in texts]
    person = SimulatedAnnotator(id=login, weights=TASTE, tie_width=0.3, strength_steps=(1.5, 4.0), **TEAM[login][1])  # type: ignore[arg-type]  # faults are fields of it
    draw = int(rng.integers(2**31))
    if person.spam:
        found = [{name: float(rng.random()) for name in features} for features in found]
    match question.kind:
        case "comparison":
            return person.judge(found[0], found[1], shown, draw)
        case "ranking":
            return person.rank(found, shown, draw)
        case "rating":
            of = {"helpful": "helpfulness", "honest": "honesty", "harmless": "harmlessness"}
            noisy = {name: 1 + 4 * found[0][quality] + float(rng.normal(0, 0.6)) for name, quality in of.items()}
            return {
                "ratings": {name: int(min(5, max(1, round(value)))) for name, value in noisy.items()},
                "scale": [1, 5],
            }
        case "flags":
            raised = [
                name
                for name, quality in (("unsafe", "harmlessness"), ("rude", "politeness"))
                if found[0][quality] < 0.45
            ]
            return {"flags": [{"name": name, "start": 0, "end": min(20, len(texts[0]))} for name in raised]}
        case "edit":
            return {"text": f"{texts[0].split('.')[0]}."}
        case _:
            return {"text": "It boasts, and leaves out the step that matters."}


def _best(store: Store, question: Question) -> str:
    [prompt] = store.prompts([question.prompt_id])
    worth = [
        sum(weight * _features(prompt, one.text)[name] for name, weight in TASTE.items())
        for one in store.completions(question.completion_ids)
    ]
    return "a" if worth[0] >= worth[1] else "b"


def _account(store: Store, login: str) -> str:
    return next(one.id for one in accounts.all_accounts(store) if one.login == login)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    (target / "heedful.toml").write_text('[project]\ndatabase = "heedful.db"\n', encoding="utf-8")
    with Store.open(target / "heedful.db") as opened:
        fill(opened, target)
