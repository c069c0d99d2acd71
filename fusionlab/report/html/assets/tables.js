"use strict";
// Tables of means, of Relative Dominability, and the lists of conventions and facts.

/** Means of one data set: each source alone, the fused images, and what TTD changes. */
function resultsTable(data, place) {
  const title = make("h3", {}, dataLabels[place], make("small", {}, describeData(data, place)));
  if (data.images === 0) return card(title, note("No image is done yet."));
  const shown = metrics.map((_, k) => k).filter((k) => data.rows.some((row) => row.counts[k] > 0));
  const table = make("table", { className: "results" }, tableHead(shown));
  table.append(make("tbody", {}, ...data.rows.map((row) => meansRow(row, data, shown))));
  if (data.differences) {
    table.append(make("tbody", { className: "differences" }, ...differenceRows(data, shown)));
  }
  const partial = shown
    .map((k) => [k, data.rows.find((row) => row.row === "static").counts[k]])
    .filter(([, count]) => 0 < count && count < data.images)
    .map(([k, count]) => `${metricLabel(metrics[k])}: mean over ${count} of ${data.images} images`);
  const notes = partial.length ? [note(partial.join("; "))] : [];
  return card(title, scrolling(`Results, ${data.name}`, table), ...notes);
}

const card = (...content) => make("div", { className: "card" }, ...content);
const note = (text) => make("p", { className: "note" }, text);
const fewer = (one, data) =>
  one.images < data.images ? make("small", {}, ` n = ${one.images}`) : "";

function describeData(data, place) {
  const name = dataLabels[place] === data.name ? "" : `${data.name}, `;
  const done = data.images < data.total ? `${data.images} of ` : "";
  return name + done + plural(data.total, "image");
}

function tableHead(shown) {
  const truth = shown.filter((k) => metrics[k].truth).length;
  const group = (colSpan, className, text) =>
    make("th", { colSpan, className, scope: "colgroup" }, text);
  const own = group(shown.length - truth, "", "fused image and its sources");
  const groups = tr(td(), own, group(truth, "group", "ground truth"), td());
  groups.className = "groups";
  const time = columnHead("median over the images", "ms");
  const names = tr(td(), ...cells(shown, (k) => metricHead(metrics[k])), time);
  return make("thead", {}, ...(truth ? [groups] : []), names);
}

function metricHead({ name, direction, convention }) {
  const said = make("span", { className: "unseen" }, `, ${BETTER[direction]}`);
  const arrow = make("span", { className: "arrow" }, ARROWS[direction], said);
  return columnHead(convention, name, arrow);
}

/** A cell per metric; the first of the ground truth is set apart. */
function cells(shown, cell) {
  const first = shown.find((k) => metrics[k].truth);
  return shown.map((k) => {
    const made = cell(k);
    if (k === first && k !== shown[0]) made.classList.add("group");
    return made;
  });
}

function meansRow(row, data, shown) {
  const time = td(row.ms === null ? "" : number(row.ms));
  const values = cells(shown, (k) => td(number(row.means[k])));
  const made = tr(rowHead(rowLabel(row.row), fewer(row, data)), ...values, time);
  made.className = row.row.endsWith(ALONE) ? "alone" : "fused";
  return made;
}

function differenceRows(data, shown) {
  const row = (label, content) => {
    const cell = (k) => (data.differences[k] ? td(...content(data.differences[k], k)) : td("–"));
    return tr(rowHead(label), ...cells(shown, cell), td());
  };
  const end = (value) => make("span", { className: "end" }, number(value, true));
  const mean = (one, k) => [make("span", { className: surely(one, k) }, number(one.mean, true))];
  const interval = ({ low, high }) => (low === null ? ["–"] : [end(low), end(high)]);
  return [
    row("difference", mean),
    ...(hasIntervals(data) ? [row("95 % interval", interval)] : []),
    row("improved", (one) => [percent(one.improved)]),
  ];
}

const hasIntervals = (data) => Boolean(data.differences?.some((one) => one && one.low !== null));

/** Better or worse, where the interval says so. */
function surely({ low, high }, k) {
  const { direction } = metrics[k];
  if (low === null || direction === "zero" || (read(low) <= 0 && read(high) >= 0)) return "";
  return judged(direction === "higher" ? read(low) : -read(low));
}

function weightsTable(data, place) {
  const head = [
    td(),
    columnHead("over the pixels and images", "mean RD"),
    columnHead("smallest and largest in any image", "range"),
    columnHead("share of the pixels", "RD above 0.5"),
    columnHead("Pearson, over the pixels of an image; mean over the images", "corr. with loss"),
  ];
  const row = (one) =>
    tr(
      rowHead(one.source, fewer(one, data)),
      td(bar(one.mean), one.mean.toFixed(3)),
      td(`${one.low.toFixed(2)} – ${one.high.toFixed(2)}`),
      td(bar(one.above_half), percent(one.above_half)),
      td(number(one.correlation)),
    );
  const table = tableOf("weights", head, data.weights.map(row));
  const label = `Relative Dominability, ${data.name}`;
  return card(make("h3", {}, dataLabels[place]), scrolling(label, table));
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

function terms(list, pairs) {
  list.replaceChildren(
    ...pairs.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)]),
  );
}

/** All tables, of the data set at this place or (−1) of all. */
function showTables(chosen) {
  const places = REPORT.data.map((_, k) => k).filter((k) => chosen < 0 || k === chosen);
  const weighed = places.filter((k) => REPORT.data[k].weights.length);
  $("tables").replaceChildren(...places.map((k) => resultsTable(REPORT.data[k], k)));
  $("weights").replaceChildren(...weighed.map((k) => weightsTable(REPORT.data[k], k)));
  showTheorem(places);
}

function showLists() {
  const said = ["Means over the images."];
  if (REPORT.data.some(hasIntervals)) {
    said.push("Difference: TTD minus static, with a 95 % bootstrap interval over the images;");
    said.push("coloured where the interval leaves out 0.");
  } else if (hasTtd) {
    said.push("Difference: TTD minus static.");
  }
  if (hasTtd) said.push("Improved: share of the images that TTD made better.");
  if (hasTtd && !REPORT.finished) said.push("Intervals come at the end of the evaluation.");
  $("reading").textContent = said.join(" ");
  const name = (metric) => `${metricLabel(metric)} ${ARROWS[metric.direction]}`;
  const own = metrics.map((metric) => [name(metric), metric.convention]);
  terms($("conventions").querySelector("dl"), [...own, ...REPORT.notes]);
  $("theorem-note").textContent = new Map(REPORT.notes).get("theorem") ?? "";
  terms($("facts").querySelector("dl"), REPORT.facts);
}
