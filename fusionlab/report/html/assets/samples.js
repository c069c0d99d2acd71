"use strict";
// The samples: their values, which of two methods is better, and their pictures.

const { metrics, methods, results } = REPORT;
const samples = REPORT.samples.map((sample, index) => ({
  ...sample,
  index,
  values: new Map(sample.values.map(([method, values]) => [method, values.map(read)])),
}));
const fuses = (method) => methods[method].kind !== "source";

const metricLabel = (metric) => metric.name + (metric.truth ? " to the truth" : "");
const valueOf = (sample, method, k) => sample.values.get(method)?.[k] ?? NaN;

/** Smaller is better, whatever the metric. */
function cost(k, value) {
  const { direction } = metrics[k];
  return direction === "higher" ? -value : direction === "lower" ? value : Math.abs(value);
}

/** By how much the second of two methods is better than the first; negative if it is worse. */
const gain = (sample, k, [before, after]) =>
  cost(k, valueOf(sample, before, k)) - cost(k, valueOf(sample, after, k));

const difference = (sample, k, [before, after]) =>
  valueOf(sample, after, k) - valueOf(sample, before, k);

const judged = (value) => (value > 0 ? "better" : value < 0 ? "worse" : "");

/** Every picture of a sample, with a key that says the same in all samples. */
function pictures(sample) {
  const among = (list) => {
    const single = new Set(list.map(([method]) => method)).size < 2;
    return (method) => (single ? "" : `, ${methods[method].name}`);
  };
  const under = among(sample.maps);
  const by = among(sample.decomposition);
  return [
    ...sample.sources.map(([name, src]) => ({
      key: keyOfSource(name),
      label: name,
      src,
      method: methods.findIndex(({ source }) => source === name),
    })),
    ...sample.fused.map(([method, src]) => ({
      key: keyOf(method),
      label: methods[method].name,
      src,
      method,
    })),
    ...sample.decomposition.map(([method, source, src]) => ({
      key: JSON.stringify(["decomposition", methods[method].name, source]),
      label: (source === null ? "common" : `unique of ${source}`) + by(method),
      src,
      method,
    })),
    ...sample.maps.map(([method, source, src], k) => ({
      key: JSON.stringify(["rd", methods[method].name, source]),
      label: `RD of ${source}${under(method)}`,
      parts: [`RD of ${source}`, under(method)],
      overlay: source + under(method),
      src,
      method,
      map: true,
      scale: sample.scales[k],
    })),
    ...sample.labels.map(([method, src]) => ({
      key: JSON.stringify(["labels", method === null ? null : methods[method].name]),
      label: method === null ? "labels" : `found in ${methods[method].name}`,
      overlay: method === null ? "labels" : `found in ${methods[method].name}`,
      src,
      method: method ?? -1,
      map: true,
    })),
  ];
}

const keyOfSource = (name) => JSON.stringify(["source", name]);

/** The key of a method's picture: of a source alone, that of the source. */
const keyOf = (method) =>
  fuses(method)
    ? JSON.stringify(["method", methods[method].name])
    : keyOfSource(methods[method].source);

/** Short names of the data: their tasks where these differ. */
const dataLabels = (() => {
  const tasks = REPORT.data.map((data) => data.task.toUpperCase());
  return new Set(tasks).size === tasks.length ? tasks : REPORT.data.map((data) => data.name);
})();

const conditions = [...new Set(results.map(({ condition }) => condition))];

/** What a result is of: the data and, where there are several, the condition. */
const resultLabel = ({ data, condition }) =>
  conditions.length > 1 ? `${dataLabels[data]} · ${condition}` : dataLabels[data];

/** The name of a sample, with its condition where there are several. */
const sampleLabel = ({ id, result }) =>
  conditions.length > 1 ? `${id} · ${results[result].condition}` : id;
