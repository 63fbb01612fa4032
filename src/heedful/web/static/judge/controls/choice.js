// One of a few options: thumbs, or one of the answers.

export function choice(element, desk) {
  const { field, label } = element.dataset;
  const inputs = [...element.querySelectorAll("input[type=radio]")];
  const value = (input) => JSON.parse(input.dataset.value);
  element.addEventListener("change", () => desk.changed({ chosen: true }));
  return {
    whole: true,
    get() {
      const chosen = inputs.find((input) => input.checked);
      return chosen ? { [field]: value(chosen) } : {};
    },
    set(answer) {
      for (const input of inputs) input.checked = field in answer && value(input) === answer[field];
    },
    missing: () => (inputs.some((input) => input.checked) ? "" : `Choose first: ${label.toLowerCase()}.`),
  };
}
