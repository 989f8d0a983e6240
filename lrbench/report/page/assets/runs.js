// Every run of the workload, with the spec that makes it again; and those under way.

const FIRST_RUNS = 100;
const RUN_COLUMNS = ["policy", "solver", "seed", "status", "best %", "iteration", "spec"];

function copy(text, button, box) {
  const done = (words) => {
    button.textContent = words;
  };
  const byHand = () => {
    getSelection().selectAllChildren(box);
    done("Selected: copy with Ctrl-C");
  };
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => done("Copied"), byHand);
  else byHand();
}

function specCell(run) {
  if (!run.spec) return element("span", { class: "note" }, "not known");
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
  const head = RUN_COLUMNS.map((title) =>
    element(
      "th",
      { scope: "col", class: /solver|status|spec/.test(title) ? "left" : title === "policy" ? "policy" : null },
      title,
    ),
  );
  const table = element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...shown.map(runRow)),
  );
  const where = scrollOf("run-table");
  const more = element(
    "button",
    {
      type: "button",
      onclick: () => {
        state.allRuns = true;
        renderRuns();
      },
    },
    `Show all ${places.length} runs`,
  );
  fill("run-table", scrolling("Runs", table, true), shown.length < places.length ? more : "");
  scrollBox("run-table", where);
}

function renderUnderway() {
  show("underway", data.underway.length > 0);
  fill(
    "underway-table",
    plainTable(
      "Runs under way",
      ["run", "iteration", "last accuracy", "best", "rate", "time left"],
      data.underway.map((run) => [run.name, run.iteration, run.accuracy, run.best, run.rate, run.left]),
    ),
  );
}
