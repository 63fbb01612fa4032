// Unfinished answers: in the browser at every change, on the server a moment later. The newest one wins.

import * as kept from "./kept.js";
import { call } from "./server.js";

const NAME = "draft.";
const SOON_MS = 1200;
const OLD_S = 30 * 24 * 3600;

let pending = null;
let timer = null;

/** Keep what is on the screen. */
export function save(question, answer) {
  const draft = { question, answer, saved: Date.now() / 1000 };
  kept.put(NAME + question, draft);
  pending = draft;
  clearTimeout(timer);
  timer = setTimeout(() => flush(), SOON_MS);
}

/** Send what was not sent yet; with `leaving`, in a way that outlives the page. */
export async function flush({ leaving = false } = {}) {
  clearTimeout(timer);
  if (!pending) return;
  const draft = pending;
  pending = null;
  try {
    await call("POST", "/judge/api/draft", draft, { keepalive: leaving });
  } catch { /* the browser has it; the next change tries again */ }
}

/** Forget the draft of a question that was handed in. */
export function drop(question) {
  if (pending?.question === question) { pending = null; clearTimeout(timer); }
  kept.drop(NAME + question);
}

/** What to begin a task with: this browser's draft or the server's, whichever is newer. */
export function newest(task) {
  const mine = kept.get(NAME + task.question);
  return mine && mine.saved > (task.saved || 0) ? mine.answer : task.answer;
}

/** Forget drafts of long ago. */
export function tidy() {
  for (const name of kept.names(NAME)) {
    const draft = kept.get(name);
    if (!draft || draft.saved < Date.now() / 1000 - OLD_S) kept.drop(name);
  }
}
