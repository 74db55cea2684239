import { useEffect, useRef } from "preact/hooks";
import type { Chart } from "../chart";
import { type Execution, executions } from "../api";
import { count, ms, quantile, timeOf } from "../format";
import { useLive } from "../live";
import { route, setQuery } from "../router";
import { Choices } from "../parts";
import { Page, Panel, Problem } from "../ui";
import { since } from "./shared";

const most = 1000;
const steps = 60;

type Rows = (number | null)[][];

/** Lines draws series over time. */
function Lines({ label, data, series, unit }: { label: string; data: Rows; series: { label: string; color: string }[]; unit: (v: number) => string }) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart<Rows>>(undefined);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    let gone = false;
    void import("../chart").then((m) => {
      if (!gone) chart.current = m.lines(host.current!, latest.current, series, unit);
    });
    return () => {
      gone = true;
      chart.current?.remove();
    };
  }, []);
  useEffect(() => chart.current?.set(data), [data]);
  return (
    <>
      <div ref={host} class="chart" role="img" aria-label={label} />
      <p class="note">{series.map((s) => <span key={s.label} class={`status ${s.color.slice(2)}`}>{s.label}&ensp;</span>)}</p>
    </>
  );
}

/** over divides the time from the oldest execution to now into steps. */
function over(xs: Execution[], from: number) {
  const end = Date.now();
  const width = (end - from) / steps;
  const buckets: Execution[][] = Array.from({ length: steps }, () => []);
  for (const x of xs) {
    const i = Math.floor((timeOf(x.created).getTime() - from) / width);
    if (i >= 0 && i < steps) buckets[i].push(x);
  }
  const times = buckets.map((_, i) => (from + (i + 0.5) * width) / 1000);
  const number = (status: string) => buckets.map((b) => b.filter((x) => x.status === status).length);
  const durations = buckets.map((b) => b.flatMap((x) => (x.duration_ms === null ? [] : [x.duration_ms])).sort((a, c) => a - c));
  const at = (q: number) => durations.map((d) => (d.length > 0 ? quantile(d, q) : null));
  return { outcomes: [times, number("Success"), number("Failed"), number("Cancelled")], durations: [times, at(0.5), at(0.95), at(0.99)], width };
}

export function MetricsPage() {
  const hours = Number(route.value.query.get("since")) || 1;
  const name = route.value.query.get("function") ?? "";
  const { data, error, loading } = useLive((signal) => executions({ created_after: since(hours), function: name }, most, "", signal), [hours, name], 5000);
  const runs = data?.items.filter((x) => x.kind === "run") ?? [];
  const from = data?.next && runs.length > 0 ? timeOf(runs.at(-1)!.created).getTime() : Date.now() - hours * 3_600_000;
  const all = over(runs, from);
  return (
    <Page title="Metrics" sub={data && `${count(runs.length)} runs`}>
      <Problem error={error} />
      <div class="filters">
        <Choices label="Time" options={[["1", "1 h"], ["24", "24 h"], ["168", "7 d"]]} value={String(hours)} onChange={(v) => setQuery({ since: v })} />
        <input type="search" aria-label="Function" placeholder="All functions" value={name} onChange={(e) => setQuery({ function: e.currentTarget.value.trim() })} />
      </div>
      {loading ? <p class="empty">Loading…</p> : (
        <>
          <Panel title={`Outcomes, each ${ms(all.width)}`} flush>
            <Lines label="Outcomes over time" data={all.outcomes} unit={(v) => (Number.isInteger(v) ? count(v) : "")} series={[{ label: "succeeded", color: "--ok" }, { label: "failed", color: "--bad" }, { label: "cancelled", color: "--off" }]} />
          </Panel>
          <Panel title="Durations" flush>
            <Lines label="Durations over time" data={all.durations} unit={ms} series={[{ label: "p50", color: "--run" }, { label: "p95", color: "--wait" }, { label: "p99", color: "--bad" }]} />
          </Panel>
          {data?.next && <p class="note">These are the latest {count(most)} executions.</p>}
        </>
      )}
    </Page>
  );
}
