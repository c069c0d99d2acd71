"use strict";
// The viewer: two images behind a divider, all images beside them, RD over them, and the values.

let current = null; // the sample shown
let sides = [null, null]; // keys of the left and the right image
const DIFFERENCE = "|TTD − static| × 10";

/** Pairs worth a key: fused against fused, sources, then each source against the fused image. */
function pairsOf(sample) {
  const sources = sample.sources.map(([name]) => `source ${name}`);
  const fused = sample.fused.map(([row]) => row);
  const pairs = fused.length === 2 ? [fused] : [];
  sources.forEach((one, k) => sources.slice(k + 1).forEach((other) => pairs.push([one, other])));
  if (fused.length) sources.forEach((one) => pairs.push([one, fused.at(-1)]));
  if (!pairs.length) pairs.push([fused[0], fused[0]]); // nothing to compare it with
  return pairs.slice(0, 9);
}

function openViewer(sample) {
  if (!$("viewer").open) $("viewer").showModal();
  showSample(sample);
}

function showSample(sample) {
  current = sample;
  const all = pictures(sample);
  const label = (key) => all.find((one) => one.key === key)?.label;
  const pairs = pairsOf(sample);
  if (!sides.every(label)) sides = pairs[0];
  const place = ordered.indexOf(sample);
  $("viewer-title").textContent = sample.id;
  $("viewer-place").textContent = `${dataLabels[sample.data]}, ${place + 1} of ${ordered.length}`;
  for (const id of ["left", "right"]) {
    $(id).replaceChildren(...all.map((one) => option(one.label, one.key)));
  }
  const names = pairs.map((pair, k) => `${k + 1}  ${pair.map(label).join(" ↔ ")}`);
  chips($("pairs"), names, -1, (k) => compare(pairs[k]));
  const source = $("overlay-source").value;
  $("overlay-source").replaceChildren(...sample.maps.map(([name]) => option(name, name)));
  if (sample.maps.some(([name]) => name === source)) $("overlay-source").value = source;
  $("overlay").hidden = !sample.maps.length;
  // Disabled only in name, or the focus would be lost.
  $("previous").setAttribute("aria-disabled", String(place <= 0));
  $("next").setAttribute("aria-disabled", String(place >= ordered.length - 1));
  showStrip(sample, all);
  $("numbers").replaceChildren(...sampleNumbers(sample));
  Object.assign(region, { factor: 1, x: 0.5, y: 0.5 });
  showSides();
  showOverlay();
  arrange();
}

/** Put two images, given by their keys, on both sides of the divider. */
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
    $(`name-${id}`).textContent = shown?.label ?? "";
    const image = $(`image-${id}`);
    image.alt = shown ? `${current.id}, ${shown.label}` : "";
    if (shown && image.getAttribute("src") !== shown.src) image.src = shown.src;
  });
  const same = (pair) => pair.every((key, k) => key === sides[k]);
  markPressed($("pairs"), pairsOf(current).findIndex(same));
  for (const one of $("strip").children) {
    one.classList.toggle("chosen", sides.includes(one.dataset.key));
  }
}

function showStrip(sample, all) {
  const panels = all.map((one) => panel(one.label, one.key, [image(one)], !one.map));
  const fused = ["static", "ttd"].map((key) => all.find((one) => one.key === key));
  if (fused.every(Boolean)) {
    const both = make("div", { className: "difference" }, ...fused.map(image));
    const difference = panel(DIFFERENCE, "", [both], false);
    panels.splice(all.findIndex(({ key }) => key === "ttd") + 1, 0, difference);
  }
  $("strip").replaceChildren(...panels);
}

const image = ({ src, label }) =>
  make("img", { src, alt: `${current.id}, ${label}`, draggable: false });

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
  const map = current.maps.find(([name]) => name === $("overlay-source").value);
  for (const over of $("viewer").querySelectorAll(".laid-over")) {
    over.hidden = !on || !map;
    over.style.opacity = $("opacity").value / 100;
    if (on && map && over.getAttribute("src") !== map[1]) over.src = map[1];
    over.alt = on && map ? `RD of ${map[0]}` : "";
  }
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
  const count = strip.children.length;
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
