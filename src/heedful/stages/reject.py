"""`heedful reject`: rejection-sampling fine-tuning. Write many, keep the best, imitate those; remember them.

Touvron et al. 2023, "Llama 2" (arXiv:2307.09288, section 3.2.3): K samples of each prompt from the newest policy,
the best by the newest reward kept, supervised fine-tuning on winners. The winners of all earlier rounds stay in the
race, because the paper found that a policy which learns from its last round alone forgets what it could do. Where
rounds meet on a prompt, the best of them is imitated; earlier winners are scored again by the reward of now.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from heedful.compute.devices import choose_device
from heedful.errors import Problem
from heedful.evaluation.best_of import best_of_curve, choose
from heedful.files import write_text
from heedful.language import prompts as order
from heedful.language.acting import write_completions
from heedful.language.chat import encode_completion, encode_prompt
from heedful.language.engines.local import LocalSampler
from heedful.language.imitation import Example
from heedful.language.lora import merged
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning
from heedful.records import Completion, Model, Prompt
from heedful.reward.rules import source_hash
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.console import progress, say, with_interval
from heedful.stages.imitating import Imitation, imitate
from heedful.stages.measuring import learned_scores, true_score
from heedful.stages.project import Project
from heedful.stages.scoring import newest_reward
from heedful.stages.versions import keep_policy, load_policy, start_computing, tune_for_run

Scores = NDArray[np.float64]

SAMPLES = "samples.jsonl"
"""In the run's folder: the winners of its round, one JSON object a line, for the rounds to come."""


@dataclass(frozen=True)
class Config:
    """Sample several completions of each prompt, fine-tune on the best ones, those of earlier rounds included."""

    project: Path
    """The project's folder."""
    policy: str = "current"
    """The version that writes, and that is fine-tuned."""
    reward: str = "newest"
    """The reward model that chooses."""
    reward_function: str = ""
    """Instead of a reward model: a Python function as FILE.py:NAME, called with (prompts, completions)."""
    prompts: int = 256
    """Prompts of this round."""
    completions_per_prompt: int = 8
    """Completions of each, of which the best are kept."""
    keep: int = 1
    """How many of each prompt are imitated."""
    earlier: bool = True
    """Let the winners of all earlier rounds compete as well, and imitate them on their own prompts."""
    missing_stop_penalty: float = 1.0
    """Taken from the score of completions that reach the length limit."""
    sampling: Sampling = field(default_factory=Sampling)
    imitation: Imitation = field(default_factory=lambda: Imitation(learning_rate=3e-4))
    tuning: Tuning = field(default_factory=Tuning)
    rows: int = 64
    """Completions written at once."""
    world: Literal["", "playground"] = ""
    """A world in which the true score is known: it is written down, never chosen by."""
    seed: int = 0
    """Decides prompts, completions and the order of examples."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""


@dataclass(frozen=True)
class Winner:
    """A completion that was among the best of its prompt in its round."""

    prompt_id: str
    text: str
    token_ids: tuple[int, ...]
    """As sampled, the stop token included; empty where a stop text cut them."""
    finish: str
    policy: str
    """The version that wrote it."""


def run(config: Config, *, name: str = "") -> Model:
    """One round; the new version is a candidate until `evaluate` has rated it.

    Raises:
        Problem: there is no reward or no prompt, or the reward function misbehaves or has changed.
    """
    project = Project.open(config.project)
    facts: dict[str, Any] = {
        "policy": project.policy_named(config.policy).id,
        "version": project.next_id("policy"),
        "reward": config.reward_function or newest_reward(project, config.reward),
        "function": source_hash(config.reward_function),
        "earlier": _finished_rounds(project) if config.earlier else [],
    }
    current = project.begin("reject", config, name=name, restart=config.restart, **facts)
    facts = current.record["inputs"]
    if current.finished:
        return project.model(facts["version"])
    if facts["function"] != source_hash(config.reward_function):
        raise Problem(
            "the reward function has changed since this run began",
            where=config.reward_function,
            mend="put it back as it was, or add --restart to begin anew",
        )
    model = load_policy(project, project.model(facts["policy"]), choose_device(config.device))
    start_computing(current, model, config.device, config.threads)
    tune_for_run(current, {"policy": model}, config.tuning, seed=config.seed)
    prompts = {prompt.id: prompt for prompt in project.prompts("train", current)}
    if not (current.folder / SAMPLES).is_file():
        _sample(project, config, current, model, list(prompts.values()))
    chosen, remembered = _best_of_all_rounds(project, config, current, prompts, model.device)
    examples = [_example(model, prompts[winner.prompt_id], winner) for winner in chosen]
    say(f"{facts['policy']} learns from {len(examples):,} winners, {remembered:,} of them from earlier rounds.")
    imitate(model, examples, config.imitation, current, seed=config.seed, label="Imitating the best")
    record = Model(
        facts["version"],
        "policy",
        f"policies/{facts['version']}",
        parent=facts["policy"],
        reward=facts["reward"],
        snapshot=None if config.reward_function else project.model(facts["reward"]).snapshot,
        run=current.folder.name,
        config={"stage": "reject", "seed": config.seed, "completions_per_prompt": config.completions_per_prompt},
        status="candidate",
    )
    keep_policy(project, model, record)
    say(f"This is version {record.id}.")
    found = current.record["found"]
    current.finish({"version": record.id, "winners": len(examples), "from_earlier_rounds": remembered, **found})
    return record


def _sample(project: Project, config: Config, current: Run, model: LanguageModel, known: Sequence[Prompt]) -> None:
    """Write, score, keep the winners in the run's folder, and note what the best of n are worth."""
    facts, each = current.record["inputs"], config.completions_per_prompt
    if not 1 <= config.keep <= each:
        raise Problem(f"the best {config.keep} of {each} completions cannot be kept", mend="lower --keep")
    seed = seed_of(config.seed, "reject", facts["version"])
    prompts = order.batch(known, 0, min(config.prompts, len(known)), seed)
    repeated = [prompt for prompt in prompts for _ in range(each)]
    with progress(f"{facts['policy']} writes", len(repeated)) as advance, merged(model.module):
        written = write_completions(
            model,
            LocalSampler(model, config.rows),
            repeated,
            config.sampling,
            policy=facts["policy"],
            seed=seed,
            on_progress=advance,
        )
    texts = [completion.text for completion in written]
    finish = [completion.finish for completion in written]
    scores_PK = _scores(project, config, facts["reward"], repeated, texts, finish, model.device).reshape(-1, each)
    sizes = sorted({1, each, *(2**power for power in range(1, each.bit_length()) if 2**power < each)})
    curve = best_of_curve(scores_PK, sizes, [prompt.id for prompt in prompts])
    found: dict[str, Any] = {"curve": {str(n): [v.value, v.low, v.high] for n, v in curve.items()}}
    if config.world:
        gold_PK = np.array([true_score(p, text) for p, text in zip(repeated, texts, strict=True)]).reshape(-1, each)
        true = best_of_curve(scores_PK, sizes, [prompt.id for prompt in prompts], gold_PK)
        found["gold"] = {str(n): [v.value, v.low, v.high] for n, v in true.items()}
    for n, value in curve.items():
        say(f"The best of {n} scores {with_interval(value.value, value.low, value.high)}.")
    best = [
        _winner(completion, by_text=bool(config.sampling.stop))
        for row, scores_K in enumerate(scores_PK)
        for completion in choose(written[row * each : (row + 1) * each], scores_K.tolist(), config.keep)
    ]
    current.note(found=found)
    write_text(current.folder / SAMPLES, "".join(json.dumps(asdict(winner)) + "\n" for winner in best))


def _best_of_all_rounds(
    project: Project, config: Config, current: Run, prompts: dict[str, Prompt], device: torch.device
) -> tuple[list[Winner], int]:
    """(the best of every prompt that some round has winners for, how many of them are of earlier rounds)."""
    fresh = _winners_of(current.folder)
    earlier = [w for name in reversed(current.record["inputs"]["earlier"]) for w in _winners_of(project.runs / name)]
    pool: dict[tuple[str, str], Winner] = {}
    for winner in [*fresh, *earlier]:  # the newest first: it wins among equals, and the same words count once
        if winner.prompt_id in prompts:
            pool.setdefault((winner.prompt_id, winner.text), winner)
    racing, new = list(pool.values()), set(fresh)
    scores = _scores(
        project,
        config,
        current.record["inputs"]["reward"],
        [prompts[winner.prompt_id] for winner in racing],
        [winner.text for winner in racing],
        [winner.finish for winner in racing],
        device,
    )
    by_prompt: dict[str, list[int]] = {}
    for index, winner in enumerate(racing):
        by_prompt.setdefault(winner.prompt_id, []).append(index)
    chosen = [
        index
        for _, indices in sorted(by_prompt.items())
        for index in choose(indices, [float(scores[i]) for i in indices], min(config.keep, len(indices)))
    ]
    return [racing[index] for index in chosen], sum(racing[index] not in new for index in chosen)


def _scores(
    project: Project,
    config: Config,
    reward: str,
    prompts: Sequence[Prompt],
    texts: Sequence[str],
    finish: Sequence[str],
    device: torch.device,
) -> Scores:
    """What the reward says, less the price of never stopping."""
    unfinished = np.array([end != "stop" for end in finish])
    scores: Scores = learned_scores(project, reward, prompts, texts, device) - config.missing_stop_penalty * unfinished
    return scores


def _winner(completion: Completion, *, by_text: bool) -> Winner:
    ids = () if by_text else tuple(completion.token_ids)
    return Winner(completion.prompt_id, completion.text, ids, completion.finish, completion.policy)


def _winners_of(folder: Path) -> list[Winner]:
    """What a round kept."""
    rows = [json.loads(line) for line in (folder / SAMPLES).read_text(encoding="utf-8").splitlines()]
    return [Winner(**{**row, "token_ids": tuple(row["token_ids"])}) for row in rows]


def _finished_rounds(project: Project) -> list[str]:
    """Names of the folders of all rounds that came to their end, the oldest first (their names are numbered)."""
    folders = [path.parent for path in project.runs.glob(f"*/{SAMPLES}")]
    return sorted(folder.name for folder in folders if (folder / "result.json").is_file())


def _example(model: LanguageModel, prompt: Prompt, winner: Winner) -> Example:
    """The tokens that were sampled, or where a stop text cut them, those of the text."""
    written = list(winner.token_ids) or encode_completion(model, winner.text)
    return Example(encode_prompt(model, prompt), written)
