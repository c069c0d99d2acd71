"use strict";
// Tables of Relative Dominability; each line is of one source under one setting of TTD.

const RD_HEADS = [
  ["mean over the pixels", "mean"],
  ["smallest and largest over the pixels", "range"],
  ["share of the pixels where RD is above 1/M, its value where all M sources count alike", "> 1/M"],
  ["Pearson's correlation with the source's loss over the pixels", "corr. with loss"],
];

const rdHead = () => [td(), ...RD_HEADS.map(([title, name]) => columnHead(title, name))];

const rdCells = ([mean, low, high, above, correlation], decorate = () => []) => [
  td(...decorate(mean), fixed(mean, 3)),
  td(`${fixed(low, 2)}–${fixed(high, 2)}`),
  td(...decorate(above), percent(above)),
  td(number(correlation)),
];

/** Over the images of a result. */
function dominabilityTable(result) {
  const bodies = result.rd.map(([method, sources]) => {
    const rows = sources.map(([name, images, ...numbers]) =>
      tr(nameHead(name, fewer(images, result)), ...rdCells(numbers, (share) => [bar(share)])),
    );
    const title = result.rd.length > 1 ? [across(5, methods[method].name)] : [];
    return make("tbody", {}, ...title, ...rows);
  });
  const table = make("table", { className: "weights" }, make("thead", {}, tr(...rdHead())));
  table.append(...bodies);
  return card(make("h3", {}, resultLabel(result)), scrolling("Relative Dominability", table));
}

/** Of one image, for the viewer. */
function sampleDominability([method, sources]) {
  const row = ([name, ...numbers]) => tr(nameHead(name), ...rdCells(numbers));
  return captioned(`RD of ${methods[method].name}`, tableOf("", rdHead(), sources.map(row)));
}

/** A share from 0 to 1 as a bar. */
function bar(share) {
  return svg(
    "svg",
    { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "whole", width: 100, height: 8 }),
    svg("rect", { class: "part", width: 100 * share, height: 8 }),
  );
}

function showDominability(places) {
  const measured = places.map((place) => results[place]).filter(({ rd }) => rd.length);
  $("weights").replaceChildren(...measured.map(dominabilityTable));
}
