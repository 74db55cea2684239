// Lists of executions that the server keeps up to date.
import { signal } from "@preact/signals";
import { useCallback, useEffect, useState } from "preact/hooks";
import { type Execution, executions, type Filter, parse } from "./api";
import { type Live, paused, reached } from "./live";
import { events, pause } from "./sse";

const silence = 30_000; // milliseconds without a sign of the server, which sends one every 10 s
const firstSilence = 5000; // until it has sent the list
const again = 3000; // between two attempts

export interface List {
  items: Execution[]; // the newest first
  whole: boolean; // there are no older ones
}

/** Following is the list that the events of a stream make. It reports changes at most ten times a second. */
class Following {
  private readonly all = new Map<string, Execution>();
  private listed = false;
  private whole = true;
  private timer = 0;

  constructor(private readonly most: number, private readonly report: (list: List) => void) {}

  /** take applies an event. It returns false if the list must be read again. */
  take(event: string, data: string): boolean {
    switch (event) {
      case "execution": {
        const x = parse(data) as Execution;
        this.all.set(x.uuid, x);
        break;
      }
      case "left":
        this.all.delete((JSON.parse(data) as { uuid: string }).uuid);
        break;
      case "listed":
        this.whole = (JSON.parse(data) as { executions: number }).executions < this.most;
        this.listed = true;
        this.flush();
        return true;
      case "skipped":
        return false;
    }
    if (this.listed) this.timer ||= setTimeout(() => this.flush(), 100);
    return this.whole || !this.listed || this.all.size >= this.most / 2;
  }

  private flush() {
    this.timer = 0;
    const items = [...this.all.values()].sort((a, b) => (a.uuid < b.uuid ? 1 : -1));
    for (const x of items.splice(this.most)) {
      this.all.delete(x.uuid);
      this.whole = false;
    }
    this.report({ items, whole: this.whole });
  }

  end() {
    clearTimeout(this.timer);
  }
}

/** follow reports a list until the stream ends. It throws if there is no stream, or if that is silent. */
async function follow(filter: Filter, most: number, report: (list: List) => void, ended: AbortSignal): Promise<void> {
  const over = new AbortController();
  const list = new Following(most, report);
  let timer = setTimeout(() => over.abort(), firstSilence);
  let listed = false;
  const heard = () => {
    if (!listed) return;
    clearTimeout(timer);
    timer = setTimeout(() => over.abort(), silence);
  };
  try {
    const query = { ...filter, include_completed: filter.status ? undefined : "true", limit: most };
    for await (const e of events("/v1/executions/", query, AbortSignal.any([ended, over.signal]), "", heard)) {
      if (e.event === "listed") {
        listed = true;
        heard();
      }
      if (!list.take(e.event, e.data)) return;
    }
  } finally {
    clearTimeout(timer);
    list.end();
  }
}

const hidden = signal(document.hidden);
document.addEventListener("visibilitychange", () => (hidden.value = document.hidden));

/**
 * useFollowed lists the newest executions that pass a filter, at most so many. The server sends changes while the
 * page is visible and not paused. If it sends no stream, the list is requested every few seconds.
 */
export function useFollowed(filter: () => Filter, deps: unknown[], most: number): Live<List> {
  const [state, setState] = useState<{ key: unknown; data?: List; error?: Error }>({ key: undefined });
  const [round, setRound] = useState(0);
  const key = JSON.stringify(deps);
  const on = !paused.value && !hidden.value;
  useEffect(() => {
    const ended = new AbortController();
    const report = (data: List) => {
      reached.value = true;
      if (!ended.signal.aborted) setState({ key, data });
    };
    const request = async () => {
      try {
        const page = await executions(filter(), most, "", ended.signal);
        report({ items: page.items, whole: page.next === "" });
      } catch (e) {
        if (ended.signal.aborted) return;
        reached.value = !(e instanceof Error && "status" in e && e.status === 0);
        setState((old) => ({ key, data: old.key === key ? old.data : undefined, error: e as Error }));
      }
    };
    const run = async () => {
      while (!ended.signal.aborted) {
        await follow(filter(), most, report, ended.signal).catch(request);
        await pause(again, ended.signal);
      }
    };
    void (on ? run() : request());
    return () => ended.abort();
  }, [key, on, round]);
  const reload = useCallback(() => setRound((n) => n + 1), []);
  const current = state.key === key;
  return { data: current ? state.data : undefined, error: current ? state.error : undefined, loading: !current, reload };
}
