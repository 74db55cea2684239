import { useState } from "preact/hooks";
import { session, type Tenant, type Usage } from "../api";
import { createTenant, deleteTenant, getTenant, tenants, usage } from "../calls";
import { bytes, count, quote } from "../format";
import { useLive } from "../live";
import { go, href, route, setQuery } from "../router";
import { Command, Dialog, Facts } from "../parts";
import { Button, Field, Page, Panel, Problem, Status, Table, Time } from "../ui";
import { Changes } from "./access";
import { LimitsForm, UsageTable } from "./limits";
import { Tokens } from "./tokens";

const most = 50; // tenants of a page, each with a request for its usage

interface Row {
  t: Tenant;
  u: Usage | undefined; // undefined while it is deleted
}

async function load(after: string, signal: AbortSignal): Promise<{ rows: Row[]; next: string }> {
  const page = await tenants(most + 1, after, signal);
  const rows = await Promise.all(page.slice(0, most).map(async (t) => ({ t, u: await usage(t.name, signal).catch(() => undefined) })));
  return { rows, next: page.length > most ? page[most - 1].name : "" };
}

function NewTenant({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [error, setError] = useState<Error>();
  const create = async (e: Event) => {
    e.preventDefault();
    setError(undefined);
    await createTenant(name).then(() => go(["tenants", name]), setError);
  };
  return (
    <Dialog title="New tenant" onClose={onClose}>
      <form onSubmit={create}>
        <Problem error={error} />
        <Field label="Name" hint="1 to 63 of a-z 0-9 -">
          <input name="name" required pattern="[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?" autocomplete="off" spellcheck={false} value={name} onInput={(e) => setName(e.currentTarget.value)} />
        </Field>
        <button class="button main" type="submit">Create</button>
      </form>
    </Dialog>
  );
}

function DeleteTenant({ of, usage: u, onClose, done }: { of: string; usage: Usage | undefined; onClose: () => void; done: () => void }) {
  const [typed, setTyped] = useState("");
  const [error, setError] = useState<Error>();
  const remove = async (e: Event) => {
    e.preventDefault();
    setError(undefined);
    await deleteTenant(of, true).then(() => { onClose(); done(); }, setError);
  };
  return (
    <Dialog title={`Delete ${of}`} onClose={onClose}>
      <form onSubmit={remove}>
        <Problem error={error} />
        <p>Its tokens end at once. Its {count(Number(u?.functions ?? 0))} functions, its jobs and its executions with their results and logs are deleted. This cannot be undone.</p>
        <br />
        <Field label="The name of the tenant"><input name="typed" required autocomplete="off" spellcheck={false} value={typed} onInput={(e) => setTyped(e.currentTarget.value)} /></Field>
        <button class="button danger" type="submit" disabled={typed !== of}>Delete {of} and all that it has</button>
      </form>
    </Dialog>
  );
}

/** part shows a usage with its limit. */
const part = (u: Usage | undefined, name: string, format: (n: number) => string) => {
  if (!u) return "–";
  const limit = u.limits[name];
  const used = Number(u[name]);
  return <span class={typeof limit === "number" && used >= limit ? "bad" : undefined}>{format(used)}{typeof limit === "number" && <span class="mute"> of {format(limit)}</span>}</span>;
};

function All() {
  const after = route.value.query.get("after") ?? "";
  const { data, error, loading } = useLive((signal) => load(after, signal), [after], 10_000);
  const [creating, setCreating] = useState(false);
  return (
    <Page title="Tenants" sub="Each has functions, jobs, executions and tokens of its own" actions={<Button kind="main" onClick={() => setCreating(true)}>New tenant</Button>}>
      {creating && <NewTenant onClose={() => setCreating(false)} />}
      <Problem error={error} />
      <Panel flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table label="Tenants" rows={data?.rows ?? []} id={(r) => r.t.name} empty="There are no more." columns={[
            { name: "Name", cell: (r) => <><a href={href(["tenants", r.t.name])}><b>{r.t.name}</b></a>{r.t.state === "deleting" && <> <Status of="deleting" /></>}</> },
            { name: "Runs", class: "num", cell: (r) => part(r.u, "runs", count) },
            { name: "Waiting", class: "num", cell: (r) => part(r.u, "queued", count) },
            { name: "Functions", class: "num", cell: (r) => part(r.u, "functions", count) },
            { name: "Code", class: "num", cell: (r) => part(r.u, "code_bytes", bytes) },
            { name: "Stored", class: "num", cell: (r) => part(r.u, "stored_bytes", bytes) },
            { name: "Egress today", class: "num", cell: (r) => part(r.u, "egress_bytes", bytes) },
            { name: "Memory", class: "num", cell: (r) => part(r.u, "memory_bytes", bytes) },
            { name: "Created", class: "wide", cell: (r) => <Time at={r.t.created} /> },
          ]} />
        )}
      </Panel>
      <div class="filters">
        {after && <Button onClick={() => setQuery({ after: "" })}>First page</Button>}
        {data?.next && <Button onClick={() => setQuery({ after: data.next })}>Next page</Button>}
      </div>
      <Command line="fas tenants list" />
    </Page>
  );
}

function One({ name }: { name: string }) {
  const { data, error, loading, reload } = useLive(async (signal) => {
    const t = await getTenant(name, signal);
    return { t, u: t.state === "active" ? await usage(name, signal) : undefined };
  }, [name], 5000);
  const [deleting, setDeleting] = useState(false);
  const [said, setSaid] = useState(false);
  if (!data) return loading ? <p class="empty">Loading…</p> : <Problem error={error} />;
  const { t, u } = data;
  return (
    <Page title={<>{name}{t.state === "deleting" && <Status of="deleting" />}</>} sub={<>Tenant, created {t.created ? <Time at={t.created} /> : "with the server"}</>}
      actions={t.state === "active" && t.created && <Button kind="danger" onClick={() => setDeleting(true)}>Delete</Button>}>
      {deleting && <DeleteTenant of={name} usage={u} onClose={() => setDeleting(false)} done={reload} />}
      <Problem error={error} />
      {u && (
        <>
          <Panel title="Usage" flush>
            <UsageTable of={u} />
          </Panel>
          <LimitsForm key={JSON.stringify([t.limits, t.own_worker])} of={t} usage={u} said={said} saved={() => { setSaid(true); reload(); }} />
          <Tokens tenant={name} />
        </>
      )}
      {!u && <Panel><Facts of={[["State", "Its functions, jobs and executions are being deleted."]]} /></Panel>}
      <Changes tenant={name} />
      <Command line={`fas tenants usage ${quote(name)}`} />
    </Page>
  );
}

export function TenantsPage({ name }: { name?: string }) {
  if (!session.value?.operator) return <Page title="Tenants"><p class="empty">This needs a token with the scope operator.</p></Page>;
  return name ? <One name={name} /> : <All />;
}
