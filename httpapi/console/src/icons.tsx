// Outlines in a square of 16.
const paths: Record<string, string> = {
  logo: "M8 1l6 3.5v7L8 15l-6-3.5v-7zM8 8l6-3.5M8 8v7M8 8L2 4.5",
  home: "M2 7.5L8 2l6 5.5V14h-4v-4H6v4H2z",
  function: "M11 2.5c-2 0-2.6.8-3 3l-1 6c-.4 2-1 2.5-2.5 2.5M4.5 7h6",
  list: "M2 4h12M2 8h12M2 12h12",
  grid: "M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z",
  clock: "M8 2a6 6 0 100 12A6 6 0 008 2zM8 5v3l2 2",
  queue: "M2 3h12v3H2zM3 9h10M5 12.5h6",
  alert: "M8 2l6.5 12h-13zM8 6.5v3.5M8 12v.5",
  chart: "M2 2v12h12M5 10l3-4 2 2 4-5",
  key: "M10 2a4 4 0 11-3.2 6.4L2 13v1h2.5v-1.5H6V11h1.5",
  tenants: "M2 14V5l4-3 4 3v9zM10 7h4v7h-4M6 6v.5M6 10v.5",
  server: "M2 2.5h12v4H2zM2 9.5h12v4H2zM4.5 4.5h1M4.5 11.5h1",
  search: "M7 2a5 5 0 100 10A5 5 0 007 2zM11 11l3.5 3.5",
  theme: "M8 2a6 6 0 100 12zM8 2a6 6 0 010 12",
  out: "M6 2H2v12h4M6 8h8M11 5l3 3-3 3",
  menu: "M2 4h12M2 8h12M2 12h12",
};

export const Icon = ({ name }: { name: string }) => (
  <svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linejoin="round" stroke-linecap="round" aria-hidden="true">
    <path d={paths[name]} />
  </svg>
);
