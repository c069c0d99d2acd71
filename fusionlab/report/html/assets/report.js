"use strict";
// Puts the parts together: title, filter, colours, help.

let chosenData = -1; // place of the data set shown; −1 is all

function refresh() {
  showGrid(chosenData);
}

function chooseData(place) {
  chosenData = place;
  showTables(place);
  showPlots(place);
  refresh();
}

function showHead() {
  const total = REPORT.data.reduce((sum, data) => sum + data.total, 0),
    done = samples.length;
  const name = hasTtd ? `${REPORT.method}+TTD` : REPORT.method;
  document.title = `${name}: image fusion report`;
  $("title").textContent = name;
  $("subtitle").textContent = [
    done < total ? `${done} of ${plural(total, "image")}` : plural(total, "image"),
    dataLabels.join(", "),
    REPORT.run,
  ].join(" · ");
  if (!REPORT.finished) {
    $("status").hidden = false;
    $("status").textContent =
      `Unfinished: ${done} of ${plural(total, "image")} done; all that stands here is about these. ` +
      `If the evaluation is still running, load this page again later. If it was interrupted, python evaluate.py --resume …/${REPORT.run} goes on.`;
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

showHead();
showLists();
prepareGrid(refresh);
prepareViewer();
if (REPORT.data.length > 1) chips($("filter"), ["All", ...dataLabels], 0, (k) => chooseData(k - 1));
if (KINDS.length > 1)
  chips(
    $("plot-kind"),
    KINDS.map((kind) => KIND_LABELS[kind]),
    0,
    (k) => {
      plotKind = KINDS[k];
      showPlots(chosenData);
    },
  );
$("plots").hidden = !samples.length;
$("dominability").hidden = $("to-dominability").hidden = !REPORT.data.some(
  (data) => data.weights.length,
);
$("theorem").hidden = $("to-theorem").hidden = !REPORT.data.some((data) => data.theorem);
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
chooseData(-1);
