// Answers on their way: kept in the browser from the moment of sending until the server has acknowledged them.
// Each has a UUID, and the server stores it once however often it comes, so sending again is always right.

import * as kept from "./kept.js";
import { call, Failure, renew } from "./server.js";

const NAME = "answer.";
const SLOWEST_MS = 30000;

export class Waiting extends EventTarget {
  #sending = null;
  #pause = 1000;
  #timer = null;
  signedOut = false;
  unreachable = false;

  constructor() {
    super();
    addEventListener("online", () => this.flush());
    addEventListener("focus", () => { if (this.signedOut || this.unreachable) this.flush(); });
    addEventListener("storage", () => this.#changed());
    document.addEventListener("visibilitychange", () => { if (!document.hidden && this.count) this.flush(); });
  }

  /** Every answer that is kept, the oldest first. */
  get all() {
    return kept.names(NAME).map((name) => kept.get(name)).filter(Boolean).sort((a, b) => a.at - b.at);
  }

  /** Those that will be sent, and those that the server refused. */
  get unsent() { return this.all.filter((entry) => !entry.refused); }
  get refused() { return this.all.filter((entry) => entry.refused); }
  get count() { return this.unsent.length; }

  /** Keep an answer and send it; resolves with what the server said, or null when it has to wait. */
  async add(entry) {
    kept.put(NAME + entry.id, entry);
    this.#changed();
    await this.flush();
    const outcome = this.#outcomes.get(entry.id) ?? null;
    this.#outcomes.delete(entry.id);
    return outcome;
  }

  /** Take back an answer that was not sent; null when it is on its way or was stored. */
  take(id) {
    const entry = kept.get(NAME + id);
    if (!entry || this.#sending === id) return null;
    this.drop(id);
    return entry;
  }

  drop(id) {
    kept.drop(NAME + id);
    this.#changed();
  }

  /** Send a refused answer once more, as a change of the answer that came first. */
  async resend(entry) {
    const { task } = await call("GET", `/judge/api/task?question=${encodeURIComponent(entry.question)}`);
    kept.put(NAME + entry.id, { ...entry, refused: null, supersedes: task.supersedes });
    return this.flush();
  }

  /** Wait until nothing is being sent. */
  async settled() { while (this.#running) await this.#running; }

  #running = null;
  #outcomes = new Map();

  /** Send what waits, as far as it goes. */
  async flush() {
    while (this.#running) await this.#running;
    this.#running = this.#send().finally(() => { this.#running = null; this.#sending = null; this.#changed(); });
    await this.#running;
  }

  async #send() {
    clearTimeout(this.#timer);
    if (this.signedOut) {
      try { await renew(); this.signedOut = false; } catch (failure) { return this.#later(failure); }
    }
    let entry;
    while ((entry = this.unsent[0])) {
      this.#sending = entry.id;
      try {
        const { id, question, answer, duration_s, supersedes } = entry;
        this.#outcomes.set(id, await call("POST", "/judge/api/submit", { id, question, answer, duration_s, supersedes }));
        kept.drop(NAME + entry.id);
        this.#pause = 1000;
        this.signedOut = this.unreachable = false;
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        if (failure.passing || failure.status === 401) return this.#later(failure);
        kept.put(NAME + entry.id, { ...entry, refused: { status: failure.status, what: failure.message, mend: failure.problem.mend || "" } });
      }
      this.#sending = null;
      this.#changed();
    }
    this.unreachable = false;
    return undefined;
  }

  #later(failure) {
    this.signedOut = failure.status === 401;
    this.unreachable = !this.signedOut;
    this.#timer = setTimeout(() => this.flush(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, SLOWEST_MS);
  }

  #changed() { this.dispatchEvent(new Event("change")); }
}
