// How an answer came about: the time on the page while it was seen, what was pasted and typed. Stored with the
// answer, for its quality; nothing that was pasted is itself stored.

export class Signals {
  #seen = 0;
  #since = document.hidden ? null : performance.now();
  #begun = performance.now();
  #counts = { pastes: 0, pasted_characters: 0, typed_characters: 0, changes: 0, keys: 0, presses: 0, times_left: 0 };
  #first = null;
  #controller = new AbortController();

  constructor() {
    const { signal } = this.#controller;
    const on = (name, act) => document.addEventListener(name, act, { signal, capture: true });
    on("visibilitychange", () => this.#turn());
    on("paste", (event) => {
      this.#counts.pastes += 1;
      this.#counts.pasted_characters += event.clipboardData?.getData("text").length || 0;
    });
    on("input", (event) => {
      if (event.inputType?.startsWith("insertText")) this.#counts.typed_characters += event.data?.length || 1;
    });
    on("keydown", (event) => { if (!event.repeat) this.#counts.keys += 1; });
    on("pointerdown", () => { this.#counts.presses += 1; });
  }

  #turn() {
    if (document.hidden) {
      this.#seen = this.seconds * 1000;
      this.#since = null;
      this.#counts.times_left += 1;
    } else {
      this.#since ??= performance.now();
    }
  }

  /** Seconds during which the question was on a visible page. */
  get seconds() { return (this.#seen + (this.#since === null ? 0 : performance.now() - this.#since)) / 1000; }

  /** What was counted so far. */
  get counts() { return { ...this.#counts }; }

  changed() {
    this.#counts.changes += 1;
    this.#first ??= (performance.now() - this.#begun) / 1000;
  }

  /** End listening, and say what there was. */
  end() {
    this.#controller.abort();
    return { ...this.#counts, seconds_to_first_change: this.#first === null ? null : Math.round(this.#first * 10) / 10, answered: new Date().toISOString() };
  }
}
