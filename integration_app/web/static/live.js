// The page again, put in place of itself, every 1.5 s; copying to the clipboard. Everything works without this file.
"use strict";
const part = () => document.getElementById("live");
async function refresh() {
  const busy = part()?.contains(document.activeElement) && /INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName);
  if (document.hidden || busy || !part() || part().querySelector("details[open]")) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (fresh && fresh.innerHTML !== part().innerHTML) part().replaceWith(fresh);
  } catch { /* offline, or being restarted */ }
}
if (part()) setInterval(refresh, Number(part().dataset.every || 1500));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  event.preventDefault();
  navigator.clipboard?.writeText(button.dataset.copy).then(() => { button.textContent = button.dataset.done; });
});
