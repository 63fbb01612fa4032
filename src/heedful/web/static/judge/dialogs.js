// What opens over the page or beside it: why a question is skipped, the keys, what training expected, the panel.

const at = (id) => document.getElementById(id);
const SETTINGS = { "keys-on": true, "at-once": false };

for (const dialog of document.querySelectorAll("dialog")) {
  for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
}

function describe(element) {
  const copy = (element.labels?.[0] || element).cloneNode(true);
  copy.querySelectorAll("kbd, .visually-hidden + [aria-hidden]").forEach((part) => part.remove());
  return copy.getAttribute("aria-label") || copy.textContent.replace(/\s+/g, " ").trim() || element.placeholder || "";
}

export const dialogs = {
  /** Ask why; `then` gets the reason. */
  skip(then) {
    const dialog = at("skip-dialog");
    const form = at("skip-form");
    form.reset();
    form.onsubmit = () => {
      const chosen = form.querySelector("input:checked")?.value;
      then([chosen, at("skip-words").value.trim()].filter(Boolean).join(": "));
    };
    dialog.showModal();
  },

  /** Every key that works now, read from the page itself. */
  help() {
    const list = at("help-list");
    list.replaceChildren();
    for (const element of at("desk").querySelectorAll("[data-keys]")) {
      const words = describe(element);
      if (element.closest("[hidden]") || !words) continue;
      const keys = document.createElement("dt");
      for (const name of element.dataset.keys.split(" ")) {
        const key = document.createElement("kbd");
        key.className = "kbd";
        key.textContent = name.length > 1 ? name[0].toUpperCase() + name.slice(1) : name;
        keys.append(key, " ");
      }
      const what = document.createElement("dd");
      what.textContent = words;
      list.append(keys, what);
    }
    at("help-dialog").showModal();
  },

  training({ right, html }) {
    at("training-head").textContent = right ? "As expected" : "Another answer was expected";
    at("training-text").innerHTML = html || ""; // rendered and sanitised by the server
    at("training-dialog").showModal();
  },

  /** Resolves when a dialog is closed. */
  closed(id) {
    return new Promise((resolve) => { at(id).addEventListener("close", resolve, { once: true }); });
  },

  panel(open = !at("desk").classList.contains("with-panel")) {
    at("desk").classList.toggle("with-panel", open);
    at("panel-toggle").setAttribute("aria-expanded", String(open));
    this.kept?.put("panel", open);
    if (!open && at("panel").contains(document.activeElement)) at("ask")?.focus({ preventScroll: true });
  },

  /** Bring back how the page was left. */
  remember(kept) {
    this.kept = kept;
    const wide = matchMedia("(min-width: 72rem)").matches;
    this.panel(wide && (kept.get("panel") ?? true));
    for (const [name, usual] of Object.entries(SETTINGS)) {
      at(name).checked = kept.get(name) ?? usual;
      at(name).addEventListener("change", () => kept.put(name, at(name).checked));
    }
  },
};
