// Days and times in time zones.

/** here is the zone of the browser. */
export const here = Intl.DateTimeFormat().resolvedOptions().timeZone;

const formats = new Map<string, Intl.DateTimeFormat>();

/** wall returns what a clock in a zone shows, as "2026-01-31 15:04:05". */
export function wall(time: number, zone: string): string {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
    formats.set(zone, format);
  }
  return format.format(time);
}

export const dayOf = (time: number, zone: string): string => wall(time, zone).slice(0, 10);
export const clockOf = (time: number, zone: string): string => wall(time, zone).slice(11, 16);

/** midnight returns when a day such as "2026-01-31" begins in a zone. */
export function midnight(day: string, zone: string): number {
  const asked = Date.parse(`${day}T00:00:00Z`);
  const offset = (t: number) => Date.parse(`${wall(t, zone).replace(" ", "T")}Z`) - t;
  return asked - offset(asked - offset(asked)); // the offset of the zone around then may be another one
}

/** addDays returns the day that is so many days later. */
export const addDays = (day: string, n: number): string => new Date(Date.parse(`${day}T00:00:00Z`) + n * 86_400_000).toISOString().slice(0, 10);

/** monday returns the first day of the week of a day. */
export const monday = (day: string): string => addDays(day, -((new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7));

/** dayName returns a day as people write it, such as "Mon 31 Jan". */
export const dayName = (day: string): string =>
  new Date(`${day}T00:00:00Z`).toLocaleDateString("en-GB", { timeZone: "UTC", weekday: "short", day: "numeric", month: "short" }).replace(",", "");
