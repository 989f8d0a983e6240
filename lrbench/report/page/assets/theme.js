// Colours that the colour-blind can tell apart, each also with a dash and a rank beside the line, on either background.

const LIGHT = [
  "#0072b2",
  "#d55e00",
  "#007a5a",
  "#b0508a",
  "#9a6700",
  "#2b7bb9",
  "#6f3390",
  "#8c564b",
  "#444444",
  "#6b7000",
];
const DARK = [
  "#56b4e9",
  "#ff8c42",
  "#2fce9f",
  "#e79ac6",
  "#f0c24b",
  "#9ad0f5",
  "#c792ea",
  "#d7a79b",
  "#cfcfcf",
  "#cdd64a",
];
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];
const charts = new Map();
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const waiting = new Map();
const NEAR_PIXELS = 500;
const PRINTED_PIXELS = 320;
const coming = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) drawNow(entry.target);
  },
  { rootMargin: `${NEAR_PIXELS}px` },
);
let printing = false;

function look(place) {
  const colours = darkScheme.matches && !printing ? DARK : LIGHT;
  return {
    colour: colours[place % colours.length],
    dash: DASHES[(place + Math.floor(place / colours.length)) % DASHES.length],
  };
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function axis(kind, name, { vertical = false, label, options = {}, ticks } = {}) {
  const marks = ticks && ticks.length ? { customValues: ticks } : {};
  return {
    type: kind,
    name,
    nameLocation: "middle",
    nameGap: vertical ? 48 : 28,
    axisTick: marks,
    axisLabel: { color: colour("text"), hideOverlap: true, ...marks, ...(label ? { formatter: label } : {}) },
    nameTextStyle: { color: colour("text") },
    axisLine: { onZero: false, lineStyle: { color: colour("soft") } },
    splitLine: { ...marks, lineStyle: { color: colour("line"), opacity: 0.5 } },
    ...options,
  };
}

/** Draw into a room of the page: at once where the reader is near it, else when he comes near. */
function draw(room, option) {
  waiting.set(room, option);
  const place = room.getBoundingClientRect();
  if (printing || (place.top < innerHeight + NEAR_PIXELS && place.bottom > -NEAR_PIXELS)) drawNow(room);
  else coming.observe(room);
}

function drawNow(room) {
  const option = waiting.get(room);
  if (!option) return;
  waiting.delete(room);
  coming.unobserve(room);
  const size = printing ? { width: PRINTED_PIXELS } : {}; // what is laid out for the screen is wider than paper
  const chart = echarts.init(room, null, { renderer: "svg", ...size });
  charts.set(room, chart);
  const made = {
    animation: false,
    backgroundColor: "transparent",
    textStyle: { color: colour("text"), fontFamily: "inherit" },
    ...option(),
  };
  if (made.tooltip)
    Object.assign(made.tooltip, {
      backgroundColor: colour("back"),
      borderColor: colour("line"),
      textStyle: { color: colour("text") },
      confine: true,
    });
  chart.setOption(made);
}

/** Forget charts whose room is no longer on the page. */
function forgetCharts() {
  for (const [room, chart] of charts) {
    if (!room.isConnected) {
      chart.dispose();
      charts.delete(room);
    }
  }
  for (const room of waiting.keys()) {
    if (!room.isConnected) {
      coming.unobserve(room);
      waiting.delete(room);
    }
  }
}

function resizeCharts() {
  for (const chart of charts.values()) chart.resize();
}

/** A tooltip's lines, as an element. */
function tip(title, lines) {
  return element("div", {}, element("strong", {}, title), ...lines.map((line) => element("div", {}, line)));
}

function shortNumber(value) {
  if (value === null || value === undefined) return "-";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  return size !== 0 && size < 0.001 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}
