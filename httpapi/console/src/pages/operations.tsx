import { useState } from "preact/hooks";
import { type Filter, may, type Operation, unlimited } from "../api";
import { endOperation, operate, operations } from "../calls";
import { count, plural } from "../format";
import { useLive } from "../live";
import { confirmed } from "../parts";
import { href } from "../router";
import { Button, Panel, Problem } from "../ui";

const repeatable = ["Success", "Failed", "Cancelled"];
const cancellable = ["Pending", "Started"];
const words: Record<string, string> = { Success: "succeeded", Failed: "failed", Cancelled: "cancelled", Pending: "waiting", Started: "running" };

export interface Work {
  of: Operation[];
  error: Error | undefined;
  start: (kind: Operation["kind"], filter: Filter) => Promise<void>;
  reload: () => void;
}

/** useWork follows operations: those that run, and those that began in this view. */
export function useWork(changed: () => void): Work {
  const [mine, setMine] = useState<string[]>([]);
  const [error, setError] = useState<Error>();
  const [active, setActive] = useState(false);
  const { data, reload } = useLive(async (signal) => {
    if (!unlimited()) return [];
    const all = (await operations(signal)).filter((o) => o.state === "running" || mine.includes(o.uuid));
    const on = all.some((o) => o.state === "running");
    if (active && !on) changed();
    setActive(on);
    return all;
  }, [mine], active ? 500 : 0);
  const start = async (kind: Operation["kind"], filter: Filter) => {
    setError(undefined);
    await operate(kind, filter).then((o) => { setActive(true); setMine([...mine, o.uuid]); }, setError);
  };
  return { of: data ?? [], error, start, reload };
}

/** ForAll has buttons that repeat or cancel all executions that match a filter, of which shown are listed. */
export function ForAll({ filter, shown, work }: { filter: Filter; shown: string; work: Work }) {
  const wanted = (all: string[], other: string) => (!filter.status ? other : all.includes(filter.status) ? filter.status : "");
  const button = (kind: Operation["kind"], status: string, verb: string, rest: string) => {
    if (!status) return null;
    const what = `${verb} all ${status.split(",").map((s) => words[s]).join(" and ")}${rest}`;
    const run = async () => {
      if (confirmed(`${what}: all executions that match the filters, also those that are not shown (${shown} are)?`)) await work.start(kind, { ...filter, status });
    };
    return <Button kind={kind === "cancel" ? "danger" : undefined} onClick={run}>{what}</Button>;
  };
  return (
    <>
      {button("rerun", wanted(repeatable, "Failed"), "Run", " again")}
      {button("cancel", wanted(cancellable, "Pending,Started"), "Cancel", "")}
    </>
  );
}

/** Operations shows how far operations are. */
export function Operations({ work }: { work: Work }) {
  const [failed, setFailed] = useState<Error>();
  const stop = (o: Operation) => endOperation(o.uuid).then(work.reload, setFailed);
  if (work.of.length === 0) return <Problem error={work.error} />;
  return (
    <Panel title="Operations">
      <Problem error={failed ?? work.error} />
      {work.of.map((o) => (
        <div key={o.uuid} class="operation">
          <p role="status">
            <b>{o.kind === "rerun" ? "Running again" : "Cancelling"}</b>
            {`: ${count(o.done)} of ${plural(o.matched, "execution")} that matched${o.state === "running" ? " so far" : ""}`}
            {o.skipped > 0 && `, ${count(o.skipped)} skipped`}
            {o.failed > 0 && <span class="bad" title={o.error ?? ""}>{`, ${count(o.failed)} refused${o.state === "failed" ? "" : `: ${o.error}`}`}</span>}
            {o.state === "failed" && <span class="bad">{`, failed: ${o.error}`}</span>}
            {o.state === "done" ? ", done" : o.state === "cancelled" ? ", ended" : ""}
          </p>
          <span class="actions">
            {o.kind === "rerun" && o.done > 0 && <a href={href(["executions"], { trace: o.trace_id })}>Its executions</a>}
            {o.state === "running" && may("invoke") && <Button onClick={() => stop(o)}>End it</Button>}
          </span>
          <progress max={Math.max(o.matched, 1)} value={o.state === "done" ? Math.max(o.matched, 1) : o.done + o.failed + o.skipped} aria-label="Progress" />
        </div>
      ))}
    </Panel>
  );
}
