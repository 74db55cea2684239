import { signal } from "@preact/signals";
import { session } from "./api";

const all: [path: string, title: string, icon: string][] = [
  ["", "Home", "home"],
  ["functions", "Functions", "function"],
  ["executions", "Executions", "list"],
  ["jobs", "Jobs", "grid"],
  ["schedules", "Schedules", "clock"],
  ["queue", "Queue", "queue"],
  ["deadletters", "Dead letters", "alert"],
  ["metrics", "Metrics", "chart"],
  ["access", "Access", "key"],
  ["tenants", "Tenants", "tenants"],
  ["server", "Server", "server"],
];

/** isView reports whether there is a page, which may need another scope. */
export const isView = (view: string) => all.some(([path]) => path === view);

/** views returns the pages of the sidebar. */
export const views = () => all.filter(([path]) => path !== "tenants" || session.value?.operator);

export const paletteOpen = signal(false);
