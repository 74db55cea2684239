import { useMemo, useState } from "preact/hooks";
import { type Job, type JobExecution, jobs, may, parse, type Task, type Trigger } from "../api";
import { cancelJobExecution, changeJob, getJob, jobExecution, jobExecutions, failedTasks, rerunTasks, startJob, task, taskMap } from "../calls";
import { count, ms, plural, quote, timeOf } from "../format";
import { useLive } from "../live";
import { go, href } from "../router";
import { Command, confirmed, Dialog, Facts, Progress } from "../parts";
import { Button, type Column, Field, Page, Panel, Problem, Status, Table, Time } from "../ui";
import { Grid } from "./grid";
import { Next } from "./next";
import { executionLink, functionLink } from "./shared";
import { Edit } from "./when";

export const triggerText = (t: Trigger): string => (t.type === "cron" ? `${t.configuration.schedule} ${t.configuration.timezone || "UTC"}` : `${t.type} ${t.configuration.path}`);

export function JobsPage() {
  const { data, error, loading } = useLive(jobs, [], 10_000);
  return (
    <Page title="Jobs" sub={data && `${count(data.length)}${data.length === 200 ? "+" : ""} jobs, the newest first`}>
      <Problem error={error} />
      <Panel flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table label="Jobs" rows={data ?? []} id={(j) => j.metadata.name} empty={<>There are no jobs. Create one with <code>fas jobs apply</code>.</>} columns={[
            { name: "Name", cell: (j) => <a href={href(["jobs", j.metadata.name])}><b>{j.metadata.name}</b></a> },
            { name: "Function", cell: (j) => functionLink(j.spec.function) },
            { name: "Enabled", cell: (j) => (j.spec.enabled ? "yes" : <span class="wait">no</span>) },
            { name: "At once", class: "num", cell: (j) => j.spec.runtime.maxConcurrentTasks || "–" },
            { name: "Triggers", class: "wide", cell: (j) => <span class="mute">{j.spec.triggers.map(triggerText).join(", ") || "none"}</span> },
            { name: "Changed", cell: (j) => <Time at={j.metadata.updatedAt} /> },
          ]} />
        )}
      </Panel>
      <Command line="fas jobs list" />
    </Page>
  );
}

const took = (x: JobExecution) => (x.metadata.startedAt && x.metadata.completedAt ? ms(timeOf(x.metadata.completedAt).getTime() - timeOf(x.metadata.startedAt).getTime()) : "–");

export const jobExecutionColumns: Column<JobExecution>[] = [
  { name: "Execution", cell: (x) => <a class="mono" href={href(["jobs", x.metadata.job, x.metadata.id])} title={x.metadata.id}>{x.metadata.id === x.metadata.uuid ? x.metadata.id.slice(-8) : x.metadata.id}</a> },
  { name: "Status", cell: (x) => <Status of={x.status} /> },
  { name: "Tasks", class: "num", cell: (x) => count(x.stats.total) },
  { name: "Progress", class: "wide", cell: (x) => <Progress of={x.stats} /> },
  { name: "Failed", class: "num", cell: (x) => (x.stats.failure ? <span class="bad">{count(x.stats.failure)}</span> : "0") },
  { name: "Accepted", cell: (x) => <Time at={x.metadata.createdAt} /> },
  { name: "Took", class: "num", cell: took },
];

function Start({ job, onClose }: { job: string; onClose: () => void }) {
  const [text, setText] = useState("[{}]");
  const [error, setError] = useState<Error>();
  const start = async (e: Event) => {
    e.preventDefault();
    setError(undefined);
    try {
      const x = await startJob(job, parse(text));
      go(["jobs", job, x.executionId]);
    } catch (e) {
      setError(e instanceof SyntaxError ? new Error("The tasks are not a JSON array.") : (e as Error));
    }
  };
  return (
    <Dialog title={`Run ${job}`} onClose={onClose}>
      <form onSubmit={start}>
        <Problem error={error} />
        <Field label="Tasks, a JSON array" hint="Each object is the args of one task."><textarea spellcheck={false} value={text} onInput={(e) => setText(e.currentTarget.value)} /></Field>
        <button class="button main" type="submit">Run</button>
      </form>
    </Dialog>
  );
}

function JobFacts({ of: j, changed }: { of: Job; changed: () => void }) {
  const r = j.spec.runtime;
  return (
    <>
      <Panel title="Settings">
        <Facts of={[
          ["Function", functionLink(j.spec.function)],
          ["Revision", j.spec.revision.active],
          ["Memory", r.memory ? `${r.memory} MB` : "that of the function"],
          ["Timeout", r.timeout ? `${r.timeout} s` : "that of the function"],
          ["Retries", r.maxRetries],
          ["Tasks at once", r.maxConcurrentTasks || "not limited"],
          ...Object.entries(j.metadata.labels ?? {}).map(([k, v]): [string, string] => [`Label ${k}`, v]),
        ]} />
      </Panel>
      <Panel title="Triggers" flush>
        <Table label="Triggers" rows={j.spec.triggers} id={(t) => t.id} empty="It has no triggers." columns={[
          { name: "Trigger", cell: (t) => t.id },
          { name: "Type", cell: (t) => t.type },
          { name: "Enabled", cell: (t) => (t.enabled ? "yes" : "no") },
          { name: "When", cell: (t) => <code>{triggerText(t)}</code> },
          { name: "Next", class: "wide", cell: (t) => t.type === "cron" && (t.enabled && j.spec.enabled ? <Next schedule={t.configuration.schedule ?? ""} timezone={t.configuration.timezone} n={3} /> : "–") },
          { name: <span class="hidden">Actions</span>, cell: (t) => may("deploy") && t.type === "cron" && <Edit job={j} trigger={t} done={changed} /> },
        ]} />
      </Panel>
    </>
  );
}

export function JobPage({ name }: { name: string }) {
  const { data, error, loading, reload } = useLive(async (signal) => ({ job: await getJob(name, signal), runs: await jobExecutions(name, 50, signal) }), [name], 3000);
  const [starting, setStarting] = useState(false);
  const [failed, setFailed] = useState<Error>();
  if (!data) return loading ? <p class="empty">Loading…</p> : <Problem error={error} />;
  const on = data.job.spec.enabled;
  const turn = async () => {
    if (on && !confirmed(`Disable ${name}? Neither requests nor schedules can start it then.`)) return;
    setFailed(undefined);
    await changeJob(name, (j) => (j.spec.enabled = !on)).then(reload, setFailed);
  };
  return (
    <Page title={name} sub={data.job.metadata.displayName} actions={may("invoke") && <>
      {may("deploy") && <Button onClick={turn}>{on ? "Disable" : "Enable"}</Button>}
      {on && <Button kind="main" onClick={() => setStarting(true)}>Run</Button>}
    </>}>
      {starting && <Start job={name} onClose={() => setStarting(false)} />}
      <Problem error={failed ?? error} />
      {!on && <p class="wait">It is disabled: neither requests nor schedules start it.</p>}
      <Panel title="Executions" flush>
        <Table label="Executions" rows={data.runs} id={(x) => x.metadata.uuid} columns={jobExecutionColumns} empty="It has not run yet." />
      </Panel>
      <JobFacts of={data.job} changed={reload} />
      <Command line={`fas jobs get ${quote(name)}`} />
    </Page>
  );
}

function byMessage(all: Task[]) {
  const groups = new Map<string, { message: string; all: Task[] }>();
  for (const t of all) {
    const message = t.conditions.at(-1)?.message ?? "";
    const group = groups.get(message);
    if (group) group.all.push(t);
    else groups.set(message, { message, all: [t] });
  }
  return [...groups.values()].sort((a, b) => b.all.length - a.all.length);
}

const mostPages = 50; // of tasks, as many as an execution has

const active = (x: JobExecution) => ["queued", "pending", "running", "cancelling"].includes(x.status);

export function JobExecutionPage({ job, id }: { job: string; id: string }) {
  const [over, setOver] = useState(false);
  const { data, error, loading, reload } = useLive(async (signal) => {
    const [x, map] = await Promise.all([jobExecution(job, id, signal), taskMap(job, id, signal)]);
    setOver(!active(x));
    return { x, map };
  }, [job, id], over ? 0 : 2000);
  const [failed, setFailed] = useState<Error>();
  const failures = data?.x.stats.failure ?? 0;
  const { data: all, error: taskError } = useLive(
    async (signal) => (failures > 0 ? failedTasks(job, id, over ? failures : Infinity, mostPages, signal) : []), [job, id, over ? failures : failures > 0], over ? 0 : 5000);
  const groups = useMemo(() => byMessage(all ?? []), [all]);
  if (!data) return loading ? <p class="empty">Loading…</p> : <Problem error={error} />;
  const { x, map } = data;
  const again = () => rerunTasks(job, id).then((r) => go(["jobs", job, r.executionId]), setFailed);
  const open = async (index: number) => {
    const t = await task(job, id, index).catch(setFailed);
    if (t) go(["executions", t.execution]);
  };
  const stop = async () => {
    if (confirmed("Cancel the tasks that have not started?")) await cancelJobExecution(job, id).then(reload, setFailed);
  };
  const rate = x.metadata.startedAt ? (x.stats.success + x.stats.failure) / Math.max(0.001, (timeOf(x.metadata.completedAt ?? new Date().toISOString()).getTime() - timeOf(x.metadata.startedAt).getTime()) / 1000) : 0;
  const left = x.stats.total - x.stats.success - x.stats.failure - x.stats.cancelled;
  return (
    <Page title={<><a href={href(["jobs", job])}>{job}</a> <Status of={x.status} /></>} sub={<span class="mono">{id}</span>}
      actions={may("invoke") && (
        <>
          {failures > 0 && <Button onClick={again}>Run failed tasks again</Button>}
          {!over && <Button kind="danger" onClick={stop}>Cancel</Button>}
        </>
      )}>
      <Problem error={failed ?? error ?? taskError} />
      <div class="tiles">
        {([["Succeeded", x.stats.success], ["Failed", x.stats.failure], ["Running", x.stats.running], ["Waiting", left - x.stats.running], ["Retried", x.stats.retried]] as [string, number][]).map(([name, n]) => (
          <div class="tile" key={name}><span>{name}</span><b class={name === "Failed" && n > 0 ? "bad" : undefined}>{count(n)}</b></div>
        ))}
        <div class="tile"><span>Tasks a second</span><b>{rate.toFixed(rate < 10 ? 1 : 0)}</b>{!over && rate > 0 && <span>{ms((left / rate) * 1000)} left</span>}</div>
      </div>
      <Panel title={plural(x.stats.total, "task")}>
        <div><Grid of={map} open={open} /></div>
      </Panel>
      {groups.length > 0 && (
        <Panel title="Failures by message" flush>
          <Table label="Failures" rows={groups.slice(0, 100)} id={(g) => g.message} empty="" columns={[
            { name: "Tasks", class: "num", cell: (g) => count(g.all.length) },
            { name: "Message", class: "wide", cell: (g) => <span class="bad" title={g.message}>{g.message.split("\n")[0]}</span> },
            { name: "First", cell: (g) => executionLink(g.all[0].execution, g.all[0].metadata.name) },
          ]} />
          {all && all.length < failures && <p class="note">These are {count(all.length)} of {plural(failures, "failure")}.</p>}
        </Panel>
      )}
      <Command line={`fas jobs executions ${quote(job)} ${quote(id)}`} />
    </Page>
  );
}
