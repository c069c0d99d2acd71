"use strict";
// The values of one image, beside it in the viewer.

/** Values of the two methods on the sides of the divider, or of the pair chosen for the page. */
function sampleNumbers(sample, sides) {
  const all = pictures(sample);
  const seen = sides.map((side) => all.find(({ key }) => key === side));
  const onSides = seen.filter((one) => one && !one.map && one.method >= 0);
  const compared = onSides.length ? onSides.map(({ method }) => method) : choice.pair;
  const columns = [...new Set(compared)].filter((method) => sample.values.has(method));
  return [
    ...(columns.length ? [valuesTable(sample, columns)] : []),
    ...dynamicTables(sample, new Set(seen.map((one) => one?.method))),
  ];
}

function valuesTable(sample, columns) {
  const names = columns.map((method) => columnHead(methods[method].name, methods[method].name));
  if (columns.length > 1) names.push(columnHead("the right one minus the left one", "difference"));
  const shown = metrics
    .map((_, k) => k)
    .filter((k) => columns.some((method) => !Number.isNaN(valueOf(sample, method, k))));
  const rows = shown.map((k) => metricRow(sample, k, columns));
  const times = new Map(sample.ms);
  if (columns.some((method) => times.has(method))) {
    const time = columns.map((method) => td(times.has(method) ? number(times.get(method)) : ""));
    rows.push(tr(rowHead("ms"), ...time, ...(columns.length > 1 ? [td()] : [])));
  }
  const table = tableOf("values", [td(), ...names], rows);
  return sample.draws > 1 ? captioned(`mean of ${sample.draws} draws`, table) : table;
}

function metricRow(sample, k, columns) {
  const { name, direction, convention, truth } = metrics[k];
  const head = rowHead(`${name} ${ARROWS[direction]}`, truth ? make("small", {}, " truth") : "");
  head.title = convention;
  const row = tr(head, ...columns.map((method) => td(number(valueOf(sample, method, k)))));
  if (columns.length > 1) {
    const cell = td(number(difference(sample, k, columns), true));
    cell.className = judged(gain(sample, k, columns));
    row.append(cell);
  }
  return row;
}

/** RD and the theorem of the settings of TTD that are seen, or of the only one. */
function dynamicTables(sample, seen) {
  const own = (list, method) => list.filter((one) => list.length === 1 || seen.has(method(one)));
  return [
    ...own(sample.rd, ([method]) => method).map(sampleDominability),
    ...own(sample.theorem, ({ method }) => method).flatMap(sampleTheorem),
  ];
}
