import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Execution, executions, Failure, type FnDetail, jobs, may, parse, type Trial, unlimited } from "../api";
import { execution, getFunction, putFunction, setPaused, submit, tryCode } from "../calls";
import type { Editor } from "../editor";
import { useFollowed } from "../follow";
import { bytes, ms, quote } from "../format";
import type { PageProps } from "../lazy";
import { useLive } from "../live";
import { href, route, setQuery } from "../router";
import { Choices, Command, Facts } from "../parts";
import { Button, Field, Page, Panel, Problem, Status, Table, Time } from "../ui";
import { Value } from "../value";
import { Log, Pieces } from "./log";
import { Schedules, scheduled } from "./schedules";
import { Settings } from "./settings";
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

const brief = (text: string) => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

function Args({ names, earlier, text, onChange }: { names: string[]; earlier: string[]; text: string; onChange: (text: string) => void }) {
  const [form, setForm] = useState(true);
  let args: Record<string, unknown> | undefined;
  try {
    const value: unknown = parse(text || "{}");
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
      {names.length + earlier.length > 0 && (
        <div class="filters">
          {names.length > 0 && <Choices label="Args as" options={[["form", "Form"], ["json", "JSON"]]} value={asForm ? "form" : "json"} onChange={(v) => setForm(v === "form")} />}
          {earlier.length > 0 && (
            <select aria-label="Args of an earlier run" class="brief" value="" onChange={(e) => e.currentTarget.value && onChange(JSON.stringify(parse(e.currentTarget.value), null, 2))}>
              <option value="">Args of an earlier run</option>
              {earlier.map((a) => <option key={a} value={a}>{brief(a)}</option>)}
            </select>
          )}
        </div>
      )}
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

const mostEarlier = 8; // runs whose args are requested, each by itself: lists have none

/** useEarlier returns the args of the latest runs of a function, each once. */
function useEarlier(name: string, exists: boolean): Record<string, unknown>[] {
  const { data } = useLive(async (signal) => {
    const latest = exists ? (await executions({ function: name }, 50, "", signal)).items : [];
    const having = latest.filter((x) => x.kind === "run" && (x.args_size ?? 0) > "{}".length).slice(0, mostEarlier);
    return Promise.all(having.map((x) => execution(x.uuid, signal)));
  }, [name, exists]);
  return useMemo(() => [...new Map((data ?? []).filter((x) => x.args).map((x) => [JSON.stringify(x.args), x.args!])).values()], [data]);
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
  const earlier = useEarlier(name, fn !== undefined);
  const names = [...new Set([...argNames(code), ...earlier.flatMap(Object.keys)])].slice(0, 24);
  const hints = useRef({ args: names, context: [] as string[] });
  hints.current = { args: names, context: fn?.context_keys ?? [] };

  const edited = () => {
    current.current = editor.current!.text();
    setSaid("");
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
      }, () => hints.current);
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
        <Args names={names} earlier={earlier.map((a) => JSON.stringify(a))} text={text} onChange={setText} />
        <Problem error={error} />
        {changed && !!fn?.context_keys.length && <p class="mute">Its context is secret: a trial has an empty one.</p>}
        {trial && <Tried {...trial} />}
        {run && <Outcome run={run} onDone={() => void ended().catch(setError)} />}
      </Panel>
    </div>
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

/** Timed lists the schedules of jobs that run a function. */
function Timed({ name }: { name: string }) {
  const { data, error, loading, reload } = useLive(jobs, [name], 15_000);
  return (
    <Panel title="Schedules" flush actions={<a href={href(["schedules"])}>Calendar</a>}>
      <Problem error={error} />
      {loading ? <p class="empty">Loading…</p> : <Schedules rows={scheduled(data ?? [], (j) => j.spec.function === name)} empty="No job runs it by a schedule." reload={reload} />}
    </Panel>
  );
}

const tabs = (): [string, string][] => [["", "Executions"], ...(unlimited() ? [["schedules", "Schedules"] as [string, string]] : []), ["versions", "Versions"], ["settings", "Settings"], ["call", "Call it"]];

export default function FunctionPage({ rest: [name] }: PageProps) {
  const { data: fn, error, loading, reload } = useLive((signal) => getFunction(name, signal), [name]);
  const [creating] = useState(() => route.value.query.has("new") && may("deploy"));
  const [failed, setFailed] = useState<Error>();
  const fresh = !fn && error instanceof Failure && error.status === 404 && creating;
  if (!fn && !fresh) return loading ? <p class="empty">Loading…</p> : <Problem error={error} />;
  const tab = route.value.query.get("tab") ?? "";
  const deployed = () => {
    setQuery({ new: "" });
    reload();
  };
  const turn = async (f: FnDetail) => {
    setFailed(undefined);
    await setPaused(name, !f.paused).then(reload, setFailed);
  };
  return (
    <Page title={name} sub={fn ? <>Deployed <Time at={fn.updated} />{fn.paused && <> · <Status of="Paused" /></>}</> : "Not deployed yet"}
      actions={fn && may("deploy") && <Button onClick={() => turn(fn)}>{fn.paused ? "Resume" : "Pause"}</Button>}>
      <Problem error={failed} />
      {fn?.paused && <p class="wait">It is paused: its background runs and tasks are queued, and begin when it is resumed.</p>}
      <Workbench fn={fn} name={name} deployed={deployed} />
      {fn && (
        <>
          <div class="filters"><Choices label="Part" options={tabs()} value={tab} onChange={(t) => setQuery({ tab: t })} /></div>
          {tab === "schedules" ? <Timed name={name} /> : tab === "versions" ? <Versions name={name} current={fn.version} restored={reload} /> : tab === "settings" ? <Settings key={fn.version} fn={fn} reload={reload} /> : tab === "call" ? <Calls name={name} /> : <Runs name={name} />}
          <Panel title="Facts">
            <Facts of={[["Version", fn.version], ["Created", <Time at={fn.created} />], ["Timeout", `${fn.timeout} s`], ["Memory", `${fn.memory} MB`], ["Retries", fn.retries], ["Args of runs", fn.keep_args ? "kept" : "not kept"]]} />
            <p class="rid mute">RID <span class="mono">{fn.rid}</span></p>
          </Panel>
        </>
      )}
    </Page>
  );
}
