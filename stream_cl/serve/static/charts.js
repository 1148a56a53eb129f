// The charts: what each shows of the rows, drawn by uPlot in the colours of the style sheet.

import { element, milliseconds, number, percent } from "./format.js";

const HEIGHT = 180;

const CHARTS = {
  throughput: {
    value: number,
    series: [{ label: "events/s", colour: 1, fill: true }],
    data: (rows) => [rows.columns.time_s, rows.rate("events")],
  },
  latency: {
    value: milliseconds,
    log: true,
    series: [
      { label: "median", colour: 1 },
      { label: "95 %", colour: 2 },
      { label: "99 %", colour: 3 },
      { label: "step, 95 %", colour: 5, dash: true },
    ],
    data: ({ columns: c }) => [c.time_s, c.behind_ms_50, c.behind_ms_95, c.behind_ms_99, c.step_ms_95],
  },
  accuracy: {
    value: percent,
    ratio: true,
    drifts: true,
    series: [
      { label: "high", hidden: true, colour: 1 },
      { label: "low", hidden: true, colour: 1 },
      { label: "unbiased", colour: 1 },
      { label: "naive", colour: 2, dash: true },
      { label: "baseline", colour: 5, dash: true },
    ],
    band: [1, 2],
    data: ({ columns: c }) => [c.time_s, c.high, c.low, c.unbiased, c.naive, c.baseline],
  },
  spend: {
    value: percent,
    series: [
      { label: "asked", colour: 1, fill: true },
      { label: "target", colour: 5, dash: true },
    ],
    data: (rows) => [rows.columns.time_s, rows.share("asked", "events", 60), rows.columns.target],
  },
  curve: {
    value: percent,
    ratio: true,
    labels: true,
    series: [
      { label: "high", hidden: true, colour: 4 },
      { label: "low", hidden: true, colour: 4 },
      { label: "of the block", colour: 4, points: true },
    ],
    band: [1, 2],
    data: (rows, curve) => [0, 3, 2, 1].map((column) => curve.map((point) => point[column])),
  },
};

function colour(number_) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--line-${number_}`).trim();
}

function named(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.about = CHARTS[figure.dataset.chart];
    this.place = figure.querySelector(".plot");
    this.keys = this.about.series.map(({ label, colour: c, dash, hidden }) => {
      const value = element("b", "", "–");
      const line = element("i", `line-${c}${dash ? " dashed" : ""}`);
      return { value, item: hidden ? null : element("li", "", line, `${label} `, value) };
    });
    const list = element("ul", "key", ...this.keys.flatMap(({ item }) => item ?? []));
    this.place.after(list);
    this.drifts = [];
    this.build();
    new ResizeObserver(() => this.resize()).observe(this.place);
  }

  build() {
    const data = this.plot?.data ?? [[], ...this.about.series.map(() => [])];
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), data, this.place);
  }

  options() {
    const { series, value, ratio, labels, band, log } = this.about;
    const axis = {
      stroke: named("--faint"), font: "12px system-ui, sans-serif",
      grid: { stroke: named("--rule"), width: 1 }, ticks: { show: false },
    };
    return {
      width: Math.max(160, this.place.clientWidth), height: HEIGHT,
      legend: { show: false }, cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
      scales: {
        x: { time: !labels },
        y: log
          ? { distr: 3, range: (_, low, high) => decades(low, high) }
          : { range: (_, low, high) => (ratio ? around(low, high) : [0, high > 0 ? 1.1 * high : 1]) },
      },
      axes: [
        { ...axis, size: 36, space: 70, ...(labels ? {} : { values: TIMES }) },
        { ...axis, size: 58, space: 32, values: (_, ticks) => ticks.map((tick) => (wanted(tick, log) ? value(tick, 0) : null)) },
      ],
      series: [{}, ...series.map((one) => line(one))],
      bands: band ? [{ series: band, fill: `${colour(series[0].colour)}33` }] : [],
      hooks: {
        setCursor: [(plot) => this.tell(plot.cursor.idx)],
        draw: [(plot) => this.mark(plot)],
      },
    };
  }

  // The values in the key: those under the pointer, else the latest.
  tell(index) {
    const [x, ...columns] = this.plot.data;
    columns.forEach((column, i) => {
      const at = index ?? lastKnown(column);
      this.keys[i].value.textContent = at < x.length ? this.about.value(column[at] ?? null) : "–";
    });
  }

  mark({ ctx, bbox, valToPos, scales }) {
    if (!this.about.drifts) return;
    ctx.save();
    ctx.strokeStyle = named("--bad");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4, 3]);
    for (const at of this.drifts.filter((t) => t >= scales.x.min && t <= scales.x.max)) {
      const x = Math.round(valToPos(at, "x", true));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  show(rows, curve, span_s) {
    this.drifts = this.about.drifts ? rows.jumps("drifts") : [];
    const data = this.about.data(rows, curve);
    this.plot.setData(data, false);
    const x = data[0];
    if (x.length) {
      const max = x[x.length - 1];
      const first = Math.min(x[0], max - 30);
      const least = this.about.labels ? 0 : span_s ? Math.max(max - span_s, first) : first;
      this.plot.setScale("x", { min: least, max: Math.max(max, least + 1) });
    }
    this.tell(this.plot.cursor.idx);
  }

  resize() {
    const width = Math.max(160, this.place.clientWidth);
    if (width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }
}

// What uPlot writes below the axis of time: the clock, and the day where it changes.
const TIMES = [
  [86400, "{D} {MMM}", null, null, null, null, null, null, 0],
  [60, "{HH}:{mm}", "\n{D} {MMM}", null, null, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1],
];

function line({ label, colour: c, fill, dash, hidden, points }) {
  const stroke = colour(c);
  return {
    label, width: hidden ? 0 : 2, stroke: hidden ? "transparent" : stroke,
    points: { show: points === true, size: 5, fill: stroke },
    ...(fill ? { fill: `${stroke}1f` } : {}), ...(dash ? { dash: [6, 4] } : {}),
  };
}

function lastKnown(column) {
  let at = column.length - 1;
  while (at > 0 && column[at] === null) at -= 1;
  return Math.max(0, at);
}

// A range of shares that leaves some air, within 0 and 1.
function around(low, high) {
  if (low === null || high === null) return [0, 1];
  const air = Math.max(0.02, 0.1 * (high - low));
  return [Math.max(0, low - air), Math.min(1, high + air)];
}

// Whole powers of ten around what there is.
function decades(low, high) {
  if (low === null || high === null) return [1, 100];
  const first = Math.floor(Math.log10(Math.max(low, 0.1)));
  return [10 ** first, 10 ** Math.max(first + 1, Math.ceil(Math.log10(high)))];
}

// On an axis of powers of ten only these have a number.
function wanted(tick, log) {
  return tick !== null && (!log || Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-6);
}

export class Charts {
  constructor() {
    this.charts = [...document.querySelectorAll("[data-chart]")].map((figure) => new Chart(figure));
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.charts.forEach((chart) => chart.build()));
  }

  show(rows, curve, span_s) {
    for (const chart of this.charts) chart.show(rows, curve, span_s);
  }
}
