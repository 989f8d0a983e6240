// Bars of the iterations to the target, and cost against quality with the Pareto front.

const MOST_BARS = 20;
const LABEL_PIXELS = 10;

function metricOf(row, name) {
  return data.report.policies[row.policy][name];
}

/** A bar's label in at most two lines, as more would run into the next bar's; what is over is cut off. */
function twoLines(text, width) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${LABEL_PIXELS}px ${getComputedStyle(document.body).fontFamily}`;
  const fits = (part) => pen.measureText(part).width <= width;
  const most = (part, end = "") => {
    let length = part.length;
    while (length > 1 && !fits(part.slice(0, length) + end)) length -= 1;
    return length;
  };
  if (fits(text)) return text;
  const full = most(text);
  const space = text.lastIndexOf(" ", full);
  const first = space > full / 2 ? space : full;
  const rest = text.slice(first).trim();
  return `${text.slice(0, first)}\n${fits(rest) ? rest : `${rest.slice(0, most(rest, "…"))}…`}`;
}

/** Runs of a policy that reached the target, such as 1/2; empty where all did, or where there is no target. */
function reachedBy(found) {
  return found.runs > found.n ? `${found.n}/${found.runs}` : "";
}

/** Compare times to a target: by the share of runs that reached it, then by the mean with misses as the budget. */
function sooner(one, other) {
  const share = (found) => (found.runs ? found.n / found.runs : 1);
  const time = (found) => found.restricted_mean ?? found.mean;
  return share(other) - share(one) || time(one) - time(other);
}

/** Iterations to the target, or to the best where there is none: means as bars, seeds as dots. */
function soonOption(rows, name) {
  const narrow = innerWidth < 640 || printing;
  const names = rows.map((row) => [rankOf(row), reachedBy(metricOf(row, name)), row.name].filter(Boolean).join(" "));
  const seeds = rows
    .flatMap((row, place) => row.runs.map((run) => [data.report.runs[run], place]))
    .filter(([run]) => run[name] !== null && run[name] !== undefined && run.lr_scale === 1)
    .map(([run, place]) => [run[name], place]);
  return {
    grid: { left: narrow ? 120 : 250, right: 30, top: 10, bottom: 44 },
    xAxis: axis("value", "iterations", { options: { min: 0 }, label: (value) => value.toLocaleString("en") }),
    yAxis: {
      type: "category",
      inverse: true,
      data: names.map((name) => twoLines(name, narrow ? 110 : 230)),
      axisLabel: { color: colour("text"), lineHeight: 12, interval: 0, fontSize: LABEL_PIXELS },
    },
    tooltip: {
      formatter: (point) =>
        tip(names[Array.isArray(point.value) ? point.value[1] : point.dataIndex], [
          `${shortNumber([point.value].flat()[0])} iterations`,
        ]),
    },
    series: [
      {
        type: "bar",
        data: rows.map((row) => metricOf(row, name).mean),
        itemStyle: { color: look(0).colour, opacity: 0.45 },
        barMaxWidth: 18,
      },
      { type: "scatter", data: seeds, symbolSize: 6, itemStyle: { color: colour("text") } },
    ],
  };
}

function renderSoon() {
  const { name, title } = workload.soon;
  const known = workload.rows.filter((row) => metricOf(row, name).mean !== null && row.sort[0] !== null);
  const rows = known.slice(0, MOST_BARS);
  const of = (row) => metricOf(row, name);
  const missed = workload.rows.filter((row) => row.sort[0] !== null).length - known.length;
  const soonest = [...known].sort((one, other) => sooner(of(one), of(other)))[0];
  const partly = known.some((row) => reachedBy(of(row)));
  const sentence = !soonest
    ? "No policy reached the target."
    : `Bar: mean${partly ? " over the seeds that reached it, 1/2 is 1 of 2" : ""}; dot: a seed. ` +
      `Fastest: ${soonest.name}, after ${shortNumber(of(soonest).mean)}` +
      `${reachedBy(of(soonest)) ? ` (${reachedBy(of(soonest))})` : ""}.` +
      (missed ? ` ${missed} did not reach it.` : "") +
      (known.length > rows.length ? ` Shown: the first ${rows.length} of ${known.length} by rank.` : "");
  const texts = ({ mean, standard_deviation: deviation }) => [shortNumber(mean), shortNumber(deviation)];
  const lines = () => known.map((row) => [row.name, ...texts(of(row)), reachedBy(of(row)) || String(of(row).n)]);
  const numbers = () => plainTable(title, ["policy", "mean", "deviation", "seeds"], lines());
  const made = figure(title, sentence, numbers, rows.length ? () => soonOption(rows, name) : null);
  made.room.style.height = `${Math.max(12, 5 + 1.6 * rows.length)}rem`;
  return made;
}

/** Means of a cost and of the ranking metric, in the units of their titles. */
function costAndQuality(cost, place) {
  const spent = metricOf(workload.rows[place], cost.name).mean;
  return [
    cost.name === "peak_memory_bytes" ? spent / 1e6 : spent,
    workload.metric.factor * metricOf(workload.rows[place], workload.metric.name).mean,
  ];
}

function costOption(cost) {
  const point = (place) => [...costAndQuality(cost, place), place];
  const others = cost.places.filter((place) => !cost.front.includes(place));
  const ranks = new Map(); // policies at one point share a label
  for (const place of cost.places) {
    const key = costAndQuality(cost, place).join();
    ranks.set(key, [...(ranks.get(key) || []), rankOf(workload.rows[place])]);
  }
  const text = (place) => {
    const shared = ranks.get(costAndQuality(cost, place).join());
    return shared[0] === rankOf(workload.rows[place]) ? shared.join(" ") : "";
  };
  const labelled = (places, weight) => ({
    data: places.map((place) => ({ value: point(place), label: { formatter: () => text(place) } })),
    label: { show: true, position: "top", color: colour("text"), fontSize: 11, fontWeight: weight },
    labelLayout: { hideOverlap: true },
  });
  return {
    grid: { left: 66, right: 30, top: 24, bottom: 44 },
    xAxis: axis("value", cost.title, { options: { scale: true, boundaryGap: ["5%", "5%"] }, label: shortNumber }),
    yAxis: axis("value", workload.metric.title, {
      vertical: true,
      options: { scale: true, boundaryGap: ["5%", "10%"] },
      label: shortNumber,
    }),
    tooltip: {
      formatter: (found) =>
        tip(`${rankOf(workload.rows[found.value[2]])} ${workload.rows[found.value[2]].name}`, [
          `${cost.title}: ${shortNumber(found.value[0])}`,
          `${workload.metric.title}: ${shortNumber(found.value[1])}`,
        ]),
    },
    series: [
      {
        type: "line",
        step: "end",
        data: cost.front.map(point),
        symbol: "none",
        silent: true,
        color: look(1).colour,
        lineStyle: { type: [6, 4] },
      },
      {
        type: "scatter",
        ...labelled(others, "normal"),
        symbol: "circle",
        symbolSize: 8,
        itemStyle: { color: "transparent", borderColor: colour("soft"), borderWidth: 2 },
      },
      {
        type: "scatter",
        ...labelled(cost.front, "bold"),
        z: 3, // where labels overlap, the front's are kept
        symbol: "diamond",
        symbolSize: 14,
        itemStyle: { color: look(1).colour },
      },
    ],
  };
}

function renderCost() {
  const cost = workload.costs.find((one) => one.name === state.cost) || workload.costs[0];
  if (!cost) return null;
  const numbers = () =>
    plainTable(
      "Cost and quality",
      ["policy", cost.title, workload.metric.title, "Pareto-optimal"],
      cost.places.map((place) => [
        workload.rows[place].name,
        ...costAndQuality(cost, place).map(shortNumber),
        cost.front.includes(place) ? "yes" : "no",
      ]),
    );
  const sentence = `${cost.sentence} Diamonds: Pareto-optimal; circles: others.`;
  const made = figure("Cost against quality", sentence, numbers, () => costOption(cost));
  const options = workload.costs.map((each) =>
    element("option", { value: each.name, selected: each === cost }, each.title),
  );
  const onchange = (event) => {
    state.cost = event.target.value;
    renderBars();
  };
  const choose = element("select", { onchange }, ...options);
  made.frame.firstChild.append(element("p", {}, element("label", {}, "Cost ", choose)));
  return made;
}

function renderBars() {
  fillFigures("bars", [renderSoon(), renderCost()].filter(Boolean));
}
