// Curves over the iterations, with a band from the lowest to the highest seed.

const PERCENT = { to: (value) => 100 * value, from: (value) => value };
const PLAIN = { to: (value) => value, from: (value) => value };
// Logarithms on an ordinary axis: a band is stacked from its lower edge, which an axis of logarithms would not add up.
const LOGARITHM = { to: (value) => (value > 0 ? Math.log10(value) : null), from: (value) => 10 ** value };
const CURVES = [
  { name: "learning_rate", title: "Learning rate", axis: "learning rate", scale: PLAIN, far: true },
  { name: "accuracy_top1", title: "Accuracy on the test set", axis: "top-1 accuracy, %", scale: PERCENT },
  {
    name: "accuracy_top1",
    title: "The same accuracy, the best from near",
    axis: "top-1 accuracy, %",
    scale: PERCENT,
    near: true,
  },
  { name: "train_loss", title: "Training loss", axis: "training loss", scale: LOGARITHM },
  { name: "test_loss", title: "Test loss", axis: "test loss", scale: LOGARITHM },
  { name: "average_confidence", title: "Confidence in the correct answers", axis: "confidence, %", scale: PERCENT },
  {
    name: "confidence_deviation",
    title: "How far that confidence varies",
    axis: "deviation, points",
    scale: PERCENT,
  },
  {
    name: "expected_calibration_error",
    title: "Calibration: how far confidence is from accuracy",
    axis: "calibration error, points",
    scale: PERCENT,
  },
];

function scaled(values, scale) {
  return values.map((value) => (value === null ? null : scale.to(value)));
}

function pairs(curve, values) {
  return values.map((value, index) => [data.grids[curve.grid][index], value]);
}

/** A band: an unseen line at the bottom, and upon it an area of the difference. */
function band(curve, scale, style, stack) {
  const low = scaled(curve.low, scale);
  const high = scaled(curve.high, scale);
  const line = {
    type: "line",
    stack,
    stackStrategy: "all",
    symbol: "none",
    silent: true,
    lineStyle: { opacity: 0 },
    color: style.colour,
  };
  const height = high.map((value, index) => (value === null || low[index] === null ? null : value - low[index]));
  return [
    { ...line, data: pairs(curve, low) },
    { ...line, data: pairs(curve, height), areaStyle: { color: style.colour, opacity: 0.18 } },
  ];
}

/** Crosses where the training of a seed broke down. */
function crosses(ends, scale, style) {
  return {
    symbol: "path://M0,2 L2,0 L10,8 L8,10 Z M8,0 L10,2 L2,10 L0,8 Z",
    symbolSize: 9,
    silent: true,
    label: { show: false },
    itemStyle: { color: style.colour },
    data: ends.map(([iteration, value]) => ({ coord: [iteration, scale.to(value)] })),
  };
}

function rankOf(row) {
  return row.cells[0] === "-" ? "no rank" : `#${row.cells[0]}`;
}

function lineSeries(row, place, kind) {
  const curve = row.curves[kind.name];
  if (!curve) return [];
  const style = look(place);
  const values = scaled(curve.mean, kind.scale);
  const banded = curve.low && !kind.near;
  const single = values.filter((value) => value !== null).length === 1;
  const line = {
    type: "line",
    name: row.name,
    data: pairs(curve, values),
    symbol: single ? "circle" : "none",
    showSymbol: single,
    step: curve.steps ? "end" : false,
    color: style.colour,
    lineStyle: { width: 2, type: style.dash.length ? style.dash : "solid" },
    endLabel: { show: true, formatter: rankOf(row), color: style.colour, fontSize: 11, distance: 3 },
    labelLayout: { moveOverlap: "shiftY" },
    emphasis: { disabled: true },
    z: 20 - place,
    markPoint: curve.ends && crosses(curve.ends, kind.scale, style),
  };
  return banded ? [...band(curve, kind.scale, style, `band ${place}`), line] : [line];
}

/** The part of the axis where the better half of the policies ends up, with room for their way there. */
function nearRange(rows) {
  const best = rows
    .flatMap((row) => (row.curves.accuracy_top1 ? [Math.max(...row.curves.accuracy_top1.mean)] : []))
    .sort((one, other) => one - other);
  if (!best.length) return {};
  const top = 100 * best[best.length - 1];
  const span = Math.max(top - 100 * best[Math.floor((best.length - 1) / 2)], 1);
  return {
    min: Math.max(0, Math.floor(2 * (top - 3 * span)) / 2),
    max: Math.min(100, Math.ceil(2 * (top + 0.3 * span)) / 2),
  };
}

/** Rates of policies that lie far apart would be flat on one ordinary axis. */
function kindFor(rows, kind) {
  if (!kind.far) return kind;
  const tops = rows.filter((row) => row.curves[kind.name]).map((row) => Math.max(...row.curves[kind.name].mean));
  return Math.max(...tops) > 10 * Math.min(...tops) ? { ...kind, scale: LOGARITHM } : kind;
}

/** Where an axis of logarithms has its ticks: decades alone, 1, 2, 5 of each, or more where these are less than three. */
function logarithmTicks(rows, name) {
  const values = rows
    .flatMap((row) =>
      row.curves[name]
        ? [...row.curves[name].mean, ...(row.curves[name].low || []), ...(row.curves[name].high || [])]
        : [],
    )
    .filter((value) => value > 0);
  const [low, high] = [
    values.reduce((one, other) => Math.min(one, other), Infinity),
    values.reduce((one, other) => Math.max(one, other), 0),
  ];
  const decades = Math.log10(high / low);
  const within = (steps) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
      found.push(...steps.map((step) => step * 10 ** power));
    return found.filter((value) => value >= low && value <= high).map(Math.log10);
  };
  if (decades > 2) return within(decades > 4 ? [1] : [1, 3]);
  const usual = within([1, 2, 5]);
  return usual.length > 2 ? usual : within([1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]);
}

function curveOption(rows, given) {
  const kind = kindFor(rows, given);
  const seen = new Map(rows.map((row) => [row.name, row]));
  const of = (value) => shortNumber(kind.scale.from(value));
  const said = (point) => `${rankOf(seen.get(point.seriesName))} ${point.seriesName}: ${of(point.value[1])}`;
  return {
    grid: { left: 66, right: 52, top: 14, bottom: 44 },
    xAxis: axis("value", "iteration", {
      options: { max: "dataMax", min: 0 },
      label: (value) => value.toLocaleString("en"),
    }),
    yAxis: axis("value", kind.axis, {
      vertical: true,
      label: of,
      ticks: kind.scale === LOGARITHM && logarithmTicks(rows, kind.name),
      options: { scale: true, ...(kind.near ? nearRange(rows) : {}) },
    }),
    tooltip: {
      trigger: "axis",
      formatter: (points) =>
        tip(
          `iteration ${points[0].axisValue.toLocaleString("en")}`,
          points.filter((point) => seen.has(point.seriesName)).map(said),
        ),
    },
    series: rows.flatMap((row, place) => lineSeries(row, place, kind)),
  };
}

function curveSentence(rows, kind) {
  const last = rows
    .filter((row) => row.curves[kind.name])
    .map((row) => {
      const known = row.curves[kind.name].mean.filter((value) => value !== null);
      const value = known[known.length - 1];
      return `${rankOf(row)} ${shortNumber(kind.scale === PERCENT ? 100 * value : value)}`;
    });
  return last.length
    ? `At the end: ${last.slice(0, 5).join(", ")}${last.length > 5 ? `, and ${last.length - 5} more` : ""}.`
    : "Not measured.";
}

function curveNumbers(rows, kind) {
  const parts = [0, 0.25, 0.5, 0.75, 1];
  const head = ["policy", ...parts.map((part) => (part ? `at ${100 * part} %` : "first"))];
  return plainTable(
    kind.title,
    head,
    rows
      .filter((row) => row.curves[kind.name])
      .map((row) => {
        const values = row.curves[kind.name].mean.map((value) =>
          value !== null && kind.scale === PERCENT ? 100 * value : value,
        );
        return [row.name, ...parts.map((part) => shortNumber(values[Math.round(part * (values.length - 1))]))];
      }),
  );
}

function sample(style) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const drawn = {
    x1: 0,
    x2: 34,
    y1: 5,
    y2: 5,
    stroke: style.colour,
    "stroke-width": 3,
    "stroke-dasharray": style.dash.join(" "),
  };
  for (const [name, value] of Object.entries({ width: 34, height: 10, "aria-hidden": "true" }))
    picture.setAttribute(name, value);
  for (const [name, value] of Object.entries(drawn)) line.setAttribute(name, value);
  picture.append(line);
  return picture;
}

function renderCurves() {
  const rows = drawnRows();
  fill(
    "legend",
    ...rows.map((row, place) =>
      element("li", {}, sample(look(place)), `${rankOf(row)} `, element("span", { class: "policy" }, row.name)),
    ),
  );
  const shown = CURVES.filter((kind) => rows.some((row) => row.curves[kind.name]));
  const open = openDetails("curves");
  const made = shown.map((kind) => [
    kind,
    figure(kind.title, curveSentence(rows, kind), () => curveNumbers(rows, kind)),
  ]);
  const note = rows.some((row) => Object.values(row.curves).some((curve) => curve.low))
    ? "Line: mean over the seeds; band: from the lowest to the highest; ×: the training of a seed broke down."
    : "";
  fill("curves-note", note);
  fill("curves", ...made.map(([, one]) => one.frame));
  reopen("curves", open);
  forgetCharts();
  for (const [kind, one] of made) draw(one.room, () => curveOption(rows, kind));
  byId("curves").dataset.drawn = made.length;
}
