// What the latest executions say about functions.
import type { Execution } from "../api";
import { quantile } from "../format";
import { kindOf } from "../ui";
import { done } from "./shared";

/** Strip shows the latest executions as bars, the newest last: the height is the duration. */
export function Strip({ of }: { of: Execution[] }) {
  const shown = of.filter(done).slice(0, 24).reverse();
  const largest = Math.max(...shown.map((x) => x.duration_ms ?? 0), 0.001);
  const failed = shown.filter((x) => x.status === "Failed").length;
  return (
    <span class="strip" role="img" aria-label={`${shown.length} latest executions, ${failed} failed`}>
      {shown.map((x) => (
        <i key={x.uuid} class={kindOf(x.status)} style={{ height: `${(4 + 14 * Math.sqrt((x.duration_ms ?? 0) / largest)).toFixed(1)}px` }} />
      ))}
    </span>
  );
}

export interface Recent {
  all: Execution[];
  runs: number;
  failed: number;
  p50: number;
  p99: number;
  last?: Execution; // that failed
}

/** byFunction groups runs by their functions. */
export function byFunction(xs: Execution[]): Map<string, Recent> {
  const groups = new Map<string, Execution[]>();
  for (const x of xs) {
    if (x.kind !== "run") continue;
    const group = groups.get(x.name);
    if (group) group.push(x);
    else groups.set(x.name, [x]);
  }
  const result = new Map<string, Recent>();
  for (const [name, all] of groups) {
    const failures = all.filter((x) => x.status === "Failed");
    const durations = all.flatMap((x) => (x.duration_ms === null ? [] : [x.duration_ms])).sort((a, b) => a - b);
    result.set(name, { all, runs: all.length, failed: failures.length, p50: quantile(durations, 0.5), p99: quantile(durations, 0.99), last: failures[0] });
  }
  return result;
}
