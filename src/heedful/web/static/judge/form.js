// The form of one question: its controls, found by name, put together into one answer.
//
// A control is made by `make(element, desk)` and has
//   get()          the fields of the answer that it fills, {} when it is untouched
//   set(answer)    show an answer
//   missing()      what is still needed before sending, in words, or ""
//   key(event)     optional: take a key that no button carries; true when it did
//   whole          optional: whether one choice is the whole answer
//   end()          optional: stop listening
// and calls `desk.changed()` after every change.

import { choice } from "./controls/choice.js";
import { flags } from "./controls/flags.js";
import { preference } from "./controls/preference.js";
import { ranks } from "./controls/ranks.js";
import { scales } from "./controls/scales.js";
import { writing } from "./controls/writing.js";

const MAKERS = { choice, flags, preference, ranks, scales, writing };

export class Form {
  constructor(elements, desk) {
    this.controls = elements.map((element) => MAKERS[element.dataset.control](element, desk));
  }

  get answer() { return Object.assign({}, ...this.controls.map((control) => control.get())); }

  set(answer) { for (const control of this.controls) control.set(answer || {}); }

  get missing() { return this.controls.map((control) => control.missing()).find(Boolean) || ""; }

  get whole() { return this.controls.length === 1 && Boolean(this.controls[0].whole); }

  key(event) { return this.controls.some((control) => control.key?.(event)); }

  end() { for (const control of this.controls) control.end?.(); }
}
