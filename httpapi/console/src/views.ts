import { signal } from "@preact/signals";

/** views are the pages of the sidebar. */
export const views: [path: string, title: string, icon: string][] = [
  ["", "Home", "home"],
  ["functions", "Functions", "function"],
  ["executions", "Executions", "list"],
  ["jobs", "Jobs", "grid"],
  ["schedules", "Schedules", "clock"],
  ["queue", "Queue", "queue"],
  ["deadletters", "Dead letters", "alert"],
  ["metrics", "Metrics", "chart"],
  ["access", "Access", "key"],
  ["server", "Server", "server"],
];

export const paletteOpen = signal(false);
