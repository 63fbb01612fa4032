// A question on the screen: its HTML put in place, and the ways of looking at its texts.

import { call } from "./server.js";

const at = (id) => document.getElementById(id);

/** Put a task on the screen; returns the elements of its controls. */
export function show(task) {
  const holder = document.createElement("template");
  holder.innerHTML = task.html; // rendered and sanitised by the server
  const controls = [...holder.content.querySelectorAll("[data-control]")];
  at("controls").replaceChildren(...controls.filter((control) => control.classList.contains("in-bar")));
  at("task").replaceChildren(holder.content);
  at("task").querySelectorAll("article.answer").forEach((article) => look(article, task));
  at("task").querySelectorAll("[data-whole-turn]").forEach((button) => {
    button.addEventListener("click", () => whole(button, button.parentElement.querySelector(".prose"), task, `turn=${button.dataset.wholeTurn}`));
  });
  at("task").dataset.kind = task.kind;
  at("task").dataset.question = task.question;
  at("answer-bar").hidden = false;
  return controls;
}

/** Leave the screen empty but for some words (and a link). */
export function showWords(title, words, link) {
  const box = document.createElement("div");
  box.className = "card quiet-end";
  const head = document.createElement("h2");
  head.id = "ask";
  head.tabIndex = -1;
  head.textContent = title;
  const text = document.createElement("p");
  text.textContent = words;
  box.append(head, text);
  if (link) {
    const anchor = document.createElement("a");
    anchor.className = "button";
    anchor.href = link.href;
    anchor.textContent = link.words;
    box.append(anchor);
  }
  delete at("task").dataset.question;
  at("task").replaceChildren(box);
  at("controls").replaceChildren();
}

/** Words in the head of an answer: its rank, for example. */
export function note(place, words) {
  const spot = document.querySelector(`.answer[data-place="${place}"] [data-note]`);
  if (spot) spot.textContent = words;
}

const fetchText = async (task, query) =>
  (await call("GET", `/judge/api/text?question=${encodeURIComponent(task.question)}&${query}`)).text;

async function whole(button, box, task, query) {
  try {
    box.textContent = await fetchText(task, query);
    box.classList.add("as-it-is");
    button.remove();
  } catch {
    button.textContent = "No connection. Try again";
  }
}

function look(article, task) {
  const prose = article.querySelector("[data-prose]");
  const plain = article.querySelector("[data-plain]");
  const query = `place=${article.dataset.place}`;
  const more = article.querySelector("[data-whole]");
  more?.addEventListener("click", () => whole(more, prose, task, query));
  article.querySelector("[data-view]").addEventListener("click", async () => {
    const articles = [...at("task").querySelectorAll("article.answer")];
    const toPlain = prose.hidden === false;
    for (const each of articles) await turn(each, toPlain, task);
  });
  article.querySelector("[data-view]").setAttribute("aria-pressed", String(prose.hidden));
  plain.hidden = !prose.hidden;
}

async function turn(article, toPlain, task) {
  const prose = article.querySelector("[data-prose]");
  const plain = article.querySelector("[data-plain]");
  if (toPlain && !plain.textContent) {
    try { plain.textContent = await fetchText(task, `place=${article.dataset.place}`); } catch { return; }
  }
  prose.hidden = toPlain;
  plain.hidden = !toPlain;
  article.querySelector("[data-view]").setAttribute("aria-pressed", String(toPlain));
}
