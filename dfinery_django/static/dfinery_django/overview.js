// Refreshes the overview, and the page of a bulk action, while it is visible. Without it the reader reloads the page.
"use strict";
{
  const current = document.getElementById("dfinery-current");
  const said = document.getElementById("dfinery-said");
  const stale = document.getElementById("dfinery-stale");
  const pause = Number(current.dataset.seconds) * 1000;
  const codes = () => current.querySelector("[data-codes]")?.dataset.codes;

  const isInUse = () => {
    const selection = document.getSelection();
    return !selection.isCollapsed && current.contains(selection.anchorNode);
  };

  const replace = (text) => {
    const focused = current.contains(document.activeElement) ? document.activeElement : null;
    const link = focused?.getAttribute("href");
    const open = [...current.querySelectorAll("details[open]")].map((each) => each.id);
    const before = codes();
    const parsed = new DOMParser().parseFromString(text, "text/html");
    current.replaceChildren(...document.adoptNode(parsed.body).childNodes);
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (focused) {
      const again = focused.id ? document.getElementById(focused.id)
        : [...current.querySelectorAll("a[href], summary, [tabindex]")].find((each) =>
          each.tagName === focused.tagName && each.getAttribute("href") === link);
      again?.focus({preventScroll: true});
    }
    // Read aloud what changed, not that seconds went by.
    if (codes() !== before) {
      said.textContent = document.getElementById("dfinery-headline").textContent;
    }
  };

  const refresh = async () => {
    const began = performance.now();
    if (document.visibilityState === "visible" && !isInUse()) {
      try {
        const answer = await fetch(current.dataset.url, {credentials: "same-origin", redirect: "error"});
        if (!answer.ok) { throw new Error(answer.status); }
        replace(await answer.text());
        stale.hidden = true;
      } catch {
        stale.hidden = false;
      }
    }
    if (current.querySelector("[data-over]")) { return; } // a bulk action whose events have all ended
    // A server that needs long is asked less often.
    setTimeout(refresh, Math.max(pause, 10 * (performance.now() - began)));
  };

  setTimeout(refresh, pause);
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (current.contains(button)) { setTimeout(() => { button.disabled = true; }); }
  });
}
