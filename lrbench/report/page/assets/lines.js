// Curves over the iterations, with a band from the lowest to the highest seed.

const PERCENT = { to: (value) => 100 * value, from: (value) => value };
const PLAIN = { to: (value) => value, from: (value) => value };
// Logarithms on an ordinary axis: a band is stacked from its lower edge, which an axis of logarithms would not add up.
const LOGARITHM = { to: (value) => (value > 0 ? Math.log10(value) : null), from: (value) => 10 ** value };
const RATE = "learning_rate";
const SCALES = { percent: PERCENT, plain: PLAIN, logarithm: LOGARITHM };

/** The charts of the workload. */
function curveKinds() {
  return workload.kinds.map((kind) => ({ ...kind, scale: SCALES[kind.scale] }));
}

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
    { ...line, data: pairs(curve, height), areaStyle: { color: style.colour, opacity: data.theme.band } },
  ];
}

/** Crosses where a seed diverged. */
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

/** Its rank as charts and their legend show it, different for each policy. */
function rankOf(row) {
  return row.label.startsWith("-") ? `no rank ${row.label.slice(1)}`.trim() : `#${row.label}`;
}

function lineSeries(row, place, kind) {
  const curve = row.curves[kind.name];
  if (!curve) return [];
  const style = look(place);
  const values = scaled(curve.mean, kind.scale);
  const banded = curve.low && !kind.zoomed;
  const single = values.filter((value) => value !== null).length === 1;
  const line = {
    type: "line",
    name: row.name,
    data: pairs(curve, values),
    symbol: single ? "circle" : "none",
    showSymbol: single,
    step: curve.steps ? "end" : false,
    color: style.colour,
    lineStyle: { width: data.theme.width, type: style.type },
    endLabel: { show: true, formatter: rankOf(row), color: style.colour, fontSize: 11, distance: 3 },
    emphasis: { disabled: true },
    z: 20 - place,
    markPoint: curve.ends && crosses(curve.ends, kind.scale, style),
  };
  return banded ? [...band(curve, kind.scale, style, `band ${place}`), line] : [line];
}

/** The limits of an axis, in its own scale; rates a decade or more apart are on logarithms, as in the picture files. */
function kindFor(rows, kind) {
  if (kind.zoomed) return { ...kind, limits: { min: kind.scale.to(workload.zoom.low), max: kind.scale.to(workload.zoom.high) } };
  if (kind.name !== RATE) return kind;
  const positive = rows.map((row) => (row.curves[RATE]?.mean || []).filter((rate) => rate > 0));
  const known = positive.filter((rates) => rates.length);
  const tops = known.map((rates) => Math.max(...rates));
  const { apart, below } = data.theme.rates;
  if (!known.length || Math.max(...tops) < apart * Math.min(...tops) * (1 - 1e-4)) return kind;
  const low = Math.max(Math.min(...known.flat()), Math.min(...tops) / below);
  const scale = { ...LOGARITHM, to: (rate) => Math.log10(Math.max(rate, low)) };
  return { ...kind, scale, axis: `${kind.axis} (log)` };
}

/** Ticks of an axis of logarithms: of the sets that come with the data, the first of which three are in range. */
function logarithmTicks(rows, kind) {
  const curves = rows.flatMap((row) => (row.curves[kind.name] ? [row.curves[kind.name]] : []));
  const values = curves.flatMap((curve) => [...curve.mean, ...(curve.low || []), ...(curve.high || [])]);
  const known = scaled(values, kind.scale).filter((value) => value !== null);
  const low = known.reduce((one, other) => Math.min(one, other), Infinity) - 1e-9;
  const high = known.reduce((one, other) => Math.max(one, other), -Infinity) + 1e-9;
  let found = [];
  for (const steps of data.theme.ticks) {
    found = [];
    for (let power = Math.floor(low); power <= high; power += 1)
      found.push(...steps.map((step) => power + Math.log10(step)).filter((at) => at >= low && at <= high));
    if (found.length > 2) break;
  }
  return found;
}

function curveOption(rows, given) {
  const kind = kindFor(rows, given);
  const seen = new Map(rows.map((row) => [row.name, row]));
  const of = (value) => shortNumber(kind.scale.from(value));
  const said = (point) => `${rankOf(seen.get(point.seriesName))} ${point.seriesName}: ${of(point.value[1])}`;
  return {
    grid: { left: 66, right: 52, top: 14, bottom: GRID_BOTTOM },
    xAxis: axis("value", "iteration", {
      options: kind.zoomed ? { min: workload.zoom.start, max: workload.zoom.end } : { max: "dataMax", min: 0 },
      label: (value) => value.toLocaleString("en"),
    }),
    yAxis: axis("value", kind.axis, {
      vertical: true,
      label: of,
      ticks: kind.scale.from === LOGARITHM.from && logarithmTicks(rows, kind),
      options: { scale: true, ...kind.limits },
      ends: !kind.limits,
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

function inUnit(value, kind) {
  return value !== null && kind.scale === PERCENT ? 100 * value : value;
}

function curveSentence(rows, kind) {
  const last = rows
    .filter((row) => row.curves[kind.name])
    .map((row) => {
      const known = row.curves[kind.name].mean.filter((value) => value !== null);
      const value = known[known.length - 1];
      return `${rankOf(row)} ${shortNumber(inUnit(value, kind))}`;
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
        const values = row.curves[kind.name].mean.map((value) => inUnit(value, kind));
        return [row.name, ...parts.map((part) => shortNumber(values[Math.round(part * (values.length - 1))]))];
      }),
  );
}

/** A piece of a policy's line for the legend. */
function sample(style) {
  const drawing = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const stroke = { stroke: style.colour, "stroke-width": data.theme.width, "stroke-dasharray": style.dash.join(" ") };
  const picture = drawing("svg", { width: 34, height: 10, "aria-hidden": "true" });
  picture.append(drawing("line", { x1: 0, x2: 34, y1: 5, y2: 5, ...stroke }));
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
  const inside = (value) => value !== null && value >= workload.zoom.low && value <= workload.zoom.high;
  const seen = (curve, kind) => curve && (!kind.zoomed || curve.mean.some(inside));
  const shown = curveKinds().filter((kind) => rows.some((row) => seen(row.curves[kind.name], kind)));
  const note = rows.some((row) => Object.values(row.curves).some((curve) => curve.low))
    ? "Line: mean over the seeds; band: lowest to highest seed; ×: a seed diverged."
    : "";
  fill("curves-note", note);
  const made = (kind) => {
    const numbers = () => curveNumbers(rows, kind);
    return figure(kind.title, curveSentence(rows, kind), numbers, () => curveOption(rows, kind));
  };
  fillFigures("curves", shown.map(made));
  byId("curves").dataset.drawn = shown.length;
}
