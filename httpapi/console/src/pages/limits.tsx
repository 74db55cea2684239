import { useState } from "preact/hooks";
import type { Limits, Tenant, Usage } from "../api";
import { changeTenant } from "../calls";
import { bytes, count } from "../format";
import { Field, Panel, Problem, Table } from "../ui";

interface Kind {
  name: string;
  label: string;
  bytes?: boolean;
  used?: string; // the part of a usage that it limits
  without?: number; // what holds without a limit
}

const kinds: Kind[] = [
  { name: "requests_per_second", label: "Requests a second" },
  { name: "request_burst", label: "Requests that arrive at once" },
  { name: "runs", label: "Runs at once", used: "runs" },
  { name: "queued", label: "Executions that wait", used: "queued" },
  { name: "functions", label: "Functions", used: "functions" },
  { name: "code_bytes", label: "Bytes of code", bytes: true, used: "code_bytes" },
  { name: "stored_bytes", label: "Bytes of all else that is stored", bytes: true, used: "stored_bytes" },
  { name: "egress_bytes", label: "Bytes of egress on a day", bytes: true, used: "egress_bytes" },
  { name: "memory_bytes", label: "Memory of runs at once", bytes: true, used: "memory_bytes" },
  { name: "image_bytes", label: "Memory of images", bytes: true, used: "image_bytes" },
  { name: "processor_share", label: "Part of the processors", without: 100 },
];

const shown = (k: Kind, n: number) => (k.bytes ? bytes(n) : count(n));

/** UsageTable shows what a tenant uses of its limits. */
export function UsageTable({ of }: { of: Usage }) {
  const rows = kinds.map((k) => ({ k, used: k.used === undefined ? undefined : Number(of[k.used]), limit: (of.limits[k.name] ?? k.without ?? null) as number | null }));
  const hosts = of.limits.egress_hosts as string[] | null | undefined;
  return (
    <>
      <Table label="Usage" rows={rows} id={(r) => r.k.name} empty="" columns={[
        { name: "Limit", cell: (r) => r.k.label },
        { name: "Used", class: "num", cell: (r) => (r.used === undefined ? "" : shown(r.k, r.used)) },
        { name: "Of", class: "num", cell: (r) => (r.limit === null ? <span class="mute">no limit</span> : shown(r.k, r.limit)) },
        { name: <span class="hidden">Part</span>, class: "wide", cell: (r) => r.used !== undefined && r.limit !== null && <div class="meter"><i class={r.used >= r.limit ? "full" : undefined} style={{ width: `${Math.min(100, (100 * r.used) / r.limit)}%` }} /></div> },
      ]} />
      {hosts && <p class="note">Functions reach at most {hosts.join(", ")}.</p>}
    </>
  );
}

const units = ["", "K", "M", "G", "T", "P"];

/** sizeText writes a size exactly, as sizeOf reads it. */
function sizeText(n: number): string {
  let i = 0;
  for (; n > 0 && n % 1024 === 0 && i < units.length - 1; i++) n /= 1024;
  return i ? `${n} ${units[i]}iB` : String(n);
}

/** sizeOf reads a size, such as 512 MiB, 1.5GB or 4096. It is not a number if it is none. */
export function sizeOf(text: string): number {
  const [, n, unit, binary] = /^\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)b?\s*$/i.exec(text) ?? [];
  return n === undefined ? NaN : Math.round(Number(n) * (binary ? 1024 : 1000) ** units.indexOf(unit.toUpperCase()));
}

/** LimitsForm changes the limits of a tenant. */
export function LimitsForm({ of: t, usage, said, saved }: { of: Tenant; usage: Usage; said: boolean; saved: () => void }) {
  const textOf = (k: Kind) => { const n = t.limits[k.name]; return typeof n !== "number" ? "" : k.bytes ? sizeText(n) : String(n); };
  const [texts, setTexts] = useState(() => Object.fromEntries(kinds.map((k) => [k.name, textOf(k)])));
  const [hosts, setHosts] = useState(((t.limits.egress_hosts ?? []) as string[]).join("\n"));
  const [own, setOwn] = useState(t.own_worker);
  const [error, setError] = useState<Error>();
  const change: Limits = {};
  for (const k of kinds) {
    const text = texts[k.name].trim();
    const value = text === "" ? null : k.bytes ? sizeOf(text) : Number(text);
    if (value !== (t.limits[k.name] ?? null)) change[k.name] = value;
  }
  const rules = hosts.split("\n").map((r) => r.trim()).filter(Boolean);
  if (rules.join() !== ((t.limits.egress_hosts ?? []) as string[]).join()) change.egress_hosts = rules.length > 0 ? rules : null;
  const bad = kinds.find((k) => Number.isNaN(change[k.name]));
  const changed = Object.keys(change).length > 0 || own !== t.own_worker;
  const save = async (e: Event) => {
    e.preventDefault();
    setError(undefined);
    await changeTenant(t.name, { ...(Object.keys(change).length > 0 && { limits: change }), ...(own !== t.own_worker && { own_worker: own }) })
      .then(saved, setError);
  };
  const serverSide = (k: Kind) => {
    if (typeof t.limits[k.name] === "number") return "Empty: that of the server.";
    const n = usage.limits[k.name] ?? k.without;
    return typeof n === "number" ? `That of the server: ${shown(k, n)}.` : "The server has none.";
  };
  return (
    <form onSubmit={save}>
      <Panel title="Limits" actions={<>
        <span class="mute" role="status">{bad ? `${bad.label} is not ${bad.bytes ? "a size, such as 512 MiB" : "a number"}.` : said && !changed && "Saved."}</span>
        <button class="button main" type="submit" disabled={!changed || bad !== undefined}>Save</button>
      </>}>
        <Problem error={error} />
        <div class="fields">
          {kinds.map((k) => (
            <Field key={k.name} label={k.label} hint={serverSide(k)}>
              <input name={k.name} autocomplete="off" inputMode={k.bytes ? undefined : "numeric"} placeholder="that of the server" value={texts[k.name]} onInput={(e) => setTexts({ ...texts, [k.name]: e.currentTarget.value })} />
            </Field>
          ))}
        </div>
        <Field label="What functions may reach at most" hint="One rule such as *.example.com:443 a line; none: nothing. Empty: as the server says.">
          <textarea spellcheck={false} value={hosts} onInput={(e) => setHosts(e.currentTarget.value)} />
        </Field>
        <label class="check"><input type="checkbox" checked={own} onChange={(e) => setOwn(e.currentTarget.checked)} /> Run its functions in a worker process of its own</label>
      </Panel>
    </form>
  );
}
