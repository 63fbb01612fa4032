"""The whole story in a real browser, by keyboard alone: from `heedful serve` to a reward model.

The owner sets up, writes guidelines, asks, makes a training and an exam question and invites; two people qualify and
judge; one closes the tab in the middle of a sentence, one loses the network; the owner watches the numbers move,
exports, and trains a reward model of what they said. On the way, every page is examined for accessibility.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, expect
from tests.web.browsing import a_chromium
from tests.web.keyboard import Keyboard

import heedful.playground
from heedful.feedback.accounts.accounts import all_accounts as everybody
from heedful.feedback.lineage import judgements_behind
from heedful.feedback.questions import KINDS
from heedful.feedback.store import Store

THINGS = [
    "cup",
    "chair",
    "lamp",
    "book",
    "shoe",
    "roof",
    "door",
    "sock",
    "table",
    "kite",
    "clock",
    "boat",
    "box",
    "hat",
]
ANOTHER = """before => document.getElementById('task').dataset.question !== before
  && (document.getElementById('task').dataset.question || document.body.innerText.includes('All done'))"""
CAMPAIGN = "which-answer-would-a-friend-give"
GUIDELINES = "# Be kind\n\nPrefer the answer that a **friend** would give."
KEYS = {
    "ranking": "1 2 3 4 5 6 Enter",
    "rating": "3 3 3 3 3 3 Enter",
    "label": "y Enter",
    "flags": "1 Enter",
}
WRITING = ("critique", "edit", "demonstration")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with a_chromium() as browser:
        yield browser


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with the bundled model."""
    made = tmp_path / "project"
    command_line("init", str(made), "--model", str(Path(heedful.playground.__path__[0], "model")))
    return made


@pytest.fixture
def served(folder: Path) -> Iterator[tuple[str, str]]:
    """A real server in a process of its own: its address, and the path of the setup link."""
    command = [sys.executable, "-u", "-m", "heedful", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"(http://\S+?)(/setup/\S+)", line):
                break
        else:
            raise AssertionError("the server printed no setup link")
        yield found[1], found[2]
        process.terminate()


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def command_line(*arguments: str) -> str:
    command = [sys.executable, "-m", "heedful", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def somebody(chromium: Chromium, troubles: list[str]) -> BrowserContext:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    context.on("weberror", lambda error: troubles.append(str(error.error)))
    return context


def examine(page: Page) -> None:
    """No serious fault of accessibility."""
    found = Axe().run(page).response["violations"]
    assert [
        (each["id"], [node["html"] for node in each["nodes"]][:3])
        for each in found
        if each["impact"] in ("serious", "critical")
    ] == []


def make_account(page: Page, name: str, login: str) -> Keyboard:
    """The account form, which has the focus in its first field."""
    examine(page)
    keys = Keyboard(page).write(name).press("Tab").write(login).press("Tab").write("three unrelated words")
    return keys.leave_by("Enter")


def ask(keys: Keyboard, address: str) -> None:
    """Make a campaign with questions from pasted lines, guidelines and a qualification."""
    page = keys.page
    page.goto(address)
    keys.follow("Campaigns").follow("New campaign")
    examine(page)
    keys.write("Which answer would a friend give?").leave_by("Enter")
    keys.follow("Add questions")
    examine(page)
    rows = [
        {
            "prompt": f"How do I mend the {thing}?",
            "completions": [
                f"Take some glue and press the {thing} together for a minute.",
                f"Throw the {thing} away, it is your own fault.",
            ],
            "votes": [],
        }
        for thing in THINGS
    ]
    keys.reach("Or paste lines").write("\n".join(json.dumps(row) for row in rows))
    keys.follow("Add from the file").follow("Guidelines").reach("Text").press("Control+A").write(GUIDELINES)
    examine(page)
    keys.follow("Publish").follow("Which answer would a friend give?").follow("Rules")
    keys.reach("Answers for each question").press("Control+A").write("2")
    keys.reach("Known answers").press("Enter").reach("Training and exam first").press("Space")
    examine(page)
    keys.follow("Save")


def make_known(keys: Keyboard, address: str, question: str, use: str) -> None:
    """Answer a question as the owner (the first text is right), so that it serves as training or exam."""
    page = keys.page
    page.goto(f"{address}/questions/{question}")
    examine(page)
    keys.reach("Use it for training").press("Enter").reach("Training").press("Space")
    if use == "exam":
        keys.press("ArrowDown")
    keys.press("Tab Space")  # the first choice: A is much better
    keys.reach("Why").write("A friend helps.").follow("Save the right answer")
    expect(page.locator("main")).to_contain_text(f"{use} item")


def invite(keys: Keyboard, address: str) -> str:
    keys.page.goto(address)
    keys.follow("People")
    keys.reach("For how many people").press("Control+A").write("2").follow("Make a link")
    examine(keys.page)
    return keys.reach("Link").page.locator("input[value*='/join/']").input_value()


def on_screen(page: Page) -> str:
    return page.locator("#task").get_attribute("data-question") or ""


def sent(keys: Keyboard, pressed: str) -> None:
    before = on_screen(keys.page)
    keys.press(pressed)
    keys.page.wait_for_function(ANOTHER, arg=before)


def better(page: Page) -> str:
    """The key of the better side: the answer with the glue."""
    return "1" if "glue" in page.locator("#task article").first.inner_text() else "7"


def qualify(keys: Keyboard) -> None:
    """Read the guidelines, answer the training item, see why, and pass the exam."""
    page = keys.page
    expect(page.locator("dialog[open]")).to_contain_text("friend")
    examine(page)
    keys.press("Enter")
    expect(page.locator("#task[data-question]")).to_be_visible()
    training = on_screen(page)
    keys.press(f"{better(page)} Enter")
    expect(page.get_by_text("A friend helps.")).to_be_visible()
    examine(page)
    keys.press("Enter")
    page.wait_for_function(ANOTHER, arg=training)
    sent(keys, f"{better(page)} Enter")  # the exam


def newcomer(chromium: Chromium, troubles: list[str], link: str, name: str, login: str) -> Keyboard:
    keys = Keyboard(somebody(chromium, troubles).new_page())
    keys.page.goto(link)
    make_account(keys.page, name, login)
    examine(keys.page)
    return keys


def lose_the_tab(keys: Keyboard) -> Keyboard:
    """Close the tab in the middle of a sentence, and find it again in another."""
    page = keys.page
    address, question = page.url, on_screen(page)
    keys.press(f"{better(page)} r").write("It is kind bec")
    page.close()
    again = Keyboard(page.context.new_page())
    again.page.goto(address)
    expect(again.page.locator("#task[data-question]")).to_be_visible()
    assert on_screen(again.page) == question
    expect(again.page.locator("#reason")).to_have_value("It is kind bec")
    sent(again, "Enter")
    return again


def lose_the_network(keys: Keyboard) -> None:
    """Judge on without a network; what was said is sent when it is back."""
    page = keys.page
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    keys.press(f"{better(page)} Enter")
    expect(page.locator("#net")).to_contain_text("wait")
    page.context.set_offline(False)
    expect(page.locator("#net")).to_have_text("All stored")


def judge_all(keys: Keyboard, campaign: str, address: str) -> None:
    """Answer everything that a campaign has for one person, each kind of question by its keys."""
    page = keys.page
    page.goto(f"{address}/judge/{campaign}")
    for _ in range(100):
        page.wait_for_function(
            "() => document.getElementById('task').dataset.question || document.body.innerText.includes('All done')"
        )
        if not on_screen(page):
            break
        kind = page.locator("#task").get_attribute("data-kind") or ""
        if kind in WRITING:
            keys.press("w Control+a").write("Some glue helps.")
        sent(keys, KEYS.get(kind) or (f"{better(page)} Enter" if kind == "comparison" else "Control+Enter"))
    expect(page.get_by_text("All done")).to_be_visible()
    expect(page.locator("#net")).to_have_text("All stored")


def export(keys: Keyboard, folder: Path) -> list[dict[str, str]]:
    """Download the preferences as rows."""
    keys.follow("Campaigns").follow("Import or export").follow("preference: training")
    examine(keys.page)
    keys.reach("Download")
    with keys.page.expect_download() as download:
        keys.press("Enter")
    path = folder / "export.jsonl"
    download.value.save_as(path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_whole_story(chromium: Chromium, served: tuple[str, str], folder: Path, tmp_path: Path) -> None:
    address, setup = served
    troubles: list[str] = []
    olga = Keyboard(somebody(chromium, troubles).new_page())
    olga.page.goto(address + setup)
    make_account(olga.page, "Olga Owner", "olga")
    examine(olga.page)
    olga.leave_by("Enter")  # samples of every kind
    expect(olga.page).to_have_url(f"{address}/judge/samples")
    ask(olga, address)
    store = Store.open(folder / "heedful.db", create=False)
    questions = store.questions(CAMPAIGN)
    assert len(questions) == len(THINGS)
    make_known(olga, address, questions[0].id, "training")
    make_known(olga, address, questions[1].id, "exam")
    link = invite(olga, address)
    ann, ben = (newcomer(chromium, troubles, link, name, login) for name, login in (("Ann", "ann"), ("Ben", "ben")))
    olga.page.goto(f"{address}/dashboard")
    examine(olga.page)
    before = olga.page.locator("main").inner_text()
    for keys in (ann, ben):
        keys.follow("Judge Which answer")
        qualify(keys)
    ben = lose_the_tab(ben)
    lose_the_network(ann)
    for keys in (ann, ben):
        judge_all(keys, CAMPAIGN, address)
    for keys in (ann, ben):
        judge_all(keys, "samples", address)
    expect(olga.page.locator("main")).not_to_have_text(before)
    expect(olga.page.locator("main")).to_contain_text("24 of 24 answers")
    examine(olga.page)
    given = store.judgements(CAMPAIGN, purpose="train")
    assert len(given) == 24
    assert {each.annotator_id for each in given} == {account.annotator_id for account in everybody(store)[1:]}
    exported = export(olga, tmp_path)
    assert len(exported) == 12
    assert all("glue" in row["chosen"] for row in exported)
    kinds = {each.id: each.kind for each in store.questions("samples")}
    assert set(kinds.values()) == set(KINDS)
    given_kinds = Counter((each.annotator_id, kinds[each.question_id]) for each in store.judgements("samples"))
    people = [account.annotator_id for account in everybody(store)[1:]]
    assert given_kinds == {(one, kind): 3 for one in people for kind in KINDS}
    said = command_line("reward", str(folder), "--device", "cpu", "--threads", "1")
    assert "held out" in said
    [made] = store.models("reward")
    assert set(judgements_behind(store, made.id)) == {each.id for each in given}
    assert troubles == []
