// Loaded when a chart is first shown.
import uPlot from "uplot";
import text from "text:uplot/dist/uPlot.min.css";
import { adopt } from "./adopt";
import { onTheme } from "./theme";

adopt(text);

export interface Dot {
  time: number; // seconds since the epoch
  value: number; // milliseconds
  series: number; // index of its series
}

/** color returns a colour of the style sheet in the present theme. */
function color(host: HTMLElement, name: string): string {
  host.style.color = `var(${name})`;
  const value = getComputedStyle(host).color;
  host.style.color = "";
  return value;
}

const size = (host: HTMLElement) => ({ width: Math.max(200, host.clientWidth - 20), height: 176 });

export interface Chart<T> {
  set(data: T): void;
  remove(): void;
}

function draw<T>(host: HTMLElement, options: Omit<uPlot.Options, "width" | "height">, dataOf: (data: T) => uPlot.AlignedData, data: T): Chart<T> {
  const plot = new uPlot({ ...size(host), ...options }, dataOf(data), host);
  const resized = new ResizeObserver(() => plot.setSize(size(host)));
  resized.observe(host);
  const end = onTheme(() => plot.redraw(false));
  return {
    set: (next) => plot.setData(dataOf(next)),
    remove() {
      resized.disconnect();
      end();
      plot.destroy();
    },
  };
}

const axisOf = (host: HTMLElement): uPlot.Axis => {
  const grid = { stroke: () => color(host, "--line"), width: 1 };
  return { stroke: () => color(host, "--mute"), grid, ticks: { ...grid, size: 4 }, font: "11px system-ui", size: 24 };
};

/** decades returns the powers of ten in a range. */
const decades = (min: number, max: number) => {
  const all: number[] = [];
  for (let i = Math.ceil(Math.log10(min) - 1e-9); i <= Math.log10(max) + 1e-9; i++) all.push(10 ** i);
  return all;
};

const duration = (v: number) => (v >= 1000 ? `${v / 1000} s` : v >= 1 ? `${v} ms` : `${Math.round(v * 1000)} µs`);

/**
 * scatter draws dots over time, with a logarithmic scale of durations. zoom is called with the times that the
 * user selects, in seconds since the epoch.
 */
export function scatter(host: HTMLElement, dots: Dot[], series: { label: string; color: string }[], zoom: (from: number, to: number) => void): Chart<Dot[]> {
  const axis = axisOf(host);
  const dataOf = (all: Dot[]): uPlot.AlignedData => {
    const sorted = all.toSorted((a, b) => a.time - b.time);
    return [sorted.map((d) => d.time), ...series.map((_, i) => sorted.map((d) => (d.series === i ? Math.max(d.value, 0.001) : null)))];
  };
  return draw(host, {
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false } },
    scales: { x: { time: true }, y: { distr: 3, log: 10 } },
    axes: [axis, { ...axis, size: 56, splits: (_, __, min, max) => decades(min, max), filter: (_, splits) => splits, values: (_, ticks) => ticks.map(duration) }],
    series: [{}, ...series.map((s) => ({ label: s.label, paths: () => null, points: { show: true, size: 6, width: 0, fill: () => color(host, s.color) } }))],
    hooks: {
      setSelect: [
        (u) => {
          if (u.select.width < 4) return;
          const from = u.posToVal(u.select.left, "x");
          const to = u.posToVal(u.select.left + u.select.width, "x");
          u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          zoom(from, to);
        },
      ],
    },
  }, dataOf, dots);
}

/** lines draws series over time. The first list of the data has the times, in seconds since the epoch. */
export function lines(host: HTMLElement, data: (number | null)[][], series: { label: string; color: string }[], unit: (v: number) => string): Chart<(number | null)[][]> {
  const axis = axisOf(host);
  return draw(host, {
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map((v) => unit(v)) }],
    series: [{}, ...series.map((s) => ({ label: s.label, stroke: () => color(host, s.color), width: 1.5, points: { size: 4, width: 0, fill: () => color(host, s.color) } }))],
  }, (all) => all as uPlot.AlignedData, data);
}
