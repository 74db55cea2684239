// What several pages show of executions.
import type { Execution } from "../api";
import { ms, timeOf } from "../format";
import { href } from "../router";
import { type Column, Status, Time } from "../ui";

export const done = (x: Execution): boolean => x.status !== "Pending" && x.status !== "Started";

export const failureOf = (x: Execution): string => (x.error ? x.error.message.split("\n")[0] : "");

export const functionLink = (name: string) => <a href={href(["functions", name])}>{name}</a>;

export const executionLink = (id: string, text = id.slice(-8)) => <a class="mono" href={href(["executions", id])} title={id}>{text}</a>;

export const executionColumns: Column<Execution>[] = [
  { name: "Execution", cell: (x) => executionLink(x.uuid) },
  { name: "Status", cell: (x) => <Status of={x.status} /> },
  { name: "Function", cell: (x) => functionLink(x.name) },
  { name: "Accepted", cell: (x) => <Time at={x.created} /> },
  { name: "Duration", class: "num", cell: (x) => ms(x.duration_ms) },
  { name: "By", cell: (x) => x.user_id ?? <span class="mute">schedule</span> },
  { name: "Failure", class: "wide", cell: (x) => <span class="mute" title={failureOf(x)}>{x.kind !== "run" && !x.error ? `${x.kind} of the function` : failureOf(x)}</span> },
];

/** ageOf returns how long ago the oldest of some executions was accepted, in milliseconds; 0 if there are none. */
export const ageOf = (xs: Execution[]): number => (xs.length === 0 ? 0 : Date.now() - Math.min(...xs.map((x) => timeOf(x.created).getTime())));

export const since = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString();
