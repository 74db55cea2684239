import { useState } from "preact/hooks";
import { type Job, type JobExecution, jobs, may, type Trigger } from "../api";
import { changeJob, jobExecutionsSince, nextTicks, startJob } from "../calls";
import { count, timeOf } from "../format";
import { useLive } from "../live";
import { go, href, route } from "../router";
import { confirmed, Progress } from "../parts";
import { Button, Page, Panel, Problem, Table, Time } from "../ui";
import { Calendar, type Days, type Scheduled, shownDays } from "./calendar";
import { Next } from "./next";
import { Edit, Preview } from "./when";

const mostJobs = 50;
const mostTicks = 100; // of a schedule, in one request

/** scheduled returns the schedules of jobs, of the functions that wanted accepts. */
export const scheduled = (all: Job[], wanted: (j: Job) => boolean = () => true) =>
  all.filter(wanted).flatMap((job) => job.spec.triggers.filter((t) => t.type === "cron").map((trigger) => ({ job, trigger, on: trigger.enabled && job.spec.enabled })));

/** load returns schedules with their starts in some days, and the jobs of which not all are known. */
async function load(shown: Days, signal: AbortSignal) {
  const all = scheduled(await jobs(signal));
  const names = [...new Set(all.map((s) => s.job.metadata.name))];
  const runs = new Map<string, { all: JobExecution[]; whole: boolean }>();
  await Promise.all(names.slice(0, mostJobs).map(async (name) => runs.set(name, await jobExecutionsSince(name, shown.from, signal))));
  const from = Math.max(Date.now(), shown.from);
  const rows = await Promise.all(all.filter((s) => runs.has(s.job.metadata.name)).map(async (s): Promise<Scheduled> => {
    const { schedule = "", timezone = "" } = s.trigger.configuration;
    const asked = s.on && shown.to > from;
    // A time in the future may be a tick itself; those after it are returned.
    const next = asked ? (await nextTicks(schedule, timezone, mostTicks, signal, new Date(from - 1).toISOString())).map((t) => timeOf(t).getTime()) : [];
    const ticks = next.filter((t) => t < shown.to);
    return { ...s, runs: runs.get(s.job.metadata.name)!.all.filter((x) => x.metadata.trigger === s.trigger.id), ticks, dense: ticks.length === mostTicks };
  }));
  return { rows, cut: [...runs].filter(([, r]) => !r.whole).map(([name]) => name), more: names.length - runs.size };
}

/** Actions has buttons that start the job of a schedule at once, and that change and pause the schedule. */
function Actions({ job, trigger, done, fail }: { job: Job; trigger: Trigger; done: () => void; fail: (e: Error) => void }) {
  const name = job.metadata.name;
  const run = async () => {
    if (confirmed(`Start ${name} now, with the tasks of ${trigger.id}?`)) await startJob(name, trigger.configuration.tasks ?? [{}]).then((x) => go(["jobs", name, x.executionId]), fail);
  };
  const turn = (enabled: boolean) => changeJob(name, (j) => {
    for (const t of j.spec.triggers) if (t.id === trigger.id) t.enabled = enabled;
  }).then(done, fail);
  return (
    <div class="actions">
      {may("invoke") && job.spec.enabled && <Button aria-label={`Run now ${name} by ${trigger.id}`} onClick={run}>Run now</Button>}
      {may("deploy") && <Edit job={job} trigger={trigger} done={done} />}
      {may("deploy") && job.spec.enabled && (trigger.enabled
        ? <Button aria-label={`Pause ${trigger.id} of ${name}`} onClick={() => turn(false)}>Pause</Button>
        : <Button aria-label={`Resume ${trigger.id} of ${name}`} onClick={() => turn(true)}>Resume</Button>)}
    </div>
  );
}

/** Schedules lists schedules. */
export function Schedules({ rows, empty, reload }: { rows: (Pick<Scheduled, "job" | "trigger" | "on"> & { runs?: JobExecution[] })[]; empty: string; reload: () => void }) {
  const [failed, setFailed] = useState<Error>();
  const done = () => { setFailed(undefined); reload(); };
  return (
    <>
      <Problem error={failed} />
      <Table label="Schedules" rows={rows} id={(r) => `${r.job.metadata.name} ${r.trigger.id}`} empty={empty} columns={[
        { name: "Job", cell: (r) => <><a href={href(["jobs", r.job.metadata.name])}><b>{r.job.metadata.name}</b></a> <span class="mute">{r.trigger.id}</span></> },
        { name: "Schedule", cell: (r) => <><code>{r.trigger.configuration.schedule}</code> <span class="mute">{r.trigger.configuration.timezone || "UTC"}</span></> },
        { name: "Next", cell: (r) => (r.on ? <Next schedule={r.trigger.configuration.schedule ?? ""} timezone={r.trigger.configuration.timezone} n={1} /> : <span class="wait">{r.job.spec.enabled ? "paused" : "the job is disabled"}</span>) },
        { name: "Missed", cell: (r) => r.trigger.configuration.missed || "skip" },
        { name: "Latest start", class: "wide", cell: (r) => r.runs?.[0] && <a href={href(["jobs", r.job.metadata.name, r.runs[0].metadata.id])}><Time at={r.runs[0].metadata.createdAt} /><Progress of={r.runs[0].stats} /></a> },
        { name: <span class="hidden">Actions</span>, cell: (r) => <Actions job={r.job} trigger={r.trigger} done={done} fail={setFailed} /> },
      ]} />
    </>
  );
}

export function SchedulesPage() {
  const q = route.value.query;
  const shown = shownDays(q);
  const { data, error, loading, reload } = useLive((signal) => load(shown, signal), [shown.from, shown.to], 15_000);
  const rows = data?.rows ?? [];
  return (
    <Page title="Schedules" sub={data && `${count(rows.length)} schedules of jobs`}>
      <Problem error={error} />
      {loading ? <p class="empty">Loading…</p> : <Calendar rows={rows} shown={shown} cut={data?.cut ?? []} />}
      {rows.length > 0 && <Panel title="All schedules" flush><Schedules rows={rows} empty="" reload={reload} /></Panel>}
      {!!data?.more && <p class="note">{count(data.more)} more jobs have schedules.</p>}
      <Preview />
    </Page>
  );
}
