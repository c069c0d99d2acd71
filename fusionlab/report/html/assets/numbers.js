"use strict";
// The values of one image, beside it in the viewer.

function sampleNumbers(sample) {
  const ttd = sample.rows.has("ttd");
  const head = ttd ? ["static", "TTD", "difference"] : [REPORT.method];
  const shown = metrics.map((_, k) => k).filter((k) => !Number.isNaN(valueOf(sample, "static", k)));
  const rows = shown.map((k) => metricRow(sample, k, ttd));
  const times = new Map(sample.ms);
  const fused = ttd ? ["static", "ttd"] : ["static"];
  const time = fused.map((row) => td(number(times.get(row))));
  rows.push(tr(rowHead("ms"), ...time, ...(ttd ? [td()] : [])));
  const table = tableOf("", [td(), ...head.map((one) => columnHead("", one))], rows);
  return [
    table,
    ...(sample.weights.length ? [sampleWeights(sample)] : []),
    ...(sample.theorem ? sampleTheorem(sample) : []),
  ];
}

function metricRow(sample, k, ttd) {
  const { name, direction, convention, truth } = metrics[k];
  const head = rowHead(`${name} ${ARROWS[direction]}`, truth ? make("small", {}, " truth") : "");
  head.title = convention;
  const before = td(number(valueOf(sample, "static", k)));
  if (!ttd) return tr(head, before);
  const difference = td(number(change(sample, k), true));
  difference.className = judged(gain(sample, k));
  return tr(head, before, td(number(valueOf(sample, "ttd", k))), difference);
}

function sampleWeights(sample) {
  const head = [
    columnHead("Relative Dominability", "RD"),
    columnHead("over the pixels", "mean"),
    columnHead("smallest and largest", "range"),
    columnHead("share of the pixels", "> 0.5"),
    columnHead("Pearson correlation with the reconstruction loss over the pixels", "with loss"),
  ];
  const row = ([name, mean, low, high, above, correlation]) =>
    tr(
      rowHead(name),
      td(mean.toFixed(3)),
      td(`${low.toFixed(2)}–${high.toFixed(2)}`),
      td(percent(above)),
      td(number(correlation)),
    );
  return tableOf("", head, sample.weights.map(row));
}
