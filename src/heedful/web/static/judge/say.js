// Words for screen readers, in the page's one live region.

let last = 0;

export function say(words) {
  const region = document.getElementById("say");
  const mine = ++last;
  region.textContent = "";
  setTimeout(() => { if (mine === last) region.textContent = words; }, 60);
}
