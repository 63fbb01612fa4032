// Where one's answers are, always in sight: stored, waiting for the network, waiting for a login, or refused.

import { state as keeping } from "./kept.js";
import { address } from "./server.js";

const answers = (count) => `${count} ${count === 1 ? "answer" : "answers"}`;

export class NetState {
  #spoken = "";

  constructor(waiting, say) {
    this.waiting = waiting;
    this.say = say;
    this.box = document.getElementById("net");
    waiting.addEventListener("change", () => this.show());
    for (const name of ["online", "offline"]) addEventListener(name, () => this.show());
    this.show();
  }

  loginLink() {
    return { href: address(`/login?next=${encodeURIComponent(location.pathname.slice(address("").length) + location.search)}`), words: "Log in" };
  }

  loggedOut() {
    this.waiting.signedOut = true;
    this.waiting.flush();
    this.show();
  }

  show() {
    const { count, refused, signedOut, unreachable } = this.waiting;
    const parts = [];
    let tone = "";
    if (refused.length) {
      tone = "bad";
      parts.push(...refused.map((entry) => this.#refusal(entry)));
    } else if (signedOut) {
      tone = "bad";
      const link = document.createElement("a");
      Object.assign(link, { href: this.loginLink().href, target: "_blank", textContent: "Log in (new tab)" });
      parts.push(count ? `You have been logged out. ${answers(count)} ${count === 1 ? "is" : "are"} kept here. ` : "You have been logged out. ", link);
    } else if (count && (unreachable || !navigator.onLine)) {
      tone = "warn";
      parts.push(`${answers(count)} ${count === 1 ? "waits" : "wait"} for the network`);
    } else if (!navigator.onLine) {
      tone = "warn";
      parts.push("No network: you can go on");
    } else if (!keeping.lasting) {
      tone = "warn";
      parts.push("This browser keeps nothing: drafts are only on the server");
    } else if (!count) {
      parts.push("All stored");
    }
    this.box.className = `net ${tone}`;
    this.box.replaceChildren(...parts);
    const words = tone ? this.box.textContent : "";
    if (!words && this.#spoken) this.say("All your answers are stored.");
    this.#spoken = words;
  }

  #refusal(entry) {
    const box = document.createElement("span");
    box.className = "refusal";
    box.append(`One answer was not taken: ${entry.refused.what}. `);
    const act = (words, run) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "button small", textContent: words });
      button.addEventListener("click", run);
      box.append(button, " ");
    };
    if (entry.refused.status === 409) act("Take this one instead", () => this.waiting.resend(entry));
    act("Give it up", () => this.waiting.drop(entry.id));
    return box;
  }
}
