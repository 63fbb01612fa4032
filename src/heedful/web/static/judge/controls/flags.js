// Flags, each with any number of spans. The text stands in a text area that takes no input, so that it is selected by
// mouse, keyboard and screen reader as any text is; marks are drawn behind it. Spans count characters (code points).

const count = (text) => { let n = 0; for (const _ of text) n += 1; return n; };

export function flags(element, desk) {
  const { field } = element.dataset;
  const area = document.querySelector(".answer textarea.plain");
  const backdrop = document.querySelector(".answer .backdrop");
  const list = element.querySelector("[data-spans]");
  const row = element.querySelector(".flag-row");
  const own = element.querySelector("[data-own]");
  const letters = Array.from(area.value);
  let raised = []; // {name, start?, end?}

  const fit = () => { area.style.height = "auto"; area.style.height = `${area.scrollHeight}px`; };
  const buttons = () => [...row.querySelectorAll("[data-flag]")];
  const offer = (name) => {
    let button = buttons().find((each) => each.dataset.flag === name);
    if (!button) {
      button = document.createElement("button");
      Object.assign(button, { type: "button", className: "pick flag" });
      button.dataset.flag = name;
      const face = document.createElement("span");
      face.className = "face";
      face.textContent = name;
      button.append(face);
      row.insertBefore(button, own?.closest(".flag-own") || null);
    }
    return button;
  };

  const draw = () => {
    for (const flag of raised) offer(flag.name);
    for (const button of buttons()) {
      button.setAttribute("aria-pressed", String(raised.some((flag) => flag.name === button.dataset.flag)));
    }
    const inside = new Array(letters.length).fill(false);
    for (const flag of raised) for (let at = flag.start ?? 0; at < (flag.end ?? 0); at += 1) inside[at] = true;
    const pieces = [];
    for (let at = 0; at < letters.length;) {
      let to = at;
      while (to < letters.length && inside[to] === inside[at]) to += 1;
      const text = letters.slice(at, to).join("");
      if (inside[at]) { const mark = document.createElement("mark"); mark.textContent = text; pieces.push(mark); }
      else pieces.push(text);
      at = to;
    }
    backdrop.replaceChildren(...pieces, "\n");
    list.replaceChildren(...raised.map(line));
    fit();
  };
  const line = (flag) => {
    const item = document.createElement("li");
    const words = document.createElement("span");
    const quote = "start" in flag ? letters.slice(flag.start, flag.end).join("") : "the whole answer";
    const name = document.createElement("b");
    name.textContent = flag.name;
    words.append(name, "start" in flag ? ` “${quote.length > 60 ? `${quote.slice(0, 59)}…` : quote}”` : ` ${quote}`);
    const away = document.createElement("button");
    Object.assign(away, { type: "button", className: "button quiet small", textContent: "Remove" });
    away.setAttribute("aria-label", `Remove ${words.textContent}`);
    away.addEventListener("click", () => {
      raised = raised.filter((each) => each !== flag);
      desk.changed();
      draw();
      desk.say(`Removed: ${words.textContent}`);
      (list.querySelector("button") || buttons()[0])?.focus();
    });
    item.append(words, away);
    return item;
  };

  const selected = () => {
    const [from, to] = [area.selectionStart, area.selectionEnd];
    if (from === to) return null;
    const start = count(area.value.slice(0, from));
    return { start, end: start + count(area.value.slice(from, to)) };
  };
  const toggle = (name) => {
    const span = selected();
    if (span) {
      if (!raised.some((flag) => flag.name === name && flag.start === span.start && flag.end === span.end)) {
        raised = raised.filter((flag) => flag.name !== name || "start" in flag); // a place says more than the whole
        raised.push({ name, ...span });
      }
      area.selectionStart = area.selectionEnd;
      desk.say(`${name}: marked ${span.end - span.start} characters`);
    } else if (raised.some((flag) => flag.name === name)) {
      raised = raised.filter((flag) => flag.name !== name);
      desk.say(`${name}: removed`);
    } else {
      raised.push({ name });
      desk.say(`${name}: the whole answer`);
    }
    desk.changed();
    draw();
  };

  row.addEventListener("click", (event) => {
    const button = event.target.closest("[data-flag]");
    if (button) toggle(button.dataset.flag);
  });
  // A press on a flag must not take the selection away.
  row.addEventListener("pointerdown", (event) => { if (event.target.closest("[data-flag]")) event.preventDefault(); });
  own?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.ctrlKey || !own.value.trim()) return;
    event.preventDefault();
    event.stopPropagation();
    toggle(own.value.trim());
    own.value = "";
    own.blur();
  });
  area.addEventListener("beforeinput", (event) => event.preventDefault());
  for (const name of ["drop", "paste", "cut"]) area.addEventListener(name, (event) => event.preventDefault());
  element.querySelector("[data-into]").addEventListener("click", () => {
    area.focus();
    area.setSelectionRange(0, 0);
    desk.say("In the text. Select with Shift and the arrow keys, then press the number of a flag.");
  });
  const watch = new ResizeObserver(fit);
  watch.observe(area.parentElement);

  return {
    get: () => ({ [field]: raised.map((flag) => ({ ...flag })) }),
    set(answer) {
      raised = (Array.isArray(answer[field]) ? answer[field] : []).map((flag) => ({ ...flag }));
      draw();
    },
    missing: () => "",
    end() { watch.disconnect(); },
  };
}
