// Tables that scroll are reached by the keyboard; the theme wraps them when a page is shown.
document$.subscribe(() => setTimeout(() => {
  for (const one of document.querySelectorAll(".md-typeset__scrollwrap")) one.tabIndex = 0;
}));
