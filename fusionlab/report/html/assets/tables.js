"use strict";
// Tables of means and differences, and the lists of conventions and facts.

/** All results of one data set: a table for each condition. */
function resultsCard(data, places) {
  const { name, total } = REPORT.data[data];
  const own = places.filter((place) => results[place].data === data);
  const said = dataLabels[data] === name ? [] : [name];
  if (conditions.length < 2) said.push(...own.map((place) => describeResult(results[place], total)));
  const title = make("h3", {}, dataLabels[data], make("small", {}, said.join(", ")));
  if (!own.length) return card(title, note("No image is done yet."));
  return card(title, ...own.flatMap((place) => resultParts(results[place], name, total)));
}

/** The table of one result; its condition stands above where there are several. */
function resultParts(result, name, total) {
  const shown = metrics
    .map((_, k) => k)
    .filter((k) => result.rows.some(({ counts }) => counts[k] > 0));
  const className = result.ranked ? "results ranked" : "results";
  const table = make("table", { className }, tableHead(result, shown));
  table.append(make("tbody", {}, ...result.rows.map((row) => meansRow(row, result, shown))));
  const several = result.differences.length > 1;
  for (const one of result.differences) {
    const label = several ? `Δ ${methods[one.method].name}` : "difference";
    table.append(
      make("tbody", { className: "differences" }, ...differenceRows(label, one, result, shown)),
    );
  }
  const about = make("small", {}, describeResult(result, total));
  return [
    ...(conditions.length > 1 ? [make("h4", {}, result.condition, about)] : []),
    scrolling(`Results, ${name} ${result.condition}`, table),
    ...partialNotes(result, shown),
  ];
}

function describeResult({ images, draws }, total) {
  const count = images < total ? `${images} of ${plural(total, "image")}` : plural(total, "image");
  return draws > 1 ? `${count}, mean of ${draws} draws` : count;
}

const fewer = (images, { images: all }) =>
  images < all ? make("small", {}, ` n = ${images}`) : "";

/** Metrics that are not defined for some images. */
function partialNotes(result, shown) {
  const said = shown.flatMap((k) => {
    const own = result.rows
      .filter(({ method }) => fuses(method))
      .map(({ method, counts, images }) => [method, counts[k], images]);
    const less = own.filter(([, count, images]) => 0 < count && count < images);
    const same = new Set(own.map(([, count, images]) => `${count} of ${images}`));
    if (less.length && same.size === 1) return [`${metricLabel(metrics[k])} ${[...same][0]}`];
    return less.map(
      ([method, count, images]) =>
        `${metricLabel(metrics[k])} of ${methods[method].name} ${count} of ${images}`,
    );
  });
  return said.length ? [note(`Mean over fewer images: ${said.join(", ")}`)] : [];
}

function tableHead(result, shown) {
  const truth = shown.filter((k) => metrics[k].truth).length;
  const group = (colSpan, className, text) =>
    make("th", { colSpan, className, scope: "colgroup" }, text);
  const own = group(shown.length - truth, "", "fused picture and its sources");
  const groups = tr(td(), own, group(truth, "group", "ground truth"), td());
  groups.className = "groups";
  const time = columnHead("median over the images", "ms");
  const rank = columnHead("mean rank over images and metrics", "rank", arrowOf("lower"));
  const names = tr(td(), ...cells(shown, (k) => metricHead(metrics[k])), time);
  if (hasMemory(result)) names.append(columnHead("peak memory", "MB"));
  if (result.ranked) names.append(rank);
  return make("thead", {}, ...(truth ? [groups] : []), names);
}

function arrowOf(direction) {
  const said = make("span", { className: "unseen" }, `, ${BETTER[direction]}`);
  return make("span", { className: "arrow" }, ARROWS[direction], said);
}

const metricHead = ({ name, direction, convention }) =>
  columnHead(convention, name, arrowOf(direction));

/** A cell per metric; the first of the ground truth is set apart. */
function cells(shown, cell) {
  const first = shown.find((k) => metrics[k].truth);
  return shown.map((k) => {
    const made = cell(k);
    if (k === first && k !== shown[0]) made.classList.add("group");
    return made;
  });
}

const MARKS = { "*": "best by mean rank", "=": "not significantly behind the best" };

function meansRow(row, result, shown) {
  const value = (k) => {
    const mark = row.marks[k];
    const made = td(number(row.means[k]));
    if (mark) made.append(make("span", { className: "mark", title: MARKS[mark] }, mark));
    if (mark === "*") made.className = "best";
    return made;
  };
  const { name } = methods[row.method];
  const made = tr(nameHead(name, fewer(row.images, result)), ...cells(shown, value));
  made.append(td(row.ms === null ? "" : number(row.ms)));
  if (hasMemory(result)) made.append(td(row.MB === null ? "" : number(row.MB)));
  if (result.ranked) made.append(td(row.rank === null ? "" : number(row.rank)));
  made.className = fuses(row.method) ? "fused" : "alone";
  return made;
}

/** Mean, interval and share of what TTD changes; each found is [mean, low, high, improved, images]. */
function differenceRows(label, { method, values }, result, shown) {
  const rest = [td(), ...(hasMemory(result) ? [td()] : []), ...(result.ranked ? [td()] : [])];
  const row = (head, content) => {
    const cell = (k) => (values[k][4] ? td(...content(values[k], k)) : td("–"));
    return tr(head, ...cells(shown, cell), ...rest.map((one) => one.cloneNode()));
  };
  const end = (value) => make("span", { className: "end" }, number(value, true));
  const mean = (one, k) => [make("span", { className: surely(one, k) }, number(one[0], true))];
  const interval = ([, low, high]) => (low === null ? ["–"] : [end(low), end(high)]);
  const head = rowHead(label);
  head.title = `${methods[method].name} minus ${methods[methods[method].base].name}`;
  return [
    row(head, mean),
    ...(hasIntervals(result) ? [row(rowHead("95 % interval"), interval)] : []),
    row(rowHead("improved"), ([, , , improved]) => [percent(improved)]),
  ];
}

const hasMemory = ({ rows }) => rows.some(({ MB }) => MB !== null);

const hasIntervals = ({ differences }) =>
  differences.some(({ values }) => values.some(([, low]) => low !== null));

/** Better or worse, where the interval says so. */
function surely([, low, high], k) {
  const { direction } = metrics[k];
  if (low === null || direction === "zero" || (read(low) <= 0 && read(high) >= 0)) return "";
  return judged(direction === "higher" ? read(low) : -read(low));
}

function terms(list, pairs) {
  list.replaceChildren(
    ...pairs.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)]),
  );
}

/** All tables of the chosen results. */
function showTables() {
  const places = chosenResults();
  const data = REPORT.data.map((_, k) => k).filter((k) => choice.data < 0 || k === choice.data);
  $("tables").replaceChildren(...data.map((k) => resultsCard(k, places)));
  showDominability(places);
  showTheorem(places);
}

function showLists() {
  const dynamic = results.some(({ differences }) => differences.length);
  const said = ["Means over the images."];
  if (results.some(({ ranked }) => ranked))
    said.push(
      "* best by mean rank over the images; = not significantly behind it (Wilcoxon, Holm, 5 %).",
    );
  const compared = methods.some(({ base, kind }) => base !== null && kind !== "ttd");
  const minus = compared
    ? "Difference: a method minus that of its name in run A, of A itself with TTD minus without"
    : "Difference: with TTD minus without";
  if (dynamic && results.some(hasIntervals)) {
    said.push(`${minus}, with a 95 % bootstrap interval over the images;`);
    said.push("coloured where the interval leaves out 0.");
  } else if (dynamic) said.push(`${minus}.`);
  const better = compared ? "that became better" : "that TTD made better";
  if (dynamic) said.push(`Improved: share of the images ${better}.`);
  if (dynamic && !REPORT.finished) said.push("Intervals come at the end of the evaluation.");
  $("reading").textContent = said.join(" ");
  const name = (metric) => `${metricLabel(metric)} ${ARROWS[metric.direction]}`;
  const own = metrics.map((metric) => [name(metric), metric.convention]);
  terms($("conventions").querySelector("dl"), [...own, ...REPORT.notes]);
  $("theorem-note").textContent = new Map(REPORT.notes).get("theorem") ?? "";
  terms($("facts").querySelector("dl"), REPORT.facts);
}
