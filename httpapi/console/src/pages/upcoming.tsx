import { jobs } from "../api";
import { useLive } from "../live";
import { href } from "../router";
import { Panel, Table } from "../ui";
import { Next } from "./next";

const most = 8;

/** Upcoming shows schedules that are enabled, with their next times. It is a part of Home that is loaded later. */
export default function Upcoming() {
  const { data } = useLive(jobs, [], 10_000);
  const rows = (data ?? []).filter((j) => j.spec.enabled).flatMap((job) => job.spec.triggers.filter((t) => t.type === "cron" && t.enabled).map((t) => ({ job, t })));
  if (rows.length === 0) return null;
  return (
    <Panel title="Schedules" flush actions={<a href={href(["schedules"])}>All schedules</a>}>
      <Table label="Schedules" rows={rows.slice(0, most)} id={(r) => `${r.job.metadata.name} ${r.t.id}`} empty="" columns={[
        { name: "Job", cell: (r) => <a href={href(["jobs", r.job.metadata.name])}>{r.job.metadata.name}</a> },
        { name: "Schedule", cell: (r) => <code>{r.t.configuration.schedule}</code> },
        { name: "Zone", cell: (r) => r.t.configuration.timezone || "UTC" },
        { name: "Next", class: "wide", cell: (r) => <Next schedule={r.t.configuration.schedule ?? ""} timezone={r.t.configuration.timezone} n={3} /> },
      ]} />
    </Panel>
  );
}
