import { at, open } from "./api";

export interface LogEvents {
  log(stream: "stdout" | "stderr", text: string): void;
  attempt(n: number): void;
}

/** followLogs reports the log of an execution as it is written, and returns once the execution is done. */
export async function followLogs(id: string, on: LogEvents, signal: AbortSignal): Promise<void> {
  let last = "";
  for (;;) {
    const headers: Record<string, string> = last ? { "Last-Event-ID": last } : {};
    const response = await open("GET", at`/v1/executions/${id}/logs`, { query: { follow: 1 }, signal, headers });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const events = (rest + value).split("\n\n");
      rest = events.pop()!;
      for (const event of events) {
        const fields = new Map(event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
        const data = JSON.parse(fields.get("data") ?? "null");
        last = fields.get("id") ?? last;
        switch (fields.get("event")) {
          case "log":
            on.log(data.stream, data.text);
            break;
          case "attempt":
            on.attempt(data.attempt);
            break;
          case "end":
            return;
        }
      }
    }
    await new Promise((done) => setTimeout(done, 1000)); // the stream has ended, the execution has not
  }
}
