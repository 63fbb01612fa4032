"""TRL's side of `benchmarks/peers.py`; run by an interpreter that has TRL. Reads one job as JSON, prints one result.

The trainers run as their documentation says, with every setting that makes the work the same: the same model folder,
prompts, completions per prompt, lengths, number type and threads, no evaluation, no saving, no logging in between.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer, RLOOConfig, RLOOTrainer


class Clock(TrainerCallback):  # type: ignore[misc]  # untyped
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.began = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        self.began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stop."""
        self.seconds.append(time.perf_counter() - self.began)


def plain(folder: str, steps: int) -> dict[str, Any]:
    """Settings of a trainer that does its work and nothing else."""
    return {
        "output_dir": folder,
        "max_steps": steps,
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "gradient_checkpointing": False,
        "dataloader_num_workers": 0,
        "learning_rate": 1e-6,
        "seed": 0,
    }


def parts(job: dict[str, Any]) -> tuple[Any, Any]:
    """Model and tokenizer; the job may name the token that ends a completion."""
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    if job.get("stop") is not None:
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(job["stop"])
    return model, tokenizer


def rloo(job: dict[str, Any]) -> list[float]:
    """Seconds of each whole online step."""
    model, tokenizer = parts(job)
    clock = Clock()
    extra = {} if job.get("stop") is not None else {"eos_token_id": -1}
    with tempfile.TemporaryDirectory() as folder:
        config = RLOOConfig(
            **plain(folder, job["steps"]),
            per_device_train_batch_size=len(job["prompts"]) * job["completions"],
            num_generations=job["completions"],
            max_completion_length=job["tokens"],
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            beta=0.05,
            generation_kwargs=extra,
        )
        trainer = RLOOTrainer(
            model=model,
            reward_funcs=lambda completions, **_: [float(text.count("e")) for text in completions],
            args=config,
            train_dataset=Dataset.from_dict({"prompt": job["prompts"] * job["steps"]}),
            processing_class=tokenizer,
            callbacks=[clock],
        )
        trainer.train()
    return clock.seconds


def sampling(job: dict[str, Any]) -> list[float]:
    """Seconds of `generate` of the transformers library for all completions of the job at once."""
    model, tokenizer = parts(job)
    rows = [prompt for prompt in job["prompts"] for _ in range(job["completions"])]
    tokenizer.padding_side = "left"
    batch = tokenizer(rows, return_tensors="pt", padding=True, return_token_type_ids=False)
    settings = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "max_new_tokens": job["tokens"]}
    stop = job["stop"] if job.get("stop") is not None else -1
    seconds = []
    with torch.inference_mode():
        for _ in range(job["steps"]):
            began = time.perf_counter()
            model.generate(**batch, **settings, eos_token_id=stop, pad_token_id=tokenizer.pad_token_id)
            seconds.append(time.perf_counter() - began)
    return seconds


def dpo(job: dict[str, Any]) -> list[float]:
    """Seconds of each step over a batch of pairs, reference pass included."""
    model, tokenizer = parts(job)
    clock = Clock()
    pairs = {name: [pair[name] for pair in job["pairs"]] for name in ("prompt", "chosen", "rejected")}
    with tempfile.TemporaryDirectory() as folder:
        config = DPOConfig(
            **plain(folder, job["steps"]), per_device_train_batch_size=job["batch"], max_length=512, beta=0.1
        )
        trainer = DPOTrainer(
            model=model,
            args=config,
            train_dataset=Dataset.from_dict(pairs),
            processing_class=tokenizer,
            callbacks=[clock],
        )
        trainer.train()
    return clock.seconds


def main() -> None:
    """Do the job of the file that is named first."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    seconds = {"rloo": rloo, "dpo": dpo, "sampling": sampling}[job["kind"]](job)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT " + json.dumps({"seconds": seconds, "peak_mb": round(peak_mb)}))


if __name__ == "__main__":
    main()
