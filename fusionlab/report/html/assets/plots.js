"use strict";
// One small plot per metric: every image is a point that opens it.

const REACH = 12; // how far from a point the pointer may be, in the plot's units
const KINDS = hasTtd ? ["differences", "scatter"] : ["values"];
const KIND_LABELS = {
  differences: "Differences, sorted",
  scatter: "Static against TTD",
  values: "Values, sorted",
};
const NOTES = {
  differences:
    "TTD minus static, one point per image, from the worst to the best; the better side is tinted. A click opens the image.",
  scatter:
    "Static to the right, TTD upwards, one point per image; on the diagonal both are equal, the better side is tinted. A click opens the image.",
  values: "One point per image, from the worst to the best. A click opens the image.",
};
let plotKind = KINDS[0];

/** Points of metric k: their samples and coordinates in the metric's units. */
function plotPoints(kind, k, chosen) {
  const value = {
    differences: (one) => change(one, k),
    scatter: (one) => valueOf(one, "ttd", k),
    values: (one) => valueOf(one, "static", k),
  }[kind];
  const points = chosen
    .map((sample) => ({ sample, y: value(sample), x: valueOf(sample, "static", k) }))
    .filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  if (kind === "scatter") return points;
  const worst = kind === "differences" ? (one) => -gain(one.sample, k) : (one) => cost(k, one.y);
  points.sort((one, other) => worst(other) - worst(one));
  points.forEach((point, place) => {
    point.x = place;
  });
  return points;
}

function plotFigure(kind, k, chosen) {
  const points = plotPoints(kind, k, chosen);
  if (!points.length) return "";
  const better = points.filter(({ sample }) => gain(sample, k) > 0).length;
  const said = hasTtd ? `${better} of ${points.length} better` : plural(points.length, "image");
  const readout = make("span", { className: "quiet" }, said);
  const plot = drawPlot(kind, k, points);
  plot.setAttribute("aria-label", `${metricLabel(metrics[k])}, ${KIND_LABELS[kind]}: ${said}`);
  pointAt(plot, points, (point) => {
    const value = (one) => (hasTtd ? number(change(one.sample, k), true) : number(one.y));
    readout.textContent = point ? `${point.sample.id} ${value(point)}` : said;
  });
  const { name, direction, truth, convention } = metrics[k];
  const heading = make("figcaption", { title: convention });
  heading.append(make("b", {}, `${name} ${ARROWS[direction]}`));
  heading.append(truth ? make("small", {}, " to the truth") : "", readout);
  return make("figure", {}, heading, plot);
}

/** Ring the point under the pointer, say which it is, and open its sample on a click. */
function pointAt(plot, points, say) {
  const ring = svg("circle", { class: "ring", r: 5.5, visibility: "hidden" });
  plot.append(ring);
  const mark = (point) => {
    plot.classList.toggle("over", Boolean(point));
    ring.setAttribute("visibility", point ? "visible" : "hidden");
    ring.setAttribute("cx", point ? point.left : 0);
    ring.setAttribute("cy", point ? point.top : 0);
    say(point);
  };
  plot.addEventListener("pointermove", (event) => mark(nearest(points, plot, event)));
  plot.addEventListener("pointerleave", () => mark(null));
  plot.addEventListener("click", (event) => {
    const point = nearest(points, plot, event);
    if (point) openViewer(point.sample);
  });
}

function nearest(points, plot, event) {
  const box = plot.getBoundingClientRect();
  const scale = PLOT.width / box.width;
  const x = (event.clientX - box.left) * scale;
  const y = (event.clientY - box.top) * scale;
  let [found, best] = [null, REACH];
  for (const point of points) {
    const distance = Math.hypot(point.left - x, point.top - y);
    if (distance < best) [found, best] = [point, distance];
  }
  return found;
}

function showPlots(chosen) {
  const shown = samples.filter((sample) => chosen < 0 || sample.data === chosen);
  $("plots-note").textContent = NOTES[plotKind];
  $("figures").replaceChildren(...metrics.map((_, k) => plotFigure(plotKind, k, shown)));
  const legend = chosen < 0 && REPORT.data.length > 1 ? dataLabels : [];
  $("legend").replaceChildren(
    ...legend.map((label, k) => make("span", { className: `data-${k % 6}` }, make("i"), label)),
  );
}
