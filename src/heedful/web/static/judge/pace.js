// How far one has come, and how fast: the median time of the last answers.

const KEPT = 30;

export class Pace {
  #times = [];
  #done = 0;

  count(seconds) {
    this.#done += 1;
    this.#times = [...this.#times, seconds].slice(-KEPT);
  }

  show(remaining) {
    const words = [];
    if (this.#done) words.push(["if-room", `${this.#done} answered`]);
    if (remaining) words.push(["", remaining > 100 ? "more than 100 left" : `${remaining} left`]);
    if (this.#times.length >= 3) {
      const sorted = [...this.#times].sort((a, b) => a - b);
      const median = sorted[Math.floor(sorted.length / 2)];
      words.push(["if-room", median < 90 ? `about ${Math.max(1, Math.round(median))} s each` : `about ${Math.round(median / 60)} min each`]);
    }
    const spans = words.map(([name, text]) => {
      const span = document.createElement("span");
      span.className = name;
      span.textContent = text;
      return span;
    });
    document.getElementById("pace-words").replaceChildren(...spans);
    const bar = document.getElementById("bar");
    bar.max = Math.max(1, this.#done + (remaining || 0));
    bar.value = this.#done;
  }
}
