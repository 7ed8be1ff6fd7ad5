// Comforts on top of pages that work without: the search key, copying, and moving through lists by keys.
"use strict";

const typing = (e) => /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName) || e.target.isContentEditable;

function copy(text, from) {
  navigator.clipboard?.writeText(text).then(() => {
    from.classList.add("copied");
    setTimeout(() => from.classList.remove("copied"), 900);
  });
}

document.addEventListener("click", (e) => {
  const link = e.target.closest("[data-link]");
  if (link) {
    e.preventDefault();
    copy(link.href, link);
    return;
  }
  const text = e.target.closest("[data-copy]");
  if (text) copy(text.dataset.copy, text);
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(e.target)) menu.open = false;
  }
});

let at = -1;
function move(step) {
  const rows = [...document.querySelectorAll(".keys tbody tr")];
  if (!rows.length) return;
  rows[at]?.classList.remove("at");
  at = Math.max(0, Math.min(rows.length - 1, at + step));
  rows[at].classList.add("at");
  rows[at].scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || typing(e)) return;
  const row = document.querySelector(".keys tr.at");
  switch (e.key) {
    case "/":
      e.preventDefault();
      document.getElementById("q")?.select();
      break;
    case "j":
      move(1);
      break;
    case "k":
      move(-1);
      break;
    case "Enter":
      row?.querySelector("a.row")?.click();
      break;
    case "e":
      row?.querySelector("a.why")?.click();
      break;
    case "Escape":
      document.querySelector(".drawer a.close")?.click();
      break;
    case "c":
      if (row) copy(row.querySelector("a.row")?.textContent ?? "", row);
      break;
  }
});
