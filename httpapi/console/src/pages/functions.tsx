import { useState } from "preact/hooks";
import { executions, type Fn, functions, may, stats } from "../api";
import { count, ms } from "../format";
import { useLive } from "../live";
import { go, href, route, setQuery } from "../router";
import { Choices, Command, Dialog, Progress, spans } from "../parts";
import { Button, Field, Page, Panel, Problem, Status, Table, Time } from "../ui";
import { executionLink, failureOf } from "./shared";

const latest = 100;

/** load returns the functions, with what ended of them since so many hours, and with the latest failures. */
async function load(hours: number, signal: AbortSignal) {
  const [all, runs, failures] = await Promise.all([functions(signal), stats(hours, 0, "", signal), executions({ status: "Failed" }, latest, "", signal)]);
  const last = new Map(failures.items.filter((x) => x.kind === "run").toReversed().map((x) => [x.name, x]));
  return { all, runs, last, of: new Map(runs.functions.map((f) => [f.function, f])) };
}

const isName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

function NewFunction({ onClose, all }: { onClose: () => void; all: Fn[] }) {
  const [name, setName] = useState("");
  const taken = all.some((f) => f.name === name);
  const valid = isName.test(name) && !name.startsWith("-") && !taken;
  const create = (e: Event) => {
    e.preventDefault();
    if (valid) go(["functions", name], { new: "1" });
  };
  return (
    <Dialog title="New function" onClose={onClose}>
      <form onSubmit={create}>
        <Field label="Name" hint={taken ? "There is a function of this name." : "Letters, digits, - _ and dots."}>
          <input name="name" required autocomplete="off" spellcheck={false} value={name} onInput={(e) => setName(e.currentTarget.value)} />
        </Field>
        <button class="button main" type="submit" disabled={!valid}>Write it</button>
      </form>
    </Dialog>
  );
}

export default function FunctionsPage() {
  const hours = Number(route.value.query.get("since")) || 24;
  const { data, error, loading } = useLive((signal) => load(hours, signal), [hours], 10_000);
  const [creating, setCreating] = useState(false);
  const q = route.value.query.get("q") ?? "";
  const rows = data?.all.filter((f) => f.name.toLowerCase().includes(q.toLowerCase())) ?? [];
  const of = (f: Fn) => data?.of.get(f.name);
  return (
    <Page title="Functions" sub={data && `${count(data.all.length)} in all`}
      actions={may("deploy") && <Button kind="main" onClick={() => setCreating(true)}>New function</Button>}>
      {creating && <NewFunction all={data?.all ?? []} onClose={() => setCreating(false)} />}
      <Problem error={error} />
      <div class="filters">
        <Choices label="Runs that ended" options={spans} value={String(hours)} onChange={(v) => setQuery({ since: v })} />
        <input type="search" aria-label="Filter by name" placeholder="Filter by name" value={q} onInput={(e) => setQuery({ q: e.currentTarget.value })} />
      </div>
      <Panel flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table label="Functions" rows={rows} id={(f) => f.name} empty={q ? "No function has this in its name." : "There are no functions yet."} columns={[
            { name: "Name", cell: (f) => <><a href={href(["functions", f.name])}><b>{f.name}</b></a>{f.paused && <> <Status of="Paused" /></>}</> },
            { name: "Version", class: "num", cell: (f) => f.version },
            { name: "Deployed", cell: (f) => <Time at={f.updated} /> },
            {
              name: "Outcomes", cell: (f) => {
                const r = of(f);
                return r && <Progress of={{ success: r.success, failure: r.failed, cancelled: r.cancelled, running: 0, retried: 0, total: r.count }} />;
              },
            },
            { name: "Runs", class: "num", cell: (f) => <a href={href(["metrics"], { function: f.name, since: String(hours) })}>{count(of(f)?.count ?? 0)}</a> },
            { name: "Failed", class: "num", cell: (f) => { const n = of(f)?.failed ?? 0; return n ? <span class="bad">{count(n)}</span> : "0"; } },
            { name: "p50", class: "num", cell: (f) => ms(of(f)?.p50_ms) },
            { name: "p99", class: "num", cell: (f) => ms(of(f)?.p99_ms) },
            { name: "Last failure", class: "wide", cell: (f) => { const x = data?.last.get(f.name); return x && <>{executionLink(x.uuid)} <span class="mute" title={failureOf(x)}>{failureOf(x)}</span></>; } },
          ]} />
        )}
        {!!data?.runs.other_functions && <p class="note">Runs are those of the {count(data.runs.functions.length)} functions with most of them.</p>}
      </Panel>
      <Command line="fas functions list" />
    </Page>
  );
}
