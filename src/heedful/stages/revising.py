"""Constitutional feedback: a model criticises its drafts by rules and rewrites them; the pairs go into the store.

Paper: Bai et al. 2022b, "Constitutional AI: Harmlessness from AI Feedback", section 3: critique and revision.
Deviations: one rule and one revision a draft; what is kept is the pair, revision above draft, to learn from directly.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from heedful.errors import Problem
from heedful.feedback.store import Store
from heedful.files import write_json
from heedful.language.acting import write_completions
from heedful.language.chat import encode_prompt
from heedful.language.engines.local import LocalSampler
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.records import Annotator, Completion, Judgement, Message, Prompt, Question, content_id
from heedful.reward.judge import filled
from heedful.seeds import seed_of

Write = Callable[[Sequence[Prompt], str], Sequence[str | None]]
"""(prompts, what for: critique or revision) -> texts; None for a prompt that does not fit into the model's context."""

CRITIQUE = "{prompt}\n\n{draft}\n\nWhat in this answer goes against the rule: {rule}?"
REVISION = "{prompt}\n\n{draft}\n\nCriticism: {critique}\n\nThe answer, rewritten to follow the rule: {rule}\n\n"


@dataclass(frozen=True)
class Wording:
    """How a model is asked to criticise and to rewrite; `{prompt}`, `{draft}`, `{rule}`, `{critique}` are filled in."""

    critique: str = CRITIQUE
    revision: str = REVISION


def critique_prompt(words: str, prompt: Prompt, draft: str, rule: str) -> Prompt:
    """What a critic is asked about a draft; the same for a model's own critic and for one that learns from people."""
    return Prompt.of(filled(words, prompt=prompt.as_text(), draft=draft, rule=rule))


def as_asked(model: LanguageModel, prompt: Prompt) -> Prompt:
    """A prompt in plain words, as a turn of the user where the model has a template for conversations."""
    in_chat = bool(getattr(model.tokenizer, "chat_template", None))
    return Prompt.of([Message("user", prompt.text)]) if in_chat else prompt


@dataclass(frozen=True)
class Revision:
    """A draft, what its own writer found wrong with it, and the answer that came of it."""

    prompt: Prompt
    draft: Completion
    rule: str
    critique: str | None
    """None: the draft and the rule do not fit into the model's context."""
    text: str | None
    """None: there is no critique, or with it they do not fit."""

    @property
    def outcome(self) -> str:
        """`overlong`, `empty`, `unchanged`, or `pair`, which alone is a comparison."""
        if self.text is None:
            return "overlong"
        if not self.text.strip():
            return "empty"
        return "unchanged" if self.text.strip() == self.draft.text.strip() else "pair"


def writer(model: LanguageModel, sampling: Sampling, rows: int, *, policy: str, seed: int) -> Write:
    """Let a model write; chat models are asked as by a user. What it writes follows from the seed and the purpose."""
    room = model.context_tokens - sampling.max_new_tokens

    def write(prompts: Sequence[Prompt], purpose: str) -> list[str | None]:
        asked = [as_asked(model, each) for each in prompts]
        fits = [len(encode_prompt(model, prompt)) <= room for prompt in asked]
        some = [prompt for prompt, fit in zip(asked, fits, strict=True) if fit]
        sampler = LocalSampler(model, rows)
        written = write_completions(model, sampler, some, sampling, policy=policy, seed=seed_of(seed, purpose))
        texts = iter(written)
        return [next(texts).text if fit else None for fit in fits]

    return write


def revise(
    write: Write,
    drafts: Sequence[tuple[Prompt, Completion]],
    rules: Sequence[str],
    wording: Wording | None = None,
    *,
    first: int = 0,
) -> list[Revision]:
    """Let a model criticise its own drafts by one rule each (they take turns) and rewrite them.

    Args:
        write: the model.
        drafts: prompts and what it wrote to them.
        rules: one sentence each.
        wording: how it is asked.
        first: the number of the first draft, where there were others before: it decides whose turn it is.

    Raises:
        Problem: there is no rule.
    """
    if not rules:
        raise Problem("there is no rule to criticise by", mend="give one or more sentences that say what is good")
    words = wording or Wording()
    chosen = [rules[(first + place) % len(rules)] for place in range(len(drafts))]
    parts = [
        {"prompt": prompt.as_text(), "draft": draft.text, "rule": rule}
        for (prompt, draft), rule in zip(drafts, chosen, strict=True)
    ]
    asked = zip(drafts, chosen, strict=True)
    critiques = write(
        [critique_prompt(words.critique, prompt, draft.text, rule) for (prompt, draft), rule in asked], "critique"
    )
    able = [row for row, critique in enumerate(critiques) if critique is not None]
    texts: dict[int, str | None] = {}
    if able:
        again = [Prompt.of(filled(words.revision, **parts[row], critique=critiques[row] or "")) for row in able]
        texts = dict(zip(able, write(again, "revision"), strict=True))
    return [
        Revision(prompt, draft, rule, critiques[row], texts.get(row))
        for row, ((prompt, draft), rule) in enumerate(zip(drafts, chosen, strict=True))
    ]


def keep_revisions(store: Store, revisions: Sequence[Revision], *, campaign: str, name: str) -> int:
    """Store each revision as a completion that its writer prefers to the draft; returns how many pairs are new.

    A revision that is empty or the draft itself gives none. The criticism is kept as the reason of the judgement.

    Args:
        store: where to.
        revisions: see `revise`.
        campaign: under which name the comparisons are filed.
        name: of the annotator, of the kind `model`.
    """
    completions, questions, judgements = [], [], []
    for each in revisions:
        if each.outcome != "pair":
            continue
        revised = Completion(
            id=content_id("completion", name, each.prompt.id, each.draft.id, each.text),
            prompt_id=each.prompt.id,
            text=each.text or "",
            metadata={"revises": each.draft.id, "rule": each.rule},
        )
        question = content_id("question", campaign, revised.id, each.draft.id)
        completions += [each.draft, revised]
        questions.append(Question(question, "comparison", each.prompt.id, (revised.id, each.draft.id), campaign))
        id_ = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{question}"))
        judgements.append(Judgement(id_, question, name, {"choice": "a", "reason": each.critique}, shown=(0, 1)))
    added = store.add_everything(
        prompts=[each.prompt for each in revisions],
        completions=completions,
        annotators=[Annotator(name, name, kind="model")],
        questions=questions,
        judgements=judgements,
    )
    return added["judgements"]


@dataclass(frozen=True)
class Reviser:
    """A version that writes drafts, criticises and rewrites them."""

    model: LanguageModel
    version: str
    sampling: Sampling
    rules: Sequence[str]
    wording: Wording
    rows: int
    """Texts written at once."""
    seed: int

    def __call__(self, prompts: Sequence[Prompt], first: int) -> list[Revision]:
        """Revisions of fresh drafts to some prompts, of which the first has the number `first`.

        Raises:
            Problem: a prompt leaves no room for a draft in the model's context.
        """
        sampler, seed = LocalSampler(self.model, self.rows), seed_of(self.seed, "revise", first)
        drafts = write_completions(self.model, sampler, prompts, self.sampling, policy=self.version, seed=seed)
        write = writer(self.model, self.sampling, self.rows, policy=self.version, seed=seed)
        return revise(write, list(zip(prompts, drafts, strict=True)), self.rules, self.wording, first=first)


@dataclass(frozen=True)
class Kept:
    """What a run's folder keeps of a revision."""

    prompt_id: str
    prompt: str
    draft: str
    rule: str
    critique: str | None
    text: str | None
    outcome: str


def kept_lot(path: Path, make: Callable[[], Sequence[Revision]]) -> list[Kept]:
    """The revisions of a lot: as its file has them, or else made (and stored) by `make` and written there."""
    if not path.is_file():
        rows = [
            Kept(
                each.prompt.id,
                each.prompt.as_text(),
                each.draft.text,
                each.rule,
                each.critique,
                each.text,
                each.outcome,
            )
            for each in make()
        ]
        write_json(path, [asdict(row) for row in rows])
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [Kept(**row) for row in found]
