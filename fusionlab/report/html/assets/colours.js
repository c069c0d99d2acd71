"use strict";
// Colours of RD maps: as far from 1/M as RD goes in the sample, or from 0 to 1.

const NEUTRAL = 247 / 255; // what 1/M has, in all three channels
let isWhole = false; // whether the colours are those of the scale from 0 to 1

/** Give a picture its colours; those of a map depend on the scale. */
function colour(image, shown) {
  const scale = isWhole ? shown?.scale : null;
  image.style.filter = scale ? `url(#${paler(scale[3])})` : "";
}

/** The id of a filter that brings all colours nearer to the neutral one. */
function paler(contrast) {
  const id = `contrast-${contrast.toFixed(4).replace(".", "-")}`;
  if (!$(id)) {
    const values = { type: "linear", slope: contrast, intercept: NEUTRAL * (1 - contrast) };
    const channels = ["feFuncR", "feFuncG", "feFuncB"].map((name) => svg(name, values));
    const transfer = svg("feComponentTransfer", {}, ...channels);
    $("filters").append(svg("filter", { id, "color-interpolation-filters": "sRGB" }, transfer));
  }
  return id;
}

/** The name of a picture; of a map with the numbers of its colours. */
function caption({ label, parts, scale }) {
  if (!scale) return label;
  return parts.join(`, ${isWhole && scale[0] !== "uniform" ? "0 to 1" : scale[0]}`);
}

/** Both switches show the same; ``change`` is called when one is used. */
function prepareColours(change) {
  const switches = document.querySelectorAll(".whole");
  const turn = (whole) => {
    isWhole = whole;
    for (const one of switches) one.checked = whole;
    change();
  };
  for (const one of switches) one.addEventListener("change", () => turn(one.checked));
  return () => turn(!isWhole);
}
