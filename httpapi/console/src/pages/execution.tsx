import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type Execution, executions, may, parse } from "../api";
import { cancel, execution, getFunction, rerun } from "../calls";
import { bytes, count, ms, timeOf } from "../format";
import type { PageProps } from "../lazy";
import { useLive } from "../live";
import { go, href } from "../router";
import { Command, Dialog, Facts } from "../parts";
import { Button, Field, Page, Panel, Problem, Status, Table, Time } from "../ui";
import { Value } from "../value";
import { Log } from "./log";
import { done, executionColumns, executionLink, functionLink } from "./shared";

/** Waterfall shows how long an execution waited and how long its latest attempt took. */
function Waterfall({ of: x }: { of: Execution }) {
  const accepted = timeOf(x.created).getTime();
  const end = x.finished ? timeOf(x.finished).getTime() : Date.now();
  const started = x.started ? timeOf(x.started).getTime() : end;
  const whole = Math.max(end - accepted, 0.001);
  const bar = (name: string, kind: string, from: number, to: number, text: string) => (
    <>
      <span>{name}</span>
      <span class={`track ${kind}`}><i style={{ left: `${(100 * (from - accepted)) / whole}%`, width: `${(100 * (to - from)) / whole}%` }} /></span>
      <span class="num mute">{text}</span>
    </>
  );
  const kind = x.status === "Success" ? "ok" : x.status === "Failed" ? "bad" : x.status === "Started" ? "run" : "off";
  return (
    <div class="waterfall">
      {bar(x.attempts > 1 ? `Waiting and ${count(x.attempts - 1)} earlier attempt${x.attempts > 2 ? "s" : ""}` : "Waiting", "wait", accepted, started, ms(started - accepted))}
      {x.started && bar(`Attempt ${x.attempts}`, kind, started, end, ms(x.duration_ms ?? end - started))}
    </div>
  );
}

/** Source shows the lines of code around one that failed. */
export function Source({ code, line }: { code: string; line: number }) {
  const lines = code.split("\n");
  const from = Math.max(0, line - 6);
  return (
    <div class="source" tabIndex={0} role="region" aria-label={`Code around line ${line}`}>
      {lines.slice(from, line + 5).map((text, i) => (
        <>
          <span class={from + i + 1 === line ? "at" : undefined}>{from + i + 1}</span>
          <code class={from + i + 1 === line ? "at" : undefined}>{text || " "}</code>
        </>
      ))}
    </div>
  );
}

/** Failed shows why an execution failed, with the code at its line if that version is still the current one. */
function Failed({ of: x }: { of: Execution }) {
  const e = x.error!;
  const line = e.line ?? 0;
  const { data } = useLive(async (signal) => (line > 0 ? getFunction(x.name, signal).catch(() => undefined) : undefined), [x.name, x.version]);
  return (
    <Panel title={x.status === "Cancelled" ? "Cancelled" : "Failure"}>
      <div class="problem">
        <strong>{e.message}</strong>
        {e.hint && <p>{e.hint}</p>}
      </div>
      {data && data.version === x.version && <Source code={data.code} line={line} />}
      {e.server_traceback && <details><summary>Traceback</summary><pre class="log" tabIndex={0}>{e.server_traceback}</pre></details>}
    </Panel>
  );
}

function Siblings({ of: x }: { of: Execution }) {
  const { data } = useLive((signal) => executions({ trace_id: x.trace_id }, 50, "", signal), [x.trace_id]);
  const others = data?.items.filter((other) => other.uuid !== x.uuid) ?? [];
  if (others.length === 0) return null;
  return (
    <Panel title="Others of this trace" flush actions={<a href={href(["executions"], { trace: x.trace_id })}>All of the trace</a>}>
      <Table label="Others of this trace" rows={others} id={(other) => other.uuid} columns={executionColumns} empty="" />
    </Panel>
  );
}

/** Again runs the function of an execution with args that were edited. */
function Again({ of: x, onClose }: { of: Execution; onClose: () => void }) {
  const [text, setText] = useState(JSON.stringify(x.args ?? {}, null, 2));
  const [error, setError] = useState<Error>();
  const run = async (e: Event) => {
    e.preventDefault();
    setError(undefined);
    try {
      go(["executions", (await rerun(x.uuid, parse(text))).uuid]);
    } catch (e) {
      setError(e instanceof SyntaxError ? new Error("The args are not a JSON object.") : (e as Error));
    }
  };
  return (
    <Dialog title={`Run ${x.name} with other args`} onClose={onClose}>
      <form onSubmit={run}>
        <Problem error={error} />
        <Field label="Args, a JSON object"><textarea spellcheck={false} value={text} onInput={(e) => setText(e.currentTarget.value)} /></Field>
        <button class="button main" type="submit">Run</button>
      </form>
    </Dialog>
  );
}

const argsNote = (x: Execution) => (x.args_size ? `Its args of ${bytes(x.args_size)} were not kept.` : "Its args were not kept.");

export default function ExecutionPage({ rest: [id] }: PageProps) {
  const [ended, setEnded] = useState(0);
  const [over, setOver] = useState(false);
  const { data: x, error, loading, reload } = useLive(async (signal) => {
    const x = await execution(id, signal);
    setOver(done(x));
    return x;
  }, [id, ended], over ? 0 : 2000);
  const [said, setSaid] = useState("");
  const [failed, setFailed] = useState<Error>();
  const [editing, setEditing] = useState(false);
  if (!x) return loading ? <p class="empty">Loading…</p> : <Problem error={error} />;
  const again = () => rerun(id).then((next) => go(["executions", next.uuid]), setFailed);
  const stop = () => cancel(id).then((c) => { setSaid(c.message); reload(); }, setFailed);
  return (
    <Page title={<>{functionLink(x.name)} <Status of={x.status} /></>} sub={<span class="mono">{x.uuid}</span>}
      actions={may("invoke") && (
        <>
          {!done(x) && <Button kind="danger" onClick={stop}>Cancel</Button>}
          {x.kind === "run" && <Button onClick={() => setEditing(true)}>Edit args</Button>}
          {x.kind === "run" && x.args && <Button kind="main" onClick={again}>Run again</Button>}
        </>
      )}>
      {editing && <Again of={x} onClose={() => setEditing(false)} />}
      <Problem error={failed} />
      {said && <p role="status" class="mute">{said}</p>}
      <Panel><Waterfall of={x} /></Panel>
      {x.error && <Failed of={x} />}
      <div class="columns wide">
        <div>
          {x.kind === "run" && (
            <Panel title={x.args ? `Args, ${bytes(x.args_size ?? 0)}` : "Args"}>{x.args ? <Value of={x.args} /> : <p class="mute">{argsNote(x)}</p>}</Panel>
          )}
          {x.status === "Success" && (
            <Panel title={`Result, ${bytes(x.output_size ?? 0)}`}><Value of={x.output} /></Panel>
          )}
          <Panel title="Log"><Log id={id} ended={() => done(x) || setEnded(ended + 1)} /></Panel>
        </div>
        <Panel title="Details">
          <Facts of={[
            ["Accepted", <Time at={x.created} />],
            ["Started", <Time at={x.started} />],
            ["Finished", <Time at={x.finished} />],
            ["Duration", ms(x.duration_ms)],
            ["Version", x.version],
            ["Kind", x.kind],
            ["Attempts", x.retries ? `${x.attempts} of at most ${x.retries + 1}` : x.attempts],
            ...(x.rerun_of ? [["Repeats", executionLink(x.rerun_of)] as [string, ComponentChildren]] : []),
            ["By", x.user_id ?? "a schedule"],
            ["Trace", <a class="mono" href={href(["executions"], { trace: x.trace_id })}>{x.trace_id}</a>],
          ]} />
        </Panel>
      </div>
      {x.egress && x.egress.length > 0 && (
        <Panel title="Network" flush>
          <Table label="Network" rows={x.egress} id={(e) => `${e.network} ${e.host} ${e.port}`} empty="" columns={[
            { name: "Destination", class: "wide", cell: (e) => `${e.host}${e.port ? `:${e.port}` : ""}` },
            { name: "Connections", class: "num", cell: (e) => count(e.connections) },
            { name: "Sent", class: "num", cell: (e) => bytes(e.bytes_sent) },
            { name: "Received", class: "num", cell: (e) => bytes(e.bytes_received) },
            { name: "Time", class: "num", cell: (e) => ms(Number(e.duration_ms)) },
          ]} />
        </Panel>
      )}
      <Siblings of={x} />
      <Command line={`fas executions get ${id}`} />
    </Page>
  );
}
