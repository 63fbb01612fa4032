"""Judging in a real browser: every kind by keyboard alone, and nothing is lost whatever happens to page or network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Route, expect
from tests.web.browsing import Live, a_chromium, serving
from tests.web.test_chat import Parrot

from heedful.feedback.accounts import sessions
from heedful.feedback.questions import KINDS
from heedful.feedback.steering import gold, guidelines
from heedful.feedback.steering import settings as campaigns
from heedful.feedback.steering.settings import CampaignSettings
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Message, Prompt, Question

TEXT = "Boil it for 45 minutes, 🥚 you fool.\r\nThen eat it."


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with a_chromium() as browser:
        yield browser


@pytest.fixture
def live(store: Store, tmp_path: Path) -> Iterator[Live]:
    with serving(store, tmp_path, Parrot()) as running:
        yield running


def ask(store: Store, kind: str, count: int = 1, completions: int | None = None, **fields: Any) -> None:
    shown = KINDS[kind].completions[0] if completions is None else completions
    prompts = [Prompt.of([Message("user", f"How do I boil egg number {i}?")]) for i in range(count)]
    texts = [
        Completion(f"{kind}-{i}-{k}", prompts[i].id, TEXT if shown == 1 else f"Way *{k}* to boil it.", f"v{k}")
        for i in range(count)
        for k in range(shown)
    ]
    questions = [
        Question(
            f"{kind}-{i}",
            kind,
            prompts[i].id,
            tuple(f"{kind}-{i}-{k}" for k in range(shown)),
            **{"campaign": kind, "overlap": 2, **fields},
        )
        for i in range(count)
    ]
    store.add_everything(prompts=prompts, completions=texts, questions=questions)


def open_desk(live: Live, chromium: Chromium, campaign: str, login: str = "anna", **options: Any) -> Page:
    page = live.enter(chromium, live.somebody(login), **options).new_page()
    page.goto(f"{live.url}/judge/{campaign}")
    expect(page.locator("#task[data-question]")).to_be_visible()
    return page


def on_screen(page: Page) -> str:
    return page.locator("#task[data-question]").get_attribute("data-question") or ""


def press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def send(page: Page, keys: str = "Enter") -> None:
    """Send what is on the screen, and wait until something else stands there."""
    before = on_screen(page)
    press(page, keys)
    page.wait_for_function("before => document.getElementById('task').dataset.question !== before", arg=before)


def stored(page: Page) -> None:
    """Wait until the server has everything."""
    expect(page.locator("#net")).to_have_text("All stored")


def only(store: Store, **choose: Any) -> Judgement:
    [judgement] = store.judgements(**choose)
    return judgement


def plain(judgement: Judgement) -> dict[str, Any]:
    """An answer without its signals."""
    return {name: value for name, value in judgement.answer.items() if name != "metadata"}


# Every kind


def test_a_comparison_by_keyboard(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 6)
    page = open_desk(live, chromium, "comparison")
    meant = {}
    for keys, side, strength in (
        ("1", 0, 3),
        ("6", 1, 2),
        ("b", 1, None),
        ("a a", 0, 1),
        ("t", "tie", None),
        ("3 x", "bad", None),
    ):
        meant[on_screen(page)] = (side, strength)
        press(page, keys)
        send(page)
    stored(page)
    for judgement in live.store.judgements():
        side, strength = meant[judgement.question_id]
        choice = side if isinstance(side, str) else "ab"[judgement.shown[side]]
        assert plain(judgement) == {"choice": choice} | ({"strength": strength} if strength else {})
        assert judgement.duration_s is not None
        assert judgement.answer["metadata"]["signals"]["keys"] >= 2
    expect(page.get_by_text("All done")).to_be_visible()


def test_nothing_is_sent_without_a_choice(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison")
    page = open_desk(live, chromium, "comparison")
    press(page, "Enter")
    expect(page.locator("#missing")).to_contain_text("Choose first")
    assert live.store.judgements() == []


def test_a_skip_has_a_reason(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison")
    page = open_desk(live, chromium, "comparison")
    press(page, "s 2 Enter")
    stored(page)
    expect(page.get_by_text("All done")).to_be_visible()
    assert plain(only(live.store)) == {"choice": "skip", "reason": "A language that I do not read"}


def test_a_reason_by_keyboard(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison")
    page = open_desk(live, chromium, "comparison")
    press(page, "4 r")
    page.keyboard.type("They say the same: x 1 2")
    send(page, "Escape Enter")
    stored(page)
    assert plain(only(live.store)) == {"choice": "tie", "reason": "They say the same: x 1 2"}


def test_a_ranking_by_keyboard(live: Live, chromium: Chromium) -> None:
    ask(live.store, "ranking", completions=4)
    page = open_desk(live, chromium, "ranking")
    press(page, "2 1 4 Backspace 4 2 Enter")
    stored(page)
    judgement = only(live.store)
    seen = {judgement.shown[place]: rank for place, rank in enumerate([2, 1, 3, 2])}
    assert judgement.answer["ranks"] == [seen[position] for position in range(4)]


def test_a_ranking_by_drag(live: Live, chromium: Chromium) -> None:
    ask(live.store, "ranking", completions=3)
    page = open_desk(live, chromium, "ranking")
    for place, rank in enumerate((3, 1, 1)):
        page.locator(f'.chip[data-place="{place}"]').hover()
        page.mouse.down()
        page.locator(f'.tier[data-rank="{rank}"] .chips').hover()
        page.mouse.up()
    expect(page.locator(".answer-note").nth(1)).to_have_text("rank 1, tied with C")
    send(page)
    stored(page)
    judgement = only(live.store)
    assert [judgement.answer["ranks"][position] for position in judgement.shown] == [2, 1, 1]


def test_a_rating_by_keyboard(live: Live, chromium: Chromium) -> None:
    ask(live.store, "rating", metadata={"aspects": ["warm", "true"], "scale": [0, 3]})
    page = open_desk(live, chromium, "rating")
    press(page, "3 1 Backspace 0")
    send(page)
    stored(page)
    assert plain(only(live.store)) == {"ratings": {"warm": 3, "true": 0}, "scale": [0, 3]}


def test_a_thumb_by_keyboard(live: Live, chromium: Chromium) -> None:
    ask(live.store, "label", 2)
    page = open_desk(live, chromium, "label")
    send(page, "y Enter")
    send(page, "2 Enter")
    stored(page)
    assert sorted(each.answer["thumb"] for each in live.store.judgements()) == [False, True]


def test_flags_with_spans_by_keyboard(live: Live, chromium: Chromium) -> None:
    ask(live.store, "flags", metadata={"flags": ["unsafe", "rude"]})
    page = open_desk(live, chromium, "flags")
    press(page, "v ArrowDown Home Shift+ArrowRight Shift+ArrowRight Shift+ArrowRight Shift+ArrowRight 1")
    press(page, "Control+Home")
    for _ in TEXT[: TEXT.index("you")]:
        page.keyboard.press("ArrowRight")
    for _ in "you fool":
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("2")
    expect(page.locator(".spans")).to_contain_text("“you fool”")
    send(page)
    stored(page)
    flags = {flag["name"]: TEXT[flag["start"] : flag["end"]] for flag in only(live.store).answer["flags"]}
    assert flags == {"unsafe": "Then", "rude": "you fool"}  # characters, whatever a browser counts


def test_the_text_of_an_answer_cannot_be_changed_while_it_is_marked(live: Live, chromium: Chromium) -> None:
    ask(live.store, "flags")
    page = open_desk(live, chromium, "flags")
    before = page.locator("textarea.plain").input_value()
    press(page, "v Delete z Control+a Backspace Control+v")
    assert page.locator("textarea.plain").input_value() == before


def test_a_flag_of_ones_own(live: Live, chromium: Chromium) -> None:
    ask(live.store, "flags")
    page = open_desk(live, chromium, "flags")
    press(page, "3 f")
    page.keyboard.type("too loud")
    press(page, "Enter")
    expect(page.locator(".spans li")).to_have_count(2)
    page.get_by_role("button", name="Remove unsafe").click()
    page.locator("#send").click()
    stored(page)
    assert only(live.store).answer["flags"] == [{"name": "too loud"}]


@pytest.mark.parametrize("kind", ["critique", "demonstration"])
def test_writing_by_keyboard(live: Live, chromium: Chromium, kind: str) -> None:
    ask(live.store, kind)
    page = open_desk(live, chromium, kind)
    press(page, "w")
    page.keyboard.type("Seven minutes.")
    press(page, "Enter")
    page.keyboard.type("Then cold water.")
    send(page, "Control+Enter")
    stored(page)
    judgement = only(live.store)
    assert judgement.answer["text"] == "Seven minutes.\nThen cold water."
    assert judgement.answer["metadata"]["signals"]["typed_characters"] >= 30


def test_a_correction_shows_what_was_changed(live: Live, chromium: Chromium) -> None:
    ask(live.store, "edit")
    page = open_desk(live, chromium, "edit")
    press(page, "w Control+Home")
    page.keyboard.type("Please: ")
    expect(page.locator(".diff ins")).to_have_text("added: Please: ")
    expect(page.locator(".diff del")).to_have_count(0)
    send(page, "Escape Enter")
    stored(page)
    assert only(live.store).answer["text"] == "Please: " + TEXT.replace("\r\n", "\n")


def test_a_correction_that_changes_nothing_is_the_very_text(live: Live, chromium: Chromium) -> None:
    ask(live.store, "edit")
    page = open_desk(live, chromium, "edit")
    send(page)
    stored(page)
    assert only(live.store).answer["text"] == TEXT


PAIRS = [
    ("", ""),
    ("same", "same"),
    ("", "all new"),
    ("all gone", ""),
    ("one two three", "one 2 three"),
    ("Boil it, then wait.", "Then wait: boil it!"),
    ("a b c d e f " * 40, "f e d c b a " * 40),
    ("schöne grüße 👋🏽 an alle", "schöne Grüße 👋🏽 an alle!"),
    ("line\n\nline", "line\nline\n"),
    ("x " * 3000, "y " * 3000),
]


def test_changes_put_together_give_both_texts(live: Live, chromium: Chromium) -> None:
    page = live.enter(chromium, live.somebody("anna")).new_page()
    page.goto(f"{live.url}/judge")
    made = page.evaluate(
        "async (pairs) => { const { diff } = await import('/static/judge/diff.js');"
        " return pairs.map(([before, after]) => diff(before, after)); }",
        PAIRS,
    )
    for (before, after), pieces in zip(PAIRS, made, strict=True):
        assert "".join(text for kind, text in pieces if kind != "new") == before
        assert "".join(text for kind, text in pieces if kind != "gone") == after
    assert made[4] == [["same", "one "], ["gone", "two"], ["new", "2"], ["same", " three"]]


def test_what_is_pasted_is_noticed(live: Live, chromium: Chromium) -> None:
    ask(live.store, "demonstration")
    page = open_desk(live, chromium, "demonstration")
    press(page, "w")
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData('text/plain', 'As an AI model');
          document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
        }"""
    )
    page.keyboard.type("Mine")
    send(page, "Control+Enter")
    stored(page)
    signals = only(live.store).answer["metadata"]["signals"]
    assert (signals["pastes"], signals["pasted_characters"]) == (1, 14)


def test_films_are_shown(live: Live, chromium: Chromium, tmp_path: Path) -> None:
    (tmp_path / "walk.webm").write_bytes(b"\x1a\x45\xdf\xa3")
    prompt = Prompt.of("Which way of walking is better?")
    films = [Completion(f"c{i}", prompt.id, "", f"v{i}", metadata={"clip": "walk.webm"}) for i in range(2)]
    question = Question("films", "comparison", prompt.id, ("c0", "c1"), campaign="films")
    live.store.add_everything(prompts=[prompt], completions=films, questions=[question])
    page = open_desk(live, chromium, "films")
    assert page.locator("video[controls][loop]").count() == 2
    assert page.locator("video").evaluate_all("all => all.every((film) => film.muted && film.src.includes('place='))")


# Nothing is lost


def test_a_draft_survives_the_tab_and_the_device(live: Live, chromium: Chromium) -> None:
    ask(live.store, "critique", 3)
    anna = live.somebody("anna")
    context = live.enter(chromium, anna)
    page = context.new_page()
    page.goto(f"{live.url}/judge/critique")
    question = on_screen(page)
    press(page, "w")
    page.keyboard.type("This is half a th")
    page.close()  # at once, in the middle of a word
    again = context.new_page()
    again.goto(f"{live.url}/judge/critique")
    assert on_screen(again) == question
    expect(again.locator("#writing-text")).to_have_value("This is half a th")
    press(again, "w Control+End")
    with again.expect_response("**/judge/api/draft"):
        again.keyboard.type("ought")
    elsewhere = live.enter(chromium, anna, viewport={"width": 390, "height": 800}).new_page()
    elsewhere.goto(f"{live.url}/judge/critique")
    assert on_screen(elsewhere) == question
    expect(elsewhere.locator("#writing-text")).to_have_value("This is half a thought")


def test_without_a_network_work_goes_on_and_nothing_is_lost(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 6)
    page = open_desk(live, chromium, "comparison")
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    for keys in ("1 Enter", "t Enter"):
        send(page, keys)
    press(page, "x Enter")
    expect(page.locator("#net")).to_have_text("3 answers wait for the network")
    expect(page.get_by_text("No connection")).to_be_visible()
    assert live.store.judgements() == []
    page.close()  # and even so
    page.context.set_offline(False)
    again = page.context.new_page()
    again.goto(f"{live.url}/judge/comparison")
    stored(again)
    assert sorted(each.answer["choice"] for each in live.store.judgements())[-2:] in (["b", "bad"], ["bad", "tie"])
    assert len(live.store.judgements(current=False)) == 3
    for _ in range(3):
        send(again, "t Enter")
    stored(again)
    assert len(live.store.judgements()) == 6


def test_the_network_comes_back_under_an_open_page(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 4)
    page = open_desk(live, chromium, "comparison")
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    for keys in ("1 Enter", "t Enter"):
        send(page, keys)
    press(page, "x Enter")
    expect(page.locator("#net")).to_have_text("3 answers wait for the network")
    page.context.set_offline(False)
    stored(page)
    send(page, "4 Enter")
    stored(page)
    assert len(live.store.judgements()) == len(live.store.judgements(current=False)) == 4


def test_a_session_that_ends_loses_nothing(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 4)
    anna = live.somebody("anna")
    context = live.enter(chromium, anna)
    page = context.new_page()
    page.goto(f"{live.url}/judge/comparison")
    page.wait_for_load_state("networkidle")
    sessions.end_all(live.store, anna.id)
    send(page, "1 Enter")
    send(page, "2 Enter")
    expect(page.locator("#net")).to_contain_text("2 answers are kept here")
    link = page.locator("#net a")
    expect(link).to_have_text("Log in (new tab)")
    assert link.get_attribute("href") == "/login?next=%2Fjudge%2Fcomparison"
    live.log_in(context, anna)
    page.evaluate("dispatchEvent(new Event('focus'))")
    stored(page)
    send(page, "3 Enter")
    stored(page)
    assert len(live.store.judgements()) == 3


def test_an_answer_from_another_device_is_not_overwritten_unasked(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 1)
    page = open_desk(live, chromium, "comparison")
    person = live.store.annotators()[0].id
    live.store.submit(Judgement("elsewhere", "comparison-0", person, {"choice": "tie"}))
    press(page, "x Enter")
    expect(page.locator("#net")).to_contain_text("One answer was not taken")
    assert plain(only(live.store)) == {"choice": "tie"}
    page.get_by_role("button", name="Take this one instead").click()
    stored(page)
    assert plain(only(live.store)) == {"choice": "bad"}


def test_taking_back_and_changing(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 3)
    page = open_desk(live, chromium, "comparison")
    first = on_screen(page)
    send(page, "1 Enter")
    stored(page)
    press(page, "u")
    expect(page.locator(f'#task[data-question="{first}"]')).to_be_visible()
    expect(page.get_by_role("radio", name="A is much better")).to_be_checked()
    assert live.store.judgements() == []
    send(page, "7 Enter")
    stored(page)
    press(page, "e")
    expect(page.locator("#send-words")).to_have_text("Send the change")
    expect(page.get_by_role("radio", name="B is much better")).to_be_checked()
    send(page, "t Enter")
    stored(page)
    assert plain(only(live.store)) == {"choice": "tie"}
    assert len(live.store.judgements(current=False)) == 4  # answer, withdrawal, answer, change
    page.goto(f"{live.url}/answers")
    page.get_by_role("link", name="Change").click()
    expect(page.get_by_role("radio", name="A tie: equally good")).to_be_checked()
    send(page, "x Enter")
    stored(page)
    assert plain(only(live.store)) == {"choice": "bad"}


def test_taking_back_while_the_next_question_is_still_on_its_way(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 4)
    page = open_desk(live, chromium, "comparison")
    page.wait_for_load_state("networkidle")
    held: list[Route] = []
    slow = [True]
    page.route("**/judge/api/next", lambda route: held.append(route) if slow else route.continue_())
    for key in "123":  # two were fetched ahead
        first = on_screen(page)
        press(page, f"{key} Enter")
        stored(page)
    expect(page.get_by_role("heading", name="Fetching the next question …")).to_be_visible()
    press(page, "u")
    expect(page.locator(f'#task[data-question="{first}"]')).to_be_visible()
    slow.clear()
    for route in held:
        route.continue_()
    send(page, "7 Enter")
    send(page, "7 Enter")
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    stored(page)
    assert sorted(judgement.question_id for judgement in live.store.judgements()) == [
        f"comparison-{i}" for i in range(4)
    ]


def test_an_answer_that_was_not_sent_yet_is_simply_taken_back(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 3)
    page = open_desk(live, chromium, "comparison")
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    first = on_screen(page)
    send(page, "1 Enter")
    expect(page.locator("#net")).to_have_text("1 answer waits for the network")
    press(page, "u")
    expect(page.locator(f'#task[data-question="{first}"]')).to_be_visible()
    send(page, "t Enter")
    page.context.set_offline(False)
    stored(page)
    assert plain(only(live.store)) == {"choice": "tie"}
    assert len(live.store.judgements(current=False)) == 1


def test_a_key_held_down_answers_once(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 4)
    page = open_desk(live, chromium, "comparison")
    press(page, "4")
    for _ in range(5):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    stored(page)
    assert len(live.store.judgements()) == 1


# Beside the work


def test_guidelines_are_read_before_the_work_and_again_when_they_change(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 6)
    guidelines.publish(live.store, "comparison", "Be *kind*.")
    page = live.enter(chromium, live.somebody("anna")).new_page()
    page.goto(f"{live.url}/judge/comparison")
    dialog = page.locator("#read-dialog")
    expect(dialog).to_contain_text("Be kind.")
    press(page, "Escape")
    expect(dialog).to_be_visible()
    press(page, "Enter")
    expect(page.locator("#task[data-question]")).to_be_visible()
    expect(page.locator("#guide")).to_have_text("Be kind.")
    guidelines.publish(live.store, "comparison", "Be brief.")
    for _ in range(3):
        if dialog.is_visible():
            break
        page.wait_for_load_state("networkidle")
        press(page, "t Enter")
        page.wait_for_timeout(300)
    expect(dialog).to_contain_text("version 2")
    expect(dialog).to_contain_text("Be brief.")


def test_training_explains(live: Live, chromium: Chromium) -> None:
    ask(live.store, "label", 3)
    campaigns.save_campaign(live.store, "label", "", CampaignSettings(qualification=True))
    gold.set_gold(live.store, "label-0", "training", {"thumb": False}, "It is *rude*.")
    gold.set_gold(live.store, "label-1", "exam", {"thumb": False})
    page = open_desk(live, chromium, "label")
    expect(page.locator(".task-head")).to_contain_text("Training")
    press(page, "1 Enter")
    expect(page.locator("#training-dialog")).to_contain_text("Another answer was expected")
    expect(page.locator("#training-text em")).to_have_text("rude")
    press(page, "Enter")
    expect(page.locator(".task-head")).to_contain_text("Exam")
    send(page, "2 Enter")
    expect(page.locator(".task-head .badge")).to_have_count(0)


def test_a_question_to_the_people_in_charge(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 2)
    page = open_desk(live, chromium, "comparison")
    press(page, "c")
    page.keyboard.type("What does <b>better</b> mean?")
    page.get_by_role("button", name="Send the remark").click()
    expect(page.locator("#thread")).to_contain_text("What does <b>better</b> mean?")


def test_every_key_is_shown_and_can_be_switched_off(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 2)
    page = open_desk(live, chromium, "comparison")
    press(page, "?")
    expect(page.locator("#help-list")).to_contain_text("A is slightly better")
    page.locator("#keys-on").uncheck()
    press(page, "Escape 1")
    expect(page.locator(".preference input:checked")).to_have_count(0)


def test_mouse_and_keyboard_may_take_turns(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 2)
    page = open_desk(live, chromium, "comparison", viewport={"width": 900, "height": 800})
    page.get_by_role("button", name="Guidelines").click()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Plain text").first.click()
    send(page, "4 Enter")
    stored(page)
    assert plain(only(live.store)) == {"choice": "tie"}


def test_one_choice_may_be_sent_at_once(live: Live, chromium: Chromium) -> None:
    ask(live.store, "comparison", 2)
    page = open_desk(live, chromium, "comparison")
    press(page, "?")
    page.locator("#at-once").check()
    press(page, "Escape")
    send(page, "4")
    stored(page)
    assert plain(only(live.store)) == {"choice": "tie"}


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_nothing_is_wider_than_the_screen(live: Live, chromium: Chromium, width: int) -> None:
    for kind in KINDS:
        ask(live.store, kind, completions=4 if kind == "ranking" else None)
    context = live.enter(chromium, live.somebody("anna"), viewport={"width": width, "height": 740})
    page = context.new_page()
    for kind in KINDS:
        page.goto(f"{live.url}/judge/{kind}")
        expect(page.locator("#task[data-question]")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, kind
        assert page.locator("#send").bounding_box() is not None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(live: Live, chromium: Chromium, scheme: str) -> None:
    for kind in KINDS:
        ask(live.store, kind, completions=4 if kind == "ranking" else None)
    guidelines.publish(live.store, "comparison", "Be *kind*.")
    page = live.enter(chromium, live.somebody("anna"), color_scheme=scheme).new_page()
    found = {}

    def look(name: str) -> None:
        violations = Axe().run(page).response["violations"]
        found[name] = [
            (each["id"], [node["target"] for node in each["nodes"]])
            for each in violations
            if each["impact"] in ("serious", "critical")
        ]

    page.goto(f"{live.url}/judge")
    look("choose")
    page.goto(f"{live.url}/judge/comparison")
    expect(page.locator("#read-dialog")).to_be_visible()
    look("read")
    press(page, "Enter")
    for kind in KINDS:
        page.goto(f"{live.url}/judge/{kind}")
        expect(page.locator("#task[data-question]")).to_be_visible()
        press(page, "1 2")
        look(kind)
    press(page, "Escape ?")
    look("help")
    press(page, "Escape s")
    look("skip")
    for path in ("/answers", "/guidelines/comparison", "/chat"):
        page.goto(live.url + path)
        look(path)
    assert {name: each for name, each in found.items() if each} == {}


def test_a_conversation_with_two_versions(live: Live, chromium: Chromium) -> None:
    page = live.enter(chromium, live.somebody("anna")).new_page()
    page.goto(f"{live.url}/chat")
    page.get_by_role("button", name="Begin a conversation").press("Enter")
    expect(page.locator("#words")).to_be_focused()
    expect(page.locator("#replies")).to_be_hidden()
    expect(page.locator("#stop")).to_be_hidden()
    page.keyboard.type("Good morning")
    press(page, "Enter")
    expect(page.locator("#vote-form")).to_be_visible()
    expect(page.locator("[data-reply]").first).to_contain_text("Good morning, says v")
    page.reload()  # the vote still waits
    expect(page.locator("[data-reply]").last).to_contain_text("Good morning, says v")
    press(page, "Enter")
    expect(page.locator("#missing")).to_contain_text("Choose first")
    press(page, "6 Enter")
    expect(page.locator("#say-form")).to_be_visible()
    expect(page.locator("#talk li")).to_have_count(2)
    expect(page.locator("#replies")).to_be_hidden()
    expect(page.locator("#words")).to_be_focused()
    assert plain(only(live.store)) == {"choice": "b", "strength": 2}
    page.keyboard.type("And now?")
    press(page, "Enter")
    expect(page.locator("#vote-form")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
