"""Take a picture of every page of the feedback app: light, dark, and as wide as a phone.

    PYTHONPATH=. python docs/screenshots.py            # writes docs/screens/*.webp and docs/screens.md

Needs Chromium, and Pillow for small files. The people and numbers are simulated (tests/web/seeding.py).
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page
from tests.web.browsing import Live, a_chromium, serving
from tests.web.seeding import fill
from tests.web.test_chat import Parrot

from heedful.feedback.accounts import accounts, invitations
from heedful.feedback.store import Store
from heedful.web import samples

HERE = Path(__file__).parent
FOLDER = HERE / "screens"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
SAID = {
    "comparison": "2",
    "ranking": "2 1 2 3",
    "rating": "4 5 2",
    "label": "y",
    "flags": "1",
    "critique": "w Seven",
    "edit": "w Please",
    "demonstration": "w Gladly",
}
"""Kind -> the keys of an answer; the last of a text is typed."""


def main() -> None:
    """Make the project, serve it, and look at it."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.webp"):
        old.unlink()
    sections: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as scratch, a_chromium() as chromium:
        empty, full = Path(scratch) / "empty", Path(scratch) / "full"
        for folder in (empty, full):
            folder.mkdir()
        with Store.open(empty / "store.db") as store, serving(store, empty) as live:
            setup = invitations.open_setup(store)
            page = chromium.new_page()
            sections["Coming in"] = list(_look(page, live, {"setup": f"/setup/{setup}", "login": "/login"}))
            olga = live.enter(chromium, live.somebody("olga", "owner")).new_page()
            sections["Coming in"] += list(_look(olga, live, {"start": "/"}))
            page.close()
        with Store.open(full / "store.db") as store, serving(store, full, Parrot()) as live:
            fill(store, full, scale=0.3)
            samples.add(store)
            owner = next(each for each in accounts.all_accounts(store) if each.role == "owner")
            olga = live.enter(chromium, owner).new_page()
            anna = live.enter(chromium, live.somebody("anna")).new_page()
            sections["Judging"] = [*_judging(anna, live), *_look(anna, live, {"judge-history": "/answers"})]
            sections["Judging"] += list(_look(anna, live, {"judge-choose": "/judge", "chat": "/chat", "home": "/"}))
            for title, targets in _targets(store).items():
                sections[title] = list(_look(olga, live, targets))
    _index(sections)


def _targets(store: Store) -> dict[str, dict[str, str]]:
    """Section -> name of a picture -> address."""
    question = next(each for each in store.questions() if each.campaign not in ("samples",))
    campaign = f"/campaigns/{question.campaign}"
    annotator = store.judgements()[-1].annotator_id
    person = accounts.all_accounts(store)[1].id
    return {
        "Steering": {
            "owner-home": "/",
            "campaigns": "/campaigns",
            "campaign-new": "/campaigns/new",
            "campaign": campaign,
            "campaign-questions": f"{campaign}/questions",
            "campaign-guidelines": f"{campaign}/guidelines",
            "campaign-rules": f"{campaign}/settings",
            "questions": "/questions",
            "question": f"/questions/{question.id}",
            "import": "/import",
            "export": "/export?format=preference",
        },
        "Watching": {
            "dashboard": "/dashboard",
            "annotator": f"/dashboard/annotators/{annotator}",
            "retract": f"/dashboard/annotators/{annotator}/retract",
            "models": "/models",
            "model": f"/models/{store.models()[-1].id}",
        },
        "People": {
            "people": "/people",
            "person": f"/people/{person}",
            "person-delete": f"/people/{person}/delete",
            "account": "/account",
            "audit": "/audit",
            "api": "/api/docs",
        },
    }


def _look(page: Page, live: Live, targets: dict[str, str]) -> Iterator[str]:
    for name, target in targets.items():
        answer = page.goto(live.url + target)
        assert answer is not None
        assert answer.ok, (target, answer.status)
        page.wait_for_timeout(1500 if name == "dashboard" else 200)
        _take(page, name)
        yield name


def _judging(page: Page, live: Live) -> Iterator[str]:
    """One picture of each kind of question, half answered."""
    page.goto(f"{live.url}/judge/samples")
    seen: set[str] = set()
    while len(seen) < len(SAID):
        page.wait_for_selector("#task[data-question]")
        question, kind = (page.locator("#task").get_attribute(f"data-{name}") for name in ("question", "kind"))
        assert kind is not None
        *keys, last = SAID[kind].split()
        for key in keys:
            page.keyboard.press(key)
        page.keyboard.type(last)
        if kind not in seen:
            page.evaluate("scrollTo(0, 0)")
            _take(page, f"judge-{kind}")
            yield f"judge-{kind}"
            seen.add(kind)
        page.keyboard.press("Control+Enter")
        page.wait_for_function("before => document.getElementById('task').dataset.question !== before", arg=question)


def _take(page: Page, name: str) -> None:
    for look, scheme, size in (("light", "light", DESK), ("dark", "dark", DESK), ("phone", "light", PHONE)):
        page.set_viewport_size(size)  # type: ignore[arg-type]  # a plain mapping of two numbers
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its two words
        if size is PHONE:  # where there is no room, the panel beside the work is closed
            page.evaluate("document.getElementById('panel-close')?.click()")
        page.wait_for_timeout(150)
        picture = Image.open(io.BytesIO(page.screenshot()))
        picture.save(FOLDER / f"{name}-{look}.webp", quality=60, method=6)
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")
    page.evaluate("document.getElementById('panel-toggle')?.click()")


def _index(sections: dict[str, list[str]]) -> None:
    lines = ["# What it looks like", ""]
    lines += ["Every page of the feedback app: light, dark, and on a phone. The people and numbers are simulated.", ""]
    for title, names in sections.items():
        lines += [f"## {title}", ""]
        for name in names:
            images = " ".join(
                f'<img src="screens/{name}-{look}.webp" alt="{name.replace("-", " ")}, {look}" width="{width}">'
                for look, width in (("light", 380), ("dark", 380), ("phone", 120))
            )
            lines += [images, ""]
    (HERE / "screens.md").write_text("\n".join(lines), encoding="utf-8")
    print(f"wrote {sum(map(len, sections.values())) * 3} pictures")


if __name__ == "__main__":
    main()
