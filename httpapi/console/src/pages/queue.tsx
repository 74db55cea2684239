import { useState } from "preact/hooks";
import { type Execution, type Fn, functions, may, unlimited } from "../api";
import { setPaused } from "../calls";
import { count, span } from "../format";
import { useFollowed } from "../follow";
import { useLive } from "../live";
import { confirmed } from "../parts";
import { href } from "../router";
import { Button, Page, Panel, Problem, Status, Table } from "../ui";
import { Operations, useWork } from "./operations";
import { ageOf, functionLink } from "./shared";

const most = 1000;

interface Depth {
  name: string;
  waiting: Execution[];
  running: number;
  paused?: boolean; // undefined: there is no such function any more, or the token may not list them
}

/** depths returns what waits and runs, by function, and the functions that are paused. */
function depths(xs: Execution[], fns: Fn[]): Depth[] {
  const all = new Map<string, Depth>(fns.filter((f) => f.paused).map((f) => [f.name, { name: f.name, waiting: [], running: 0 }]));
  for (const x of xs) {
    const depth = all.get(x.name) ?? { name: x.name, waiting: [], running: 0 };
    all.set(x.name, depth);
    if (x.status === "Pending") depth.waiting.push(x);
    else depth.running++;
  }
  for (const f of fns) {
    const depth = all.get(f.name);
    if (depth) depth.paused = f.paused;
  }
  return [...all.values()].sort((a, b) => b.waiting.length - a.waiting.length);
}

export function QueuePage() {
  const { data, error, loading, reload } = useFollowed(() => ({ status: "Pending,Started" }), [], most);
  const work = useWork(reload);
  const fns = useLive((signal) => (unlimited() ? functions(signal) : Promise.resolve([])), [], 10_000);
  const [failed, setFailed] = useState<Error>();
  const rows = depths(data?.items ?? [], fns.data ?? []);
  const stop = async (d: Depth) => {
    if (!confirmed(`Cancel all executions of ${d.name} that wait?`)) return;
    await work.start("cancel", { function: d.name, status: "Pending" });
  };
  const turn = async (d: Depth) => {
    setFailed(undefined);
    await setPaused(d.name, !d.paused).then(fns.reload, setFailed);
  };
  return (
    <Page title="Queue" sub={data && `${count(data.items.length)}${data.whole ? "" : "+"} executions wait or run`}>
      <Problem error={failed ?? error ?? fns.error} />
      <Operations work={work} />
      <Panel flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table label="Queue" rows={rows} id={(d) => d.name} empty="Nothing waits, and nothing runs." columns={[
            { name: "Function", cell: (d) => <>{functionLink(d.name)} {d.paused && <Status of="Paused" />}</> },
            { name: "Waiting", class: "num", cell: (d) => <a href={href(["executions"], { function: d.name, status: "Pending" })}>{count(d.waiting.length)}</a> },
            { name: "Running", class: "num", cell: (d) => <a href={href(["executions"], { function: d.name, status: "Started" })}>{count(d.running)}</a> },
            { name: "Oldest waits for", class: "wide", cell: (d) => (d.waiting.length ? span(ageOf(d.waiting)) : "–") },
            { name: <span class="hidden">Actions</span>, cell: (d) => <>
              {may("deploy") && d.paused !== undefined && <Button onClick={() => turn(d)}>{d.paused ? "Resume" : "Pause"}</Button>}{" "}
              {may("invoke") && unlimited() && d.waiting.length > 0 && <Button kind="danger" onClick={() => stop(d)}>Cancel waiting</Button>}
            </> },
          ]} />
        )}
        {data?.whole === false && <p class="note">These are the latest {count(most)}.</p>}
      </Panel>
    </Page>
  );
}
