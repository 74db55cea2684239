import { type Execution, may, unlimited } from "../api";
import { count, span } from "../format";
import { useFollowed } from "../follow";
import { href } from "../router";
import { confirmed } from "../parts";
import { Button, Page, Panel, Problem, Table } from "../ui";
import { Operations, useWork } from "./operations";
import { ageOf, functionLink } from "./shared";

const most = 1000;

interface Depth {
  name: string;
  waiting: Execution[];
  running: number;
}

function depths(xs: Execution[]): Depth[] {
  const all = new Map<string, Depth>();
  for (const x of xs) {
    const depth = all.get(x.name) ?? { name: x.name, waiting: [], running: 0 };
    all.set(x.name, depth);
    if (x.status === "Pending") depth.waiting.push(x);
    else depth.running++;
  }
  return [...all.values()].sort((a, b) => b.waiting.length - a.waiting.length);
}

export function QueuePage() {
  const { data, error, loading, reload } = useFollowed(() => ({ status: "Pending,Started" }), [], most);
  const work = useWork(reload);
  const rows = depths(data?.items ?? []);
  const stop = async (d: Depth) => {
    if (!confirmed(`Cancel all executions of ${d.name} that wait?`)) return;
    await work.start("cancel", { function: d.name, status: "Pending" });
  };
  return (
    <Page title="Queue" sub={data && `${count(data.items.length)}${data.whole ? "" : "+"} executions wait or run`}>
      <Problem error={error} />
      <Operations work={work} />
      <Panel flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table label="Queue" rows={rows} id={(d) => d.name} empty="Nothing waits, and nothing runs." columns={[
            { name: "Function", cell: (d) => functionLink(d.name) },
            { name: "Waiting", class: "num", cell: (d) => <a href={href(["executions"], { function: d.name, status: "Pending" })}>{count(d.waiting.length)}</a> },
            { name: "Running", class: "num", cell: (d) => <a href={href(["executions"], { function: d.name, status: "Started" })}>{count(d.running)}</a> },
            { name: "Oldest waits for", class: "wide", cell: (d) => (d.waiting.length ? span(ageOf(d.waiting)) : "–") },
            { name: <span class="hidden">Actions</span>, cell: (d) => may("invoke") && unlimited() && d.waiting.length > 0 && <Button kind="danger" onClick={() => stop(d)}>Cancel waiting</Button> },
          ]} />
        )}
        {data?.whole === false && <p class="note">These are the latest {count(most)}.</p>}
      </Panel>
    </Page>
  );
}
