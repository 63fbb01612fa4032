// What was changed in a text, word by word (Myers 1986, "An O(ND) Difference Algorithm"), bounded in time.

const MOST_STEPS = 600;

const words = (text) => text.match(/\s+|[\p{L}\p{N}_'’-]+|[^\s\p{L}\p{N}_'’-]/gu) || [];

/** Pieces [kind, text] with kind "same", "gone" or "new", which put together give both texts. */
export function diff(before, after) {
  const a = words(before);
  const b = words(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const pieces = [
    ["same", a.slice(0, start)],
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ["same", a.slice(a.length - end)],
  ];
  const joined = [];
  for (const [kind, some] of pieces) {
    if (!some.length) continue;
    if (joined.at(-1)?.[0] === kind) joined.at(-1)[1] += some.join("");
    else joined.push([kind, some.join("")]);
  }
  return joined;
}

function middle(a, b) {
  if (!a.length || !b.length) return [["gone", a], ["new", b]];
  const trace = [];
  const far = new Map([[1, 0]]);
  for (let step = 0; step <= Math.min(a.length + b.length, MOST_STEPS); step += 1) {
    trace.push(new Map(far));
    for (let k = -step; k <= step; k += 2) {
      const down = k === -step || (k !== step && (far.get(k - 1) ?? -1) < (far.get(k + 1) ?? -1));
      let x = down ? far.get(k + 1) : far.get(k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      far.set(k, x);
      if (x >= a.length && x - k >= b.length) return back(trace, a, b);
    }
  }
  return [["gone", a], ["new", b]];
}

function back(trace, a, b) {
  const pieces = [];
  let x = a.length;
  let y = b.length;
  for (let step = trace.length - 1; step >= 0; step -= 1) {
    const far = trace[step];
    const k = x - y;
    const down = k === -step || (k !== step && (far.get(k - 1) ?? -1) < (far.get(k + 1) ?? -1));
    const fromK = down ? k + 1 : k - 1;
    const fromX = far.get(fromK) ?? 0;
    const fromY = fromX - fromK;
    while (x > fromX && y > fromY && x > 0 && y > 0) { pieces.push(["same", [a[x - 1]]]); x -= 1; y -= 1; }
    if (step === 0) break;
    if (down) pieces.push(["new", [b[y - 1]]]);
    else pieces.push(["gone", [a[x - 1]]]);
    x = fromX;
    y = fromY;
  }
  return pieces.reverse();
}

/** Show the changes in an element; unchanged stretches far from a change are left out. */
export function show(element, before, after) {
  const tags = { same: "span", gone: "del", new: "ins" };
  const names = { gone: "removed: ", new: "added: " };
  if (before === after) {
    element.textContent = "Nothing yet.";
    return;
  }
  element.replaceChildren(...diff(before, after).map(([kind, text]) => {
    const piece = document.createElement(tags[kind]);
    if (names[kind]) {
      const word = document.createElement("span");
      word.className = "visually-hidden";
      word.textContent = names[kind];
      piece.append(word);
    }
    piece.append(kind === "same" && text.length > 400 ? `${text.slice(0, 160)} … ${text.slice(-160)}` : text);
    return piece;
  }));
}
