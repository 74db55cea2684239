// Views that follow the server.
import { signal } from "@preact/signals";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

/** paused stops all views from following the server. */
export const paused = signal(false);

/** reached says whether the server answered the last time. */
export const reached = signal(true);

export interface Live<T> {
  data: T | undefined;
  error: Error | undefined;
  loading: boolean;
  reload: () => void;
}

/**
 * useLive loads data, and again every few milliseconds while the page is visible; 0: once. It loads anew if a
 * dependency changes, and then forgets what it had.
 */
export function useLive<T>(load: (signal: AbortSignal) => Promise<T>, deps: unknown[], every = 0): Live<T> {
  const [state, setState] = useState<{ key: unknown; data?: T; error?: Error }>({ key: undefined });
  const key = JSON.stringify(deps);
  const again = useRef<() => void>(() => {});
  useEffect(() => {
    const ended = new AbortController();
    let timer = 0;
    const run = async () => {
      clearTimeout(timer);
      try {
        const data = await load(ended.signal);
        if (ended.signal.aborted) return;
        reached.value = true;
        setState({ key, data });
      } catch (e) {
        if (ended.signal.aborted) return;
        reached.value = !(e instanceof Error && "status" in e && e.status === 0);
        setState((old) => ({ key, data: old.key === key ? old.data : undefined, error: e as Error }));
      }
      if (every) timer = setTimeout(tick, every);
    };
    const tick = () => (paused.value || document.hidden ? (timer = setTimeout(tick, every)) : void run());
    again.current = () => void run();
    void run();
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [key, every]);
  const reload = useCallback(() => again.current(), []);
  const current = state.key === key;
  return { data: current ? state.data : undefined, error: current ? state.error : undefined, loading: !current, reload };
}

/** stored is a setting that the browser keeps. */
export function stored<T>(name: string, fallback: T) {
  let value = fallback;
  try {
    value = JSON.parse(localStorage.getItem(name) ?? "") as T;
  } catch {
    // there is none yet
  }
  const s = signal(value);
  s.subscribe((v) => localStorage.setItem(name, JSON.stringify(v)));
  return s;
}
