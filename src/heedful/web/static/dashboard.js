// Keeps the dashboard as the store is: the stream says that something moved, the fragment says what it looks like now.
// Only the parts that differ are changed; what is open stays open, and what has the focus keeps it.

const status = document.getElementById("live");
const board = document.getElementById("board");
const says = status.querySelector("[data-says]");
const hold = status.querySelector("[data-hold]");
const LEAST_MS = 1500;

let held = false;
let waiting = false;
let due = false;
let last = 0;
let version = board.querySelector("[data-version]").dataset.version;

const shown = new Map();
for (const part of board.querySelectorAll("[data-live]")) shown.set(part.id, part.innerHTML);

const tell = (state, text) => {
  status.classList.toggle("on", state === "on");
  status.classList.toggle("lost", state === "lost");
  says.textContent = text;
};

const clock = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const swap = (part, fresh) => {
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((one) => one.id));
  const places = [...part.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
  part.replaceChildren(...fresh.childNodes);
  for (const one of part.querySelectorAll("details[id]")) if (open.has(one.id)) one.open = true;
  part.querySelectorAll(".scroll").forEach((one, i) => {
    if (places[i]) [one.scrollLeft, one.scrollTop] = places[i];
  });
  part.classList.remove("fresh");
  void part.offsetWidth;
  part.classList.add("fresh");
};

const update = async () => {
  if (held || document.hidden) { due = true; return; }
  if (waiting) { due = true; return; }
  waiting = true;
  due = false;
  await new Promise((done) => setTimeout(done, Math.max(0, LEAST_MS - (Date.now() - last))));
  try {
    const answer = await fetch(status.dataset.fragment, { headers: { Accept: "text/html" } });
    if (answer.redirected || answer.status === 401 || answer.status === 403) { location.reload(); return; }
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    version = page.querySelector("[data-version]").dataset.version;
    for (const fresh of page.querySelectorAll("[data-live]")) {
      const part = document.getElementById(fresh.id);
      if (!part || shown.get(fresh.id) === fresh.innerHTML) continue;
      if (part.contains(document.activeElement)) { due = true; continue; }
      shown.set(fresh.id, fresh.innerHTML);
      swap(part, fresh);
    }
    tell("on", `Live. Last change ${clock()}.`);
  } catch {
    tell("lost", "The server does not answer; trying again.");
  }
  last = Date.now();
  waiting = false;
  if (due && !held) setTimeout(update, LEAST_MS);
};

hold.hidden = false;
hold.addEventListener("click", () => {
  held = !held;
  hold.setAttribute("aria-pressed", String(held));
  hold.textContent = held ? "Go on" : "Hold still";
  tell(held ? "" : "on", held ? "Held still." : "Live.");
  if (!held && due) update();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && due) update(); });
board.addEventListener("focusout", () => { if (due) setTimeout(update, 50); });

const stream = new EventSource(status.dataset.stream);
stream.addEventListener("open", () => { if (!held) tell("on", "Live."); });
stream.addEventListener("error", () => tell("lost", "Connecting again."));
stream.addEventListener("moved", (event) => { if (event.data !== version) update(); });
