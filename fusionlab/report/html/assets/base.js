"use strict";
// Elements and numbers. What the data name enters the page as text, never as markup.

const $ = (id) => document.getElementById(id);

/** An element with properties (with a hyphen: attributes) and children. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** JSON has no NaN and no infinity: null and "inf" stand for them. */
const read = (value) =>
  value === null ? NaN : value === "inf" ? Infinity : value === "-inf" ? -Infinity : value;

const formats = new Map();

/** With so many decimals; halves go to the even digit, as in the terminal. */
function fixed(value, digits) {
  if (!formats.has(digits)) {
    const both = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    const options = { ...both, roundingMode: "halfEven", useGrouping: false };
    formats.set(digits, new Intl.NumberFormat("en", options));
  }
  return formats.get(digits).format(value);
}

const isNumber = (value) =>
  value !== null && value !== undefined && !Number.isNaN(read(value));

/** Two decimals; of a difference three, or two digits if it is small. */
function number(value, signed = false) {
  if (!isNumber(value)) return "–";
  const v = read(value),
    size = Math.abs(v);
  if (size === Infinity) return v > 0 ? "∞" : "−∞";
  let digits = size < 999 ? 2 : 0;
  if (signed && size < 9.9995)
    digits = size === 0 || size >= 0.01 ? 3 : Math.min(6, 1 - Math.floor(Math.log10(size)));
  const text = fixed(size, digits);
  const sign = v < 0 && Number(text) !== 0 ? "−" : signed && v > 0 ? "+" : "";
  return sign + text;
}

/** A share from 0 to 1. */
const percent = (share) => (isNumber(share) ? `${fixed(100 * share, 0)} %` : "–");
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const ARROWS = { higher: "↑", lower: "↓", zero: "→0" };
const BETTER = { higher: "higher is better", lower: "lower is better", zero: "0 is best" };

/** Rows and cells of tables. */
const tr = (...cells) => make("tr", {}, ...cells);
const td = (...content) => make("td", {}, ...content);
const rowHead = (...content) => make("th", { scope: "row" }, ...content);
const nameHead = (name, ...rest) => make("th", { scope: "row", title: name }, name, ...rest);
const across = (columns, text) =>
  tr(make("th", { colSpan: columns, scope: "rowgroup", className: "across" }, text));
const columnHead = (title, ...content) => make("th", { scope: "col", title }, ...content);
const tableOf = (className, head, rows) =>
  make("table", { className }, make("thead", {}, tr(...head)), make("tbody", {}, ...rows));

function captioned(text, table) {
  table.prepend(make("caption", {}, text));
  return table;
}

/** A table that scrolls sideways where it is too wide. */
const scrolling = (label, table) =>
  make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": label }, table);

const card = (...content) => make("div", { className: "card" }, ...content);
const note = (text) => make("p", { className: "note" }, text);

const option = (label, value) => make("option", { value }, label);

/** Exclusive buttons; ``choose`` gets the place of the one pressed. */
function chips(box, labels, pressed, choose) {
  const button = (label, k) => {
    const press = () => {
      markPressed(box, k);
      choose(k);
    };
    return make("button", { type: "button", onclick: press }, label);
  };
  box.replaceChildren(...labels.map(button));
  markPressed(box, pressed);
}

function markPressed(box, pressed) {
  [...box.children].forEach((one, k) => one.setAttribute("aria-pressed", String(k === pressed)));
}
