// A conversation with two versions at once: what one says goes out, both answers stream in side by side, and the vote
// lets the better one go on.

import { preference } from "./judge/controls/preference.js";
import { listen } from "./judge/keys.js";
import { say } from "./judge/say.js";
import { address, call, Failure, uuid } from "./judge/server.js";
import { Signals } from "./judge/signals.js";

const at = (id) => document.getElementById(id);
const chat = at("desk").dataset.chat;
const sides = [...document.querySelectorAll("[data-reply]")];

let question = at("desk").dataset.question;
let signals = null;
let ballot = null; // the id of the vote, the same one when it is sent again

const desk = { say, note() {}, changed() { signals?.changed(); at("missing").textContent = ""; } };
const form = at("vote-form") && preference(at("vote-form").querySelector("[data-control]"), desk);

function turn(state) {
  at("replies").hidden = state === "said";
  at("vote-form").hidden = state !== "vote";
  at("say-form").hidden = state === "vote";
  at("words").disabled = at("say-send").hidden = state === "answering";
  at("stop").hidden = state !== "answering";
  if (state === "said") at("words").focus();
  if (state === "vote") {
    form.set({});
    ballot = uuid();
    signals = new Signals();
    document.activeElement?.blur();
  }
}

function add(role, html, text) {
  const item = document.createElement("li");
  item.className = role === "user" ? "turn-user" : "turn-model";
  const who = document.createElement("p");
  who.className = "role";
  who.textContent = role === "user" ? "You" : "Model";
  const body = document.createElement("div");
  body.className = text === undefined ? "prose" : "prose as-it-is";
  body.dir = "auto";
  if (text === undefined) body.innerHTML = html; // rendered and sanitised by the server
  else body.textContent = text;
  item.append(who, body);
  at("talk").append(item);
  return item;
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    rest += value;
    const parts = rest.split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}

async function ask(text, signal) {
  const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": document.documentElement.dataset.csrf };
  const response = await fetch(address("/chat/api/say"), { method: "POST", headers, signal, body: JSON.stringify({ chat, text }) });
  if (!response.ok) throw new Failure(response.status, (await response.json().catch(() => ({}))).error);
  let stored = "";
  for await (const line of lines(response)) {
    if (line.error) throw new Failure(500, { what: line.error });
    if (line.question) stored = line.question;
    else if (line.html !== undefined) {
      sides[line.side].classList.remove("writing-now");
      sides[line.side].innerHTML = line.html; // rendered and sanitised by the server
    } else sides[line.side].append(line.text);
  }
  if (!stored) throw new Failure(0, { what: "the answers broke off" });
  return stored;
}

let stopping = null;

at("say-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = at("words").value.trim();
  if (!text) return;
  const mine = add("user", "", text);
  at("trouble").textContent = "";
  at("words").value = "";
  for (const side of sides) { side.replaceChildren(); side.classList.add("writing-now"); side.setAttribute("aria-busy", "true"); }
  turn("answering");
  at("replies").scrollIntoView({ block: "nearest" });
  stopping = new AbortController();
  try {
    question = await ask(text, stopping.signal);
    turn("vote");
    say("Both answers are there. Which one is better?");
  } catch (failure) {
    mine.remove();
    turn("said");
    at("words").value = text;
    at("trouble").textContent = failure.name === "AbortError" ? "" : `No answer: ${failure.message}. Nothing was stored; try again.`;
  } finally {
    for (const side of sides) { side.classList.remove("writing-now"); side.setAttribute("aria-busy", "false"); }
  }
});

at("stop")?.addEventListener("click", () => stopping?.abort());
at("words")?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  at("say-form").requestSubmit();
});

at("vote-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const missing = form.missing();
  if (missing) { at("missing").textContent = missing; return; }
  const answer = { ...form.get(), metadata: { signals: { ...signals.counts } } };
  try {
    const { messages } = await call("POST", "/chat/api/vote", { chat, id: ballot, question, answer, duration_s: Math.round(signals.seconds * 10) / 10 });
    signals.end();
    at("talk").replaceChildren();
    for (const message of messages) add(message.role, message.html);
    turn("said");
    say("Your vote is stored. The conversation goes on.");
    at("talk").lastElementChild?.scrollIntoView({ block: "nearest" });
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    at("missing").textContent = failure.status === 401 ? "You have been logged out. Log in in another tab, then vote again." : failure.status ? failure.message : "No connection: vote again in a moment.";
  }
});

listen({ control: (event) => !at("vote-form")?.hidden && form?.key(event), left() {} }, () => true);
if (at("vote-form") && question) { ballot = uuid(); signals = new Signals(); }
else if (at("words") && !at("say-form").hidden) at("words").focus();
