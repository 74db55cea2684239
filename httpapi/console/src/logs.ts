import { at } from "./api";
import { events, pause } from "./sse";

export interface LogEvents {
  log(stream: "stdout" | "stderr", text: string, time?: string): void; // when its first line was begun
  attempt(n: number): void;
}

/** followLogs reports the log of an execution as it is written, with or without the times of lines, and returns once the execution is done. */
export async function followLogs(id: string, timed: boolean, on: LogEvents, signal: AbortSignal): Promise<void> {
  let last = "";
  while (!signal.aborted) {
    for await (const e of events(at`/v1/executions/${id}/logs`, { times: timed ? 1 : undefined }, signal, last)) {
      const data = JSON.parse(e.data);
      last = e.id || last;
      switch (e.event) {
        case "log":
          on.log(data.stream, data.text, data.time);
          break;
        case "attempt":
          on.attempt(data.attempt);
          break;
        case "end":
          return;
      }
    }
    await pause(1000, signal); // the stream has ended, the execution has not
  }
}
