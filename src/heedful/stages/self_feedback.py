"""Self-feedback: a model judges, criticises and revises in people's place, and what it says is stored as a model's.

Every answer goes into the store as the judgement of an annotator of the kind `model`, so that it can be traced, taken
back, and told from people's. `heedful prefer` mixes the two only when it is told to.

Papers: Bai et al. 2022b, "Constitutional AI: Harmlessness from AI Feedback" (critique and revision); Lee et al. 2023,
"RLAIF" (a model's comparisons in place of people's); Yuan et al. 2024, "Self-Rewarding Language Models" (the policy
judges itself, round after round). Deviation from the latter: the policy compares two answers instead of giving points.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from heedful.errors import Problem
from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Model, Prompt, Question, content_id
from heedful.reward.judge import Judge, both_orders, checked
from heedful.stages import collect, prefer

Write = Callable[[Sequence[Prompt]], Sequence[str]]
"""Prompts to texts: a model that writes."""

CRITIQUE = "{prompt}\n\n{draft}\n\nWhat in this answer goes against the rule: {rule}?"
REVISION = "{prompt}\n\n{draft}\n\nCriticism: {critique}\n\nThe answer, rewritten to follow the rule: {rule}\n\n"


@dataclass(frozen=True)
class Revision:
    """A draft, what its own writer found wrong with it, and the answer that came of it."""

    prompt: Prompt
    draft: Completion
    rule: str
    critique: str
    text: str


def judge_campaign(store: Store, campaign: str, judge: Judge, name: str, *, fair: bool = True) -> int:
    """Let a model answer the comparisons of a campaign that it has not answered; returns how many.

    Args:
        judge: who answers; what it says is stored as the better side, its probability in the answer's metadata.
        name: of the annotator, of the kind `model`; give every model and question a name of its own.
        fair: ask in both orders, so that the place of an answer counts for nothing.

    Raises:
        Problem: the judge misbehaves, or a person has that name.
    """
    same = [person for person in store.annotators() if person.id == name]
    if same and same[0].kind != "model":
        raise Problem(f"{name!r} is the name of a {same[0].kind}", mend="give the model a name of its own")
    done = {judgement.question_id for judgement in store.judgements(campaign, annotator_id=name)}
    questions = [item for item in store.questions(campaign, kind="comparison") if item.id not in done]
    if not questions:
        return 0
    prompts = {prompt.id: prompt for prompt in store.prompts({item.prompt_id for item in questions})}
    texts = {
        each.id: each.text for each in store.completions({id_ for item in questions for id_ in item.completion_ids})
    }
    a, b = ([texts[item.completion_ids[side]] for item in questions] for side in (0, 1))
    said = checked(both_orders(judge) if fair else judge, [prompts[item.prompt_id] for item in questions], a, b)
    judgements = [
        Judgement(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{question.id}")),
            question_id=question.id,
            annotator_id=name,
            answer={"choice": _choice(chance), "metadata": {"probability": chance}},
            shown=(0, 1),
        )
        for question, chance in zip(questions, said, strict=True)
    ]
    return store.add_everything(annotators=[Annotator(name, name, kind="model")], judgements=judgements)["judgements"]


def revise(write: Write, drafts: Sequence[tuple[Prompt, Completion]], rules: Sequence[str]) -> list[Revision]:
    """Let a model criticise its own drafts by one rule each (they take turns) and rewrite them.

    Raises:
        Problem: there is no rule.
    """
    if not rules:
        raise Problem("there is no rule to criticise by", mend="give one or more sentences that say what is good")
    chosen = [rules[place % len(rules)] for place in range(len(drafts))]
    rows = list(zip(drafts, chosen, strict=True))
    critiques = write([Prompt.of(_filled(CRITIQUE, prompt, draft, rule, "")) for (prompt, draft), rule in rows])
    again = zip(rows, critiques, strict=True)
    texts = write([Prompt.of(_filled(REVISION, prompt, draft, rule, said)) for ((prompt, draft), rule), said in again])
    return [
        Revision(prompt, draft, rule, said, text)
        for ((prompt, draft), rule), said, text in zip(rows, critiques, texts, strict=True)
    ]


def keep_revisions(store: Store, revisions: Sequence[Revision], *, campaign: str, name: str) -> int:
    """Store each revision as a completion that its writer prefers to the draft; returns how many pairs that gives.

    A revision that is empty or the draft itself gives none. The criticism is kept as the reason of the judgement.

    Args:
        campaign: under which name the comparisons are filed.
        name: of the annotator, of the kind `model`.
    """
    completions, questions, judgements = [], [], []
    for each in revisions:
        if not each.text.strip() or each.text == each.draft.text:
            continue
        revised = Completion(
            id=content_id("completion", name, each.prompt.id, each.draft.id, each.text),
            prompt_id=each.prompt.id,
            text=each.text,
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


def self_rewarding(
    store: Store,
    rounds: int,
    asking: Callable[[int, str], collect.Config],
    learning: Callable[[int, str], prefer.Config],
    judge_of: Callable[[str], Judge],
    begin: str,
) -> list[Model]:
    """Round after round: the policy writes, judges what it wrote, and learns from that; the versions it became.

    Args:
        store: of the project.
        rounds: how many.
        asking: (round from 1, version) -> how completions are collected from that version.
        learning: (round from 1, version) -> how it is trained; `voices` is set to `models`, whatever it says.
        judge_of: version -> the judge that it is; it is asked in both orders.
        begin: the version to begin from.

    Raises:
        Problem: as the stages do.
    """
    made: list[Model] = []
    version = begin
    for number in range(1, rounds + 1):
        campaign = collect.run(asking(number, version), name=f"self-{number}-collect")
        judge_campaign(store, campaign, judge_of(version), f"model {version}")
        config = replace(learning(number, version), policy=version, voices="models")
        made.append(prefer.run(config, name=f"self-{number}-prefer"))
        version = made[-1].id
    return made


def _choice(chance: float) -> str:
    return "tie" if chance == 0.5 else "a" if chance > 0.5 else "b"


def _filled(template: str, prompt: Prompt, draft: Completion, rule: str, critique: str) -> str:
    return template.format(prompt=prompt.as_text(), draft=draft.text, rule=rule, critique=critique)
