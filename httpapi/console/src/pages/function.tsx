import { useEffect, useRef, useState } from "preact/hooks";
import { type Execution, Failure, type FnChange, type FnDetail, may, parse, type Trial } from "../api";
import { changeFunction, deleteFunction, execution, getFunction, putFunction, submit, tryCode } from "../calls";
import type { Editor } from "../editor";
import { useFollowed } from "../follow";
import { bytes, ms, quote } from "../format";
import type { PageProps } from "../lazy";
import { useLive } from "../live";
import { go, href, route, setQuery } from "../router";
import { Choices, Command, confirmed, Facts } from "../parts";
import { Button, Field, Page, Panel, Problem, Status, Table, Time } from "../ui";
import { Value } from "../value";
import { Log, Pieces } from "./log";
import { executionColumns, executionLink } from "./shared";
import { Versions } from "./versions";

const template = `def main(args, context):
    name = args.get("name", "world")
    print("greeting", name)
    return {"greeting": "Hello " + name}
`;

/** argNames returns the names of args that code reads by args["x"] or args.get("x"). */
function argNames(code: string): string[] {
  const found = code.matchAll(/\bargs\s*(?:\[\s*|\.get\(\s*)(["'])([^"'\\\n]{1,64})\1/g);
  return [...new Set([...found].map((m) => m[2]))].slice(0, 24);
}

/** literal returns what a field of a form means: JSON if it is JSON, else text. */
function literal(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function Args({ names, text, onChange }: { names: string[]; text: string; onChange: (text: string) => void }) {
  const [form, setForm] = useState(true);
  let args: Record<string, unknown> | undefined;
  try {
    const value: unknown = JSON.parse(text || "{}");
    if (value !== null && typeof value === "object" && !Array.isArray(value)) args = value as Record<string, unknown>;
  } catch {
    // it is shown as text
  }
  const asForm = form && names.length > 0 && args !== undefined;
  const shown = (value: unknown) => (value === undefined ? "" : typeof value === "string" && literal(value) === value ? value : JSON.stringify(value));
  const set = (name: string, value: string) => {
    const next = { ...args };
    if (value === "") delete next[name];
    else next[name] = literal(value);
    onChange(JSON.stringify(next, null, 2));
  };
  return (
    <>
      {names.length > 0 && <div class="filters"><Choices label="Args as" options={[["form", "Form"], ["json", "JSON"]]} value={asForm ? "form" : "json"} onChange={(v) => setForm(v === "form")} /></div>}
      {asForm ? (
        names.map((name) => (
          <Field key={name} label={name}>
            <input name={`arg-${name}`} autocomplete="off" spellcheck={false} value={shown(args![name])} onInput={(e) => set(name, e.currentTarget.value)} />
          </Field>
        ))
      ) : (
        <Field label="Args, a JSON object" hint={args === undefined ? "This is not a JSON object." : undefined}>
          <textarea spellcheck={false} value={text} onInput={(e) => onChange(e.currentTarget.value)} />
        </Field>
      )}
    </>
  );
}

interface Run {
  id: string;
  sent: number; // performance.now() when it was submitted
  trip?: number; // milliseconds until its outcome was here
  result?: Execution;
}

function Outcome({ run, onDone }: { run: Run; onDone: () => void }) {
  const x = run.result;
  return (
    <>
      <p class="bar">
        <span>{x ? <Status of={x.status} /> : <Status of="Started" />} {executionLink(run.id)}</span>
        <span class="mute" title="Time in the sandbox, and the time until the outcome was here">{x && `${ms(x.duration_ms)} in the sandbox, ${ms(run.trip)} in all`}</span>
      </p>
      {x?.error && <div class="problem"><strong>{x.error.message}</strong>{x.error.server_traceback && <pre>{x.error.server_traceback}</pre>}</div>}
      {x?.status === "Success" && <Value of={x.output} />}
      <h2 class="logtitle">Log</h2>
      <Log id={run.id} ended={onDone} />
    </>
  );
}

/** Tried is the outcome of a run of code that is not deployed. */
function Tried({ of: t, trip }: { of: Trial; trip: number }) {
  return (
    <>
      <p class="bar">
        <span><Status of={t.status} /> not deployed</span>
        <span class="mute">{`${ms(t.duration_ms)} in the sandbox after ${ms(t.deploy_ms)} of deployment, ${ms(trip)} in all`}</span>
      </p>
      {t.error && <div class="problem"><strong>{t.error.message}</strong>{t.error.server_traceback && <pre>{t.error.server_traceback}</pre>}</div>}
      {t.status === "Success" && <Value of={t.output} />}
      <h2 class="logtitle">Log</h2>
      <Pieces of={t.entries} />
      {t.truncated && <p class="note">It wrote more than the server keeps.</p>}
    </>
  );
}

interface Draft {
  fn?: FnDetail;
  name: string;
  deployed: () => void;
}

/** Workbench is the editor beside the args and the outcome of the last run. */
function Workbench({ fn, name, deployed }: Draft) {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor>(undefined);
  const editable = may("deploy") && !fn?.bundle;
  const saved = fn?.code ?? template;
  const [code, setCode] = useState(() => (editable ? sessionStorage.getItem(`draft ${name}`) : null) ?? saved);
  const current = useRef(code); // is the state without its delay
  const [text, setText] = useState(() => sessionStorage.getItem(`args ${name}`) ?? "{}");
  const [run, setRun] = useState<Run>();
  const [trial, setTrial] = useState<{ of: Trial; trip: number }>();
  const [error, setError] = useState<Error>();
  const [said, setSaid] = useState("");
  const changed = editable && (!fn || code !== fn.code);

  const edited = () => {
    current.current = editor.current!.text();
    setCode(current.current);
    sessionStorage.setItem(`draft ${name}`, current.current); // so that another page may be opened in between
  };
  const discard = () => {
    editor.current?.set(saved);
    sessionStorage.removeItem(`draft ${name}`);
  };
  const fail = (e: unknown) => {
    setError(e as Error);
    if (e instanceof Failure && e.line) editor.current?.mark(e.line, e.message);
  };
  const deploy = async (): Promise<boolean> => {
    setError(undefined);
    editor.current?.mark(0, "");
    setSaid("Deploying…");
    try {
      await putFunction(name, { code: current.current });
      setSaid("Deployed.");
      sessionStorage.removeItem(`draft ${name}`);
      deployed();
      return true;
    } catch (e) {
      setSaid("");
      fail(e);
      return false;
    }
  };
  /** begin calls run with the args, and shows why it fails. */
  const begin = async (run: (args: unknown, sent: number) => Promise<void>) => {
    setError(undefined);
    editor.current?.mark(0, "");
    setRun(undefined);
    setTrial(undefined);
    try {
      sessionStorage.setItem(`args ${name}`, text);
      await run(parse(text || "{}"), performance.now());
    } catch (e) {
      fail(e instanceof SyntaxError ? new Error("The args are not a JSON object.") : e);
    }
  };
  const start = async () => {
    if (changed && !(await deploy())) return;
    await begin(async (args, sent) => setRun({ id: await submit(name, args), sent }));
  };
  const attempt = () => begin(async (args, sent) => {
    const of = await tryCode(name, current.current, args, { timeout: fn?.timeout, memory: fn?.memory, allow: fn?.allow });
    setTrial({ of, trip: performance.now() - sent });
    if (of.error?.line) editor.current?.mark(of.error.line, of.error.message);
  });
  const ended = async () => {
    const x = await execution(run!.id);
    setRun((r) => (r?.id === x.uuid ? { ...r, result: x, trip: performance.now() - r.sent } : r));
    if (x.error?.line) editor.current?.mark(x.error.line, x.error.message);
  };
  const before = useRef(saved);
  useEffect(() => {
    if (current.current === before.current && saved !== before.current) discard(); // a version was restored, and there is no draft
    before.current = saved;
  }, [saved]);
  const latest = useRef({ deploy, go: start });
  latest.current = { deploy, go: changed ? attempt : start };

  useEffect(() => {
    let gone = false;
    void import("../editor").then(({ edit }) => {
      if (gone || !host.current) return; // another page was opened meanwhile
      editor.current = edit(host.current, code, !editable, edited, {
        "Mod-s": () => editable && latest.current.deploy(),
        "Mod-Enter": () => may("invoke") && latest.current.go(),
      });
    });
    return () => {
      gone = true;
      editor.current?.destroy();
    };
  }, []);

  return (
    <div class="columns wide">
      <Panel flush title={<>main.py <span class="mute">{fn ? `version ${fn.version}` : "new"}{changed ? ", changed" : ""}</span></>}
        actions={<>
          <span class="mute" role="status">{said}</span>
          {fn && changed && <Button kind="quiet" onClick={discard}>Discard</Button>}
          {editable && <Button onClick={deploy} disabled={!changed}>Deploy <span class="mute">Ctrl S</span></Button>}
        </>}>
        <div ref={host} class="editor" />
        {fn?.bundle && <p class="note">This is the main.py of a bundle of {bytes(fn.bundle.bytes)}. Deploy changes of it with <code>fas deploy</code>.</p>}
      </Panel>
      <Panel title="Run" actions={may("invoke") && <>
        {changed && <Button onClick={start}>Deploy and run</Button>}
        <Button kind="main" onClick={changed ? attempt : start}>{changed ? "Try" : "Run"} <span class="mute">Ctrl Enter</span></Button>
      </>}>
        <Args names={argNames(code)} text={text} onChange={setText} />
        <Problem error={error} />
        {changed && !!fn?.context_keys.length && <p class="note">Its context is secret: a trial has an empty one.</p>}
        {trial && <Tried {...trial} />}
        {run && <Outcome run={run} onDone={() => void ended().catch(setError)} />}
      </Panel>
    </div>
  );
}

function Settings({ fn, reload }: { fn: FnDetail; reload: () => void }) {
  const [timeout, setTimeout] = useState(String(fn.timeout));
  const [memory, setMemory] = useState(String(fn.memory));
  const [retries, setRetries] = useState(String(fn.retries));
  const [allow, setAllow] = useState(fn.allow.join("\n"));
  const [context, setContext] = useState("");
  const [error, setError] = useState<Error>();
  const [said, setSaid] = useState("");
  const change: FnChange = {};
  if (Number(timeout) !== fn.timeout) change.timeout = Number(timeout);
  if (Number(memory) !== fn.memory) change.memory = Number(memory);
  if (Number(retries) !== fn.retries) change.retries = Number(retries);
  const rules = allow.split("\n").map((r) => r.trim()).filter(Boolean);
  if (rules.join("\n") !== fn.allow.join("\n")) change.allow = rules;
  if (context) change.context = context;
  const save = async () => {
    setError(undefined);
    try {
      await changeFunction(fn.name, change);
      setContext("");
      setSaid("Saved.");
      reload();
    } catch (e) {
      setError(e as Error);
    }
  };
  const remove = async () => {
    if (!confirmed(`Delete the function ${fn.name}?`)) return;
    await deleteFunction(fn.name).then(() => go(["functions"]), setError);
  };
  const deploys = may("deploy");
  return (
    <Panel title="Settings" actions={deploys && <><span class="mute" role="status">{said}</span><Button kind="danger" onClick={remove}>Delete</Button><Button kind="main" disabled={Object.keys(change).length === 0} onClick={save}>Save</Button></>}>
      <Problem error={error} />
      <fieldset class="plain columns" disabled={!deploys}>
        <div>
          <Field label="Timeout, seconds"><input type="number" min="0.1" step="any" value={timeout} onInput={(e) => setTimeout(e.currentTarget.value)} /></Field>
          <Field label="Memory, MB"><input type="number" min="64" value={memory} onInput={(e) => setMemory(e.currentTarget.value)} /></Field>
          <Field label="Retries after a failure, in the background"><input type="number" min="0" max="10" value={retries} onInput={(e) => setRetries(e.currentTarget.value)} /></Field>
        </div>
        <div>
          <Field label="What runs may reach" hint="One HOST:PORT a line. Empty: nothing."><textarea spellcheck={false} value={allow} onInput={(e) => setAllow(e.currentTarget.value)} /></Field>
          <Field label="New context" hint={`Replaces all of it. Its values are never shown; it has ${fn.context_keys.length ? fn.context_keys.join(", ") : "nothing"}.`}>
            <textarea spellcheck={false} autocomplete="off" placeholder={'key = "value"'} value={context} onInput={(e) => setContext(e.currentTarget.value)} />
          </Field>
        </div>
      </fieldset>
    </Panel>
  );
}

function Runs({ name }: { name: string }) {
  const { data, error } = useFollowed(() => ({ function: name }), [name], 50);
  return (
    <Panel flush title="Latest executions" actions={<a href={href(["executions"], { function: name })}>All of them</a>}>
      <Problem error={error} />
      <Table label="Executions" rows={data?.items ?? []} id={(x) => x.uuid} columns={executionColumns} empty="It has not run yet." />
    </Panel>
  );
}

function Calls({ name }: { name: string }) {
  const url = `${location.origin}/v1/sync/functions/${encodeURIComponent(name)}/rpc/`;
  const args = sessionStorage.getItem(`args ${name}`)?.replace(/\s*\n\s*/g, " ") ?? "{}";
  return (
    <Panel title="Call it">
      <div class="field"><span>By curl</span><Command line={`curl ${quote(url)} -H "Authorization: Token $(fas auth token)" -d ${quote(args)}`} /></div>
      <div class="field"><span>On the command line</span><Command line={`fas functions run ${quote(name)} --args ${quote(args)} --wait`} /></div>
    </Panel>
  );
}

const tabs: [string, string][] = [["", "Executions"], ["versions", "Versions"], ["settings", "Settings"], ["call", "Call it"]];

export default function FunctionPage({ rest: [name] }: PageProps) {
  const { data: fn, error, loading, reload } = useLive((signal) => getFunction(name, signal), [name]);
  const [creating] = useState(() => route.value.query.has("new") && may("deploy"));
  const fresh = !fn && error instanceof Failure && error.status === 404 && creating;
  if (!fn && !fresh) return loading ? <p class="empty">Loading…</p> : <Problem error={error} />;
  const tab = route.value.query.get("tab") ?? "";
  const deployed = () => {
    setQuery({ new: "" });
    reload();
  };
  return (
    <Page title={name} sub={fn ? <>Deployed <Time at={fn.updated} /></> : "Not deployed yet"}>
      <Workbench fn={fn} name={name} deployed={deployed} />
      {fn && (
        <>
          <div class="filters"><Choices label="Part" options={tabs} value={tab} onChange={(t) => setQuery({ tab: t })} /></div>
          {tab === "versions" ? <Versions name={name} current={fn.version} restored={reload} /> : tab === "settings" ? <Settings key={fn.version} fn={fn} reload={reload} /> : tab === "call" ? <Calls name={name} /> : <Runs name={name} />}
          <Panel title="Facts">
            <Facts of={[["Version", fn.version], ["Created", <Time at={fn.created} />], ["Timeout", `${fn.timeout} s`], ["Memory", `${fn.memory} MB`], ["Retries", fn.retries], ["RID", <span class="mono">{fn.rid}</span>]]} />
          </Panel>
        </>
      )}
    </Page>
  );
}
