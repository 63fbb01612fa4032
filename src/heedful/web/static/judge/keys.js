// One rule for all keys: a key presses the control that carries it in `data-keys`. So every key can be seen on the
// page, and does what a click does. Keys act nowhere else than on the topmost dialog or, without one, on the desk.

const WRITING = 'input:not([type="radio"], [type="checkbox"]), textarea:not([data-shortcuts]), select, [contenteditable]';
const ENTERS = "button, a[href], summary, video, select";

let enabled = () => true;

/** The names under which a key may stand: what it writes, and its place on the keyboard for other scripts. */
function namesOf(event) {
  const names = [event.key.length === 1 ? event.key.toLowerCase() : event.key.toLowerCase().replace(/\s/g, "")];
  const place = /^(?:Key([A-Z])|(?:Digit|Numpad)(\d))$/.exec(event.code);
  if (place) names.push((place[1] || place[2]).toLowerCase());
  return names;
}

const seen = (element) => element.checkVisibility?.() ?? element.getClientRects().length > 0;

function find(scope, name) {
  for (const element of scope.querySelectorAll(`[data-keys~="${CSS.escape(name)}"]`)) {
    const visible = seen(element) || seen(element.closest("label") || element);
    if (!element.disabled && visible) return element;
  }
  return null;
}

function press(element) {
  if (element.matches(WRITING)) element.focus();
  else element.click();
}

function onKey(event, special) {
  if (event.defaultPrevented || event.isComposing || event.altKey) return;
  const dialog = document.querySelector("dialog[open]");
  const scope = dialog || document.getElementById("desk");
  const writing = event.target.matches?.(WRITING);
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const target = event.target.form?.id === "comment-form" ? null : find(scope, "enter");
    if (target) { event.preventDefault(); press(target); }
    return;
  }
  if (event.ctrlKey || event.metaKey) return;
  if (writing) {
    if (event.key === "Escape" && !dialog) { event.preventDefault(); event.target.blur(); special.left(); }
    return;
  }
  if (event.key === "Enter" && (event.repeat || event.target.matches?.(ENTERS))) return;
  if (!enabled() && event.key !== "Enter") return;
  if (!dialog && special.control(event)) { event.preventDefault(); return; }
  for (const name of namesOf(event)) {
    const element = find(scope, name);
    if (!element) continue;
    event.preventDefault();
    if (!event.repeat) press(element);
    return;
  }
}

/** Listen. `control(event)` may take a key first; `left()` is called after Escape in a text. */
export function listen(special, isEnabled) {
  enabled = isEnabled;
  document.addEventListener("keydown", (event) => onKey(event, special));
  // After a press with the mouse, Enter is to send, not to press the same button again.
  document.addEventListener("click", (event) => {
    const button = event.detail > 0 ? event.target.closest?.("#desk button") : null;
    if (button && button === document.activeElement) button.blur();
  });
}
