// A text of one's own. A correction begins with the answer's text, and shows what was changed.

import { show } from "../diff.js";

const SOON_MS = 200;

export function writing(element, desk) {
  const { field, label } = element.dataset;
  const area = element.querySelector("textarea");
  const changes = element.querySelector("[data-diff]");
  const counter = element.querySelector("[data-count]");
  const given = "prefill" in element.dataset ? desk.task.prefill ?? "" : null;
  // A text area keeps line feeds only: what was not touched is sent as it came.
  const shownAs = given === null ? null : given.replace(/\r\n?/g, "\n");
  let timer = null;

  const fit = () => { area.style.height = "auto"; area.style.height = `${Math.min(area.scrollHeight + 4, innerHeight * 0.7)}px`; };
  const draw = () => {
    const total = (area.value.match(/\S+/g) || []).length;
    counter.textContent = `${total} ${total === 1 ? "word" : "words"}`;
    if (changes) show(changes, shownAs, area.value);
  };
  area.addEventListener("input", () => {
    desk.changed();
    fit();
    clearTimeout(timer);
    timer = setTimeout(draw, SOON_MS);
  });

  return {
    get() {
      if (given !== null && area.value === shownAs) return { [field]: given };
      return area.value ? { [field]: area.value } : {};
    },
    set(answer) {
      area.value = answer[field] ?? given ?? "";
      fit();
      draw();
    },
    missing: () => (area.value.trim() ? "" : `Nothing is written yet: ${label.toLowerCase()}.`),
    end() { clearTimeout(timer); },
  };
}
