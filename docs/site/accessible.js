// What the theme makes and leaves unnamed, for keyboards and screen readers: the search is a dialog with a name; regions that
// scroll are reached by the keyboard; a copy button and a list within a list are no landmarks of the page; the empty corner of
// a table is no heading.
document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
document.querySelectorAll("th:empty").forEach((corner) => corner.replaceWith(document.createElement("td")));

function mend() {
  document.querySelectorAll(".md-typeset__scrollwrap, .md-content div[style*='overflow:auto']").forEach((region) => {
    region.tabIndex = 0;
  });
  document.querySelectorAll("nav.md-code__nav, nav.md-nav nav.md-nav").forEach((inner) => {
    inner.setAttribute("role", "none");
    ["aria-label", "aria-labelledby", "aria-expanded"].forEach((name) => inner.removeAttribute(name));
  });
}

mend();
new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
