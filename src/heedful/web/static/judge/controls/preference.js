// A graded preference. The keys a and b choose a side; pressed again they raise its grade.

export function preference(element, desk) {
  const inputs = [...element.querySelectorAll("input[type=radio]")];
  const value = (input) => JSON.parse(input.dataset.value);
  const now = () => inputs.find((input) => input.checked);
  const find = (choice, strength) =>
    inputs.find((input) => value(input).choice === choice && value(input).strength === strength);

  element.addEventListener("change", () => desk.changed({ chosen: true }));

  const raise = (side) => {
    const chosen = now() && value(now());
    const next = chosen?.choice === side ? Math.min((chosen.strength || 0) + 1, 3) : undefined;
    const input = find(side, next);
    input.checked = true;
    desk.changed();
    desk.say(input.closest("label").innerText);
  };

  return {
    whole: true,
    get: () => (now() ? { ...value(now()) } : {}),
    set(answer) {
      for (const input of inputs) input.checked = false;
      const input = find(answer.choice, answer.strength);
      if (input) input.checked = true;
    },
    missing: () => (now() ? "" : "Choose first: which answer is better, a tie, or both bad?"),
    key(event) {
      const side = event.key.toLowerCase();
      if ((side !== "a" && side !== "b") || event.repeat) return false;
      raise(side);
      return true;
    },
  };
}
