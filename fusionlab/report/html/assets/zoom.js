"use strict";
// Zoom and position that all views share: one region of the scene, in each view as large as fits.

const LARGEST_PIXEL = 40; // CSS pixels that one pixel of an image may become
const region = { factor: 1, x: 0.5, y: 0.5 }; // 1 is the whole image; the centre, from 0 to 1
let imageSize = null; // [width, height] of the images shown
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Size and offset of the image in a view, in CSS pixels. */
function placed(view) {
  const room = [view.clientWidth, view.clientHeight];
  const whole = Math.min(room[0] / imageSize[0], room[1] / imageSize[1]);
  const scale = whole * region.factor;
  const length = imageSize.map((one) => one * scale);
  const offset = [region.x, region.y].map((centre, k) =>
    length[k] <= room[k]
      ? (room[k] - length[k]) / 2
      : clamp(room[k] / 2 - centre * length[k], room[k] - length[k], 0),
  );
  return { room, whole, scale, length, offset };
}

function placeAll() {
  if (!imageSize) return;
  for (const view of document.querySelectorAll("#viewer .view")) {
    if (!view.clientWidth) continue;
    const { room, scale, length, offset } = placed(view);
    for (const image of view.querySelectorAll("img")) {
      image.style.width = `${imageSize[0]}px`;
      image.style.height = `${imageSize[1]}px`;
      image.style.transform = `translate(${offset[0]}px, ${offset[1]}px) scale(${scale})`;
      image.classList.toggle("enlarged", scale * devicePixelRatio > 1.01);
    }
    const inner = view.querySelector(".difference"); // without the rim, where edges are half transparent
    if (inner) {
      const [x, y] = offset.map((one) => Math.max(0, Math.ceil(one) + 1));
      const [right, bottom] = offset.map((one, k) =>
        Math.max(0, Math.ceil(room[k] - one - length[k]) + 1),
      );
      inner.style.clipPath = `inset(${y}px ${right}px ${bottom}px ${x}px)`;
    }
    view.classList.toggle("movable", region.factor > 1);
  }
}

/** Put the image at these offsets in a view, and all others likewise. */
function moveTo(view, left, top) {
  const { room, length } = placed(view);
  [region.x, region.y] = [left, top].map((offset, k) =>
    length[k] <= room[k]
      ? 0.5
      : clamp(
          (room[k] / 2 - offset) / length[k],
          room[k] / 2 / length[k],
          1 - room[k] / 2 / length[k],
        ),
  );
  placeAll();
}

/** Zoom about a point of a view, given in CSS pixels from its corner. */
function zoomAt(view, ratio, x, y) {
  if (!imageSize) return;
  const before = placed(view);
  region.factor = clamp(region.factor * ratio, 1, Math.max(8, LARGEST_PIXEL / before.whole));
  const grown = (before.whole * region.factor) / before.scale;
  moveTo(view, x - (x - before.offset[0]) * grown, y - (y - before.offset[1]) * grown);
}

function resetZoom() {
  Object.assign(region, { factor: 1, x: 0.5, y: 0.5 });
  placeAll();
}

/** Let wheel, drag, pinch and double click act on a view; ``still`` gets drags of the whole image. */
function navigable(view, still = () => {}) {
  const pointers = new Map();
  const at = (event) => {
    const box = view.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  view.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      zoomAt(view, Math.exp(-event.deltaY * lines * 0.0018), ...at(event));
    },
    { passive: false },
  );
  view.addEventListener("dblclick", resetZoom);
  view.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !imageSize) return;
    view.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    if (region.factor === 1 && pointers.size === 1) still(at(event)[0]);
  });
  view.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const [x, y] = at(event),
      [oldX, oldY] = pointers.get(event.pointerId);
    pointers.set(event.pointerId, [x, y]);
    if (pointers.size === 2) {
      const [other] = [...pointers]
        .filter(([id]) => id !== event.pointerId)
        .map(([, where]) => where);
      const spread = (a, b) => Math.max(10, Math.hypot(a - other[0], b - other[1]));
      zoomAt(view, spread(x, y) / spread(oldX, oldY), (x + other[0]) / 2, (y + other[1]) / 2);
    } else if (region.factor > 1) {
      const { offset } = placed(view);
      moveTo(view, offset[0] + x - oldX, offset[1] + y - oldY);
    } else {
      still(x);
    }
  });
  for (const end of ["pointerup", "pointercancel"])
    view.addEventListener(end, (event) => pointers.delete(event.pointerId));
}
