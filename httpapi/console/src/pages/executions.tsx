import type { Chart, Dot } from "../chart";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Execution, executions, Failure, type Filter, may, unlimited } from "../api";
import { cancel, rerun } from "../calls";
import { count, plural, quote, timeOf } from "../format";
import { useFollowed } from "../follow";
import { paused } from "../live";
import { route, setQuery } from "../router";
import { Choices, Command, confirmed } from "../parts";
import { Button, kindOf, Page, Panel, Problem, Table } from "../ui";
import { ForAll, Operations, useWork } from "./operations";
import { done, executionColumns, since } from "./shared";

const pageSize = 200;

const statuses: [string, string][] = [["", "All"], ["Started", "Running"], ["Pending", "Waiting"], ["Success", "Succeeded"], ["Failed", "Failed"], ["Cancelled", "Cancelled"]];
const spans: [string, string][] = [["", "Any time"], ["1", "1 h"], ["24", "24 h"], ["168", "7 d"]];

/** filterOf returns the filter of the address. */
function filterOf(q: URLSearchParams): Filter {
  const hours = Number(q.get("since"));
  return {
    function: q.get("function") ?? undefined,
    status: q.get("status") ?? undefined,
    trace_id: q.get("trace") ?? undefined,
    created_after: q.get("from") ?? (hours ? since(hours) : undefined),
    created_before: q.get("to") ?? undefined,
    where: q.get("where") ?? undefined,
  };
}

/** commandOf returns the command that lists the same executions. */
function commandOf(q: URLSearchParams): string {
  const words = ["fas executions list --include-completed"];
  for (const [name, flag] of [["function", "--function"], ["status", "--status"], ["trace", "--trace"], ["where", "--where"]]) {
    const value = q.get(name);
    if (value) words.push(`${flag} ${quote(value)}`);
  }
  return words.join(" ");
}

const series = [
  { label: "Succeeded", color: "--ok", kind: "ok" },
  { label: "Failed", color: "--bad", kind: "bad" },
  { label: "Running", color: "--run", kind: "run" },
  { label: "Other", color: "--off", kind: "off" },
];

function dotsOf(xs: Execution[]): Dot[] {
  return xs.filter((x) => x.started).map((x) => ({
    time: timeOf(x.started!).getTime() / 1000,
    value: x.duration_ms ?? Date.now() - timeOf(x.started!).getTime(),
    series: series.findIndex((s) => s.kind === kindOf(x.status) || s.kind === "off"),
  }));
}

const zoom = (from: number, to: number) =>
  setQuery({ from: new Date(Math.floor(from * 1000)).toISOString(), to: new Date(Math.ceil(to * 1000)).toISOString(), since: "" });

/** Scatter shows when executions started and how long they took. */
function Scatter({ of }: { of: Execution[] }) {
  const host = useRef<HTMLDivElement>(null);
  const latest = useRef(of);
  const chart = useRef<Chart<Dot[]>>(undefined);
  latest.current = of;
  useEffect(() => {
    let gone = false;
    void import("../chart").then((m) => {
      if (!gone && host.current) chart.current = m.scatter(host.current, dotsOf(latest.current), series, zoom);
    });
    return () => {
      gone = true;
      chart.current?.remove();
    };
  }, []);
  useEffect(() => chart.current?.set(dotsOf(of)), [of]);
  return <div ref={host} class="chart" role="img" aria-label={`Durations of ${plural(of.length, "execution")} over time. The table below has the same.`} />;
}

/** Bulk repeats or cancels the executions that are selected, one after another. */
function Bulk({ of, finish }: { of: Execution[]; finish: () => void }) {
  const [progress, setProgress] = useState("");
  const each = async (verb: string, xs: Execution[], f: (x: Execution) => Promise<unknown>) => {
    if (!confirmed(`${verb} ${plural(xs.length, "execution")}?`)) return;
    let failed = 0;
    let why = "";
    for (const [i, x] of xs.entries()) {
      setProgress(`${i + 1} of ${xs.length}`);
      await f(x).catch((e: Error) => { failed++; why = e.message; });
    }
    setProgress(failed ? `${count(failed)} could not be: ${why}` : "");
    finish();
  };
  const open = of.filter((x) => !done(x));
  const ended = of.filter((x) => done(x) && x.kind === "run");
  return (
    <>
      <span class="mute" role="status">{progress}</span>
      <Button disabled={ended.length === 0} onClick={() => each("Run again", ended, (x) => rerun(x.uuid))}>Run again {ended.length > 0 && count(ended.length)}</Button>
      <Button kind="danger" disabled={open.length === 0} onClick={() => each("Cancel", open, (x) => cancel(x.uuid))}>Cancel {open.length > 0 && count(open.length)}</Button>
    </>
  );
}

/** Older are the executions of a list from its beginning on, as far as they were requested. */
interface Older {
  key: string;
  filter: Filter;
  items: Execution[];
  next: string; // cursor of those that follow
}

export default function ExecutionsPage() {
  const q = route.value.query;
  const key = q.toString();
  const { data, error, loading, reload } = useFollowed(() => filterOf(q), [key], pageSize);
  const [older, setOlder] = useState<Older>({ key, filter: {}, items: [], next: "" });
  const [selected, setSelected] = useState<Set<string>>(new Set());
  const more = older.key === key && older.items.length > 0 ? older : undefined;
  const first = data?.items ?? [];
  const seen = new Set(first.map((x) => x.uuid));
  const rows = more ? [...first, ...more.items.filter((x) => !seen.has(x.uuid))] : first;
  const next = more ? more.next !== "" : data?.whole === false;
  const loadMore = async () => {
    paused.value = true; // so that the pages stay next to each other
    const filter = more?.filter ?? filterOf(q); // a cursor belongs to its filter
    const page = await executions(filter, 2 * pageSize, more?.next);
    setOlder({ key, filter, items: [...(more?.items ?? []), ...page.items], next: page.next });
  };
  const select = (id: string, on: boolean) => setSelected((old) => { const now = new Set(old); if (on) now.add(id); else now.delete(id); return now; });
  const work = useWork(reload);
  const chosen = rows.filter((x) => selected.has(x.uuid));
  const all = rows.length > 0 && chosen.length === rows.length;
  const wrong = q.get("where") && error instanceof Failure && error.code === "invalid_argument" ? error : undefined;
  const zoomed = q.get("from") || q.get("to");
  return (
    <Page title="Executions" sub={data && `${count(rows.length)}${next ? "+" : ""} shown, the newest first`}
      actions={may("invoke") && (chosen.length > 0
        ? <Bulk of={chosen} finish={() => { setSelected(new Set()); reload(); }} />
        : rows.length > 0 && unlimited() && <ForAll filter={filterOf(q)} shown={`${count(rows.length)}${next ? "+" : ""}`} work={work} />)}>
      <Problem error={wrong ? undefined : error} />
      <Operations work={work} />
      <div class="filters">
        <Choices label="Status" options={statuses} value={q.get("status") ?? ""} onChange={(status) => setQuery({ status })} />
        <Choices label="Accepted" options={spans} value={zoomed ? "zoom" : (q.get("since") ?? "")} onChange={(value) => setQuery({ since: value, from: "", to: "" })} />
        <input type="search" aria-label="Function" placeholder="Function" value={q.get("function") ?? ""} onChange={(e) => setQuery({ function: e.currentTarget.value.trim() })} />
        <input type="search" class="where" aria-label="Where" aria-invalid={!!wrong} aria-describedby={wrong && "wrong"} placeholder="duration >= 30s and user = ann" spellcheck={false}
          value={q.get("where") ?? ""} onChange={(e) => setQuery({ where: e.currentTarget.value.trim() })} />
        {zoomed && <Button onClick={() => setQuery({ from: "", to: "" })}>Selected times ✕</Button>}
        {q.get("trace") && <Button onClick={() => setQuery({ trace: "" })}>Trace {q.get("trace")!.slice(0, 8)} ✕</Button>}
      </div>
      {wrong && <div class="problem" role="alert" id="wrong"><pre>{wrong.message}</pre>{wrong.hint && <p>{wrong.hint}</p>}</div>}
      {!wrong && <Panel flush>
        {loading ? <p class="empty">Loading…</p> : (
          <>
            {rows.filter((x) => x.started).length > 1 && <Scatter of={rows} />}
            <Table label="Executions" rows={rows} id={(x) => x.uuid} empty="No execution matches." more={next ? loadMore : undefined} columns={[
              {
                name: <input type="checkbox" aria-label="Select all" checked={all} onChange={() => setSelected(all ? new Set() : new Set(rows.map((x) => x.uuid)))} />,
                cell: (x) => <input type="checkbox" aria-label={`Select ${x.uuid}`} checked={selected.has(x.uuid)} onChange={(e) => select(x.uuid, e.currentTarget.checked)} />,
              },
              ...executionColumns,
            ]} />
          </>
        )}
      </Panel>}
      <Command line={commandOf(q)} />
    </Page>
  );
}
