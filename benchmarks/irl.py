"""Inverse RL against plain imitation in the playground: what it writes, how variedly, and what its reward knows.

    python benchmarks/irl.py [--seeds 0 1 2] [--td 0 0.01 0.1] [--demonstrations 1024] [--epochs 2] [--json FILE]

The bundled model imitates demonstrations of mixed skill, once with each weight of the temporal-difference term; 0 is
supervised fine-tuning. For each seed and weight:

- nats: held-out demonstrations, nats per token;
- gold: mean true score of one sample to each of 200 held-out requests;
- self-BLEU of these samples by request: eight samples to each of 24 requests, compared within the request;
- Spearman correlation with the true score of held-out demonstrations: of log pi, and of the extracted reward
  log pi + v - gamma v', both summed over the answer; and how much the latter leads.

Intervals are over seeds (95 %, Student's t). At the end stands whether two things hold, in the mean over seeds: with
the second term, samples are no more alike than with imitation, and the extracted reward knows the true score better
than log pi does. The status is 1 where one does not. The short form (--quick) is too short for that, and held to
nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr, t

from heedful.evaluation.diversity import self_bleu
from heedful.language.chat import encode_prompt
from heedful.language.engines.local import LocalSampler
from heedful.language.imitation import Example, by_length, examples_of_demonstrations, nats_per_token
from heedful.language.pretrained import LanguageModel, load
from heedful.language.sampling import Sampling
from heedful.language.tokens import pad
from heedful.learning.offline.irl import IRL, extracted_rewards
from heedful.playground.world import demonstrations, requests
from heedful.records import Demonstration, Prompt
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.imitating import Imitation
from heedful.stages.measuring import true_score
from heedful.stages.valuing import fit_irl, soft_values

SAMPLING = Sampling(max_new_tokens=64)


def sampled(model: LanguageModel, prompts: Sequence[Prompt], seed: int) -> list[str]:
    """One text for each prompt."""
    ids = [encode_prompt(model, prompt) for prompt in prompts]
    seeds = [seed_of(seed, "benchmark", row) for row in range(len(ids))]
    return [model.decode(sample.token_ids) for sample in LocalSampler(model).sample(ids, SAMPLING, seeds)]


@torch.no_grad()
def knowledge(model: LanguageModel, examples: Sequence[Example], gold: Sequence[float], gamma: float) -> list[float]:
    """Spearman correlation of the true score with log pi and with the extracted reward."""
    logprob, reward = np.zeros(len(examples)), np.zeros(len(examples))
    for index in by_length(examples, 32):
        chosen = [examples[i] for i in index]
        padded = pad([e.prompt for e in chosen], [e.completion for e in chosen], model.device)
        logprobs_BT, values_BT = soft_values(model, padded)
        mask_BT = padded.response_mask_BT
        logprob[index] = torch.where(mask_BT, logprobs_BT, 0.0).sum(1)
        reward[index] = extracted_rewards(logprobs_BT, values_BT, mask_BT, gamma).sum(1)
    return [float(spearmanr(found, gold).statistic) for found in (logprob, reward)]


def one(seed: int, td: float, given: argparse.Namespace) -> dict[str, float]:
    """Train and measure."""
    model = load(Path(str(files("heedful.playground") / "model")))
    learnt = demonstrations(given.demonstrations, seed_of(seed, "demonstrations"))
    aside: list[Demonstration] = demonstrations(300, seed_of(seed, "held out"))
    settings = IRL(td=td, gamma=given.gamma)
    pace = Imitation(epochs=given.epochs, learning_rate=3e-4, checkpoint_every=0)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.open(Path(folder), "irl", {})
        fit_irl(model, examples_of_demonstrations(model, learnt), settings, pace, run, seed=seed, sampling=SAMPLING)
    examined = examples_of_demonstrations(model, aside)
    nats, tokens = nats_per_token(model, examined)
    by_logprob, by_reward = knowledge(
        model, examined, [true_score(item.prompt, item.text) for item in aside], settings.gamma
    )
    asked = requests(200, seed_of(seed, "asked"), "held_out_phrasings")
    gold = [true_score(prompt, text) for prompt, text in zip(asked, sampled(model, asked, seed), strict=True)]
    few = [prompt for prompt in asked[:24] for _ in range(8)]
    texts = sampled(model, few, seed + 1)
    alike = [self_bleu(texts[at : at + 8]) for at in range(0, len(texts), 8)]
    return {
        "nats": float(nats.sum() / tokens.sum()),
        "gold": float(np.mean(gold)),
        "self_bleu": float(np.mean(alike)),
        "by_logprob": by_logprob,
        "by_reward": by_reward,
        "lead": by_reward - by_logprob,
    }


def checks(rows: dict[float, list[dict[str, float]]]) -> dict[str, bool]:
    """What it is held to, and whether it holds, by the means over seeds."""
    mean = {td: {name: float(np.mean([row[name] for row in found])) for name in found[0]} for td, found in rows.items()}
    kept = {}
    for td, found in mean.items():
        if td and 0.0 in mean:
            kept[f"lambda {td:g}: self-BLEU not above that of imitation"] = found["self_bleu"] <= mean[0.0]["self_bleu"]
        if td:
            kept[f"lambda {td:g}: the reward knows more of the true score than log pi"] = found["lead"] > 0
    return kept


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--td", type=float, nargs="+", default=[0.0, 0.01, 0.1])
    parser.add_argument("--gamma", type=float, default=1.0)
    parser.add_argument("--demonstrations", type=int, default=1024)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="one seed, few demonstrations")
    given = parser.parse_args()
    if given.quick:
        given.seeds, given.demonstrations, given.epochs = [0], 128, 1.0
    rows: dict[float, list[dict[str, float]]] = {td: [] for td in given.td}
    for seed in given.seeds:
        for td in given.td:
            rows[td].append(one(seed, td, given))
            print(f"seed {seed}, lambda {td:g}:", {name: round(x, 3) for name, x in rows[td][-1].items()}, flush=True)
    for td, found in rows.items():
        told = []
        for name in found[0]:
            values = np.array([row[name] for row in found])
            half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
            told.append(f"{name} {values.mean():.3f} +- {half:.3f}")
        print(f"lambda {td:g}: {', '.join(told)}")
    kept = {} if given.quick else checks(rows)
    for what, held in kept.items():
        print(f"{'yes' if held else 'NO '}  {what}")
    if given.quick:
        print("the short form is held to nothing")
    if given.json:
        told_all = {"machine": platform.platform(), "settings": {**vars(given), "json": ""}, "rows": rows, "kept": kept}
        given.json.write_text(json.dumps(told_all, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all(kept.values()) else 1)


if __name__ == "__main__":
    main()
