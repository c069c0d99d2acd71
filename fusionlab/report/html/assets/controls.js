"use strict";
// Keys, buttons and the divider of the viewer.

let changeColours = () => {};

function viewerKey(event) {
  if (!$("viewer").open || $("help").open) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("select, input:not([type=checkbox])")) return; // they have their own keys
  const middle = [$("stage").clientWidth / 2, $("stage").clientHeight / 2];
  const pair = /^[1-9]$/.test(event.key) && pairsOf(current)[event.key - 1];
  const acts = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    z: resetZoom,
    p: toggleSide,
    "?": () => $("help").showModal(),
    f: changeColours,
    o: () => {
      $("overlay-on").checked = !$("overlay-on").checked;
      showOverlay();
      placeAll();
    },
    "+": () => zoomAt($("stage"), 1.4, ...middle),
    "=": () => zoomAt($("stage"), 1.4, ...middle),
    "-": () => zoomAt($("stage"), 1 / 1.4, ...middle),
  };
  if (pair) compare(pair);
  else if (Object.hasOwn(acts, event.key)) acts[event.key]();
  else return;
  event.preventDefault();
}

function dividerKey(event) {
  const by = { ArrowLeft: -2, ArrowRight: 2, Home: -100, End: 100 }[event.key];
  if (!by) return;
  divide(Number($("divider").getAttribute("aria-valuenow")) + by);
  event.preventDefault();
  event.stopPropagation();
}

function prepareViewer() {
  changeColours = prepareColours(recolour);
  $("whole-grid").hidden = !samples.some(({ maps }) => maps.length);
  const stage = $("stage");
  const divider = $("divider");
  const dragged = (x) => divide((100 * x) / stage.clientWidth);
  navigable(stage, dragged);
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.stopPropagation();
  });
  divider.addEventListener("pointermove", (event) => {
    if (divider.hasPointerCapture(event.pointerId))
      dragged(event.clientX - stage.getBoundingClientRect().left);
  });
  divider.addEventListener("keydown", dividerKey);
  $("image-left").addEventListener("load", () => {
    imageSize = [$("image-left").naturalWidth, $("image-left").naturalHeight];
    arrange();
  });
  new ResizeObserver(arrange).observe($("views"));
  ["left", "right"].forEach((id, k) =>
    $(id).addEventListener("change", () => compare(sides.with(k, $(id).value))),
  );
  for (const [id, kind] of [
    ["overlay-on", "change"],
    ["overlay-source", "change"],
    ["opacity", "input"],
  ]) {
    $(id).addEventListener(kind, () => {
      showOverlay();
      placeAll();
    });
  }
  const clicks = {
    previous: () => step(-1),
    next: () => step(1),
    side: toggleSide,
    reset: resetZoom,
    "viewer-keys": () => $("help").showModal(),
    close: () => $("viewer").close(),
  };
  for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", act);
  document.addEventListener("keydown", viewerKey);
  $("viewer").addEventListener("close", () => {
    history.replaceState(null, "", "#images");
    cards[current.index].button.focus();
  });
  divide(50);
}
