"""Sample questions: something to judge at once, of every kind, about the small made-up world of the playground.

They are `evaluate` questions in a campaign of their own, so nothing is ever trained on the answers.
"""

from __future__ import annotations

import numpy as np

from heedful.feedback.questions import KINDS
from heedful.feedback.steering.settings import CampaignSettings, save_campaign
from heedful.feedback.store import Store
from heedful.playground.answers import answer, mixed
from heedful.playground.requests import requests
from heedful.records import Completion, Prompt, Question, content_id

CAMPAIGN = "samples"
EACH = 3
"""Questions of each kind."""
OVERLAP = 3
"""People who are asked each of them."""
SEVERAL = 4
"""Completions of a kind that takes any number of them."""


def count() -> int:
    """How many sample questions there are."""
    return EACH * len(KINDS)


def add(store: Store, seed: int = 0) -> int:
    """Store the sample questions that are not there yet, the kinds taking turns; returns how many are new."""
    rng = np.random.default_rng(seed)
    kinds = list(KINDS.values())
    prompts = requests(count(), seed)
    completions: list[Completion] = []
    questions: list[Question] = []
    for number, prompt in enumerate(prompts):
        kind = kinds[number % len(kinds)]
        fewest, most = kind.completions
        shown = _answers(prompt, SEVERAL if most is None else fewest, rng)
        completions += shown
        ids = tuple(completion.id for completion in shown)
        name = content_id("question", CAMPAIGN, kind.name, prompt.id, *ids)
        questions.append(Question(name, kind.name, prompt.id, ids, CAMPAIGN, "evaluate", overlap=OVERLAP))
    stored = store.add_everything(prompts=prompts, completions=completions, questions=questions)
    if stored["questions"]:
        save_campaign(store, CAMPAIGN, "Sample questions", CampaignSettings(overlap=OVERLAP))
    return stored["questions"]


def _answers(prompt: Prompt, count: int, rng: np.random.Generator) -> list[Completion]:
    """So many different answers, good ones and bad ones."""
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[answer(prompt, mixed(rng), rng)] = None
    return [Completion(content_id("completion", prompt.id, text), prompt.id, text) for text in texts]
