"use strict";
// One small plot per metric: every image is a point that opens it.

const REACH = 12; // how far from a point the pointer may be, in the plot's units
const KIND_LABELS = {
  differences: "Differences, sorted",
  scatter: "One against the other",
  values: "Values, sorted",
};
const NOTES = {
  differences: ([after, before]) =>
    `${after} minus ${before}, one point per image, from the worst to the best; the better side is tinted.`,
  scatter: ([after, before]) =>
    `${before} to the right, ${after} upwards, one point per image; on the diagonal both are equal, the better side is tinted.`,
  values: ([after]) => `${after}, one point per image, from the worst to the best.`,
};
let plotKind = "differences";

const kinds = () => (isCompared() ? ["differences", "scatter"] : ["values"]);

/** What is drawn of a difference: of a metric that is best at 0, that of the distances from it. */
const change = (sample, k) =>
  metrics[k].direction === "zero" ? -gain(sample, k, choice.pair) : difference(sample, k, choice.pair);

/** Points of metric k: their samples and coordinates in the metric's units. */
function plotPoints(kind, k, chosen) {
  const [before, after] = choice.pair;
  const y = kind === "differences" ? change : (one) => valueOf(one, after, k);
  const points = chosen
    .map((sample) => ({
      sample,
      y: y(sample, k),
      x: kind === "values" ? 0 : valueOf(sample, before, k),
    }))
    .filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  if (kind === "scatter") return points;
  const worst =
    kind === "differences"
      ? ({ sample }) => -gain(sample, k, choice.pair)
      : (one) => cost(k, one.y);
  points.sort((one, other) => worst(other) - worst(one));
  points.forEach((point, place) => {
    point.x = place;
  });
  return points;
}

/** How many images became better, where the summary says so. */
function said(k, count) {
  const found = chosenResults().map((place) => comparison(results[place])?.values[k]);
  if (!found.length || !found.every(Boolean)) return plural(count, "image");
  const better = found.map(([, , , improved, images]) =>
    images ? Math.round(improved * images) : 0,
  );
  const sum = (list) => list.reduce((one, other) => one + other, 0);
  return `${sum(better)} of ${sum(found.map((one) => one[4]))} better`;
}

function plotFigure(kind, k, chosen) {
  const points = plotPoints(kind, k, chosen);
  if (!points.length) return "";
  const head = said(k, points.length);
  const readout = make("span", { className: "quiet" }, head);
  const plot = drawPlot(kind, k, points);
  plot.setAttribute("aria-label", `${metricLabel(metrics[k])}, ${KIND_LABELS[kind]}: ${head}`);
  pointAt(plot, points, (point) => {
    const value = (one) => (kind === "values" ? number(one.y) : number(change(one.sample, k), true));
    readout.textContent = point ? `${sampleLabel(point.sample)} ${value(point)}` : head;
  });
  const { name, direction, truth, convention } = metrics[k];
  const sizes = direction === "zero" && kind === "differences";
  const heading = make("figcaption", { title: convention });
  heading.append(make("b", {}, `${sizes ? `|${name}|` : name} ${ARROWS[direction]}`));
  heading.append(truth ? make("small", {}, " to the truth") : "", readout);
  return make("figure", {}, heading, plot);
}

/** Ring the point under the pointer, say which it is, and open its sample on a click. */
function pointAt(plot, points, say) {
  const ring = svg("circle", { class: "ring", r: 5.5, visibility: "hidden" });
  plot.append(ring);
  const mark = (point) => {
    plot.classList.toggle("over", hasPictures && Boolean(point));
    ring.setAttribute("visibility", point ? "visible" : "hidden");
    ring.setAttribute("cx", point ? point.left : 0);
    ring.setAttribute("cy", point ? point.top : 0);
    say(point);
  };
  plot.addEventListener("pointermove", (event) => mark(nearest(points, plot, event)));
  plot.addEventListener("pointerleave", () => mark(null));
  plot.addEventListener("click", (event) => {
    const point = nearest(points, plot, event);
    if (point && hasPictures) openViewer(point.sample);
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

/** The plots of the chosen pair in the chosen results. */
function showPlots() {
  const shown = chosenSamples();
  const known = kinds();
  if (!known.includes(plotKind)) [plotKind] = known;
  chips($("plot-kind"), known.map((kind) => KIND_LABELS[kind]), known.indexOf(plotKind), (k) => {
    plotKind = known[k];
    drawPlots(shown);
  });
  $("plot-kind").hidden = known.length < 2;
  drawPlots(shown);
}

function drawPlots(shown) {
  const opens = hasPictures ? " A click opens the image." : "";
  $("plots-note").textContent = NOTES[plotKind](pairLabel()) + opens;
  const figures = metrics.map((_, k) => plotFigure(plotKind, k, shown)).filter(Boolean);
  $("figures").replaceChildren(...(figures.length ? figures : [note("No image has both.")]));
  const places = chosenResults();
  $("legend").replaceChildren(
    ...(places.length > 1 ? places : []).map((place) =>
      make("span", { className: `data-${place % COLOURS}` }, make("i"), resultLabel(results[place])),
    ),
  );
}
