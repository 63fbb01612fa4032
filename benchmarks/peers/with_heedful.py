"""heedful's side of `benchmarks/peers.py`: the same jobs as the peers', one result each."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

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

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "_scaled_dot_product", "scaled_dot_product")


@contextmanager
def profiled(found: dict[str, float]) -> Iterator[None]:
    """Note the share of the block's processor time that goes into matrix products and attention."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        yield
    rows = seen.key_averages()
    inside = sum(row.self_cpu_time_total for row in rows if row.key.removeprefix("aten::").startswith(PRODUCTS))
    found["products_share"] = round(inside / sum(row.self_cpu_time_total for row in rows), 3)


def loaded(job: dict[str, Any]) -> LanguageModel:
    """The model; the job may name the token that ends a completion, otherwise none does."""
    model = load(job["model"])
    model.stop_ids = {job["stop"]} if job.get("stop") is not None else set()
    return model


def rloo(job: dict[str, Any], found: dict[str, float]) -> list[float]:
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
        provisional=True,
    )
    reward = Shaping(FunctionReward(lambda prompts, texts: [float(text.count("e")) for text in texts]), FixedKL(0.05))
    algorithm = RLOO()

    def work(step: int) -> None:
        rollouts = reward(acting(policy, step))
        algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=step)

    return timed(work, job["steps"], found)


def sampling(job: dict[str, Any], found: dict[str, float]) -> list[float]:
    """Seconds of the local engine for all completions of the job."""
    model = loaded(job)
    ids = [model.encode(prompt) for prompt in job["prompts"] for _ in range(job["completions"])]
    sampler, settings = LocalSampler(model, len(ids)), Sampling(max_new_tokens=job["tokens"])
    return timed(
        lambda step: sampler.sample(ids, settings, [step * len(ids) + row for row in range(len(ids))]),
        job["steps"],
        found,
    )


def dpo(job: dict[str, Any], found: dict[str, float]) -> list[float]:
    """Seconds of each step over a batch of pairs, reference pass included."""
    model = load(job["model"])
    reference, compute, method = model.frozen_copy(), LocalCompute(model.device), DPO(beta=0.1)
    compute.prepare([(model.parameters(), 1e-6)])
    encoding = Encoding(model)

    def work(step: int) -> None:
        batch = []
        for row in job["pairs"][step * job["batch"] : (step + 1) * job["batch"]]:
            prompt = model.encode(row["prompt"])
            a, b = (encoding.completion(prompt, row[name]) for name in ("chosen", "rejected"))
            batch.append(Pair(prompt, a, b, 1.0, 1.0, 0.0))
        known = known_logprobs(reference, [side for pair in batch for side in pair.sides], chunk=2 * job["batch"])
        total, count, _ = method(pairs_of(model, batch, known))
        compute.backward(total)
        compute.step(float(count))

    return timed(work, job["steps"], found)


def timed(work: Callable[[int], object], steps: int, found: dict[str, float]) -> list[float]:
    """Seconds of each step; the last one is done once more under a profiler."""
    seconds = []
    for step in range(steps):
        began = time.perf_counter()
        work(step)
        seconds.append(time.perf_counter() - began)
    found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    with profiled(found):
        work(steps - 1)
    return seconds


def main() -> None:
    """Do the job of the file that is named first."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    found: dict[str, float] = {}
    seconds = {"rloo": rloo, "dpo": dpo, "sampling": sampling}[job["kind"]](job, found)
    print("RESULT " + json.dumps({"seconds": seconds, **found}))


if __name__ == "__main__":
    main()
