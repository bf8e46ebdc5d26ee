// The page again, put in place of itself, every 1.5 s; copying to the clipboard. Everything works without this file.
"use strict";
const part = () => document.getElementById("live");
// every form's token is another each time
const said = (node) => node.innerHTML.replace(/name="csrf_token" value="[^"]*"/g, "");
let shown = part() && said(part());
async function refresh() {
  const chosen = getSelection();
  const busy = part()?.contains(document.activeElement) || (!chosen.isCollapsed && part()?.contains(chosen.anchorNode));
  if (document.hidden || busy || !part()) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Live": "1" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (fresh && said(fresh) !== shown) { part().replaceWith(fresh); shown = said(fresh); }
    times();
  } catch { /* offline, or being restarted */ }
}
// times as this reader counts them; the server's own words stay in the title
const steps = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
function times() {
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  for (const node of document.querySelectorAll("time[data-ago]")) {
    const seconds = (Date.parse(node.dateTime) - Date.now()) / 1000;
    const [unit, size] = steps.find(([, size]) => Math.abs(seconds) >= size) || ["second", 60];
    node.title = new Date(node.dateTime).toLocaleString(document.documentElement.lang);
    node.textContent = unit === "second" ? words.format(0, "minute") : words.format(Math.round(seconds / size), unit);
  }
  for (const node of document.querySelectorAll("time[data-local]")) {
    const moment = new Date(node.dateTime);
    node.title = `${node.dateTime.slice(0, 19).replace("T", " ")} UTC`;
    node.textContent = moment.toLocaleString("sv-SE");  // year-month-day, 24 hours
  }
}
times();
for (const field of document.querySelectorAll("[data-zone]")) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
if (part()) setInterval(refresh, Number(part().dataset.every || 1500));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  event.preventDefault();
  navigator.clipboard?.writeText(button.dataset.copy).then(() => { button.textContent = button.dataset.done; });
});
// an offer that ends: Undo
for (const node of document.querySelectorAll("[data-gone]")) setTimeout(() => node.remove(), Number(node.dataset.gone) * 1000);
// an operator's keys: j and k through the rows, / to search, ? for the list
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  const keys = document.getElementById("keys");
  if (!keys) return;
  if (event.key === "?") { keys.showModal(); return; }
  if (event.key === "/") { event.preventDefault(); document.querySelector("input[type=search], input[name=uid]")?.focus(); return; }
  if (event.key !== "j" && event.key !== "k") return;
  const rows = [...document.querySelectorAll("tbody tr")].map((row) => row.querySelector("a")).filter(Boolean);
  const at = rows.findIndex((link) => link.closest("tr") === document.activeElement?.closest("tr"));
  rows[Math.max(0, Math.min(rows.length - 1, at + (event.key === "j" ? 1 : -1)))]?.focus();
});
