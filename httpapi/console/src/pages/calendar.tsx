import { type Job, type JobExecution, type Trigger } from "../api";
import { count, plural, timeOf } from "../format";
import { href, route, setQuery } from "../router";
import { Choices } from "../parts";
import { Button, kindOf, Panel, Status, Table } from "../ui";
import { addDays, clockOf, dayName, dayOf, here, midnight, monday, wall } from "../zones";

/** Scheduled is a schedule with what it has started and what it will start. */
export interface Scheduled {
  job: Job;
  trigger: Trigger;
  on: boolean;
  runs: JobExecution[]; // the newest first
  ticks: number[]; // milliseconds since the epoch
  dense: boolean; // it has further ticks in the time that is shown
}

export interface Days {
  zone: string;
  days: string[];
  from: number;
  to: number;
}

/** shownDays returns the days that the address names: a week or a day. */
export function shownDays(q: URLSearchParams): Days {
  const zone = q.get("zone") || here;
  const asked = q.get("day") ?? "";
  const day = /^\d{4}-\d\d-\d\d$/.test(asked) && !Number.isNaN(Date.parse(asked)) ? asked : dayOf(Date.now(), zone);
  const days = q.get("view") === "day" ? [day] : Array.from({ length: 7 }, (_, i) => addDays(monday(day), i));
  return { zone, days, from: midnight(days[0], zone), to: midnight(addDays(days.at(-1)!, 1), zone) };
}

/** Entry is a start of a schedule: an execution, or a tick to come. */
interface Entry {
  time: number;
  kind: string; // class of its colour
  of: Scheduled;
  run?: JobExecution;
}

function entriesOf(s: Scheduled, from: number, to: number): Entry[] {
  const within = (e: Entry) => e.time >= from && e.time < to;
  const runs = s.runs.map((run): Entry => ({ time: timeOf(run.metadata.createdAt).getTime(), kind: kindOf(run.status), of: s, run }));
  return [...runs.toReversed(), ...s.ticks.map((time): Entry => ({ time, kind: "next", of: s }))].filter(within);
}

const nameOf = (s: Scheduled) => `${s.job.metadata.name} ${s.trigger.id}`;

const kinds: [kind: string, text: string][] = [["ok", "ok"], ["bad", "failed"], ["run", "running"], ["wait", "waiting"], ["off", "cancelled"], ["next", "to come"]];

/** summary says what entries are: their times if they are few, else how many there are of each kind. */
function summary(all: Entry[], zone: string, dense: boolean) {
  if (all.length <= 2 && !dense) return all.map((e) => <span key={e.time} class={`status ${e.kind}`}>{clockOf(e.time, zone)}<span class="hidden"> {kinds.find(([k]) => k === e.kind)?.[1]}</span></span>);
  return kinds.map(([kind, text]) => {
    const n = all.filter((e) => e.kind === kind).length;
    return n > 0 && <span key={kind} class={`status ${kind}`}>{count(n)}{kind === "next" && dense ? "+" : ""} {text}</span>;
  });
}

const most = 300; // marks of a strip, and rows of a day

/** Strip shows the entries of a day at their times. */
function Strip({ of, from, to, dense }: { of: Entry[]; from: number; to: number; dense: boolean }) {
  const at = (t: number) => `${(100 * (t - from)) / (to - from)}%`;
  const last = of.at(-1)?.time ?? from;
  const now = Date.now();
  return (
    <span class="strip" aria-hidden="true">
      {dense && <i class="rest" style={{ left: at(last), right: 0 }} />}
      {of.slice(-most).map((e, i) => <i key={i} class={e.kind} style={{ left: at(e.time) }} />)}
      {now >= from && now < to && <i class="now" style={{ left: at(now) }} />}
    </span>
  );
}

const roles = { table: "table", row: "row", head: "columnheader", first: "rowheader", cell: "cell" } as const;

function Grid({ rows, shown: { zone, days } }: { rows: Scheduled[]; shown: Days }) {
  const today = dayOf(Date.now(), zone);
  const bounds = days.map((day) => [midnight(day, zone), midnight(addDays(day, 1), zone)]);
  const hours = (i: number) => Math.round((bounds[i][1] - bounds[i][0]) / 3_600_000);
  return (
    <div class={`calendar of${days.length}`} role={roles.table} aria-label="Calendar of schedules">
      <div role={roles.row} class="days">
        <span role={roles.head}>Schedule</span>
        {days.map((day, i) => (
          <span key={day} role={roles.head} aria-current={day === today ? "date" : undefined}>
            {dayName(day)}{hours(i) !== 24 && <span class="wait"> {hours(i)} h</span>}
          </span>
        ))}
      </div>
      {rows.map((s) => (
        <div role={roles.row} key={nameOf(s)}>
          <span role={roles.first}>
            <a href={href(["jobs", s.job.metadata.name])}><b>{s.job.metadata.name}</b></a> <span class="mute">{s.trigger.id}</span>
            <br /><code>{s.trigger.configuration.schedule}</code>{!s.on && <span class="wait"> paused</span>}
          </span>
          {days.map((day, i) => {
            const all = entriesOf(s, bounds[i][0], bounds[i][1]);
            const dense = s.dense && (s.ticks.at(-1) ?? 0) < bounds[i][1] && bounds[i][1] > Date.now();
            return (
              <span role={roles.cell} key={day} class={all.length === 0 && !dense ? "none" : undefined}>
                <span class="day mute" aria-hidden="true">{dayName(day)}</span>
                {(all.length > 0 || dense) && (
                  <a href={href(["schedules"], { view: "day", day, zone: zone === here ? "" : zone })}>
                    <Strip of={all} from={bounds[i][0]} to={bounds[i][1]} dense={dense} />
                    <span class="sum">{summary(all, zone, dense)}{all.length === 0 && dense && <span class="status next">frequent</span>}<span class="hidden"> on {dayName(day)}</span></span>
                  </a>
                )}
              </span>
            );
          })}
        </div>
      ))}
    </div>
  );
}

function Entries({ rows, shown: { zone, from, to } }: { rows: Scheduled[]; shown: Days }) {
  const all = rows.flatMap((s) => entriesOf(s, from, to)).sort((a, b) => a.time - b.time);
  return (
    <>
      <Table label="Starts of the day" rows={all.slice(0, most)} id={(e) => `${nameOf(e.of)} ${e.time} ${e.run?.metadata.uuid}`} empty="Nothing starts on this day." columns={[
        { name: "Time", cell: (e) => <time dateTime={new Date(e.time).toISOString()} title={`${wall(e.time, e.of.trigger.configuration.timezone || "UTC")} in the zone of the schedule`}>{clockOf(e.time, zone)}</time> },
        { name: "Schedule", cell: (e) => <><a href={href(["jobs", e.of.job.metadata.name])}>{e.of.job.metadata.name}</a> <span class="mute">{e.of.trigger.id}</span></> },
        { name: "Outcome", cell: (e) => (e.run ? <Status of={e.run.status} /> : <span class="status next">to come</span>) },
        { name: "Execution", class: "wide", cell: (e) => e.run && <a class="mono" href={href(["jobs", e.of.job.metadata.name, e.run.metadata.id])}>{plural(e.run.stats.total, "task")}</a> },
      ]} />
      {all.length > most && <p class="note">These are the first {most} of {count(all.length)}.</p>}
    </>
  );
}

const views: ["" | "day", string][] = [["", "Week"], ["day", "Day"]];

/** Calendar shows what schedules have started and will start, in a week or on a day. */
export function Calendar({ rows, shown, cut }: { rows: Scheduled[]; shown: Days; cut: string[] }) {
  const { days, zone } = shown;
  const one = days.length === 1;
  const step = (n: number) => setQuery({ day: addDays(days[0], n * days.length) });
  const zones = [...new Set([here, "UTC", zone, ...rows.map((s) => s.trigger.configuration.timezone || "UTC")])];
  const unit = one ? "day" : "week";
  return (
    <>
      <div class="filters">
        <Choices label="Show" options={views} value={route.value.query.get("view") === "day" ? "day" : ""} onChange={(view) => setQuery({ view })} />
        <span class="actions">
          <Button aria-label={`Previous ${unit}`} onClick={() => step(-1)}>‹</Button>
          <Button onClick={() => setQuery({ day: "" })}>Today</Button>
          <Button aria-label={`Next ${unit}`} onClick={() => step(1)}>›</Button>
        </span>
        <b role="status">{one ? dayName(days[0]) : `${dayName(days[0])} to ${dayName(days[6])}`} {days[0].slice(0, 4)}</b>
        <select aria-label="Zone of the calendar" value={zone} onChange={(e) => setQuery({ zone: e.currentTarget.value === here ? "" : e.currentTarget.value })}>
          {zones.map((z) => <option key={z} value={z}>{z === here ? `${z}, here` : z}</option>)}
        </select>
      </div>
      <Panel flush>
        {rows.length === 0 ? <p class="empty">No job has a schedule. <code>fas jobs apply</code> gives one to a job.</p> : <Grid rows={rows} shown={shown} />}
        {one && rows.length > 0 && <Entries rows={rows} shown={shown} />}
        {cut.length > 0 && <p class="note">Earlier starts of {cut.join(", ")} are not shown: there are too many.</p>}
      </Panel>
    </>
  );
}
