"use strict";
// The samples: their values, which of two is better, and their images.

const metrics = REPORT.metrics;
const samples = REPORT.samples.map((sample, index) => ({
  ...sample,
  index,
  rows: new Map(sample.rows.map(([row, values]) => [row, values.map(read)])),
}));
const hasTtd = samples.some((sample) => sample.rows.has("ttd"));
const rowNames = [...new Set(samples.flatMap((sample) => [...sample.rows.keys()]))];

const rowLabel = (row) => ({ static: REPORT.method, ttd: `${REPORT.method}+TTD` })[row] ?? row;
const metricLabel = (metric) => metric.name + (metric.truth ? " to the truth" : "");
const valueOf = (sample, row, k) => sample.rows.get(row)?.[k] ?? NaN;

/** Smaller is better, whatever the metric. */
function cost(k, value) {
  const { direction } = metrics[k];
  return direction === "higher" ? -value : direction === "lower" ? value : Math.abs(value);
}

/** By how much TTD is better than static in metric k; negative if it is worse. */
const gain = (sample, k) =>
  cost(k, valueOf(sample, "static", k)) - cost(k, valueOf(sample, "ttd", k));

/** TTD minus static; of a metric that is best at 0, of the distances from it. */
const change = (sample, k) =>
  metrics[k].direction === "higher" ? gain(sample, k) : -gain(sample, k);

const judged = (value) => (value > 0 ? "better" : value < 0 ? "worse" : "");

/** Every image of a sample, with a key that says the same in all samples. */
function pictures(sample) {
  const fused = { static: hasTtd ? "static" : REPORT.method, ttd: "TTD" };
  return [
    ...sample.sources.map(([name, src]) => ({ key: `source ${name}`, label: name, src })),
    ...sample.fused.map(([row, src]) => ({ key: row, label: fused[row], src })),
    ...sample.maps.map(([name, src]) => ({
      key: `rd ${name}`,
      label: `RD of ${name}`,
      src,
      map: true,
    })),
  ];
}

/** Short names of the data: their tasks where these differ. */
const dataLabels = (() => {
  const tasks = REPORT.data.map((data) => data.task.toUpperCase());
  return new Set(tasks).size === tasks.length ? tasks : REPORT.data.map((data) => data.name);
})();
