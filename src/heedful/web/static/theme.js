// Before the first paint: the theme (the account's, else this browser's). Then the small habits of every page:
// the theme button, the menu on phones, copying a link, asking before what cannot be taken back.
"use strict";

(() => {
  const root = document.documentElement;
  const kept = () => { try { return localStorage.getItem("heedful-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("heedful-theme", theme); } catch { /* private mode */ } };
  root.classList.add("js");
  if (root.dataset.account) keep(root.dataset.theme || "auto");
  const chosen = root.dataset.theme || kept();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

  const turn = async () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    keep(root.dataset.theme);
    if (!root.dataset.account) return;
    const body = new URLSearchParams({ theme: root.dataset.theme });
    await fetch(`${root.dataset.root}/account/theme`, { method: "POST", body, headers: { "X-CSRF-Token": root.dataset.csrf } });
  };

  const copy = async (button) => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  };

  const clock = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });
  document.addEventListener("DOMContentLoaded", () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      time.textContent = clock.format(new Date(time.dateTime));
    }
  });

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-theme-toggle], [data-menu], [data-copy]");
    if (!target) return;
    if ("themeToggle" in target.dataset) turn();
    else if ("copy" in target.dataset) copy(target);
    else {
      const open = document.getElementById("menu").classList.toggle("open");
      target.setAttribute("aria-expanded", String(open));
    }
  });
})();
