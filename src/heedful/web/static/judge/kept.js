// What this browser keeps over a reload: values by name, under the account's own prefix. Where the browser keeps
// nothing (private mode, a full disk), the page's memory does, and `lasting` says so.

import { account } from "./server.js";

const prefix = `heedful.${account}.`;
const memory = new Map();
export const state = { lasting: true };

export function put(name, value) {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(prefix + name, text);
    memory.delete(name);
    return true;
  } catch {
    memory.set(name, text);
    state.lasting = false;
    return false;
  }
}

export function get(name) {
  let text = memory.get(name) ?? null;
  try { text ??= localStorage.getItem(prefix + name); } catch { /* kept nowhere */ }
  try { return text === null ? null : JSON.parse(text); } catch { return null; }
}

export function drop(name) {
  memory.delete(name);
  try { localStorage.removeItem(prefix + name); } catch { /* kept nowhere */ }
}

/** The names that begin with `start`. */
export function names(start) {
  const found = new Set([...memory.keys()].filter((name) => name.startsWith(start)));
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(prefix + start)) found.add(key.slice(prefix.length));
    }
  } catch { /* kept nowhere */ }
  return [...found];
}
