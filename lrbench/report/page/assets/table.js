// The ranked table: sorted by any column, filtered, with a box to tick for each policy that is drawn.

function keyOf(row) {
  return `${workload.label}\n${row.name}`;
}

/** Rows to draw, the best first: those ticked, or the first few until the reader ticks any. */
function drawnRows() {
  const ticked = state.drawn[workload.label];
  if (!ticked) return workload.rows.slice(0, data.theme.first);
  return workload.rows.filter((row) => ticked.has(keyOf(row))).slice(0, data.theme.most);
}

function tick(rows) {
  state.drawn[workload.label] = new Set(rows.map(keyOf));
  for (const box of byId("policy-table").querySelectorAll("input"))
    box.checked = state.drawn[workload.label].has(box.dataset.key);
  renderCurves();
}

function sortBy(column) {
  const same = state.sort.column === column;
  state.sort = { column, down: same ? !state.sort.down : false };
  renderTables();
}

function compared(one, other) {
  if (one === null || other === null) return (one === null) - (other === null);
  const order = typeof one === "string" ? inOrder(one, other) : one - other;
  return state.sort.down ? -order : order;
}

function sortedRows() {
  const place = workload.columns.indexOf(state.sort.column);
  const rows = workload.rows.filter((row) => row.runs.some(passes));
  return place < 0 ? rows : rows.sort((one, other) => compared(one.sort[place], other.sort[place]));
}

function headCell(title) {
  const sorted = state.sort.column === title;
  const words = title === "#" ? "rank" : title;
  return element(
    "th",
    {
      scope: "col",
      class: workload.left.includes(title) ? "left" : null,
      "data-column": title,
      "aria-sort": sorted ? (state.sort.down ? "descending" : "ascending") : "none",
    },
    element("button", { type: "button", "aria-label": `Sort by ${words}`, onclick: () => sortBy(title) }, title),
  );
}

function tableRow(row, drawn) {
  const cells = row.cells.map((text, place) => {
    const title = workload.columns[place];
    if (title === "policy") return element("th", { scope: "row", class: "policy" }, text);
    return element("td", { class: workload.left.includes(title) ? "left" : "number" }, text);
  });
  const box = element("input", {
    type: "checkbox",
    "aria-label": `Draw ${row.name}`,
    "data-key": keyOf(row),
    onchange: (event) =>
      tick(event.target.checked ? [...drawnRows(), row] : drawnRows().filter((other) => other !== row)),
  });
  box.checked = drawn.has(row);
  return element("tr", { class: row.sort[0] === 1 ? "best" : null }, element("td", { class: "tick" }, box), ...cells);
}

function renderTable() {
  const rows = sortedRows();
  const drawn = new Set(drawnRows());
  const head = [element("th", { scope: "col", class: "tick" }, "draw"), ...workload.columns.map(headCell)];
  const lines = rows.map((row) => tableRow(row, drawn));
  fillScrolled("policy-table", scrollingTable("Policies, ranked", head, lines));
  const buttons = [
    ["Draw the best five", () => tick(workload.rows.slice(0, data.theme.first))],
    ["Draw the first 20 shown", () => tick(sortedRows().slice(0, 20))],
    ["Draw none", () => tick([])],
  ];
  const of = workload.rows.length === rows.length ? "" : ` of ${workload.rows.length}`;
  const partly = state.filters.seed || state.filters.status;
  const counted = `${rows.length}${of} policies. ${partly ? "Means are over all runs of a policy, filtered or not. " : ""}`;
  fill(
    "shown",
    counted,
    ...buttons.flatMap(([text, act]) => [element("button", { type: "button", onclick: act }, text), " "]),
  );
}

/** Fill a part of the page with a table that stays scrolled as the one before it was. */
function fillScrolled(id, ...children) {
  const { scrollLeft, scrollTop } = byId(id).querySelector(".scroll") || { scrollLeft: 0, scrollTop: 0 };
  fill(id, ...children);
  Object.assign(byId(id).querySelector(".scroll"), { scrollLeft, scrollTop });
}
