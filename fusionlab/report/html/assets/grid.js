"use strict";
// The grid of images: what it shows, in which order, of which data.

const hasPictures = samples.some((sample) => pictures(sample).length);
let ordered = samples; // what the grid shows, in its order; the viewer goes through it
const cards = samples.map(tile);

function tile(sample) {
  const image = make("img", { loading: "lazy", decoding: "async", alt: "" });
  const values = make("span", { className: "values" });
  const name = make("span", { className: "id", title: sampleLabel(sample) }, sampleLabel(sample));
  const button = make(
    "button",
    { type: "button", className: "tile", onclick: () => openViewer(sample) },
    make("span", { className: "thumbnail" }, image),
    name,
    values,
  );
  return { sample, button, image, values };
}

/** Ways to sort, each a cost of sample and metric; null is the order of the data. */
const ORDERS = [
  ["as in the data", null],
  ["largest gain", (one, k) => -gain(one, k, choice.pair)],
  ["largest loss", (one, k) => gain(one, k, choice.pair)],
  ...present.flatMap((method) => [
    [`${methods[method].name}, best first`, (one, k) => cost(k, valueOf(one, method, k))],
    [`${methods[method].name}, worst first`, (one, k) => -cost(k, valueOf(one, method, k))],
  ]),
];

function sorted(list, k, order) {
  if (!order) return list;
  const keyed = list.map((sample) => [order(sample, k), sample]);
  const last = (value) => Number.isNaN(value);
  keyed.sort(
    ([a, one], [b, other]) =>
      last(a) - last(b) || (a < b ? -1 : a > b ? 1 : 0) || one.index - other.index,
  );
  return keyed.map(([, sample]) => sample);
}

const metricChosen = () => Number($("sort-metric").value);

/** Show the chosen picture and metric on every card. */
function fillCards() {
  const key = $("show").value,
    k = metricChosen();
  for (const { sample, image, values, button } of cards) {
    const all = pictures(sample);
    const shown = all.find((one) => one.key === key);
    image.hidden = !shown;
    if (shown && image.getAttribute("src") !== shown.src) image.src = shown.src;
    colour(image, shown);
    image.alt = shown ? `${sampleLabel(sample)}, ${shown.label}` : "";
    button.classList.toggle("empty", !shown);
    values.replaceChildren(...cardValues(sample, k));
  }
}

function cardValues(sample, k) {
  const [after, before] = pairLabel();
  const name = make("span", { className: "quiet" }, `${metrics[k].name} `);
  const value = make("span", { title: after }, name, number(valueOf(sample, choice.pair[1], k)));
  if (!isCompared()) return [value];
  const className = `delta ${judged(gain(sample, k, choice.pair))}`;
  const title = `${after} minus ${before}`;
  const text = number(difference(sample, k, choice.pair), true);
  return [value, make("span", { className, title }, text)];
}

/** Put the cards in order; those of other data, conditions or names are left out. */
function showGrid() {
  const text = $("find").value.trim().toLowerCase();
  const list = chosenSamples().filter((one) => one.id.toLowerCase().includes(text));
  ordered = sorted(list, metricChosen(), ORDERS[Number($("sort-by").value)][1]);
  $("grid").replaceChildren(...ordered.map((sample) => cards[sample.index].button));
  $("count").textContent =
    ordered.length === samples.length
      ? plural(samples.length, "image")
      : `${ordered.length} of ${plural(samples.length, "image")}`;
}

function prepareGrid() {
  const all = new Map(samples.flatMap(pictures).map(({ key, label }) => [key, label]));
  const first = [...choice.pair].reverse().filter((method) => method !== NOTHING);
  const keys = new Set([...first.map(keyOf).filter((key) => all.has(key)), ...all.keys()]);
  $("show").append(...[...keys].map((key) => option(all.get(key), key)));
  $("sort-metric").append(
    ...metrics.map((metric, k) => option(`${metricLabel(metric)} ${ARROWS[metric.direction]}`, k)),
  );
  $("sort-by").append(...ORDERS.map(([label], k) => option(label, k)));
  $("show").addEventListener("change", fillCards);
  $("sort-metric").addEventListener("change", () => {
    fillCards();
    showGrid();
  });
  $("sort-by").addEventListener("change", showGrid);
  $("find").addEventListener("input", showGrid);
  fillCards();
}
