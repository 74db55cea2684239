import { useState } from "preact/hooks";
import { type JobExecution, jobs } from "../api";
import { jobExecutions } from "../calls";
import { count } from "../format";
import { useLive } from "../live";
import { href } from "../router";
import { Progress } from "../parts";
import { Page, Panel, Problem, Table, Time } from "../ui";
import { Next } from "./next";

const mostJobs = 50;
const mostNext = 50; // rows with their next time, which is a request each

async function load(signal: AbortSignal) {
  const all = (await jobs(signal)).filter((j) => j.spec.triggers.some((t) => t.type === "cron"));
  const shown = all.slice(0, mostJobs);
  const runs = new Map<string, JobExecution[]>();
  await Promise.all(shown.map(async (j) => runs.set(j.metadata.name, await jobExecutions(j.metadata.name, 50, signal))));
  const rows = shown.flatMap((job) => job.spec.triggers.filter((t) => t.type === "cron").map((trigger) => ({
    job, trigger, runs: runs.get(job.metadata.name)!.filter((x) => x.metadata.trigger === trigger.id),
  })));
  return { rows: rows.map((r, i) => ({ ...r, on: r.trigger.enabled && r.job.spec.enabled, asks: i < mostNext })), more: all.length - shown.length };
}

/** Trial shows the next times of a schedule that no job has. */
function Trial() {
  const [schedule, setSchedule] = useState("");
  const [zone, setZone] = useState("");
  const [asked, setAsked] = useState<{ schedule: string; timezone: string }>();
  const show = (e: Event) => {
    e.preventDefault();
    setAsked({ schedule: schedule.trim(), timezone: zone.trim() });
  };
  return (
    <Panel title="When is a schedule?">
      <form class="filters" onSubmit={show}>
        <input required aria-label="Schedule" placeholder="30 3 * * MON-FRI" spellcheck={false} value={schedule} onInput={(e) => setSchedule(e.currentTarget.value)} />
        <input aria-label="Zone" placeholder="UTC" spellcheck={false} value={zone} onInput={(e) => setZone(e.currentTarget.value)} />
        <button class="button" type="submit">Show</button>
      </form>
      <p role="status">{asked && <Next {...asked} n={5} />}</p>
    </Panel>
  );
}

export function SchedulesPage() {
  const { data, error, loading } = useLive(load, [], 10_000);
  return (
    <Page title="Schedules" sub={data && `${count(data.rows.length)} schedules of jobs`}>
      <Problem error={error} />
      <Panel flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table label="Schedules" rows={data?.rows ?? []} id={(r) => `${r.job.metadata.name} ${r.trigger.id}`} empty="No job has a schedule." columns={[
            { name: "Job", cell: (r) => <a href={href(["jobs", r.job.metadata.name])}><b>{r.job.metadata.name}</b></a> },
            { name: "Schedule", cell: (r) => <code>{r.trigger.configuration.schedule}</code> },
            { name: "Zone", cell: (r) => r.trigger.configuration.timezone || "UTC" },
            { name: "Enabled", cell: (r) => (r.on ? "yes" : <span class="wait">no</span>) },
            { name: "Next", cell: (r) => (!r.on ? "–" : r.asks && <Next schedule={r.trigger.configuration.schedule ?? ""} timezone={r.trigger.configuration.timezone} n={1} />) },
            { name: "Missed ticks", cell: (r) => r.trigger.configuration.missed || "skip" },
            { name: "Latest start", cell: (r) => r.runs[0] && <a href={href(["jobs", r.job.metadata.name, r.runs[0].metadata.id])}><Time at={r.runs[0].metadata.createdAt} /></a> },
            { name: "Its tasks", class: "wide", cell: (r) => r.runs[0] && <Progress of={r.runs[0].stats} /> },
          ]} />
        )}
        {data && data.more > 0 && <p class="note">{count(data.more)} more jobs have schedules.</p>}
      </Panel>
      <Trial />
    </Page>
  );
}
