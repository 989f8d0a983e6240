// Drawing of charts. Colours, dashes and ticks come with the data, the same as in the picture files.

const charts = new Map();
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const waiting = new Map();
const parts = new WeakMap();
const NEAR_PIXELS = 500;
const END_LABEL_PIXELS = 12;
const GRID_BOTTOM = 44;
const PRINTED = { width: 320, height: 176 };
const coming = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) drawNow(entry.target);
  },
  { rootMargin: `${NEAR_PIXELS}px` },
);
let printing = false;

function look(place) {
  const { light, dark, dashes } = data.theme;
  const colours = darkScheme.matches && !printing ? dark : light;
  const dash = dashes[place % dashes.length];
  return { colour: colours[place % colours.length], dash, type: dash.length ? dash : "solid" };
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function axis(kind, name, { vertical = false, label, options = {}, ticks, ends = true } = {}) {
  const marks = ticks && ticks.length ? { customValues: ticks } : {};
  return {
    type: kind,
    name,
    nameLocation: "middle",
    nameGap: vertical ? 48 : 28,
    axisTick: marks,
    // The ends of an axis are labelled only where they are round numbers.
    axisLabel: { color: colour("text"), hideOverlap: true, showMinLabel: ends, showMaxLabel: ends, ...marks, ...(label ? { formatter: label } : {}) },
    nameTextStyle: { color: colour("text") },
    axisLine: { onZero: false, lineStyle: { color: colour("soft") } },
    splitLine: { ...marks, lineStyle: { color: colour("line"), opacity: 0.5 } },
    ...options,
  };
}

/** Draw into a room of the page: at once if it is near the visible part, else when it comes near. */
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
  // Smaller than on a screen, so that three rows of charts fit a page.
  const size = printing ? { width: PRINTED.width, ...(room.style.height ? {} : { height: PRINTED.height }) } : {};
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
  parts.set(chart, made);
  spreadEndLabels(chart);
}

/** Move the labels at the ends of lines apart where they would overlap. */
function spreadEndLabels(chart) {
  const { series } = parts.get(chart);
  const ends = series.flatMap((line, index) => {
    const point = line.endLabel && line.data.findLast(([, value]) => value !== null);
    return point ? [{ index, at: chart.convertToPixel({ seriesIndex: index }, point)[1] }] : [];
  });
  if (ends.length < 2) return;
  ends.sort((one, other) => one.at - other.at);
  const moved = ends.map((end) => end.at);
  for (let round = 0; round < 20; round += 1)
    for (let index = 1; index < moved.length; index += 1) {
      const short = Math.max(0, END_LABEL_PIXELS - (moved[index] - moved[index - 1])) / 2;
      moved[index - 1] -= short;
      moved[index] += short;
    }
  const below = Math.max(0, moved[moved.length - 1] - (chart.getHeight() - GRID_BOTTOM)); // above the numbers of the axis
  const offsets = new Map(ends.map((end, place) => [end.index, Math.round(moved[place] - below - end.at)]));
  const changed = series.map((_, index) => (offsets.has(index) ? { endLabel: { offset: [0, offsets.get(index)] } } : {}));
  chart.setOption({ series: changed });
}

/** Draw figures that are on the page, and forget charts that no longer are. */
function drawFigures(figures) {
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
  for (const { room, option } of figures) {
    if (option) draw(room, option);
    else room.remove();
  }
}

/** Fill a part of the page with figures; details that were open stay open. */
function fillFigures(id, figures) {
  const open = [...byId(id).querySelectorAll("details")].map((each) => each.open && each.firstChild.textContent);
  fill(id, ...figures.map(({ frame }) => frame));
  for (const each of byId(id).querySelectorAll("details")) each.open = open.includes(each.firstChild.textContent);
  drawFigures(figures);
}

function resizeCharts() {
  for (const chart of charts.values()) {
    chart.resize();
    spreadEndLabels(chart);
  }
}

/** A tooltip's lines, as an element. */
function tip(title, lines) {
  return element("div", {}, element("strong", {}, title), ...lines.map((line) => element("div", {}, line)));
}

function shortNumber(value) {
  if (value === null || value === undefined) return "-";
  const size = Math.abs(value);
  if (size >= 1e9) return value.toExponential(2);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  return size !== 0 && size < 0.001 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}
