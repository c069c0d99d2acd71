"use strict";
// The theorem of TTD: covariances of RD and loss, and both sides of Eq. 4.

const SIDES = {
  bound: ["GEB", "right side of Eq. 4 without its constant"],
  truth_bound: ["GEB, truth", "the same with the components held against the ground truth"],
  error: ["error, truth", "left side of Eq. 4: the loss of the fused picture"],
};
const SOURCE_HEADS = [
  ["mean RD over the pixels", "E[ω]"],
  ["mean loss of the source's component over the pixels", "E[ℓ]"],
  ["covariance over the pixels", "Cov(ω, ℓ)"],
];
const SIDE_HEADS = [
  ["RD of 1/M", "static"],
  ["RD of TTD", "TTD"],
];

/** As many digits that count; small numbers with a power of ten. */
function exact(value, digits = 4) {
  if (!isNumber(value)) return "–";
  const v = read(value),
    size = Math.abs(v);
  const text = 0 < size && size < 1e-3 ? v.toExponential(digits - 1) : v.toPrecision(digits);
  return text.replaceAll("-", "−");
}

const covariance = (value) => {
  const className = value < 0 ? "better" : value > 0 ? "worse" : "";
  return td(make("span", { className }, exact(value, 2)));
};

const heads = (of) => [td(), ...of.map(([title, name]) => columnHead(title, name))];

const sourceCells = ([rd, loss, both]) => [td(exact(rd, 3)), td(exact(loss, 3)), covariance(both)];

function sideRow([side, before, dynamic]) {
  const [name, title] = SIDES[side];
  const head = rowHead(name);
  head.title = title;
  return tr(head, td(exact(before)), td(exact(dynamic)));
}

function theoremCard(result) {
  return card(
    make("h3", {}, resultLabel(result)),
    ...result.theorem.flatMap((found) => {
      const rows = found.sources.map(([name, images, ...numbers]) =>
        tr(nameHead(name, fewer(images, result)), ...sourceCells(numbers)),
      );
      const { name } = methods[found.method];
      return [
        ...(result.theorem.length > 1 ? [make("h4", {}, name)] : []),
        scrolling(`Covariances, ${name}`, tableOf("weights", heads(SOURCE_HEADS), rows)),
        scrolling(
          `Both sides, ${name}`,
          tableOf("weights", heads(SIDE_HEADS), found.sides.map(sideRow)),
        ),
        note(verdict(found)),
      ];
    }),
  );
}

function verdict({ images, holds, negative }) {
  if (!images) return "GEB is defined on no image.";
  const [lower, below] = [holds, negative].map((share) => fixed(share * images, 0));
  const of = plural(images, "image");
  return `Eq. 5 holds on ${lower} of ${of}; the covariances sum to below 0 on ${below}.`;
}

/** The same of one image, for the viewer. */
function sampleTheorem({ method, sources, sides }) {
  const row = ([name, ...numbers]) => tr(nameHead(name), ...sourceCells(numbers));
  return [
    captioned(
      `Theorem of ${methods[method].name}`,
      tableOf("", heads(SOURCE_HEADS), sources.map(row)),
    ),
    tableOf("", heads(SIDE_HEADS), sides.map(sideRow)),
  ];
}

function showTheorem(places) {
  const measured = places.map((place) => results[place]).filter(({ theorem }) => theorem.length);
  $("bounds").replaceChildren(...measured.map(theoremCard));
}
