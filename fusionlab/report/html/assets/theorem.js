"use strict";
// The theorem of TTD: covariances of weight and loss, and both sides of Eq. 4.

const SIDES = {
  bound: ["GEB", "right side of Eq. 4 without its constant"],
  truth_bound: ["GEB, truth", "the same with the components held against the ground truth"],
  error: ["error, truth", "left side of Eq. 4: the loss of the fused image"],
};

/** As many digits that count; small numbers with a power of ten. */
function exact(value, digits = 4) {
  if (value === null || Number.isNaN(read(value))) return "–";
  const v = read(value),
    size = Math.abs(v);
  const text = 0 < size && size < 1e-3 ? v.toExponential(digits - 1) : v.toPrecision(digits);
  return text.replaceAll("-", "−");
}

const covariance = (value) => {
  const className = value < 0 ? "better" : value > 0 ? "worse" : "";
  return td(make("span", { className }, exact(value, 2)));
};

function theoremTable(data, place) {
  const found = data.theorem;
  const sourceHead = [
    td(),
    columnHead("mean RD over the pixels", "E[ω]"),
    columnHead("mean loss of the uni-source component over the pixels", "E[ℓ]"),
    columnHead("covariance over the pixels; mean over the images", "Cov(ω, ℓ)"),
  ];
  const sourceRow = (one) =>
    tr(
      rowHead(one.source, fewer(one, data)),
      td(exact(one.weight, 3)),
      td(exact(one.loss, 3)),
      covariance(one.covariance),
    );
  const sideHead = [
    td(),
    columnHead("weights of 1/M", "static"),
    columnHead("weights of RD", "TTD"),
    columnHead("share of the images in which TTD's is lower", "lower in"),
  ];
  const share = (lower) => (lower === null ? "–" : percent(lower));
  const sideRow = ({ side, static: before, dynamic, lower }) =>
    tr(sideName(side), td(exact(before)), td(exact(dynamic)), td(share(lower)));
  const sources = tableOf("weights", sourceHead, found.sources.map(sourceRow));
  const sides = tableOf("weights", sideHead, found.sides.map(sideRow));
  return card(
    make("h3", {}, dataLabels[place]),
    scrolling(`Covariances, ${data.name}`, sources),
    scrolling(`Both sides, ${data.name}`, sides),
    note(verdict(found)),
  );
}

function verdict({ images, holds, negative }) {
  if (!images) return "GEB is defined on no image.";
  const [lower, below] = [holds, negative].map((share) => Math.round(share * images));
  const of = plural(images, "image");
  return `Eq. 5 holds on ${lower} of ${of}; the covariances sum to below 0 on ${below}.`;
}

function sideName(side) {
  const [name, title] = SIDES[side];
  const head = rowHead(name);
  head.title = title;
  return head;
}

/** The same of one image, for the viewer. */
function sampleTheorem({ theorem }) {
  const sourceHead = [
    columnHead("The theorem of TTD", "Eq. 4"),
    columnHead("mean RD over the pixels", "E[ω]"),
    columnHead("mean loss of the uni-source component", "E[ℓ]"),
    columnHead("covariance over the pixels", "Cov(ω, ℓ)"),
  ];
  const sourceRow = ([name, weight, loss, both]) =>
    tr(rowHead(name), td(exact(weight)), td(exact(loss)), covariance(both));
  const sideHead = [
    td(),
    columnHead("weights of 1/M", "static"),
    columnHead("weights of RD", "TTD"),
  ];
  const sideRow = ([side, before, dynamic]) =>
    tr(sideName(side), td(exact(before)), td(exact(dynamic)));
  return [
    tableOf("", sourceHead, theorem.sources.map(sourceRow)),
    tableOf("", sideHead, theorem.sides.map(sideRow)),
  ];
}

/** Of the data set at this place or (−1) of all. */
function showTheorem(places) {
  const measured = places.filter((k) => REPORT.data[k].theorem);
  $("bounds").replaceChildren(...measured.map((k) => theoremTable(REPORT.data[k], k)));
}
