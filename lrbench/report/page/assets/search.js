// Parallel coordinates and slices of the policies that a search tried.

const { axes, policies, value, best, theme } = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const textColour = getComputedStyle(document.documentElement).getPropertyValue("--text").trim();
const [lineColour] = dark ? theme.dark : theme.light;

/** Opacity by the rank of a policy: 1 for the best, faint for the last. */
const opacity = (rank) => 1 - (0.85 * rank) / Math.max(1, policies.length - 1);
const byRank = [...policies.keys()].sort((one, other) => best * (policies[other].value - policies[one].value));
const ranks = new Map(byRank.map((policy, rank) => [policy, rank]));
const label = (name) => ({ color: textColour, fontSize: 12, ...(name ? { formatter: name } : {}) });

/** Place of a value along an axis, from 0 to 1. */
function place(axis, given) {
  if (axis.categories) return axis.categories.length > 1 ? axis.categories.indexOf(given) / (axis.categories.length - 1) : 0.5;
  const [low, high, at] = axis.log ? [axis.low, axis.high, given].map(Math.log) : [axis.low, axis.high, given];
  return high > low ? (at - low) / (high - low) : 0.5;
}

function figure(title, option) {
  const holder = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  const room = document.createElement("div");
  room.style.height = "20rem";
  holder.append(caption, room);
  document.getElementById("charts").append(holder);
  const chart = echarts.init(room, null, { renderer: "svg" });
  chart.setOption({ animation: false, ...option });
  addEventListener("resize", () => chart.resize());
}

const shown = (axis, given) => (axis.categories ? given : Number(given.toPrecision(4)).toString());
const whole = [...axes, value];
figure("Parallel coordinates", {
  tooltip: { formatter: ({ seriesIndex }) => echarts.format.encodeHTML(policies[seriesIndex].policy) },
  grid: { left: 60, right: 60, top: 30, bottom: 30 },
  xAxis: { type: "category", data: whole.map((axis) => axis.title), boundaryGap: false, axisLabel: label() },
  yAxis: { type: "value", min: 0, max: 1, show: false },
  series: policies.map((policy, index) => ({
    type: "line",
    symbolSize: 4,
    lineStyle: { color: lineColour, opacity: opacity(ranks.get(index)), width: ranks.get(index) ? 1 : 3 },
    itemStyle: { color: lineColour, opacity: opacity(ranks.get(index)) },
    data: whole.map((axis) => place(axis, policy[axis.key])),
    z: policies.length - ranks.get(index),
  })),
});
for (const axis of axes) {
  figure(`${value.title} by ${axis.title}`, {
    tooltip: { formatter: ({ dataIndex }) => echarts.format.encodeHTML(policies[dataIndex].policy) },
    grid: { left: 70, right: 20, top: 20, bottom: axis.categories ? 80 : 40 },
    xAxis: axis.categories
      ? { type: "category", data: axis.categories, axisLabel: { ...label(), rotate: 40 } }
      : { type: axis.log ? "log" : "value", min: axis.low, max: axis.high, axisLabel: label((at) => shown(axis, at)) },
    yAxis: { type: "value", scale: true, axisLabel: label((at) => shown(value, at)) },
    series: [
      {
        type: "scatter",
        symbolSize: 8,
        data: policies.map((policy, index) => ({
          value: [policy[axis.key], policy.value],
          itemStyle: { color: lineColour, opacity: opacity(ranks.get(index)) },
        })),
      },
    ],
  });
}
