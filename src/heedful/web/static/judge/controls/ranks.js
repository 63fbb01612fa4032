// A ranking: chips in tiers, one of them marked. A number puts the marked chip into a tier and marks the next one;
// Backspace takes the last one back. Chips are also dragged, or put by pressing the chip and then the tier.

import { draggable } from "../drag.js";

export function ranks(element, desk) {
  const { field } = element.dataset;
  const count = Number(element.dataset.count);
  const tiers = [...element.querySelectorAll(".tier")];
  const chips = [...element.querySelectorAll(".chip")].sort((a, b) => a.dataset.place - b.dataset.place);
  const rank = (chip) => Number(chip.closest(".tier").dataset.rank);
  let marked = 0;

  const mark = (index) => {
    marked = (index + chips.length) % chips.length;
    chips.forEach((chip, place) => chip.setAttribute("aria-pressed", String(place === marked)));
    document.querySelectorAll(".answer").forEach((answer) => {
      answer.classList.toggle("marked-answer", Number(answer.dataset.place) === marked);
    });
  };
  const label = () => {
    for (const chip of chips) {
      const name = `Answer ${chip.textContent.trim()}`;
      const ties = chips.filter((other) => other !== chip && rank(other) === rank(chip));
      const tied = rank(chip) && ties.length ? `, tied with ${ties.map((tie) => tie.textContent.trim()).join(", ")}` : "";
      const words = rank(chip) ? `rank ${rank(chip)}${tied}` : "not ranked";
      chip.setAttribute("aria-label", `${name}: ${words}`);
      desk.note(Number(chip.dataset.place), rank(chip) ? words : "");
    }
  };
  const put = (chip, tier) => {
    tier.querySelector(".chips").append(chip);
    const inOrder = [...tier.querySelectorAll(".chip")].sort((a, b) => a.dataset.place - b.dataset.place);
    tier.querySelector(".chips").append(...inOrder);
    label();
  };
  const move = (chip, to, { advance = false } = {}) => {
    put(chip, tiers[to]);
    desk.changed();
    const open = chips.findIndex((other) => rank(other) === 0);
    if (advance && open >= 0) mark(open);
    const next = advance && open >= 0 ? `. Next: ${chips[open].textContent.trim()}` : open < 0 ? ". All are ranked" : "";
    desk.say(chip.getAttribute("aria-label") + next);
  };

  element.addEventListener("click", (event) => {
    const chip = event.target.closest(".chip");
    const tier = event.target.closest(".tier");
    if (chip) { mark(chips.indexOf(chip)); desk.say(`${chip.getAttribute("aria-label")}, marked`); }
    else if (tier) move(chips[marked], tiers.indexOf(tier), { advance: rank(chips[marked]) === 0 });
  });
  const undrag = draggable(chips, tiers, (chip, tier) => { mark(chips.indexOf(chip)); move(chip, tiers.indexOf(tier), { advance: true }); });
  mark(0);
  label();

  return {
    get() {
      if (chips.every((chip) => rank(chip) === 0)) return {};
      // Without gaps: 1, 3, 3 says no more than 1, 2, 2.
      const used = [...new Set(chips.map(rank).filter(Boolean))].sort((a, b) => a - b);
      return { [field]: chips.map((chip) => (rank(chip) ? used.indexOf(rank(chip)) + 1 : null)) };
    },
    set(answer) {
      const given = Array.isArray(answer[field]) ? answer[field] : [];
      chips.forEach((chip, place) => put(chip, tiers[given[place] >= 1 && given[place] <= count ? given[place] : 0]));
      mark(Math.max(0, chips.findIndex((chip) => rank(chip) === 0)));
    },
    missing() {
      const open = chips.filter((chip) => rank(chip) === 0).map((chip) => chip.textContent.trim());
      return open.length ? `Not ranked yet: ${open.join(", ")}.` : "";
    },
    key(event) {
      if (event.key === "Backspace") {
        const before = chips[marked] && rank(chips[marked]) ? marked : chips.findLastIndex((chip, place) => place < marked && rank(chip));
        if (before < 0) return true;
        mark(before);
        move(chips[before], 0);
        return true;
      }
      if (!event.target.closest?.(".ranks")) return false; // elsewhere the arrows scroll the page
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const shift = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) mark(marked + step);
      else if (shift) move(chips[marked], Math.max(0, Math.min(rank(chips[marked]) + shift, count)));
      else return false;
      chips[marked].focus();
      if (step) desk.say(chips[marked].getAttribute("aria-label"));
      return true;
    },
    end() { undrag(); },
  };
}
