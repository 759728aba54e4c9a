// What the page does beyond links and forms. Without it everything works as well: in the tenant's zone, with a link to what is older.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes(`zone=${zone}`)) {
  document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  if (document.querySelector("time") && document.cookie.includes("zone=")) location.reload();
}

document.addEventListener("keydown", (event) => {
  const box = document.getElementById("q");
  const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement;
  if (event.key === "/" && box && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    box.focus();
    box.select();
  }
});

// A list goes on where it ends: the rows of the page behind "Older" come to those that are here.
async function more(link) {
  const answer = await fetch(link.href, { credentials: "same-origin" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const body = document.querySelector("table[data-more] tbody");
  for (const row of page.querySelectorAll("table[data-more] tbody tr")) body.append(document.importNode(row, true));
  const next = page.querySelector("a.more");
  if (next) {
    link.href = next.href;
    watch(link);
  } else {
    link.remove();
  }
}

function watch(link) {
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    more(link);
  }, { rootMargin: "400px" });
  seen.observe(link);
}

const older = document.querySelector("a.more");
if (older && document.querySelector("table[data-more]")) watch(older);

// What is chosen in the timeline is shown in its table, and the keyboard goes on from there.
for (const link of document.querySelectorAll(".timeline a")) {
  link.addEventListener("click", () => {
    const row = document.getElementById(link.getAttribute("href").slice(1));
    if (row) setTimeout(() => row.focus({ preventScroll: true }));
  });
}
