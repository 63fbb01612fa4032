// Ratings: one row for each aspect, one of them marked. A digit rates the marked row and goes on to the next one;
// Backspace goes back.

export function scales(element, desk) {
  const { field, scaleField } = element.dataset;
  const [low, high] = [Number(element.dataset.low), Number(element.dataset.high)];
  const rows = [...element.querySelectorAll(".rate")];
  let marked = 0;

  const mark = (index) => {
    marked = Math.max(0, Math.min(index, rows.length - 1));
    rows.forEach((row, place) => row.classList.toggle("marked-row", place === marked));
  };
  const number = (row) => {
    const chosen = row.querySelector("input:checked") || row.querySelector("input[type=number]");
    const text = chosen?.dataset.number ?? chosen?.value ?? "";
    return text === "" ? null : Number(text);
  };
  const rate = (row, value) => {
    for (const input of row.querySelectorAll("input")) {
      if (input.type === "radio") input.checked = value !== null && Number(input.dataset.number) === value;
      else input.value = value ?? "";
    }
  };

  element.addEventListener("input", () => desk.changed());
  element.addEventListener("focusin", (event) => {
    const row = event.target.closest(".rate");
    if (row) mark(rows.indexOf(row));
  });
  mark(0);

  return {
    get() {
      const ratings = {};
      for (const row of rows) if (number(row) !== null) ratings[row.dataset.aspect] = number(row);
      return Object.keys(ratings).length ? { [field]: ratings, [scaleField]: [low, high] } : {};
    },
    set(answer) {
      for (const row of rows) rate(row, answer[field]?.[row.dataset.aspect] ?? null);
      const open = rows.findIndex((row) => number(row) === null);
      mark(open < 0 ? 0 : open);
    },
    missing() {
      const open = rows.filter((row) => number(row) === null);
      const odd = rows.find((row) => number(row) !== null && !(number(row) >= low && number(row) <= high));
      if (odd) return `${odd.dataset.aspect}: a number from ${low} to ${high}.`;
      return open.length ? `Not rated yet: ${open.map((row) => row.dataset.aspect).join(", ")}.` : "";
    },
    key(event) {
      if (event.key === "Backspace") {
        const complete = rows.every((row) => number(row) !== null);
        mark(complete && marked === rows.length - 1 ? marked : marked - 1);
        rate(rows[marked], null);
        desk.changed();
        desk.say(`Again: ${rows[marked].dataset.aspect}`);
        return true;
      }
      const row = rows[marked];
      const digit = /^\d$/.test(event.key) ? Number(event.key) : null;
      if (digit === null || !row.querySelector(`input[data-number="${digit}"]`)) return false;
      rate(row, digit);
      desk.changed();
      mark(marked + 1);
      const next = rows[marked] === row ? "" : `. Next: ${rows[marked].dataset.aspect}`;
      desk.say(`${row.dataset.aspect}: ${digit}${next}`);
      return true;
    },
  };
}
