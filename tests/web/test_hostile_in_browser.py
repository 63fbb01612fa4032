"""Every hostile completion on the real judging page, in a real browser: nothing runs, loads, moves or escapes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page
from tests.web.browsing import Live, a_chromium, serving
from tests.web.hostile import HOSTILE, storable

from heedful.feedback.store import Store
from heedful.records import Completion, Message, Prompt, Question

TOGETHER = 6

FOREIGN = """() => {
  const known = new Set(('p br hr h4 h5 h6 strong em s del code pre blockquote ul ol li table thead tbody tr th td a '
    + 'span div math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle merror mpadded mphantom mfenced menclose '
    + 'msub msup msubsup munder mover munderover mmultiscripts mprescripts none mtable mtr mtd mlabeledtr').split(' '));
  const odd = [];
  for (const element of document.querySelectorAll('.prose *')) {
    if (!known.has(element.localName)) odd.push(element.localName);
    for (const { name, value } of element.attributes) {
      if (/^(on.*|src.*|style|id|name)$/.test(name)) odd.push(`${element.localName} ${name}=${value}`);
      if (name === 'href' && !/^(https?|mailto):/.test(value)) odd.push(value);
    }
  }
  return odd;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with a_chromium() as browser:
        yield browser


@pytest.fixture
def live(store: Store, tmp_path: Path) -> Iterator[Live]:
    with serving(store, tmp_path) as running:
        yield running


def ask(store: Store, kind: str, *groups: tuple[str, ...], ask_too: bool = True) -> None:
    prompts, completions, questions = [], [], []
    for number, texts in enumerate(groups):
        words = [Message("user", text) for text in texts if text.strip()] if ask_too else []
        prompt = Prompt.of(words or [Message("user", f"question {number}")])
        ids = tuple(f"{kind}-{number}-{place}" for place in range(len(texts)))
        prompts.append(prompt)
        completions += [Completion(name, prompt.id, text) for name, text in zip(ids, texts, strict=True)]
        questions.append(Question(f"{kind}-{number}", kind, prompt.id, ids, campaign=kind))
    store.add_everything(prompts=prompts, completions=completions, questions=questions)


def look_at(page: Page, questions: int, answer: str) -> None:
    """Look at one question after the other, in every view, and check that each stays in its place."""
    for _ in range(questions):
        question = page.locator("#task[data-question]").get_attribute("data-question")
        assert page.evaluate(FOREIGN) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        for _ in range(2):
            page.keyboard.press("o")
        assert page.evaluate("window.__ran") is None
        assert page.evaluate("window.__violations") == []
        for key in answer.split():
            page.keyboard.press(key)
        page.wait_for_function("before => document.getElementById('task').dataset.question !== before", arg=question)
    page.get_by_text("All done").wait_for()


@pytest.mark.slow
def test_nothing_hostile_runs_or_loads_where_answers_are_laid_out(live: Live, chromium: Chromium) -> None:
    texts = [storable(text) for text in HOSTILE.values()]
    groups = [tuple(texts[start : start + TOGETHER]) for start in range(0, len(texts), TOGETHER)]
    groups[-1] = (*groups[-1], *texts[: TOGETHER - len(groups[-1])])
    ask(live.store, "ranking", *groups)
    page = live.enter(chromium, live.somebody("anna")).new_page()
    page.goto(f"{live.url}/judge/ranking")
    look_at(page, len(groups), "1 2 3 4 5 6 Enter")
    assert live.store.judgements()


@pytest.mark.slow
def test_nothing_hostile_runs_or_loads_where_characters_are_counted(live: Live, chromium: Chromium) -> None:
    texts = [storable(text) for text in HOSTILE.values()]
    ask(live.store, "flags", *[(text,) for text in texts], ask_too=False)
    page = live.enter(chromium, live.somebody("anna")).new_page()
    page.goto(f"{live.url}/judge/flags")
    look_at(page, len(texts), "1 Enter")
    assert len(live.store.judgements()) == len(texts)


def test_a_whole_long_text_is_shown_on_demand(live: Live, chromium: Chromium) -> None:
    ask(live.store, "label", ("x" * 100_000 + "<img src=x onerror=canary()>",))
    page = live.enter(chromium, live.somebody("anna")).new_page()
    page.goto(f"{live.url}/judge/label")
    page.locator(".answer").get_by_role("button", name="Show all of it").click()
    page.wait_for_function("() => document.querySelector('.answer .prose').textContent.endsWith('canary()>')")
    assert page.locator(".answer img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
