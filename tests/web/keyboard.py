"""A person who has no mouse: everything is reached by Tab and done by keys."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Page

NAME = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return '';
  const label = element.getAttribute('aria-label') || element.labels?.[0]?.innerText
    || element.innerText || element.value || element.title || '';
  return label.replace(/\\s+/g, ' ').trim();
}"""


@dataclass(frozen=True, slots=True)
class Keyboard:
    """The keyboard before a page."""

    page: Page

    @property
    def focused(self) -> str:
        """The name of what has the focus, as a screen reader would say it."""
        name: str = self.page.evaluate(NAME)
        return name

    def reach(self, name: str, limit: int = 250) -> Keyboard:
        """Press Tab until something has the focus whose name begins so."""
        passed = []
        for _ in range(limit):
            if self.focused.lower().startswith(name.lower()):
                return self
            passed.append(self.focused[:30])
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no Tab leads to {name!r} on {self.page.url}; passed {passed[:60]}")

    def press(self, keys: str) -> Keyboard:
        """Press keys, one after the other; spaces stand between them."""
        for key in keys.split():
            self.page.keyboard.press(key)
        return self

    def write(self, text: str) -> Keyboard:
        """Type or paste a text where the focus is."""
        self.page.keyboard.insert_text(text)
        return self

    def leave_by(self, keys: str) -> Keyboard:
        """Press keys of which the last leads to another page."""
        with self.page.expect_navigation():
            self.press(keys)
        return self

    def follow(self, name: str) -> Keyboard:
        """Reach a link or button, press Enter, and be on another page."""
        return self.reach(name).leave_by("Enter")
