import { useState } from "preact/hooks";
import { executions, type Fn, functions, may } from "../api";
import { count, ms } from "../format";
import { useLive } from "../live";
import { go, href, route, setQuery } from "../router";
import { Command, Dialog } from "../parts";
import { Button, Field, Page, Panel, Problem, Table, Time } from "../ui";
import { byFunction, Strip } from "./recent";
import { executionLink, failureOf } from "./shared";

const latest = 500;

async function load(signal: AbortSignal) {
  const [all, recent] = await Promise.all([functions(signal), executions({}, latest, "", signal)]);
  return { all, recent: byFunction(recent.items), whole: recent.next === "" };
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
  const { data, error, loading } = useLive(load, [], 10_000);
  const [creating, setCreating] = useState(false);
  const q = route.value.query.get("q") ?? "";
  const rows = data?.all.filter((f) => f.name.toLowerCase().includes(q.toLowerCase())) ?? [];
  const recent = (f: Fn) => data?.recent.get(f.name);
  return (
    <Page title="Functions" sub={data && `${count(data.all.length)} in all`}
      actions={may("deploy") && <Button kind="main" onClick={() => setCreating(true)}>New function</Button>}>
      {creating && <NewFunction all={data?.all ?? []} onClose={() => setCreating(false)} />}
      <Problem error={error} />
      <div class="filters">
        <input type="search" aria-label="Filter by name" placeholder="Filter by name" value={q} onInput={(e) => setQuery({ q: e.currentTarget.value })} />
      </div>
      <Panel flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table label="Functions" rows={rows} id={(f) => f.name} empty={q ? "No function has this in its name." : "There are no functions yet."} columns={[
            { name: "Name", cell: (f) => <a href={href(["functions", f.name])}><b>{f.name}</b></a> },
            { name: "Version", class: "num", cell: (f) => f.version },
            { name: "Deployed", cell: (f) => <Time at={f.updated} /> },
            { name: "Latest runs", cell: (f) => recent(f) && <Strip of={recent(f)!.all} /> },
            { name: "Runs", class: "num", cell: (f) => count(recent(f)?.runs ?? 0) },
            { name: "Failed", class: "num", cell: (f) => { const n = recent(f)?.failed ?? 0; return n ? <span class="bad">{count(n)}</span> : "0"; } },
            { name: "p50", class: "num", cell: (f) => { const r = recent(f); return r && Number.isFinite(r.p50) ? ms(r.p50) : "–"; } },
            { name: "p99", class: "num", cell: (f) => { const r = recent(f); return r && Number.isFinite(r.p99) ? ms(r.p99) : "–"; } },
            { name: "Last failure", class: "wide", cell: (f) => { const x = recent(f)?.last; return x && <>{executionLink(x.uuid)} <span class="mute" title={failureOf(x)}>{failureOf(x)}</span></>; } },
          ]} />
        )}
        {data && !data.whole && <p class="note">Runs, failures and durations are those of the latest {count(latest)} executions of all functions.</p>}
      </Panel>
      <Command line="fas functions list" />
    </Page>
  );
}
