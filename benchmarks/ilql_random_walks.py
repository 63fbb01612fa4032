"""ILQL on random walks: does it find shorter ways than any that it was shown, from a log alone?

    python benchmarks/ilql_random_walks.py [--seeds 0 1 2] [--steps 600] [--json FILE]

A directed graph of 21 nodes, a thousand walks of at most ten nodes that end at the goal or are given up. A walk's
reward is its optimality, (10 - length) / (10 - length of the shortest way), 0 for a walk that breaks off or uses an
edge that is not there. A small Llama learns from the walks; then it walks from every node that a walk began at, with
log pi + beta (min Q - V) for several beta. The constants are those of trlX's example of this name.

Printed: mean optimality over 64 walks from each start, with a 95 % interval clustered by start, for each seed; and the
thresholds that it is held to. The status is 1 where one of them does not hold. The short form (--quick) learns too
little for thresholds: it is held to the log alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import Interval, mean_interval
from heedful.language.decoding import steer
from heedful.language.engines.local import LocalSampler
from heedful.language.ilql_heads import ILQLHeads
from heedful.language.imitation import Example
from heedful.language.pretrained import LanguageModel, new_llama, tokenizer_from_file
from heedful.language.sampling import Sampling
from heedful.learning.offline.ilql import ILQL
from heedful.runs import Run
from heedful.seeds import generator, seed_of
from heedful.stages.imitating import Imitation
from heedful.stages.valuing import Scored, fit_ilql

NODES, LONGEST, WALKS, EDGE = 21, 10, 1000, 0.1
GOAL = 0
GRAPH_SEED = 1002
BETAS = (0.0, 1.0, 4.0, 16.0, 100.0)
FIRST_TOKEN = 4
"""Token of node 0; the four before are special."""


@dataclass(frozen=True)
class World:
    """A graph, the length of the shortest way from each node, and the walks of the log."""

    edges_NN: NDArray[np.bool_]
    shortest_N: NDArray[np.int64]
    walks: list[list[int]]

    def optimality(self, walk: list[int]) -> float:
        """1 for a shortest way, 0 for one that breaks off, uses a missing edge or takes ten nodes."""
        for place, node in enumerate(walk):
            if not 0 <= node < NODES or (place > 0 and not self.edges_NN[walk[place - 1], node]):
                return 0.0
            if node == GOAL:
                return (LONGEST - min(place + 1, LONGEST)) / float(LONGEST - self.shortest_N[walk[0]])
        return 0.0


def world() -> World:
    """The graph and the log, from the same seed and draws as the example in trlX, so that figures can be compared."""
    random = np.random.RandomState(GRAPH_SEED)
    while True:
        edges = random.rand(NODES, NODES) > 1 - EDGE
        np.fill_diagonal(edges, val=False)
        if edges.sum(1).all():
            break
    edges[GOAL] = False
    edges[GOAL, GOAL] = True
    walks = []
    for _ in range(WALKS):
        node = GOAL
        while node == GOAL:
            node = int(random.randint(NODES))
        walk = [node]
        while node != GOAL and len(walk) < LONGEST:
            node = int(random.choice(np.nonzero(edges[node])[0]))
            walk.append(node)
        walks.append(walk)
    return World(edges, _shortest(edges), walks)


def _shortest(edges_NN: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Nodes on the shortest way to the goal, at most `LONGEST`; breadth first from the goal."""
    found = np.full(NODES, LONGEST)
    found[GOAL] = 1
    waiting = deque([GOAL])
    while waiting:
        node = waiting.popleft()
        for before in np.nonzero(edges_NN[:, node])[0]:
            if before != GOAL and found[before] == LONGEST and found[node] + 1 < LONGEST:
                found[before] = found[node] + 1
                waiting.append(int(before))
    return found


def small_llama(folder: Path, seed: int) -> LanguageModel:
    """One token per node; about half a million weights."""
    words = ["<unk>", "<s>", "</s>", "<pad>", *(chr(ord("a") + node) for node in range(NODES))]
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.save(str(folder / "tokenizer.json"))
    tokenizer = tokenizer_from_file(
        folder / "tokenizer.json", bos="<s>", eos="</s>", pad="<pad>", unk="<unk>", context_tokens=16
    )
    return new_llama(
        tokenizer,
        seed=seed,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=16,
    )


def examples(found: World, model: LanguageModel) -> list[Scored]:
    """The walks as prompt (the first node) and completion; rewards scaled to mean 0 and variance 1."""
    rewards = np.array([found.optimality(walk) for walk in found.walks])
    scaled = (rewards - rewards.mean()) / rewards.std()
    return [
        Scored(
            Example(
                [model.start_id, walk[0] + FIRST_TOKEN],
                [*(node + FIRST_TOKEN for node in walk[1:]), int(model.eos_id or 0)],
            ),
            float(reward),
        )
        for walk, reward in zip(found.walks, scaled, strict=True)
    ]


def walk_from_everywhere(found: World, model: LanguageModel, seed: int, each: int) -> Interval:
    """Mean optimality of sampled walks."""
    starts = sorted({walk[0] for walk in found.walks})
    begun = [start for start in starts for _ in range(each)]
    samples = LocalSampler(model, rows=256).sample(
        [[model.start_id, start + FIRST_TOKEN] for start in begun],
        Sampling(max_new_tokens=LONGEST),
        [seed_of(seed, "walk", row) for row in range(len(begun))],
    )
    reached = [
        found.optimality([start, *(token - FIRST_TOKEN for token in sample.token_ids)][:LONGEST])
        for start, sample in zip(begun, samples, strict=True)
    ]
    return mean_interval(np.array(reached), clustering_of(None, begun))


def one_seed(found: World, seed: int, steps: int, each: int) -> dict[str, Any]:
    """Train from scratch and walk with every beta."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = small_llama(folder, seed)
        heads = ILQLHeads.on(model, seed=seed)
        log = examples(found, model)
        pace = Imitation(epochs=steps * 100 / WALKS, batch=100, learning_rate=1e-3, checkpoint_every=0)
        run = Run.open(folder, "fit", {})
        fit_ilql(model, heads, log, ILQL(), pace, run, seed=seed)
        seconds = time.perf_counter() - begun
        walked = {
            f"{beta:g}": walk_from_everywhere(found, steer(model, heads, beta=beta, top_k=20), seed, each)
            for beta in BETAS
        }
    parameters = sum(p.numel() for p in [*model.parameters(), *heads.parameters()])
    return {
        "seed": seed,
        "parameters": parameters,
        "train_s": round(seconds, 1),
        "beta": {beta: [mean.value, mean.low, mean.high] for beta, mean in walked.items()},
    }


def thresholds(data: float, walked: dict[int, dict[str, list[float]]]) -> dict[str, bool]:
    """What it is held to, and whether it holds: of the log, and of every seed's mean by beta."""
    kept = {"the log has .79": abs(data - 0.79) < 0.005}
    for seed, means in walked.items():
        kept |= {
            f"seed {seed}: beta 0 within .08 of the log": abs(means["0"][0] - data) <= 0.08,
            f"seed {seed}: beta 4 at least .95": means["4"][0] >= 0.95,
            f"seed {seed}: beta 16 at least .98": means["16"][0] >= 0.98,
        }
    return kept


def main() -> None:
    """Train, walk, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--each", type=int, default=64, help="walks from each start")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="one seed, few steps and walks")
    given = parser.parse_args()
    if given.quick:
        given.seeds, given.steps, given.each = [0], 50, 4
    found = world()
    data = float(np.mean([found.optimality(walk) for walk in found.walks]))
    chance = generator(0, "bootstrap").choice([found.optimality(walk) for walk in found.walks], (2000, WALKS)).mean(1)
    low, high = np.quantile(chance, [0.025, 0.975])
    print(f"log: {WALKS} walks, optimality {data:.3f} [{low:.3f}, {high:.3f}]; {torch.get_num_threads()} threads")
    rows = []
    for seed in given.seeds:
        row = one_seed(found, seed, given.steps, given.each)
        rows.append(row)
        told = "  ".join(f"beta {b}: {m:.3f} [{lo:.3f}, {hi:.3f}]" for b, (m, lo, hi) in row["beta"].items())
        print(f"seed {seed} ({row['parameters']:,} weights, {row['train_s']} s): {told}", flush=True)
    kept = thresholds(data, {} if given.quick else {row["seed"]: row["beta"] for row in rows})
    for what, held in kept.items():
        print(f"{'yes' if held else 'NO '}  {what}")
    if given.json:
        told_all = {"machine": platform.platform(), "data": data, "rows": rows, "kept": kept}
        given.json.write_text(json.dumps(told_all, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all(kept.values()) else 1)


if __name__ == "__main__":
    main()
