from __future__ import annotations

import re

import pytest

from heedful.feedback import showing
from heedful.feedback.campaigns import claim
from heedful.feedback.questions import KINDS
from heedful.feedback.showing import Shown
from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Message, Prompt, Question
from heedful.web import site, tasks
from heedful.web.rates import Rates
from heedful.web.settings import ServerSettings


@pytest.fixture
def here(store: Store) -> site.Site:
    settings = ServerSettings()
    return site.Site(store, settings, None, None, site.templates(), Rates(settings))


def given(store: Store, kind: str, texts: tuple[str, ...], **metadata: object) -> Shown:
    prompt = Prompt.of("What is the capital of France?")
    completions = [
        Completion(f"secret-id-{i}", prompt.id, text, f"secret-policy-{i}", metadata={"clip": "secret-path.mp4"})
        for i, text in enumerate(texts)
    ]
    question = Question("q", kind, prompt.id, tuple(each.id for each in completions), metadata=metadata)
    store.add_everything(prompts=[prompt], completions=completions, annotators=[Annotator("ann")], questions=[question])
    claim(store, "ann", seed=3)
    return showing.given(store, "ann", "q")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_and_says_nothing_of_models(here: site.Site, kind: str) -> None:
    count = {"ranking": 3}.get(kind, KINDS[kind].completions[0])
    found = given(here.store, kind, ("Paris.", "Lyon.", "Nice.")[:count])
    made = tasks.of(here, found)
    assert KINDS[kind].ask in made["html"]
    assert "What is the capital of France?" in made["html"]
    assert "data-control=" in made["html"]
    assert "secret" not in str(made)
    assert made["supersedes"] is None
    assert made["prefill"] == ("Paris." if kind == "edit" else None)


def test_completions_stand_in_the_order_of_the_screen(here: site.Site) -> None:
    found = given(here.store, "ranking", ("first", "second", "third"))
    shown = re.findall(r"<p>(first|second|third)</p>", tasks.of(here, found)["html"])
    assert shown == [("first", "second", "third")[position] for position in found.order]


def test_a_clip_is_asked_for_by_its_place(here: site.Site) -> None:
    html = tasks.of(here, given(here.store, "comparison", ("x", "y")))["html"]
    assert re.findall(r'<video class="clip" src="([^"]*)" controls loop muted', html) == [
        "/media/clip?question=q&amp;place=0",
        "/media/clip?question=q&amp;place=1",
    ]


def test_a_question_may_have_words_of_its_own(here: site.Site) -> None:
    html = tasks.of(here, given(here.store, "comparison", ("x", "y"), ask="Which poem is <sadder>?"))["html"]
    assert "Which poem is &lt;sadder&gt;?" in html
    assert "Which answer is better?" not in html


def test_a_long_conversation_is_folded(here: site.Site) -> None:
    prompt = Prompt.of([Message("user" if turn % 2 == 0 else "assistant", f"turn {turn}") for turn in range(11)])
    question = Question("q", "demonstration", prompt.id)
    here.store.add_everything(prompts=[prompt], annotators=[Annotator("ann")], questions=[question])
    claim(here.store, "ann")
    html = tasks.of(here, showing.given(here.store, "ann", "q"))["html"]
    assert "5 earlier turns" in html
    assert html.index("turn 4") < html.index("</details>") < html.index("turn 5")


def test_gold_looks_like_work(here: site.Site) -> None:
    found = given(here.store, "label", ("x",))
    assert tasks.of(here, found, use="gold") == tasks.of(here, found, use="work")
    assert "Training" in tasks.of(here, found, use="training")["html"]
    assert tasks.of(here, found, use="exam")["training"] is True


def test_an_answer_is_filled_in_for_a_change(here: site.Site) -> None:
    found = given(here.store, "comparison", ("x", "y"))
    here.store.submit(Judgement("j", "q", "ann", {"choice": "a", "strength": 2}, shown=found.order))
    made = tasks.of(here, showing.given(here.store, "ann", "q"), editing=True)
    assert made["answer"] == {"choice": "ab"[found.order.index(0)], "strength": 2}
    assert made["supersedes"] == "j"
    assert tasks.of(here, showing.given(here.store, "ann", "q"))["answer"] is None


def asked(kind: str, count: int) -> Question:
    return Question("q", kind, "p", tuple(f"c{i}" for i in range(count)))


@pytest.mark.parametrize(
    ("kind", "answer", "order", "words"),
    [
        ("comparison", {"choice": "a", "strength": 3}, (1, 0), "B is much better"),
        ("comparison", {"choice": "a"}, (0, 1), "A is better"),
        ("comparison", {"choice": "bad"}, (1, 0), "Both are bad"),
        ("comparison", {"choice": "skip"}, (0, 1), "skipped"),
        ("comparison", {"withdrawn": True}, (0, 1), "taken back"),
        ("ranking", {"ranks": [2, 1, 2]}, (0, 1, 2), "B > A = C"),
        ("ranking", {"ranks": [2, 1, 3]}, (1, 2, 0), "A > C > B"),
        ("rating", {"ratings": {"helpful": 4, "honest": 2}, "scale": [1, 5]}, (0,), "helpful 4, honest 2"),
        ("label", {"thumb": False}, (0,), "Not good"),
        ("flags", {"flags": [{"name": "rude"}, {"name": "rude", "start": 0, "end": 1}]}, (0,), "rude"),
        ("flags", {"flags": []}, (0,), "no flag"),
        ("critique", {"text": "too\nlong"}, (0,), "too long"),
    ],
)
def test_an_answer_in_words(kind: str, answer: dict[str, object], order: tuple[int, ...], words: str) -> None:
    assert tasks.said(asked(kind, len(order)), answer, order) == words


def test_letters_do_not_run_out() -> None:
    assert [tasks.letter(place) for place in (0, 25, 26, 53)] == ["A", "Z", "A1", "B2"]


def test_an_excerpt_is_one_short_line() -> None:
    assert tasks.excerpt("a\n  b") == "a b"
    assert len(tasks.excerpt("word " * 100)) == tasks.EXCERPT
