"""Questions out of what the store holds already: its completions, its prompts, two versions that meet again.

Ids follow from the campaign, the kind and the completions, so asking the same again adds nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from sqlalchemy import func, select

from heedful.errors import Problem
from heedful.feedback.questions import KINDS
from heedful.feedback.selection import RANDOM_SHARE, Choice, choose
from heedful.feedback.store import Purpose, Store
from heedful.feedback.tables import questions
from heedful.feedback.traits import differences, expectations
from heedful.feedback.views import comparisons
from heedful.records import Completion, Metadata, Question, content_id


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be asked."""

    campaign: str
    kind: str = "comparison"
    purpose: Purpose = "train"
    overlap: int = 1
    budget: int = 200
    """At most so many questions."""
    per_question: int = 4
    """Completions shown together, for kinds that take any number."""
    policies: tuple[str, ...] = ()
    """Only completions that one of these versions wrote; empty: all."""
    prompt_ids: tuple[str, ...] | None = None
    """Only about these prompts; None: all."""
    metadata: Metadata = field(default_factory=dict)
    """Of every question: the aspects of a rating and its scale, the flags on offer."""


@dataclass(frozen=True, slots=True)
class Posed:
    """What came of a wish."""

    possible: int
    """Questions that could be asked."""
    chosen: int
    added: int
    """Those among the chosen that had not been asked in the campaign before."""


def pose(store: Store, wish: Wish, seed: int = 0, policy: str = "random", random_share: float = RANDOM_SHARE) -> Posed:
    """Make questions of stored prompts and completions, and store those that are new.

    Args:
        store: where prompts and completions are, and where the questions go.
        wish: what is to be asked.
        seed: of the choice.
        policy: a selection policy of `heedful.feedback.selection`. Other than `random` they choose comparisons, by
            what plain models of the judged comparisons expect (see `traits`).
        random_share: of the budget, chosen at random whatever the policy.

    Raises:
        Problem: an unknown kind or policy, nothing that could be asked, or too little is known for the policy.
    """
    if wish.kind not in KINDS:
        raise Problem(f"there is no kind of question called {wish.kind!r}", mend=f"use one of {', '.join(KINDS)}")
    if wish.budget < 1:
        raise Problem("no question was asked for", where="number of questions", mend="ask for one or more")
    pool = list(_possible(store, wish))
    if not pool:
        raise Problem(_nothing(wish), mend="upload prompts with completions, or choose other versions")
    return _ask(store, wish, _chosen(store, pool, wish, seed, policy, random_share), len(pool))


def rematch(store: Store, wish: Wish, version_a: str, version_b: str, seed: int = 0) -> Posed:
    """Let people compare two versions on the prompts that both have answered; evaluation, never training.

    Raises:
        Problem: it is one version twice, or there is no prompt that both have answered differently.
    """
    if version_a == version_b:
        raise Problem("a version cannot be compared with itself", mend="choose two versions")
    written: dict[str, dict[str, Completion]] = defaultdict(dict)
    for completion in store.completions(policy=(version_a, version_b)):
        written[completion.prompt_id].setdefault(completion.policy, completion)
    pool = [
        (pair[version_a].prompt_id, (pair[version_a].id, pair[version_b].id))
        for pair in written.values()
        if len(pair) == 2 and pair[version_a].text != pair[version_b].text
    ]
    if not pool:
        raise Problem(
            f"there is no prompt that {version_a} and {version_b} have both answered, each in its own way",
            mend="let both write on the same prompts first: `heedful evaluate PROJECT`",
        )
    return _ask(store, wish, choose(pool, wish.budget, "random", seed), len(pool))


def ways_of_choosing(store: Store) -> dict[str, int]:
    """How many training questions were chosen by each selection policy; those of no known one count as random."""
    counting = select(questions.c.selection, func.count()).where(questions.c.purpose == "train")
    found: dict[str, int] = {}
    with store.reading() as connection:
        for name, count in connection.execute(counting.group_by(questions.c.selection)):
            found[name or "random"] = found.get(name or "random", 0) + count
    return found


Asked = tuple[str, tuple[str, ...]]
"""(prompt, completions)"""


def _possible(store: Store, wish: Wish) -> Iterator[Asked]:
    """Every question that the kind can ask about the prompts and completions wished for."""
    fewest, most = KINDS[wish.kind].completions
    if most == 0:
        for prompt in store.prompts(wish.prompt_ids):
            if prompt.text or prompt.messages:
                yield prompt.id, ()
        return
    size = fewest if most == fewest else max(fewest, wish.per_question)
    for prompt_id, written in _written(store, wish.policies, wish.prompt_ids).items():
        if size == 1:
            yield from ((prompt_id, (completion.id,)) for completion in written)
        elif most == size:
            yield from ((prompt_id, (a.id, b.id)) for a, b in combinations(written, 2))
        elif len(written) >= fewest:
            groups = [written[start : start + size] for start in range(0, len(written), size)]
            yield from ((prompt_id, tuple(one.id for one in group)) for group in groups if len(group) >= fewest)


def _written(
    store: Store, policies: Collection[str], prompt_ids: Collection[str] | None
) -> Mapping[str, Sequence[Completion]]:
    """Prompt -> its completions that are not empty, every text once."""
    found: dict[str, dict[str, Completion]] = defaultdict(dict)
    for completion in store.completions(policy=list(policies) or None, prompt_ids=prompt_ids):
        if completion.text.strip():
            found[completion.prompt_id].setdefault(completion.text, completion)
    return {prompt_id: list(texts.values()) for prompt_id, texts in found.items()}


def _chosen(
    store: Store, pool: Sequence[Asked], wish: Wish, seed: int, policy: str, random_share: float
) -> list[Choice[Asked]]:
    """Choose from the pool with what the policy goes by."""
    if policy == "random" or wish.budget >= len(pool):
        return choose(pool, wish.budget, policy, seed, random_share=random_share)
    if KINDS[wish.kind].completions != (2, 2):
        raise Problem(
            f"the selection policy {policy} chooses between pairs, not {wish.kind}s",
            mend="choose random in the campaign's rules, or ask for comparisons",
        )
    prompts = {prompt.id: prompt.as_text() for prompt in store.prompts(dict.fromkeys(name for name, _ in pool))}
    ids = dict.fromkeys(name for _, pair in pool for name in pair)
    texts = {completion.id: completion.text for completion in store.completions(ids)}
    pool_ND = differences((prompts[name], texts[a], texts[b]) for name, (a, b) in pool)
    if policy == "d_optimal":
        return choose(pool, wish.budget, policy, seed, features=pool_ND, random_share=random_share)
    scores_EN = expectations(comparisons(store, purpose="train"), pool_ND, seed)
    return choose(pool, wish.budget, policy, seed, scores=scores_EN, random_share=random_share)


def _ask(store: Store, wish: Wish, chosen: Sequence[Choice[Asked]], possible: int) -> Posed:
    added = store.add_questions(
        Question(
            id=content_id("question", wish.campaign, wish.kind, choice.item[0], *choice.item[1]),
            kind=wish.kind,
            prompt_id=choice.item[0],
            completion_ids=choice.item[1],
            campaign=wish.campaign,
            purpose=wish.purpose,
            overlap=wish.overlap,
            propensity=choice.propensity,
            selection=choice.selection,
            metadata=wish.metadata,
        )
        for choice in chosen
    )
    return Posed(possible, len(chosen), added)


def _nothing(wish: Wish) -> str:
    fewest, _ = KINDS[wish.kind].completions
    if fewest == 0:
        return "the store has no prompt to ask about"
    texts = "completion" if fewest == 1 else f"{fewest} different completions"
    by = f" by {', '.join(wish.policies)}" if wish.policies else ""
    return f"no prompt has {texts}{by} to make a {wish.kind} of"
