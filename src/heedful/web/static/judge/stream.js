// The questions to come: fetched ahead, so that the next one is there when the last one is sent.

import { call, Failure } from "./server.js";

const AHEAD = 2;

export class Stream {
  #ahead = [];
  #filling = null;
  #dry = false;
  #left = 0; // beyond what this page holds

  /** `busy()` gives the ids of questions that need no fetching: the one on the screen, and answers on their way. */
  constructor(campaign, busy) {
    this.campaign = campaign;
    this.busy = busy;
  }

  /** How many questions there are still, the one on the screen included. */
  get remaining() { return 1 + this.#ahead.length + this.#left; }

  async #fetch() {
    const holding = [...new Set([...this.busy(), ...this.#ahead.map((found) => found.task.question)])];
    const found = await call("POST", "/judge/api/next", { campaign: this.campaign, holding });
    this.#left = found.task ? found.task.remaining - 1 : 0;
    return found.task && holding.includes(found.task.question) ? { none: { reason: "nothing_left", message: "" } } : found;
  }

  /**
   * The next {task, guidelines} or {none, guidelines}; null when it is no longer `wanted()` once it is there, and then
   * it comes next. Throws a Failure when it has to be fetched and cannot be.
   */
  async next(wanted) {
    if (!this.#ahead.length && this.#filling) await this.#filling;
    if (!wanted()) return null;
    const found = this.#ahead.shift() ?? await this.#fetch();
    const name = found.task?.question;
    if (!wanted()) {
      if (name && ![...this.busy(), ...this.questions].includes(name)) this.putBack(found);
      return null;
    }
    this.#ahead = this.#ahead.filter((other) => other.task.question !== name);
    return found;
  }

  /** Put a task back: it comes next. */
  putBack(found) { this.#ahead.unshift(found); }

  /** Fetch ahead, quietly. Nothing is fetched beside training and exam items: what comes next hangs on the answer. */
  fill(current) {
    if (this.#filling || current?.training) return;
    this.#filling = (async () => {
      this.#dry = false;
      while (this.#ahead.length < AHEAD && !this.#dry) {
        const found = await this.#fetch();
        if (found.task && !found.task.training) this.#ahead.push(found);
        else this.#dry = true;
      }
    })().catch((failure) => { if (!(failure instanceof Failure)) throw failure; }).finally(() => { this.#filling = null; });
  }

  /** Forget what was fetched ahead and give it back. */
  release({ leaving = false } = {}) {
    const questions = this.#ahead.splice(0).map((found) => found.task.question);
    if (questions.length) call("POST", "/judge/api/release", { questions }, { keepalive: leaving }).catch(() => {});
  }

  get questions() { return this.#ahead.map((found) => found.task.question); }
}
