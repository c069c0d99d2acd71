"use strict";
// Puts the parts together: title, filter, colours, help.

const MOST_NAMES = 4; // of methods in the title

/** Show everything of what has been chosen anew: data, condition or pair. */
function showChosen(changed) {
  if (changed !== "pair") showTables();
  showPlots();
  if (changed === "pair") {
    sides = [null, null]; // the viewer begins with the new pair
    fillCards();
  }
  showGrid();
}

function reportTitle() {
  const fused = methods.filter(({ kind }) => kind !== "source").map(({ name }) => name);
  const more = fused.length - MOST_NAMES;
  const names = more > 1 ? [...fused.slice(0, MOST_NAMES), `${more} more`] : fused;
  return REPORT.title || names.join(", ");
}

function showHead() {
  const total = REPORT.data.reduce((sum, data) => sum + data.total, 0),
    done = samples.length;
  document.title = `${reportTitle()}: image fusion report`;
  $("title").textContent = reportTitle();
  const some = conditions.length < 2 && done < total ? `${done} of ` : "";
  $("subtitle").textContent = [
    some + plural(total, "image"),
    ...(conditions.length > 1 ? [plural(conditions.length, "condition")] : []),
    dataLabels.join(", "),
    REPORT.run,
  ].join(" · ");
  if (!REPORT.finished) {
    $("status").hidden = false;
    $("status").textContent =
      `Unfinished: ${plural(done, "image")} done; all that stands here is about these. ` +
      `If the evaluation is still running, load this page again later. If it was interrupted, fusionlab evaluate --resume …/${REPORT.run} goes on.`;
  }
}

/** The other of light and dark; kept for as long as the page is open. */
function changeTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

/** Sections without content are not there, nor are the links to them. */
function showSections() {
  const shown = {
    plots: samples.length,
    dominability: results.some(({ rd }) => rd.length),
    theorem: results.some(({ theorem }) => theorem.length),
    images: hasPictures,
  };
  for (const [id, there] of Object.entries(shown)) {
    $(id).hidden = !there;
    for (const link of document.querySelectorAll(`a[href="#${id}"]`))
      (link.closest("li") ?? link).hidden = !there;
  }
}

/** Open the viewer where the address ends with #image-2: on the second image. */
function openAddressed() {
  const sample = samples[Number(/^#image-(\d+)$/.exec(location.hash)?.[1]) - 1];
  if (sample) openViewer(sample);
}

showHead();
showLists();
showSections();
prepareChoice(showChosen);
prepareGrid();
prepareViewer();
$("theme").addEventListener("click", changeTheme);
$("keys").addEventListener("click", () => $("help").showModal());
document.addEventListener("keydown", (event) => {
  if (
    event.key === "?" &&
    !document.querySelector("dialog[open]") &&
    !event.target.matches("input")
  )
    $("help").showModal();
});
showChosen();
openAddressed();
