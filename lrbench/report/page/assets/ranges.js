// Range tests: the loss of rate sweeps, and the objective of runs at fixed rates.

function rateAxis() {
  return axis("log", "learning rate", { label: (value) => String(Number(value.toPrecision(2))) });
}

/** The values of all lines at a rate, each with its unit. */
function rateTooltip(unit) {
  const said = ({ seriesName, value }) => `${seriesName}: ${shortNumber(value[1])}${unit}`;
  return { trigger: "axis", formatter: (points) => tip(`rate ${shortNumber(points[0].axisValue)}`, points.map(said)) };
}

function sweepOption(test) {
  const first = test.sweeps.flatMap((sweep) => sweep.losses.slice(0, 3)).filter((value) => value !== null);
  return {
    grid: { left: 66, right: 30, top: 14, bottom: 44 },
    xAxis: rateAxis(),
    // A seed that diverges would flatten the rest.
    yAxis: axis("value", "training loss", {
      vertical: true,
      label: shortNumber,
      options: { min: 0, max: first.length ? Number((2 * Math.max(...first)).toPrecision(2)) : null },
    }),
    tooltip: rateTooltip(""),
    series: test.sweeps.map((sweep, place) => ({
      type: "line",
      name: `seed ${sweep.seed}`,
      symbol: "none",
      color: look(place).colour,
      lineStyle: { type: look(place).type, width: 1.5 },
      data: sweep.rates.map((rate, index) => [rate, sweep.losses[index]]),
    })),
  };
}

/** The mean over the seeds, fractions in percent. */
function meanOf(seeds, { percent }) {
  const values = Object.values(seeds);
  const factor = percent ? 100 : 1;
  return values.includes(null) ? null : (factor * values.reduce((sum, value) => sum + value, 0)) / values.length;
}

const DECADES = 100;

function fixedOption(test) {
  const { title, percent } = test.objective;
  const means = test.fixed.flatMap((length) => length.rates.map(({ seeds }) => meanOf(seeds, test.objective)));
  const known = means.filter((mean) => mean !== null);
  const low = Math.min(...known);
  const decades = !percent && low > 0 && Math.max(...known) > DECADES * low; // a rate that is too high flattens the rest
  return {
    grid: { left: 66, right: 30, top: 40, bottom: 44 },
    xAxis: rateAxis(),
    legend: { top: 0, textStyle: { color: colour("text") } },
    yAxis: axis(decades ? "log" : "value", percent ? `${title}, %` : title, {
      vertical: true,
      label: shortNumber,
      options: percent ? { min: 0, max: 100 } : { scale: true },
    }),
    tooltip: rateTooltip(percent ? " %" : ""),
    series: test.fixed.map((length, place) => ({
      type: "line",
      name: `${length.iterations.toLocaleString("en")} iterations`,
      color: look(place).colour,
      symbol: ["circle", "triangle", "rect"][place % 3],
      symbolSize: 7,
      lineStyle: { type: look(place).type },
      data: length.rates.map(({ rate, seeds }) => [rate, meanOf(seeds, test.objective)]),
    })),
  };
}

function fixedNumbers(test) {
  return plainTable(
    `${test.label}: ${test.objective.title} by rate`,
    ["rate", ...test.fixed.map((length) => `after ${length.iterations.toLocaleString("en")}`)],
    test.fixed[0].rates.map(({ rate }, index) => [
      shortNumber(rate),
      ...test.fixed.map((length) => {
        const mean = meanOf(length.rates[index].seeds, test.objective);
        if (mean === null) return "a seed diverged";
        return test.objective.percent ? `${mean.toFixed(2)} %` : shortNumber(mean);
      }),
    ]),
  );
}

function renderRanges() {
  show("range", data.ranges.length > 0);
  const sweeps = (test) => {
    const sentence = "One line per seed. The numbers are in the runs' folders.";
    return figure("Loss while the rate rises", sentence, null, () => sweepOption(test));
  };
  const fixed = (test) => {
    const of = test.objective.title;
    const title = `${of[0].toUpperCase()}${of.slice(1)} of runs at a fixed rate`;
    const [sentence, numbers] = ["Mean over the seeds; gaps: a seed diverged.", () => fixedNumbers(test)];
    return figure(title, sentence, numbers, () => fixedOption(test));
  };
  const figures = data.ranges.map((test) => [
    ...(test.sweeps.length ? [sweeps(test)] : []),
    ...(test.fixed.length ? [fixed(test)] : []),
  ]);
  const parts = data.ranges.flatMap((test, index) => [
    element("h3", {}, test.label),
    element("p", {}, test.sentence),
    element("div", { class: "charts" }, ...figures[index].map(({ frame }) => frame)),
  ]);
  fill("ranges", ...parts);
  drawFigures(figures.flat());
}
