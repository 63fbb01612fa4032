// The page on which people judge. A question comes from the stream, its form becomes an answer, and the answer goes
// to the waiting line, which never loses it; the next question is there at once.

import * as drafts from "./judge/drafts.js";
import { Form } from "./judge/form.js";
import { listen } from "./judge/keys.js";
import * as kept from "./judge/kept.js";
import { mustRead, showGuidelines, Thread } from "./judge/panel.js";
import { Pace } from "./judge/pace.js";
import { say } from "./judge/say.js";
import { account, address, call, Failure, uuid } from "./judge/server.js";
import { Signals } from "./judge/signals.js";
import { NetState } from "./judge/state.js";
import { Stream } from "./judge/stream.js";
import { note, show, showWords } from "./judge/task.js";
import { Waiting } from "./judge/waiting.js";
import { dialogs } from "./judge/dialogs.js";

const HEARTBEAT_MS = 4 * 60 * 1000;
const IDLE_MS = 30 * 60 * 1000; // after so long without a key or a touch, nothing is held for whoever left the page open
const LOOK_AGAIN_MS = 60 * 1000;
const SLOW_MS = 300;

const at = (id) => document.getElementById(id);
const campaign = at("desk").dataset.campaign;

const waiting = new Waiting();
const stream = new Stream(campaign, () => [current?.task.question, moving?.question, ...waiting.all.map((entry) => entry.question)].filter(Boolean));
const pace = new Pace();
const thread = new Thread(say);
const net = new NetState(waiting, say);

let current = null; // {task, form, signals}: what is on the screen
let last = null; // {id, question, found}: the newest answer of one's own
let moving = null; // the way to another question: {question} where that is known; a newer one overtakes an older

// The form

const desk = {
  say,
  note,
  get task() { return current?.task; },
  changed({ chosen = false } = {}) {
    if (!current) return;
    current.signals.changed();
    at("missing").textContent = "";
    drafts.save(current.task.question, asDrafted());
    if (chosen && current.form.whole && at("at-once").checked && !current.task.training) send();
  },
};

const reason = () => at("reason").value.trim();
const asDrafted = () => ({ ...current.form.answer, ...(reason() ? { reason: reason() } : {}) });

function showReason(open, words = "") {
  at("reason-box").hidden = !open;
  at("reason-toggle").setAttribute("aria-expanded", String(open));
  at("reason").value = words;
}

async function put(found) {
  const { task } = found;
  current?.form.end();
  current?.signals.end();
  if (found.guidelines) await mustRead(campaign, found.guidelines);
  const controls = show(task);
  current = { found, task, signals: new Signals(), form: null };
  current.form = new Form(controls, desk);
  const begun = drafts.newest(task);
  current.form.set(begun);
  showReason(Boolean(begun?.reason), begun?.reason || "");
  at("missing").textContent = "";
  at("send-words").textContent = task.editing ? "Send the change" : "Send";
  at("send").disabled = at("skip").disabled = at("reason-toggle").disabled = false;
  scrollTo({ top: 0 });
  at("ask").focus({ preventScroll: true });
  pace.show(stream.remaining);
  thread.show(task.question);
  stream.fill(task);
}

// One after the other

async function advance() {
  if (moving) return;
  const mine = moving = {};
  const slow = setTimeout(() => { if (moving === mine) showWords("Fetching the next question …", ""); }, SLOW_MS);
  try {
    const wanted = () => moving === mine;
    let found = await stream.next(wanted);
    clearTimeout(slow);
    while (found?.none?.reason === "guidelines") {
      await mustRead(campaign, found.guidelines);
      found = await stream.next(wanted);
    }
    if (found?.task) await put(found);
    else if (found) await nothing(found.none);
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    if (moving === mine) away(failure);
  } finally {
    clearTimeout(slow);
    if (moving === mine) moving = null;
  }
}

let lookAgain = null;

async function nothing(none) {
  clearTimeout(lookAgain);
  current = null;
  if (waiting.count) {
    showWords("Sending your answers …", "There may be more after that.");
    at("desk").dataset.sending = "yes";
    lookAgain = setTimeout(advance, 3000);
    return;
  }
  at("answer-bar").hidden = !last;
  at("send").disabled = at("skip").disabled = at("reason-toggle").disabled = true;
  const done = none.reason === "nothing_left";
  showWords(done ? "All done" : "Nothing to judge just now", none.message || "There is nothing left for you here.", { href: address("/judge"), words: "Other work" });
  at("ask").focus({ preventScroll: true });
  say(none.message);
  if (done || none.reason === "campaign_paused") lookAgain = setTimeout(advance, LOOK_AGAIN_MS);
}

function away(failure) {
  current = null;
  at("answer-bar").hidden = true;
  if (failure.status === 401) showWords("You have been logged out", "Your answers are kept in this browser. Log in, and the work goes on here.", net.loginLink());
  else if (failure.status === 0) showWords("No connection", "What you have sent is kept in this browser and goes out by itself. The next question comes when the network is back.");
  else showWords("That did not work", failure.message);
  clearTimeout(lookAgain);
  lookAgain = setTimeout(advance, failure.passing ? 3000 : LOOK_AGAIN_MS);
}

const again = () => { if (!current && !moving) { clearTimeout(lookAgain); advance(); } };
addEventListener("online", again);
addEventListener("focus", again);
waiting.addEventListener("change", () => { if (at("desk").dataset.sending && !waiting.count) { delete at("desk").dataset.sending; again(); } });

// Sending

async function hand(answer) {
  const { task, found, signals } = current;
  const seconds = signals.seconds;
  const entry = {
    id: uuid(),
    question: task.question,
    answer: { ...answer, metadata: { signals: signals.end() } },
    duration_s: Math.round(seconds * 10) / 10,
    supersedes: task.supersedes,
    at: Date.now(),
    training: task.training,
  };
  drafts.drop(task.question);
  current.form.end();
  current = null;
  last = { id: entry.id, question: task.question, found, answer };
  pace.count(seconds);
  const outcome = waiting.add(entry); // it is kept from here on
  enable();
  if (task.training) await training(await outcome);
  if (task.editing && at("desk").dataset.again) history.replaceState(null, "", location.pathname);
  await advance();
}

async function training(outcome) {
  if (!outcome?.training) return;
  dialogs.training(outcome.training);
  await dialogs.closed("training-dialog");
}

function send() {
  if (!current || moving) return;
  const missing = current.form.missing;
  if (missing) {
    at("missing").textContent = missing;
    return;
  }
  hand(asDrafted());
}

at("form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
at("skip").addEventListener("click", () => {
  if (current) dialogs.skip((words) => hand({ choice: "skip", ...(words ? { reason: words } : {}) }));
});
at("reason-toggle").addEventListener("click", () => {
  showReason(at("reason-box").hidden, at("reason").value);
  if (!at("reason-box").hidden) at("reason").focus();
});
at("reason").addEventListener("input", () => desk.changed());

// Taking back and changing

async function reopen(fetch) {
  if (moving?.question) return;
  const { id, question, found, answer } = last;
  moving = { question };
  try {
    let entry = waiting.take(id);
    if (!entry) {
      await waiting.settled();
      entry = waiting.take(id);
    }
    const again = entry ? { task: { ...found.task, answer: { ...answer, metadata: undefined }, saved: Infinity } } : await fetch(id, question);
    if (current) { drafts.flush(); stream.putBack(current.found); }
    last = null;
    enable();
    await put(again);
    say("Your last answer is on the screen again.");
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    const words = failure.status === 0 ? "This needs the network; nothing was changed." : failure.message;
    at("missing").textContent = words;
    if (!failure.passing) { last = null; enable(); }
  } finally {
    moving = null;
  }
  if (!current) advance();
}

at("undo").addEventListener("click", () => {
  if (!last) return;
  last.back ??= uuid(); // the same one when it is tried again
  reopen((judgement) => call("POST", "/judge/api/undo", { judgement, id: last.back }));
});
at("edit-last").addEventListener("click", () => {
  if (last) reopen((_, question) => call("GET", `/judge/api/task?question=${encodeURIComponent(question)}`));
});

function enable() { at("undo").disabled = at("edit-last").disabled = !last; }

// Around it

at("panel-toggle").addEventListener("click", () => dialogs.panel());
at("panel-close").addEventListener("click", () => dialogs.panel(false));
at("help").addEventListener("click", () => dialogs.help());
listen(
  { control: (event) => current?.form?.key(event), left: () => at("ask")?.focus({ preventScroll: true }) },
  () => at("keys-on").checked,
);

let touched = Date.now();
for (const sign of ["keydown", "pointerdown", "pointermove", "wheel", "focus"]) {
  addEventListener(sign, () => { touched = Date.now(); }, { passive: true, capture: true });
}

async function heartbeat() {
  const questions = Date.now() - touched > IDLE_MS ? [] : [current?.task.question, ...stream.questions].filter(Boolean).slice(0, 8);
  try {
    const { guidelines } = await call("POST", "/judge/api/heartbeat", { campaign, questions });
    if (guidelines && !document.querySelector("dialog[open]")) await mustRead(campaign, guidelines);
  } catch (failure) {
    if (failure.status === 401) net.loggedOut();
  }
}
setInterval(heartbeat, HEARTBEAT_MS);
addEventListener("pagehide", () => {
  drafts.flush({ leaving: true });
  stream.release({ leaving: true });
});
document.addEventListener("visibilitychange", () => { if (document.hidden) drafts.flush({ leaving: true }); });

async function begin() {
  drafts.tidy();
  dialogs.remember(kept);
  waiting.flush();
  call("GET", `/judge/api/guidelines?campaign=${encodeURIComponent(campaign)}`).then(({ guidelines }) => showGuidelines(guidelines), () => {});
  call("GET", `/judge/api/history?limit=1&campaign=${encodeURIComponent(campaign)}`).then(({ answers: [newest] }) => {
    if (newest?.editable && !last) last = { id: newest.judgement, question: newest.question };
    enable();
  }, () => {});
  const wanted = at("desk").dataset.again;
  if (!wanted) return advance();
  try {
    return await put(await call("GET", `/judge/api/task?question=${encodeURIComponent(wanted)}`));
  } catch (failure) {
    return failure.passing || failure.status === 401 ? away(failure) : advance();
  }
}

document.documentElement.dataset.ready = account;
begin();
