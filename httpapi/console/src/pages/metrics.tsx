import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Chart } from "../chart";
import { type RunStats, type Stats, stats, unlimited } from "../api";
import { bytes, count, ms, plural, quote, span, timeOf } from "../format";
import { useLive } from "../live";
import { route, setQuery } from "../router";
import { Choices, Command, Progress, spans } from "../parts";
import { Page, Panel, Problem, Table } from "../ui";
import { functionLink } from "./shared";

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
      if (!gone && host.current) chart.current = m.lines(host.current, latest.current, series, unit);
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

/** rows returns the outcomes and the durations of steps. */
function rows(s: Stats): { outcomes: Rows; durations: Rows } {
  const times = s.steps.map((x) => timeOf(x.at).getTime() / 1000);
  const of = (...names: (keyof RunStats)[]): Rows => [times, ...names.map((name) => s.steps.map((x) => x[name]))];
  return { outcomes: of("success", "failed", "cancelled"), durations: of("p50_ms", "p90_ms", "p99_ms") };
}

export function MetricsPage() {
  const hours = Number(route.value.query.get("since")) || 1;
  const name = route.value.query.get("function") ?? "";
  const { data, error, loading } = useLive(async (signal) => (unlimited() ? stats(hours, (hours * 3600) / steps, name, signal) : undefined), [hours, name], 5000);
  const all = useMemo(() => data && rows(data), [data]);
  if (!unlimited()) return <Page title="Metrics"><p class="empty">This needs a token that reads all functions.</p></Page>;
  return (
    <Page title="Metrics" sub={data && plural(data.total.count, "run")}>
      <Problem error={error} />
      <div class="filters">
        <Choices label="Time" options={spans} value={String(hours)} onChange={(v) => setQuery({ since: v })} />
        <input type="search" aria-label="Function" placeholder="All functions" value={name} onChange={(e) => setQuery({ function: e.currentTarget.value.trim() })} />
      </div>
      {loading && <p class="empty">Loading…</p>}
      {data && all && (
        <>
          <div class="tiles">
            {([
              ["Failed", count(data.total.failed)], ["p50", ms(data.total.p50_ms)], ["p99", ms(data.total.p99_ms)],
              ["Running now", count(data.queue.running)], ["Waiting now", count(data.queue.queued)], ["Memory of runs now", bytes(data.memory.used)],
            ] as [string, string][]).map(([label, value]) => <div class="tile" key={label}><span>{label}</span><b>{value}</b></div>)}
          </div>
          <Panel title={`Outcomes, each ${span((data.step_seconds ?? 0) * 1000)}`} flush>
            <Lines label="Outcomes over time" data={all.outcomes} unit={(v) => (Number.isInteger(v) ? count(v) : "")} series={[{ label: "succeeded", color: "--ok" }, { label: "failed", color: "--bad" }, { label: "cancelled", color: "--off" }]} />
          </Panel>
          <Panel title="Durations" flush>
            <Lines label="Durations over time" data={all.durations} unit={ms} series={[{ label: "p50", color: "--run" }, { label: "p90", color: "--wait" }, { label: "p99", color: "--bad" }]} />
          </Panel>
          {timeOf(data.complete_since) > timeOf(data.from) && <p class="note">Runs that ended before {timeOf(data.complete_since).toLocaleString()} may be missing.</p>}
          <Panel title="Functions" flush>
            <Table label="Functions" rows={data.functions} id={(f) => f.function} empty="Nothing ran." columns={[
              { name: "Function", cell: (f) => functionLink(f.function) },
              { name: "Runs", class: "num", cell: (f) => count(f.count) },
              { name: "Failed", class: "num", cell: (f) => (f.failed ? <span class="bad">{count(f.failed)}</span> : "0") },
              { name: "p50", class: "num", cell: (f) => ms(f.p50_ms) },
              { name: "p99", class: "num", cell: (f) => ms(f.p99_ms) },
              { name: "Outcomes", class: "wide", cell: (f) => <Progress of={{ success: f.success, failure: f.failed, cancelled: f.cancelled, running: 0, retried: 0, total: f.count }} /> },
            ]} />
            {data.other_functions > 0 && <p class="note">{count(data.other_functions)} more functions ran.</p>}
          </Panel>
          <Command line={`curl ${quote(`${location.origin}/v1/stats/?${new URLSearchParams({ since: `${hours}h`, ...(name && { function: name }) })}`)} -H "Authorization: Token $(fas auth token)"`} />
        </>
      )}
    </Page>
  );
}
