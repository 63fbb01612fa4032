"""heedful's side of `benchmarks/peers.py`: the same jobs as the peers', one result each."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch

from heedful.compute.local import LocalCompute
from heedful.language.acting import Acting, PromptTokens
from heedful.language.engines.local import LocalSampler
from heedful.language.policy import LanguagePolicy
from heedful.language.preferring import Encoding, Pair, known_logprobs
from heedful.language.pretrained import LanguageModel, load
from heedful.language.sampling import Sampling
from heedful.learning.algorithms import RLOO
from heedful.learning.direct import DPO
from heedful.learning.kl import FixedKL
from heedful.records import Prompt
from heedful.reward.direct import pairs_of
from heedful.reward.rules import FunctionReward
from heedful.reward.shaping import Shaping


def loaded(job: dict[str, Any]) -> LanguageModel:
    """The model; the job may name the token that ends a completion, otherwise none does."""
    model = load(job["model"])
    model.stop_ids = {job["stop"]} if job.get("stop") is not None else set()
    return model


def rloo(job: dict[str, Any]) -> list[float]:
    """Seconds of each whole online step."""
    model = loaded(job)
    policy, compute = LanguagePolicy(model), LocalCompute(model.device)
    compute.prepare([(model.parameters(), 1e-6)])
    acting = Acting(
        prompts=[Prompt.of(text) for text in job["prompts"]],
        sampler=LocalSampler(model, len(job["prompts"]) * job["completions"]),
        sampling=Sampling(max_new_tokens=job["tokens"]),
        tokens=PromptTokens(model),
        reference=model.frozen_copy(),
        prompts_per_step=len(job["prompts"]),
        completions_per_prompt=job["completions"],
        seed=0,
    )
    reward = Shaping(FunctionReward(lambda prompts, texts: [float(text.count("e")) for text in texts]), FixedKL(0.05))
    algorithm, seconds = RLOO(), []
    for step in range(job["steps"]):
        began = time.perf_counter()
        rollouts = reward(acting(policy, step))
        algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=step)
        seconds.append(time.perf_counter() - began)
    return seconds


def sampling(job: dict[str, Any]) -> list[float]:
    """Seconds of the local engine for all completions of the job."""
    model = loaded(job)
    ids = [model.encode(prompt) for prompt in job["prompts"] for _ in range(job["completions"])]
    sampler, seconds = LocalSampler(model, len(ids)), []
    for step in range(job["steps"]):
        began = time.perf_counter()
        sampler.sample(ids, Sampling(max_new_tokens=job["tokens"]), [step * len(ids) + row for row in range(len(ids))])
        seconds.append(time.perf_counter() - began)
    return seconds


def dpo(job: dict[str, Any]) -> list[float]:
    """Seconds of each step over a batch of pairs, reference pass included."""
    model = load(job["model"])
    reference, compute, method = model.frozen_copy(), LocalCompute(model.device), DPO(beta=0.1)
    compute.prepare([(model.parameters(), 1e-6)])
    encoding, seconds = Encoding(model), []
    for step in range(job["steps"]):
        began = time.perf_counter()
        batch = []
        for row in job["pairs"][step * job["batch"] : (step + 1) * job["batch"]]:
            prompt = model.encode(row["prompt"])
            a, b = (encoding.completion(prompt, row[name]) for name in ("chosen", "rejected"))
            batch.append(Pair(prompt, a, b, 1.0, 1.0, 0.0))
        known = known_logprobs(reference, [side for pair in batch for side in pair.sides], chunk=2 * job["batch"])
        total, count, _ = method(pairs_of(model, batch, known))
        compute.backward(total)
        compute.step(float(count))
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    """Do the job of the file that is named first."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    seconds = {"rloo": rloo, "dpo": dpo, "sampling": sampling}[job["kind"]](job)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT " + json.dumps({"seconds": seconds, "peak_mb": round(peak_mb)}))


if __name__ == "__main__":
    main()
