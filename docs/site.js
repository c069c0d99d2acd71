// What the theme leaves to screen readers and keyboards: a name for its search, and tables that
// scroll, which it wraps when a page is shown.
document$.subscribe(() => setTimeout(() => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  for (const one of document.querySelectorAll(".md-typeset__scrollwrap")) one.tabIndex = 0;
}));
