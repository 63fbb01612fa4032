"""Every page of the app in a real browser, as its owner sees it in the middle of the work: light, dark, on a phone.

The pages are taken from the app's own routes, so that a new page cannot be forgotten: it fails here until ADDRESSES
says where it is found, or ELSEWHERE why it is no page.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi.routing import iter_route_contexts
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, ViewportSize
from tests.web.browsing import Live, a_chromium, serving
from tests.web.test_chat import Parrot

from heedful.feedback.accounts import accounts, invitations, keys
from heedful.feedback.accounts.accounts import Account
from heedful.feedback.backup import backup
from heedful.feedback.steering import chat_turns, chats
from heedful.feedback.steering.chat_turns import Reply
from heedful.feedback.store import Store
from heedful.records import Judgement
from heedful.web import samples

DESK, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
LOOKS: dict[str, tuple[Literal["light", "dark"], ViewportSize]] = {
    "light": ("light", DESK),
    "dark": ("dark", DESK),
    "phone": ("light", PHONE),
}
AXE = Axe().axe_script
THIN = """() => {
  const kinds = new Map();
  for (const one of document.querySelectorAll('body *')) {
    if (![...one.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.data.trim())) continue;
    let kind = '';
    for (let each = one; each; each = each.parentElement) {
      kind += `${each.tagName}.${each.getAttribute('class')}.${each.disabled}.${each.ariaCurrent}.${each.type}>`;
    }
    if (!kinds.has(kind)) kinds.set(kind, one);
  }
  window.kinds = [...kinds.values()];
  const needed = new Set();
  for (const one of window.kinds) for (let each = one; each; each = each.parentElement) needed.add(each);
  const count = new Map();
  for (const one of document.querySelectorAll('body *')) {
    const sort = one.tagName + one.getAttribute('class'), of = count.get(one.parentElement) || new Map();
    count.set(one.parentElement, of.set(sort, (of.get(sort) || 0) + 1));
    if (of.get(sort) > 8 && !needed.has(one)) one.remove();
  }
}"""
"""Takes out what is repeated, to save time: of more than eight siblings of a sort those with no style of their own.

`kinds` are the first of all texts that have the same style.
"""
CHECK = """async arranged => {
  const wanted = { resultTypes: ['violations'], preload: false };
  const found = async (where, rules) => (await axe.run(where, { ...wanted, ...rules })).violations
    .map(each => each.id + ': ' + each.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(' | '));
  return [
    ...(kinds.length ? await found({ include: kinds }, { runOnly: ['color-contrast'] }) : []),
    ...(arranged ? await found(document, { rules: { 'color-contrast': { enabled: false } } }) : []),
  ];
}"""
"""Axe's rules; contrast, which takes the longest, on texts of different styles only."""
WIDER = """() => [...document.querySelectorAll('body *')]
  .filter(one => one.getBoundingClientRect().right > innerWidth + 0.5 && !one.closest('.scroll, pre, .graph-frame'))
  .slice(0, 5).map(one => one.outerHTML.slice(0, 90))"""


@dataclass(frozen=True)
class Place:
    """A served project with something of everything, and where it is."""

    live: Live
    owner: Account
    campaign: str
    question: str
    annotator: str
    person: str
    model: str
    chat: str
    invitation: str
    reset: str


ADDRESSES: dict[str, Callable[[Place], str]] = {
    "/": lambda place: "/",
    "/account": lambda place: "/account",
    "/people": lambda place: "/people",
    "/people/{account_id}": lambda place: f"/people/{place.person}",
    "/people/{account_id}/delete": lambda place: f"/people/{place.person}/delete",
    "/audit": lambda place: "/audit",
    "/judge": lambda place: "/judge",
    "/judge/{campaign:path}": lambda place: f"/judge/{place.campaign}",
    "/answers": lambda place: "/answers",
    "/guidelines/{campaign:path}": lambda place: f"/guidelines/{place.campaign}",
    "/chat": lambda place: "/chat",
    "/chat/{chat_id}": lambda place: f"/chat/{place.chat}",
    "/campaigns": lambda place: "/campaigns",
    "/campaigns/new": lambda place: "/campaigns/new",
    "/campaigns/{name:path}": lambda place: f"/campaigns/{place.campaign}",
    "/campaigns/{name:path}/settings": lambda place: f"/campaigns/{place.campaign}/settings",
    "/campaigns/{name:path}/questions": lambda place: f"/campaigns/{place.campaign}/questions",
    "/campaigns/{name:path}/guidelines": lambda place: f"/campaigns/{place.campaign}/guidelines",
    "/questions": lambda place: "/questions",
    "/questions/{question_id:path}": lambda place: f"/questions/{place.question}",
    "/import": lambda place: "/import",
    "/export": lambda place: "/export?format=preference",
    "/dashboard": lambda place: "/dashboard",
    "/dashboard/runs/{name}": lambda place: "/dashboard/runs/round-1-improve",
    "/dashboard/annotators": lambda place: "/dashboard/annotators",
    "/dashboard/annotators/{annotator_id:path}": lambda place: f"/dashboard/annotators/{place.annotator}",
    "/dashboard/annotators/{annotator_id:path}/retract": lambda place: (
        f"/dashboard/annotators/{place.annotator}/retract"
    ),
    "/models": lambda place: "/models",
    "/models/{model_id:path}": lambda place: f"/models/{place.model}",
    "/api/docs": lambda place: "/api/docs",
    "/login": lambda place: "/login",
    "/join/{token}": lambda place: f"/join/{place.invitation}",
    "/reset/{token}": lambda place: f"/reset/{place.reset}",
}
"""Path of a route -> where it is in a project."""

OUTSIDE = ("/login", "/join/{token}", "/reset/{token}")
"""Who is logged in does not see them."""

ELSEWHERE = {
    "/api/v1/": "for programs: JSON",
    "/openapi.json": "for programs: JSON",
    "/health": "for programs: JSON",
    "/judge/api/": "what the desk's script asks for",
    "/setup/{token}": "there is none once there is an owner; the story in a browser begins on it",
    "/account/data": "a file",
    "/people/{account_id}/data": "a file",
    "/export/download": "a file",
    "/media/": "a picture or a text",
    "/models.csv": "a file",
    "/dashboard/{name}.csv": "a file",
    "/dashboard/runs/{name}.csv": "a file",
    "/dashboard/live": "a part of the dashboard, which shows it",
    "/dashboard/stream": "never ends; the dashboard listens to it",
}
"""Path of a route, or with a slash at the end how some begin -> why it is no page to look at here."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with a_chromium() as browser:
        yield browser


@pytest.fixture
def place(lively: Any, tmp_path: Path) -> Iterator[Place]:
    """A copy of the lively project, with a server, in which the owner has judged, talked, invited and made a key."""
    backup(lively.store, tmp_path / "store.db")
    shutil.copytree(lively.folder / "runs", tmp_path / "runs")
    with Store.open(tmp_path / "store.db") as store, serving(store, tmp_path, Parrot()) as live:
        live.app.state.heedful.shared["patience_s"] = 600.0  # the pages wait for their numbers
        [owner, *people] = accounts.all_accounts(store)
        chidi = next(each for each in people if each.login == "chidi")
        samples.add(store)
        for question in store.questions(samples.CAMPAIGN, kind="comparison"):
            shown = (0, 1)
            store.submit(Judgement(f"own-{question.id}", question.id, owner.annotator_id, {"choice": "a"}, shown))
        keys.make(store, owner.id, "a notebook", ["read"])
        asked = next(each for each in store.questions("which-explains-better") if each.kind == "ranking")
        chat = chats.open_chat(store, owner.annotator_id, "chat", ("v0", "v1"), 0)
        chat_turns.add_turn(store, chat.id, owner.annotator_id, "Why?", (Reply("Because."), Reply("It is so.")))
        yield Place(
            live,
            owner,
            campaign=asked.campaign,
            question=asked.id,
            annotator=chidi.annotator_id,
            person=chidi.id,
            model=store.models("policy")[-1].id,
            chat=chat.id,
            invitation=invitations.invite(store, "annotator", "for the class", 3, by=owner.id)[0],
            reset=invitations.reset(store, people[-1].id, by=owner.id),
        )


def routes(place: Place) -> set[str]:
    """Paths of the routes that answer a GET and are no exception."""
    found = {str(each.path) for each in iter_route_contexts(place.live.app.routes) if "GET" in (each.methods or ())}
    folders = tuple(path for path in ELSEWHERE if path.endswith("/"))
    unused = [path for path in ELSEWHERE if not any(one == path or one.startswith(folders) for one in found)]
    assert unused == [], "these are gone: take them out of ELSEWHERE"
    return {path for path in found if path not in ELSEWHERE and not path.startswith(folders)}


def look(page: Page, name: str) -> Iterator[str]:
    """What is wrong with the page that is open."""
    page.set_viewport_size(PHONE)
    if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
        yield f"{name} phone: wider than the screen: {page.evaluate(WIDER)}"
    page.evaluate(AXE)
    page.evaluate(THIN)
    for how, (scheme, size) in LOOKS.items():
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        yield from (f"{name} {how}: {each}" for each in page.evaluate(CHECK, how != "dark"))


@pytest.mark.slow
def test_every_page_light_dark_and_on_a_phone(place: Place, chromium: Chromium) -> None:
    assert routes(place) == set(ADDRESSES), "say in ADDRESSES where a page is found"
    inside = place.live.enter(chromium, place.owner).new_page()
    outside = place.live.enter(chromium, None).new_page()
    wrong: list[str] = []
    for path, address in ADDRESSES.items():
        page = outside if path in OUTSIDE else inside
        page.set_viewport_size(DESK)
        answer = page.goto(place.live.url + address(place))
        assert answer is not None
        assert answer.ok, path
        assert page.url == place.live.url + address(place), path  # nobody was sent elsewhere
        wrong += look(page, path)
    assert wrong == []
