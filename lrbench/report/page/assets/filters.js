// The filters: what each leaves of the runs, and of the policies those that have such a run.

const FILTERS = [
  ["function", "LR function", (run) => run.function],
  ["solver", null, (run, place) => data.runs[place].solver],
  ["seed", "Seed", (run, place) => data.runs[place].seed],
  ["status", "Status", (run) => run.status],
];

function runsOfWorkload() {
  const places = new Set();
  for (const row of workload.rows) for (const place of row.runs) places.add(place);
  return places;
}

function passes(place) {
  const run = data.report.runs[place];
  const chosen = FILTERS.every(([name, , of]) => !state.filters[name] || of(run, place) === state.filters[name]);
  return chosen && data.runs[place].policy.toLowerCase().includes(state.filters.text || "");
}

function filterNow(name, value) {
  state.filters[name] = value;
  renderTables();
}

function renderFilters() {
  const places = [...runsOfWorkload()];
  const fields = FILTERS.map(([name, title, of]) => {
    const values = [...new Set(places.map((place) => of(data.report.runs[place], place)))].sort(inOrder);
    if (!values.includes(state.filters[name])) state.filters[name] = "";
    const options = ["", ...values].map((value) =>
      element("option", { value, selected: value === (state.filters[name] || "") }, value || "all"),
    );
    return element(
      "label",
      {},
      title || workload.solver[0].toUpperCase() + workload.solver.slice(1),
      element("select", { name, onchange: (event) => filterNow(name, event.target.value) }, ...options),
    );
  });
  const search = element("input", {
    type: "search",
    name: "text",
    value: state.filters.text || "",
    placeholder: "part of its text",
    oninput: (event) => filterNow("text", event.target.value.toLowerCase()),
  });
  const clear = element("button", { type: "reset" }, "Clear");
  fill("filters", element("label", {}, "Policy", search), ...fields, clear);
}

byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("reset", (event) => {
  event.preventDefault();
  state.filters = {};
  renderFilters();
  renderTables();
});

/** Numbers by size, texts by the alphabet. */
function inOrder(one, other) {
  return one.localeCompare(other, "en", { numeric: true });
}
