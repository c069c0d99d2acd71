"use strict";
// The grid of images: what it shows, in which order, of which data.

let ordered = samples; // what the grid shows, in its order; the viewer goes through it
const cards = samples.map(tile);

function tile(sample) {
  const image = make("img", { loading: "lazy", decoding: "async", alt: "" });
  const values = make("span", { className: "values" });
  const name = make("span", { className: "id", title: sample.id }, sample.id);
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
  ...(hasTtd
    ? [
        ["largest gain by TTD", (one, k) => -gain(one, k)],
        ["largest loss by TTD", gain],
      ]
    : []),
  ...rowNames.flatMap((row) => [
    [`${rowLabel(row)}, best first`, (one, k) => cost(k, valueOf(one, row, k))],
    [`${rowLabel(row)}, worst first`, (one, k) => -cost(k, valueOf(one, row, k))],
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

/** Show the chosen image and metric on every card. */
function fillCards() {
  const key = $("show").value,
    k = metricChosen();
  for (const { sample, image, values, button } of cards) {
    const all = pictures(sample);
    const shown = all.find((one) => one.key === key);
    image.hidden = !shown;
    if (shown && image.getAttribute("src") !== shown.src) image.src = shown.src;
    image.alt = shown ? `${sample.id}, ${shown.label}` : "";
    button.classList.toggle("empty", !shown);
    values.replaceChildren(...cardValues(sample, k));
  }
}

function cardValues(sample, k) {
  const before = valueOf(sample, "static", k),
    after = valueOf(sample, "ttd", k);
  const name = make("span", { className: "quiet" }, `${metrics[k].name} `);
  if (!sample.rows.has("ttd")) return [make("span", {}, name, number(before))];
  return [
    make("span", {}, name, number(after)),
    make(
      "span",
      { className: `delta ${judged(gain(sample, k))}`, title: "TTD minus static" },
      number(change(sample, k), true),
    ),
  ];
}

/** Put the cards in order; those of other data or names are left out. */
function showGrid(chosen) {
  const text = $("find").value.trim().toLowerCase();
  const list = samples.filter(
    (one) => (chosen < 0 || one.data === chosen) && one.id.toLowerCase().includes(text),
  );
  ordered = sorted(list, metricChosen(), ORDERS[Number($("sort-by").value)][1]);
  $("grid").replaceChildren(...ordered.map((sample) => cards[sample.index].button));
  $("count").textContent =
    ordered.length === samples.length
      ? plural(samples.length, "image")
      : `${ordered.length} of ${plural(samples.length, "image")}`;
}

function prepareGrid(refresh) {
  const kinds = new Map(samples.flatMap(pictures).map(({ key, label }) => [key, label]));
  const first = ["ttd", "static"].filter((key) => kinds.has(key));
  $("show").append(
    ...[...first, ...[...kinds.keys()].filter((key) => !first.includes(key))].map((key) =>
      option(kinds.get(key), key),
    ),
  );
  $("sort-metric").append(
    ...metrics.map((metric, k) => option(`${metricLabel(metric)} ${ARROWS[metric.direction]}`, k)),
  );
  $("sort-by").append(...ORDERS.map(([label], k) => option(label, k)));
  $("show").addEventListener("change", fillCards);
  $("sort-metric").addEventListener("change", () => {
    fillCards();
    refresh();
  });
  $("sort-by").addEventListener("change", refresh);
  $("find").addEventListener("input", refresh);
  fillCards();
}
