import { useState } from "preact/hooks";
import { functions, may, session, type Token, unlimited } from "../api";
import { createToken, deleteToken, rotateToken, tokens } from "../calls";
import { useLive } from "../live";
import { Command, confirmed, Dialog } from "../parts";
import { Button, Field, Panel, Problem, Table, Time } from "../ui";

const lives: [string, string][] = [["", "never"], ["86400", "in a day"], ["2592000", "in 30 days"], ["7776000", "in 90 days"], ["31536000", "in a year"]];
const overlaps: [string, string][] = [["", "ends at once"], ["3600", "is valid for an hour"], ["86400", "is valid for a day"], ["604800", "is valid for 7 days"]];
const scopes = ["read", "invoke", "deploy", "admin"];

const Options = ({ of }: { of: [string, string][] }) => <>{of.map(([value, text]) => <option key={value} value={value}>{text}</option>)}</>;

/** Secret shows the secret of a token, once. */
function Secret({ of, onClose }: { of: Token; onClose: () => void }) {
  return (
    <Dialog title={`The token ${of.name}`} onClose={onClose}>
      <p>Copy it now: it is not shown again.</p>
      <Command line={of.token ?? ""} />
    </Dialog>
  );
}

/** namesOf returns the names of a list that is separated by commas or spaces. */
const namesOf = (text: string) => text.split(/[\s,]+/).filter(Boolean);

/** NewToken creates a token of a tenant, or without one of that of the session, or of the server. */
function NewToken({ tenant, onClose, created }: { tenant?: string; onClose: () => void; created: () => void }) {
  const own = !tenant && may("admin");
  const offered = [...(own || tenant ? scopes : []), ...(!tenant && session.value?.operator ? ["operator"] : [])];
  const [name, setName] = useState("");
  const [scope, setScope] = useState(offered[0]);
  const [life, setLife] = useState("2592000");
  const [limited, setLimited] = useState("");
  const [made, setMade] = useState<Token>();
  const [error, setError] = useState<Error>();
  const { data: known } = useLive(async (signal) => (own && unlimited() ? functions(signal) : []), []);
  if (made) return <Secret of={made} onClose={onClose} />;
  const names = scope === "invoke" ? namesOf(limited) : [];
  const create = async (e: Event) => {
    e.preventDefault();
    setError(undefined);
    await createToken({ name, scope, tenant, ...(names.length > 0 && { functions: names }), ...(life && { expires_in: Number(life) }) }).then((t) => { setMade(t); created(); }, setError);
  };
  return (
    <Dialog title={tenant ? `New token of ${tenant}` : "New token"} onClose={onClose}>
      <form onSubmit={create}>
        <Problem error={error} />
        <Field label="Name" hint="Executions and changes name it as their user."><input name="name" required autocomplete="off" value={name} onInput={(e) => setName(e.currentTarget.value)} /></Field>
        <Field label="Scope" hint={scope === "operator" ? "It manages the server: tenants, tokens, memory and metrics." : "Each scope includes those before it."}>
          <select name="scope" value={scope} onChange={(e) => setScope(e.currentTarget.value)}><Options of={offered.map((s) => [s, s])} /></select>
        </Field>
        {scope === "invoke" && (
          <Field label="Only these functions" hint="Names with commas between them, 32 at most. Empty: all. Such a token sees only what it started.">
            <input name="functions" list="known-functions" autocomplete="off" spellcheck={false} value={limited} onInput={(e) => setLimited(e.currentTarget.value)} />
          </Field>
        )}
        <datalist id="known-functions">{known?.slice(0, 500).map((f) => <option key={f.name} value={[...names.slice(0, -1), f.name].join(", ")} />)}</datalist>
        <Field label="Expires">
          <select name="life" value={life} onChange={(e) => setLife(e.currentTarget.value)}><Options of={lives} /></select>
        </Field>
        <button class="button main" type="submit">Create</button>
      </form>
    </Dialog>
  );
}

/** Rotate gives a token another secret. */
function Rotate({ of, onClose, rotated }: { of: Token; onClose: () => void; rotated: () => void }) {
  const [overlap, setOverlap] = useState("3600");
  const [made, setMade] = useState<Token>();
  const [error, setError] = useState<Error>();
  if (made) return <Secret of={made} onClose={onClose} />;
  const rotate = async (e: Event) => {
    e.preventDefault();
    setError(undefined);
    await rotateToken(of.id, Number(overlap)).then((t) => { setMade(t); rotated(); }, setError);
  };
  return (
    <Dialog title={`Another secret for ${of.name}`} onClose={onClose}>
      <form onSubmit={rotate}>
        <Problem error={error} />
        <Field label="The present secret" hint="Name, scope and expiry stay. Sessions of this console that began with the token end.">
          <select name="overlap" value={overlap} onChange={(e) => setOverlap(e.currentTarget.value)}><Options of={overlaps} /></select>
        </Field>
        <button class="button main" type="submit">Rotate</button>
      </form>
    </Dialog>
  );
}

/** Tokens lists the tokens of a tenant, or without one those that the session manages. */
export function Tokens({ tenant }: { tenant?: string }) {
  const { data, error, loading, reload } = useLive((signal) => tokens(tenant, signal), [tenant], 10_000);
  const [creating, setCreating] = useState(false);
  const [rotating, setRotating] = useState<Token>();
  const [failed, setFailed] = useState<Error>();
  const remove = async (t: Token) => {
    if (confirmed(`Delete the token ${t.name}? Its clients get 401 from then on, and its sessions end.`)) await deleteToken(t.id).then(reload, setFailed);
  };
  return (
    <Panel title="Tokens" flush actions={<Button kind="main" onClick={() => setCreating(true)}>New token</Button>}>
      {creating && <NewToken tenant={tenant} onClose={() => setCreating(false)} created={reload} />}
      {rotating && <Rotate of={rotating} onClose={() => setRotating(undefined)} rotated={reload} />}
      <Problem error={failed ?? error} />
      {loading ? <p class="empty">Loading…</p> : (
        <Table label="Tokens" rows={data ?? []} id={(t) => t.id} empty={tenant ? "It has no tokens yet." : "There are no tokens but that of the server."} columns={[
          { name: "Name", cell: (t) => <><b>{t.name}</b>{t.username && <span class="mute"> user {t.username}</span>}</> },
          ...(tenant ? [] : [{ name: "Tenant", cell: (t: Token) => t.tenant ?? "the server" }]),
          { name: "Scope", cell: (t) => t.scope },
          { name: "Functions", cell: (t) => <span title={t.functions.join(", ")}>{t.functions.join(", ") || "all"}</span> },
          { name: "Created", cell: (t) => <><Time at={t.created} /> by {t.created_by}</> },
          { name: "Expires", cell: (t) => (t.expires ? <span class={Date.parse(t.expires) < Date.now() ? "bad" : undefined}><Time at={t.expires} /></span> : "never") },
          { name: "Last used", class: "wide", cell: (t) => <>{t.last_used ? <Time at={t.last_used} /> : "never"}{t.previous_expires && <span class="mute"> old secret until <Time at={t.previous_expires} /></span>}</> },
          {
            name: <span class="hidden">Actions</span>, cell: (t) => (
              <div class="actions">
                {!t.username && <Button aria-label={`Rotate ${t.name}`} onClick={() => setRotating(t)}>Rotate</Button>}
                <Button kind="danger" aria-label={`Delete ${t.name}`} onClick={() => remove(t)}>Delete</Button>
              </div>
            ),
          },
        ]} />
      )}
    </Panel>
  );
}
