// The runs of the workload, each with the spec that makes it again, and the active runs.

const FIRST_RUNS = 100;
const LEFT = new Set(["solver", "optimizer", "status", "spec"]);

async function copy(text, button, box) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch (error) {
    getSelection().selectAllChildren(box); // without a clipboard, as on a page that came by plain HTTP
    button.textContent = "Selected: copy with Ctrl-C";
  }
}

function specCell(run) {
  if (!run.spec) return element("span", { class: "note" }, "unknown");
  const box = element("pre", {});
  const button = element("button", { type: "button", onclick: () => copy(run.spec, button, box) }, "Copy");
  const cell = element("details", { "data-key": run.where }, element("summary", {}, "spec"));
  cell.addEventListener("toggle", () => {
    if (cell.open && !box.isConnected) {
      box.textContent = run.spec;
      cell.append(box, button);
    }
    state.open[cell.open ? "add" : "delete"](run.where);
  });
  cell.open = state.open.has(run.where);
  return cell;
}

function runRow(place) {
  const run = data.runs[place];
  const status = run.reason ? `${run.status}: ${run.reason}` : run.status;
  return element(
    "tr",
    {},
    element("th", { scope: "row", class: "policy" }, run.policy),
    element("td", { class: "left" }, run.solver),
    element("td", {}, run.seed),
    element("td", { class: "left" }, status),
    element("td", { class: "number" }, run.best),
    element("td", { class: "number" }, run.iteration),
    element("td", { class: "left" }, specCell(run)),
  );
}

function renderRuns() {
  const places = [...runsOfWorkload()].filter(passes);
  const shown = state.allRuns ? places : places.slice(0, FIRST_RUNS);
  const titles = ["policy", workload.solver, "seed", "status", workload.best, "iteration", "spec"];
  const head = titles.map((title) =>
    element(
      "th",
      { scope: "col", class: LEFT.has(title) ? "left" : title === "policy" ? "policy" : null },
      title,
    ),
  );
  const all = () => {
    state.allRuns = true;
    renderRuns();
  };
  const more = element("button", { type: "button", onclick: all }, `Show all ${places.length} runs`);
  fillScrolled("run-table", scrollingTable("Runs", head, shown.map(runRow)), shown.length < places.length ? more : "");
}

function renderUnderway() {
  show("underway", data.underway.length > 0);
  fill(
    "underway-table",
    plainTable(
      "Active runs",
      ["run", "where", "iteration", `last ${data.underway_value}`, "best", "rate", "time left"],
      data.underway.map((run) => [run.name, run.place, run.iteration, run.value, run.best, run.rate, run.left]),
    ),
    ...data.progress.map((line) => element("p", {}, line)),
  );
}
