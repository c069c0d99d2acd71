"use strict";
// What the reader has chosen for the whole page: data, condition, and the two methods compared.

const NOTHING = -1; // in place of a method: values are shown, not differences
const present = methods
  .map((_, method) => method)
  .filter((method) => results.some(({ rows }) => rows.some((row) => row.method === method)));
const choice = { data: -1, condition: -1, pair: firstPair() }; // −1 is all

/** A network and the same with TTD; else the first two methods that fuse, or one alone. */
function firstPair() {
  const [first] = results.flatMap(({ differences }) => differences);
  if (first) return [methods[first.method].base, first.method];
  const fused = present.filter(fuses);
  return fused.length > 1 ? fused.slice(0, 2) : [NOTHING, fused[0] ?? present[0] ?? NOTHING];
}

const isCompared = () => choice.pair[0] !== NOTHING;
const pairLabel = () => choice.pair.map((method) => methods[method]?.name).reverse();

/** Places of the results of the chosen data and condition. */
const chosenResults = () =>
  results
    .map((_, place) => place)
    .filter((place) => {
      const { data, condition } = results[place];
      const fits = choice.condition < 0 || condition === conditions[choice.condition];
      return fits && (choice.data < 0 || data === choice.data);
    });

/** Samples of the chosen results. */
function chosenSamples() {
  const shown = new Set(chosenResults());
  return samples.filter(({ result }) => shown.has(result));
}

/** What the summary says of the chosen pair in a result; nothing if it does not compare the two. */
function comparison({ differences }) {
  const [before, after] = choice.pair;
  return methods[after]?.base === before
    ? differences.find(({ method }) => method === after)
    : undefined;
}

/** Fill the lists of the bar; ``change`` is called with what was chosen anew. */
function prepareChoice(change) {
  if (REPORT.data.length > 1) {
    chips($("filter"), ["All", ...dataLabels], 0, (k) => {
      choice.data = k - 1;
      change("data");
    });
  }
  $("condition-choice").hidden = conditions.length < 2;
  $("condition").append(option("all", -1), ...conditions.map((name, k) => option(name, k)));
  $("condition").addEventListener("change", () => {
    choice.condition = Number($("condition").value);
    change("condition");
  });
  const every = present.map((method) => option(methods[method].name, method));
  $("before").append(option("nothing", NOTHING), ...every);
  $("after").append(...every.map((one) => one.cloneNode(true)));
  $("compared").hidden = present.length < 2;
  ["before", "after"].forEach((id, k) => {
    $(id).value = choice.pair[k];
    $(id).addEventListener("change", () => {
      choice.pair[k] = Number($(id).value);
      change("pair");
    });
  });
}
