// State that the reader sets, and drawing of the page from it.

const state = {
  workload: null,
  sort: { column: "#", down: false },
  filters: {},
  drawn: {},
  cost: null,
  open: new Set(),
  allRuns: false,
};
let data = JSON.parse(byId("data").textContent);
let workload = null;

/** Workloads, the most relevant first. */
function ordered() {
  const smaller = (one, other) => one.order.reduce((found, value, place) => found || value - other.order[place], 0);
  return [...data.workloads].sort(smaller);
}

function renderTables() {
  const focused = keptFocus();
  renderTable();
  renderRuns();
  focused();
}

function renderHeader() {
  const all = ordered();
  workload = all.find((one) => one.label === state.workload) || all[0];
  fill("made", `· as of ${data.made.replace("T", " ")} · ${data.report.runs.length} runs · LRBench ${data.version}`);
  fill("title", workload.label);
  document.title = `LRBench: ${workload.label}`;
  fill(
    "workload",
    ...all.map((one) => element("option", { value: one.label, selected: one === workload }, one.label)),
  );
  show("choose-workload", all.length > 1);
  for (const name of ["use", "sure", "cost", "export"]) fill(name, workload.headline[name] || "-");
  show("problems", data.problems.length > 0);
  fill("problem-list", ...data.problems.map((line) => element("li", {}, line)));
  fill("notes", ...workload.notes.map((line) => element("li", {}, line)));
}

function renderAll() {
  const focused = keptFocus();
  renderHeader();
  renderUnderway();
  renderFilters();
  renderTables();
  renderCurves();
  renderBars();
  renderHeat();
  renderRanges();
  focused();
}

/** Returns a function that gives the focus back to the same control once the page is drawn anew. */
function keptFocus() {
  const at = document.activeElement;
  const key = at && (at.dataset.key || at.getAttribute("aria-label") || at.name || at.textContent);
  const box = at && at.closest("[id]");
  return () => {
    if (!box || !key || document.activeElement === at) return;
    const same = [...byId(box.id).querySelectorAll("input, select, button, summary, [tabindex]")].find((one) =>
      [one.dataset.key, one.getAttribute("aria-label"), one.name, one.textContent].includes(key),
    );
    if (same) same.focus({ preventScroll: true });
  };
}

function takeData(found) {
  const [left, top] = [scrollX, scrollY];
  data = found;
  renderAll();
  scrollTo(left, top);
}

byId("workload").addEventListener("change", (event) => {
  Object.assign(state, { workload: event.target.value, filters: {}, sort: { column: "#", down: false } });
  renderAll();
});
darkScheme.addEventListener("change", renderAll);
addEventListener("resize", resizeCharts);
addEventListener("beforeprint", () => {
  printing = true;
  renderAll();
});
addEventListener("afterprint", () => {
  printing = false;
  renderAll();
});
renderAll();
performance.mark("drawn");
if (document.documentElement.dataset.live === "true") follow();
