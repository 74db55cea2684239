import { useState } from "preact/hooks";
import { may, session, type Token } from "../api";
import { audit, createToken, deleteToken, tokens } from "../calls";
import { useLive } from "../live";
import { Command, confirmed, Dialog } from "../parts";
import { Button, Field, Page, Panel, Problem, Status, Table, Time } from "../ui";

const lives: [string, string][] = [["", "never"], ["86400", "in a day"], ["2592000", "in 30 days"], ["31536000", "in a year"]];

function NewToken({ onClose, created }: { onClose: () => void; created: () => void }) {
  const scopes = may("admin") ? ["read", "invoke", "deploy", "admin"] : ["operator"];
  const [name, setName] = useState("");
  const [scope, setScope] = useState(scopes[0]);
  const [life, setLife] = useState("2592000");
  const [made, setMade] = useState<Token>();
  const [error, setError] = useState<Error>();
  const create = async (e: Event) => {
    e.preventDefault();
    setError(undefined);
    await createToken({ name, scope, ...(life && { expires_in: Number(life) }) }).then((t) => { setMade(t); created(); }, setError);
  };
  if (made) {
    return (
      <Dialog title={`The token ${made.name}`} onClose={onClose}>
        <p>Copy it now: it is not shown again.</p>
        <Command line={made.token ?? ""} />
      </Dialog>
    );
  }
  return (
    <Dialog title="New token" onClose={onClose}>
      <form onSubmit={create}>
        <Problem error={error} />
        <Field label="Name"><input name="name" required autocomplete="off" value={name} onInput={(e) => setName(e.currentTarget.value)} /></Field>
        <Field label="Scope" hint="Each scope includes those before it.">
          <select name="scope" value={scope} onChange={(e) => setScope(e.currentTarget.value)}>{scopes.map((s) => <option key={s} value={s}>{s}</option>)}</select>
        </Field>
        <Field label="Expires">
          <select name="life" value={life} onChange={(e) => setLife(e.currentTarget.value)}>{lives.map(([v, text]) => <option key={v} value={v}>{text}</option>)}</select>
        </Field>
        <button class="button main" type="submit">Create</button>
      </form>
    </Dialog>
  );
}

export function AccessPage() {
  const allowed = may("admin") || session.value?.operator === true;
  const { data, error, loading, reload } = useLive(async (signal) => (allowed ? { tokens: await tokens(signal), audit: await audit(signal) } : undefined), [allowed], 10_000);
  const [creating, setCreating] = useState(false);
  const [failed, setFailed] = useState<Error>();
  if (!allowed) return <Page title="Access"><p class="empty">This needs a token with the scope admin or operator.</p></Page>;
  const remove = async (t: Token) => {
    if (confirmed(`Delete the token ${t.name}? Sessions that began with it end.`)) await deleteToken(t.id).then(reload, setFailed);
  };
  return (
    <Page title="Access" actions={<Button kind="main" onClick={() => setCreating(true)}>New token</Button>}>
      {creating && <NewToken onClose={() => setCreating(false)} created={reload} />}
      <Problem error={failed ?? error} />
      <Panel title="Tokens" flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table label="Tokens" rows={data?.tokens ?? []} id={(t) => t.id} empty="There are no tokens but that of the server." columns={[
            { name: "Name", cell: (t) => <b>{t.name}</b> },
            { name: "Tenant", cell: (t) => t.tenant ?? "the server" },
            { name: "Scope", cell: (t) => t.scope },
            { name: "Functions", cell: (t) => t.functions.join(", ") || "all" },
            { name: "Created", cell: (t) => <><Time at={t.created} /> by {t.created_by}</> },
            { name: "Expires", cell: (t) => (t.expires ? <Time at={t.expires} /> : "never") },
            { name: "Last used", class: "wide", cell: (t) => (t.last_used ? <Time at={t.last_used} /> : "never") },
            { name: <span class="hidden">Actions</span>, cell: (t) => <Button kind="danger" aria-label={`Delete ${t.name}`} onClick={() => remove(t)}>Delete</Button> },
          ]} />
        )}
      </Panel>
      <Panel title="Latest changes" flush>
        <Table label="Latest changes" rows={data?.audit ?? []} id={(e) => e.id} empty="Nothing has changed yet." columns={[
          { name: "When", cell: (e) => <Time at={e.time} /> },
          { name: "Change", cell: (e) => <code>{e.operation}</code> },
          { name: "Outcome", cell: (e) => <Status of={e.outcome} /> },
          { name: "Of", cell: (e) => e.name ?? e.thing ?? "–" },
          { name: "By", cell: (e) => e.by.user },
          { name: "From", class: "wide", cell: (e) => <span class="mute">{e.remote ?? "–"}</span> },
        ]} />
      </Panel>
      <Command line="fas audit list" />
    </Page>
  );
}
