import type { ComponentChildren } from "preact";
import { deadLetters, executions, type Execution, may, memory, session, stats, unlimited } from "../api";
import { bytes, count, ms, span } from "../format";
import { Lazy, type Load } from "../lazy";
import { useLive } from "../live";
import { href } from "../router";
import { Page, Panel, Problem, Table, Time } from "../ui";
import { executionColumns, executionLink, failureOf, functionLink, since } from "./shared";

const most = 100;

const upcoming: Load = () => import("./upcoming");

async function load(signal: AbortSignal) {
  const empty = { items: [] as Execution[], next: "" };
  const reads = may("read");
  const whole = unlimited();
  const [runs, failed, latest, dead, held] = await Promise.all([
    whole ? stats(1, 0, "", signal) : undefined,
    reads ? executions({ status: "Failed", created_after: since(1) }, most, "", signal) : empty,
    reads ? executions({}, 12, "", signal) : empty,
    whole ? deadLetters(most, signal) : [],
    session.value?.operator ? memory(signal) : undefined,
  ]);
  return { runs, failed, latest, dead, held };
}

interface Group {
  key: string;
  name: string;
  type: string;
  line: number;
  count: number;
  last: Execution;
}

/** grouped groups failures by function, type and line, the most frequent first. */
function grouped(xs: Execution[]): Group[] {
  const groups = new Map<string, Group>();
  for (const x of xs) {
    const type = x.error?.error_type || x.error?.error_code || "";
    const key = `${x.name}\n${type}\n${x.error?.line ?? 0}`;
    const group = groups.get(key);
    if (group) group.count++;
    else groups.set(key, { key, name: x.name, type, line: x.error?.line ?? 0, count: 1, last: x });
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

const Tile = ({ label, value, to, bad, children }: { label: string; value: string; to: string; bad?: boolean; children?: ComponentChildren }) => (
  <a class="tile" href={to}>
    <span>{label}</span>
    <b class={bad ? "bad" : undefined}>{value}</b>
    {children}
  </a>
);

export function HomePage() {
  const { data, error, loading } = useLive(load, [], 3000);
  if (!data) return loading ? <p class="empty">Loading…</p> : <Problem error={error} />;
  const runs = data.runs;
  const failed = runs ? runs.total.failed : data.failed.items.length;
  return (
    <Page title="Home">
      <Problem error={error} />
      <div class="tiles">
        {runs && (
          <>
            <Tile label="Running" value={count(runs.queue.running)} to={href(["executions"], { status: "Started" })} />
            <Tile label="Waiting" value={count(runs.queue.queued)} to={href(["queue"])}>
              <span>{runs.queue.oldest_ms ? `the oldest for ${span(runs.queue.oldest_ms)}` : "nothing waits"}</span>
            </Tile>
            <Tile label="Runs in the last hour" value={count(runs.total.count)} to={href(["metrics"])}>
              <span>p50 {ms(runs.total.p50_ms)}, p99 {ms(runs.total.p99_ms)}</span>
            </Tile>
          </>
        )}
        <Tile label="Failed in the last hour" value={count(failed) + (!runs && data.failed.next ? "+" : "")} bad={failed > 0} to={href(["executions"], { status: "Failed", since: "1" })} />
        <Tile label="Dead letters" value={count(data.dead.length) + (data.dead.length === most ? "+" : "")} bad={data.dead.length > 0} to={href(["deadletters"])} />
        {data.held && (
          <Tile label="Memory" value={bytes(data.held.used)} to={href(["server"])}>
            <span>of {bytes(data.held.budget)}</span>
            <div class="meter"><i style={{ width: `${Math.min(100, (100 * data.held.used) / data.held.budget)}%` }} /></div>
          </Tile>
        )}
      </div>
      <Panel title={data.failed.next ? `Failures of the last hour, of the latest ${most}` : "Failures of the last hour"} flush>
        <Table label="Failures" rows={grouped(data.failed.items)} id={(g) => g.key} empty="Nothing failed." columns={[
          { name: "Times", class: "num", cell: (g) => count(g.count) },
          { name: "Function", cell: (g) => functionLink(g.name) },
          { name: "Failure", cell: (g) => <span class="bad">{g.type}{g.line ? `, line ${g.line}` : ""}</span> },
          { name: "Message", class: "wide", cell: (g) => <span class="mute" title={failureOf(g.last)}>{failureOf(g.last)}</span> },
          { name: "Last", cell: (g) => <Time at={g.last.created} /> },
          { name: "Execution", cell: (g) => executionLink(g.last.uuid) },
        ]} />
      </Panel>
      <Panel title="Latest executions" flush actions={<a href={href(["executions"])}>All executions</a>}>
        <Table label="Latest executions" rows={data.latest.items} id={(x) => x.uuid} columns={executionColumns} empty={<>Nothing has run yet. <a href={href(["functions"])}>Create a function</a>.</>} />
      </Panel>
      {unlimited() && <Lazy load={upcoming} props={{ view: "", rest: [] }} />}
    </Page>
  );
}
