// Policies x optimizers: a table with darker cells for larger gaps to the best of an optimizer.

function heatCell(cell) {
  const classes = [cell.shade === null ? "unknown" : "", cell.best ? "best" : ""].join(" ").trim();
  const made = element("td", { class: classes || null }, cell.best ? `★ ${cell.text}` : cell.text);
  if (cell.shade !== null) made.style.setProperty("--far", cell.shade);
  return made;
}

function heatTable(matrix) {
  const head = [
    element("th", { scope: "col", class: "policy" }, `policy; ${matrix.title}`),
    ...matrix.solvers.map((solver) => element("th", { scope: "col" }, solver)),
    element("th", { scope: "col", class: "left" }, "verdict"),
  ];
  const rows = matrix.rows.map((row) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", class: "policy" }, row.policy),
      ...row.cells.map(heatCell),
      element("td", { class: "left" }, row.verdict),
    ),
  );
  return scrollingTable(`${matrix.label}: policies and ${matrix.plural}`, head, rows, "heat");
}

function renderHeat() {
  show("solvers", data.solvers.length > 0);
  fill("solvers-title", `Policies and ${data.solvers[0]?.plural}`);
  fill(
    "heat",
    ...data.solvers.flatMap((matrix) => [
      element("h3", {}, matrix.label),
      ...matrix.findings.map((sentence) => element("p", {}, sentence)),
      heatTable(matrix),
      element(
        "p",
        { class: "note" },
        `★, framed: best of its ${matrix.value}. Darker: larger gap to it. Hatched: not comparable, because a run diverged or is missing, or a seed has no value.`,
      ),
    ]),
  );
}
