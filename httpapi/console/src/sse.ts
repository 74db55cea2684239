import { open } from "./api";

export interface ServerEvent {
  event: string;
  id: string;
  data: string;
}

/**
 * events yields the server-sent events of a response, until it ends. heard is called whenever something arrives,
 * comments included. Browsers' EventSource sends no headers, which sessions need.
 */
export async function* events(path: string, query: Record<string, string | number | undefined>, signal: AbortSignal, last = "", heard?: () => void): AsyncGenerator<ServerEvent> {
  const headers: Record<string, string> = last ? { "Last-Event-ID": last } : {};
  const response = await open("GET", path, { query: { ...query, follow: 1 }, signal, headers });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard?.();
      const parts = (rest + value).split("\n\n");
      rest = parts.pop()!;
      for (const part of parts) {
        const fields = new Map(part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
        if (fields.has("data")) yield { event: fields.get("event") ?? "", id: fields.get("id") ?? "", data: fields.get("data")! };
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // the connection is closed, also if the caller stops early
  }
}

/** pause returns after some milliseconds, or when a signal is aborted. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
