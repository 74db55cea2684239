import { useState } from "preact/hooks";
import { may, type Version } from "../api";
import { diff, rollback, versions } from "../calls";
import { bytes, quote } from "../format";
import { useLive } from "../live";
import { Command, confirmed } from "../parts";
import { Button, Panel, Problem, Table, Time } from "../ui";

/** Diff shows what differs between a version and the current one. The current one is compared with the one before it. */
function Diff({ name, of, current }: { name: string; of: number; current: number }) {
  const { data: d, error } = useLive((signal) => diff(name, of === current ? undefined : of, signal), [name, of, current]);
  if (!d) return <Problem error={error} />;
  const kind = (line: string) => (/^(---|\+\+\+)/.test(line) ? "mute" : line.startsWith("+") ? "ok" : line.startsWith("-") ? "bad" : line.startsWith("@@") ? "run" : undefined);
  return (
    <Panel title={`From version ${d.from} to version ${d.to}`}>
      {d.code && <pre class="log diff" tabIndex={0} role="region" aria-label="Difference of the code">{d.code.replace(/\n$/, "").split("\n").map((line, i) => <span key={i} class={kind(line)}>{line}{"\n"}</span>)}</pre>}
      {d.settings.map((s) => <p key={s.name}>{s.name}: <code>{JSON.stringify(s.from)}</code> → <code>{JSON.stringify(s.to)}</code></p>)}
      {d.context.map((c) => <p key={c.name}>context {c.name}: {c.change}</p>)}
      {!d.code && d.settings.length + d.context.length === 0 && <p class="mute">They are the same.</p>}
      <Command line={`fas diff ${quote(name)} ${d.from} ${d.to}`} />
    </Panel>
  );
}

/** Versions lists the stored versions of a function, compares them and restores one. */
export function Versions({ name, current, restored }: { name: string; current: number; restored: () => void }) {
  const { data, error, loading } = useLive((signal) => versions(name, signal), [name, current]);
  const [shown, setShown] = useState(0);
  const [failed, setFailed] = useState<Error>();
  const restore = async (v: Version) => {
    if (!confirmed(`Deploy version ${v.version} again, with its settings and its context?`)) return;
    setFailed(undefined);
    await rollback(name, v.version).then(() => { setShown(0); restored(); }, setFailed);
  };
  return (
    <>
      <Problem error={failed ?? error} />
      <Panel title="Versions" flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table label="Versions" rows={data ?? []} id={(v) => String(v.version)} empty="" columns={[
            { name: "Version", class: "num", cell: (v) => <b>{v.version}</b> },
            { name: "Deployed", cell: (v) => <><Time at={v.created} />{v.user_id && ` by ${v.user_id}`}</> },
            { name: "Code", class: "num", cell: (v) => bytes(v.bundle?.bytes ?? v.code_bytes) },
            { name: "Timeout", class: "num", cell: (v) => `${v.timeout} s` },
            { name: "Memory", class: "num", cell: (v) => `${v.memory} MB` },
            { name: "Retries", class: "num", cell: (v) => v.retries },
            {
              name: <span class="hidden">Actions</span>, class: "wide", cell: (v) => (
                <div class="actions">
                  {(!v.current || (data ?? []).length > 1) && <Button title={v.current ? "What changed in it" : "What the current one has changed"} aria-label={`Compare version ${v.version}`} onClick={() => setShown(v.version)}>Compare</Button>}
                  {!v.current && may("deploy") && <Button aria-label={`Restore version ${v.version}`} onClick={() => restore(v)}>Restore</Button>}
                </div>
              ),
            },
          ]} />
        )}
      </Panel>
      {shown > 0 && <Diff name={name} of={shown} current={current} />}
    </>
  );
}
