"use strict";
// Draws a plot: axes, the side where the second method is better, points.

const PLOT = { width: 230, height: 160 };
const FRAME = { x: 48, y: 8, width: 176, height: 132 };
const COLOURS = 6; // of results
const BELOW = 154; // base line of the texts under the frame

/** Ends of an axis: the values with some room, 0 included on request. */
function span(values, zero) {
  const all = zero ? [...values, 0] : values;
  const low = Math.min(...all);
  const high = Math.max(...all);
  const room = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}

/** Round values along an axis, and their texts. */
function ticks([low, high]) {
  const raw = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((one) => one * power >= raw) * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step)
    found.push([tick, Math.abs(tick).toFixed(digits)]);
  return found.map(([tick, text]) => [tick, (tick < 0 && Number(text) !== 0 ? "−" : "") + text]);
}

/** The half of the plot where the second method is better, as corners in the metric's units. */
// prettier-ignore
function betterSide(kind, direction, [low, high]) {
  if (kind === "differences") {
    const end = direction === "higher" ? high : low;
    return [[[-1e9, 0], [1e9, 0], [1e9, end], [-1e9, end]]];
  }
  if (direction === "higher") return [[[low, low], [high, high], [low, high]]];
  if (direction === "lower") return [[[low, low], [high, high], [high, low]]];
  const far = Math.max(Math.abs(low), Math.abs(high));
  return [[[0, 0], [far, far], [far, -far]], [[0, 0], [-far, far], [-far, -far]]];
}

/** The plot of points, which are told where they are: ``left`` and ``top``. */
function drawPlot(kind, k, points) {
  const ys = points.map(({ y }) => y);
  const xs = points.map(({ x }) => x);
  const scatter = kind === "scatter";
  const ySpan = scatter ? span([...xs, ...ys], false) : span(ys, kind === "differences");
  const xSpan = scatter ? ySpan : [-0.7, points.length - 0.3];
  const share = (value, [low, high]) => (value - low) / (high - low);
  const along = (value) => FRAME.x + share(value, xSpan) * FRAME.width;
  const up = (value) => FRAME.y + (1 - share(value, ySpan)) * FRAME.height;
  for (const point of points) [point.left, point.top] = [along(point.x), up(point.y)];
  const viewBox = `${FRAME.x} ${FRAME.y} ${FRAME.width} ${FRAME.height}`;
  const inside = svg("svg", { ...FRAME, viewBox }, svg("rect", { class: "frame", ...FRAME }));
  const sides = kind === "values" ? [] : betterSide(kind, metrics[k].direction, ySpan);
  for (const corners of sides) {
    const at = corners.map(([x, y]) => `${along(x).toFixed(1)},${up(y).toFixed(1)}`).join(" ");
    inside.append(svg("polygon", { class: "better-side", points: at }));
  }
  const labels = ticks(ySpan).map(([tick, text]) => {
    inside.append(path("rule", `M${FRAME.x} ${up(tick)}h${FRAME.width}`));
    return label(FRAME.x - 5, up(tick) + 3.5, "end", text);
  });
  if (scatter) {
    labels.push(...ticks(xSpan).map(([tick, text]) => label(along(tick), BELOW, "middle", text)));
    inside.append(
      path("even", ySpan.map((v, n) => `${n ? "L" : "M"}${along(v)} ${up(v)}`).join("")),
    );
  } else {
    labels.push(label(FRAME.x, BELOW, "start", "worst"));
    labels.push(label(FRAME.x + FRAME.width, BELOW, "end", "best"));
  }
  if (kind === "differences") inside.append(path("even", `M${FRAME.x} ${up(0)}h${FRAME.width}`));
  inside.append(...marks(kind, points, up));
  return svg(
    "svg",
    { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img" },
    ...labels,
    inside,
  );
}

const path = (name, d) => svg("path", { class: name, d });
const label = (x, y, anchor, text) => svg("text", { x, y, "text-anchor": anchor }, text);

/** Points, as one path per result: a thousand images cost no more elements than ten. */
function marks(kind, points, up) {
  const size = points.length > 300 ? "many" : points.length > 60 ? "some" : "few";
  const round = (value) => value.toFixed(1);
  return results.flatMap((_, place) => {
    const own = points.filter(({ sample }) => sample.result === place);
    if (!own.length) return [];
    const colour = `data-${place % COLOURS}`;
    const dot = ({ left, top }) => `M${round(left)} ${round(top)}h0`;
    const stem = ({ left, top }) => `M${round(left)} ${round(up(0))}V${round(top)}`;
    const dots = path(`dots ${size} ${colour}`, own.map(dot).join(""));
    if (kind !== "differences" || size === "many") return [dots];
    return [path(`stems ${colour}`, own.map(stem).join("")), dots];
  });
}
