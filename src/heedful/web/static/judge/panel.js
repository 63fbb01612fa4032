// What stands beside the work: the guidelines, and the thread on the question.

import { call, Failure } from "./server.js";

const at = (id) => document.getElementById(id);

/** Show a version of the guidelines. */
export function showGuidelines(found) {
  if (!found) return;
  at("guide").innerHTML = found.html; // rendered and sanitised by the server
  at("guide-version").textContent = `version ${found.version}`;
  at("guide-version").hidden = false;
}

/** Ask for the guidelines to be read; resolves when they were. */
export function mustRead(campaign, found) {
  const dialog = at("read-dialog");
  showGuidelines(found);
  at("read-note").textContent = found.version > 1 ? `They have changed: this is version ${found.version}.` : "They say what is asked of you here. You find them beside your work at any time.";
  at("read-text").innerHTML = found.html; // rendered and sanitised by the server
  if (!dialog.open) dialog.showModal();
  at("read-text").scrollTop = 0;
  at("read-text").focus();
  return new Promise((resolve) => {
    const refuse = (event) => event.preventDefault();
    dialog.addEventListener("cancel", refuse);
    at("read-done").onclick = async () => {
      try {
        await call("POST", "/judge/api/read", { campaign, version: found.version });
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        at("read-note").textContent = "This could not be stored: there is no connection. Try again.";
        return;
      }
      dialog.removeEventListener("cancel", refuse);
      dialog.close();
      resolve();
    };
  });
}

export class Thread {
  #question = null;

  constructor(say) {
    at("comment-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = at("comment").value.trim();
      if (!text || !this.#question) return;
      try {
        this.#draw(await call("POST", "/judge/api/comments", { question: this.#question, text }));
        at("comment").value = "";
        say("Your remark was sent.");
      } catch (failure) {
        say(failure.message);
        this.#note(failure.status === 0 ? "No connection: your remark was not sent." : failure.message);
      }
    });
  }

  async show(question) {
    if (question === this.#question) return;
    this.#question = question;
    at("thread").replaceChildren();
    try {
      const found = await call("GET", `/judge/api/comments?question=${encodeURIComponent(question)}`);
      if (question === this.#question) this.#draw(found);
    } catch { /* the thread can wait */ }
  }

  #note(words) {
    const item = document.createElement("li");
    item.className = "muted";
    item.textContent = words;
    at("thread").append(item);
  }

  #draw({ comments }) {
    at("thread").replaceChildren(...comments.map((comment) => {
      const item = document.createElement("li");
      const who = document.createElement("b");
      who.textContent = comment.mine ? "You" : comment.author;
      const text = document.createElement("div");
      text.className = "prose";
      text.innerHTML = comment.html; // rendered and sanitised by the server
      item.append(who, text);
      return item;
    }));
  }
}
