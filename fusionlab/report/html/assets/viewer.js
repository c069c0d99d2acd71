"use strict";
// The viewer: two pictures behind a divider, all pictures beside them, RD over them, and the values.

let current = null; // the sample shown
let sides = [null, null]; // keys of the left and the right picture
const MOST_PAIRS = 9; // that have a key

/** Pairs worth a key: the chosen one, TTD against the network, sources, sources against the fused. */
function pairsOf(sample) {
  const all = pictures(sample);
  const there = new Set(all.map(({ key }) => key));
  const sources = sample.sources.map(([name]) => keyOfSource(name));
  const fused = sample.fused.map(([method]) => method);
  const found = isCompared() ? [choice.pair.map(keyOf)] : [];
  for (const method of fused) {
    const { base } = methods[method];
    if (base !== null) found.push([keyOf(base), keyOf(method)]);
  }
  sources.forEach((one, k) => sources.slice(k + 1).forEach((other) => found.push([one, other])));
  const last = there.has(keyOf(choice.pair[1])) ? choice.pair[1] : fused.at(-1);
  if (last !== undefined) sources.forEach((one) => found.push([one, keyOf(last)]));
  const pairs = new Map(found.map((pair) => [pair.join(), pair]));
  const shown = [...pairs.values()].filter(
    ([one, other]) => one !== other && there.has(one) && there.has(other),
  );
  if (!shown.length) shown.push([all[0].key, all[0].key]); // nothing to compare it with
  return shown.slice(0, MOST_PAIRS);
}

function openViewer(sample) {
  if (!pictures(sample).length) return;
  if (!$("viewer").open) $("viewer").showModal();
  showSample(sample);
}

function showSample(sample) {
  current = sample;
  const all = pictures(sample);
  const label = (key) => all.find((one) => one.key === key)?.label;
  const pairs = pairsOf(sample);
  if (!sides.every(label)) [sides] = pairs;
  const place = ordered.indexOf(sample);
  const from = resultLabel(results[sample.result]);
  $("viewer-title").textContent = sample.id;
  $("viewer-place").textContent = `${from}, ${place + 1} of ${ordered.length}`;
  for (const id of ["left", "right"]) {
    $(id).replaceChildren(...all.map((one) => option(one.label, one.key)));
  }
  const names = pairs.map((pair, k) => `${k + 1}  ${pair.map(label).join(" ↔ ")}`);
  chips($("pairs"), names, -1, (k) => compare(pairs[k]));
  const maps = all.filter(({ map }) => map);
  const laid = $("overlay-source").value;
  $("overlay-source").replaceChildren(...maps.map(({ overlay, key }) => option(overlay, key)));
  if (maps.some(({ key }) => key === laid)) $("overlay-source").value = laid;
  $("overlay").hidden = !maps.length;
  // Disabled only in name, or the focus would be lost.
  $("previous").setAttribute("aria-disabled", String(place <= 0));
  $("next").setAttribute("aria-disabled", String(place >= ordered.length - 1));
  showStrip(sample, all);
  Object.assign(region, { factor: 1, x: 0.5, y: 0.5 });
  showSides();
  showOverlay();
  // Last: a browser may refuse it where a key is held down. It makes the address a link to the image.
  history.replaceState(null, "", `#image-${sample.index + 1}`);
}

/** Put two pictures, given by their keys, on both sides of the divider. */
function compare(pair) {
  sides = pair;
  showSides();
}

/** Go to a neighbour in the order of the grid. */
function step(by) {
  const place = ordered.indexOf(current) + by;
  if (place >= 0 && place < ordered.length) showSample(ordered[place]);
}

function showSides() {
  const all = pictures(current);
  ["left", "right"].forEach((id, k) => {
    const shown = all.find((one) => one.key === sides[k]);
    $(id).value = sides[k];
    $(`name-${id}`).textContent = shown ? caption(shown) : "";
    const image = $(`image-${id}`);
    image.alt = shown ? `${current.id}, ${shown.label}` : "";
    if (shown && image.getAttribute("src") !== shown.src) image.src = shown.src;
    colour(image, shown);
  });
  const same = (pair) => pair.every((key, k) => key === sides[k]);
  markPressed($("pairs"), pairsOf(current).findIndex(same));
  $("numbers").replaceChildren(...sampleNumbers(current, sides));
  showDifference(all);
  for (const one of $("strip").children) {
    one.classList.toggle("chosen", sides.includes(one.dataset.key));
  }
}

function showStrip(sample, all) {
  const panels = all.map((one) => panel(caption(one), one.key, [image(one)], !one.map));
  const first = all.findIndex(({ map }) => map);
  const tile = panel("", "", [make("div", { className: "difference" })], false);
  panels.splice(first < 0 ? panels.length : first, 0, tile);
  $("strip").replaceChildren(...panels);
}

/** Ten times the difference of what is on both sides, where these are two pictures. */
function showDifference(all) {
  const tile = $("strip").querySelector("figure:has(.difference)");
  const both = sides.map((side) => all.find(({ key }) => key === side));
  tile.hidden = both.some((one) => !one || one.map) || both[0] === both[1];
  if (!tile.hidden) {
    tile.querySelector(".difference").replaceChildren(...both.map(image));
    const [left, right] = both.map(({ label }) => label);
    tile.querySelector("figcaption").textContent = `|${right} − ${left}| × 10`;
  }
  arrange();
}

function image(shown) {
  const { src, label } = shown;
  const made = make("img", { src, alt: `${current.id}, ${label}`, draggable: false });
  colour(made, shown);
  return made;
}

function panel(label, key, content, overlaid) {
  const over = overlaid
    ? [make("img", { className: "laid-over", alt: "", draggable: false, hidden: true })]
    : [];
  const view = make("div", { className: "view" }, ...content, ...over);
  const figure = make("figure", {}, view, make("figcaption", {}, label));
  figure.dataset.key = key;
  let from = null;
  view.addEventListener("pointerdown", (event) => {
    from = [event.clientX, event.clientY];
  });
  view.addEventListener("click", (event) => {
    const moved = from && Math.hypot(event.clientX - from[0], event.clientY - from[1]) > 4;
    if (key && !moved) compare([sides[0], key]);
  });
  navigable(view);
  return figure;
}

function showOverlay() {
  const on = $("overlay-on").checked;
  const map = pictures(current).find(({ key }) => key === $("overlay-source").value);
  for (const one of $("overlay").querySelectorAll(".of-rd")) one.hidden = !map?.scale; // not of labels
  const [, low, high] = (!isWhole && map?.scale) || ["", "0", "1"];
  $("scale-low").textContent = low;
  $("scale-high").textContent = high;
  for (const over of $("viewer").querySelectorAll(".laid-over")) {
    over.hidden = !on || !map;
    over.style.opacity = $("opacity").value / 100;
    if (on && map && over.getAttribute("src") !== map.src) over.src = map.src;
    colour(over, map);
    over.alt = on && map ? map.label : "";
  }
}

/** Show all maps in the colours that are chosen. */
function recolour() {
  fillCards();
  if (!current) return;
  showStrip(current, pictures(current));
  showSides();
  showOverlay();
  placeAll();
}

/** Move the divider to a share of the stage's width, in per cent. */
function divide(share) {
  const where = clamp(share, 0, 100);
  $("divider").style.left = `${where}%`;
  $("right-half").style.clipPath = `inset(0 0 0 ${where}%)`;
  $("divider").setAttribute("aria-valuenow", Math.round(where));
}

/** As many columns as make the images of the side-by-side view largest. */
function arrange() {
  const strip = $("strip");
  const count = [...strip.children].filter((one) => !one.hidden).length;
  const beside = $("views").classList.contains("beside");
  strip.style.gridTemplateColumns = "";
  if (beside && count && imageSize) {
    const fits = (columns) =>
      Math.min(
        strip.clientWidth / columns / imageSize[0],
        (strip.clientHeight / Math.ceil(count / columns) - 24) / imageSize[1],
      );
    const all = Array.from({ length: count }, (_, k) => k + 1);
    const columns = all.reduce((best, one) => (fits(one) > fits(best) ? one : best));
    strip.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  }
  placeAll();
}

function toggleSide() {
  const beside = $("views").classList.toggle("beside");
  $("side").setAttribute("aria-pressed", String(beside));
  arrange();
}
