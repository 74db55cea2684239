import { nextTicks } from "../calls";
import { useLive } from "../live";

const local = (t: string) => <time dateTime={t} title={`${new Date(t).toLocaleString()} here`}>{t.slice(0, 16).replace("T", " ")}</time>;

/** Next shows the next times of a schedule, in its zone. */
export function Next({ schedule, timezone = "", n }: { schedule: string; timezone?: string; n: number }) {
  const { data, error } = useLive((signal) => nextTicks(schedule, timezone, n, signal), [schedule, timezone, n], 60_000);
  if (error) return <span class="bad">{error.message}</span>;
  return <>{data?.length === 0 ? "never" : data?.map((t, i) => <>{i > 0 && ", "}{local(t)}</>)}</>;
}
