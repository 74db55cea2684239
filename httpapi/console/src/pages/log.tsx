import { useEffect, useRef, useState } from "preact/hooks";
import { clock, timeOf } from "../format";
import { followLogs } from "../logs";
import { stored } from "../live";
import { Button, Problem } from "../ui";

interface Piece {
  stream: "stdout" | "stderr" | "attempt";
  text: string;
  time?: string; // when its first line was begun
}

const times = stored("faaspot.console.times", false);

/** stamped returns the lines of a piece, each with its time. open has the streams whose last line is not complete. */
function stamped(p: Piece, open: Set<string>) {
  return p.text.split(/(?<=\n)/).map((line) => {
    const begins = !open.has(p.stream);
    if (line.endsWith("\n")) open.delete(p.stream);
    else open.add(p.stream);
    return <>{begins && <time dateTime={p.time && timeOf(p.time).toISOString()}>{p.time ? clock(p.time) : "–"}</time>}{line}</>;
  });
}

function shown(of: Piece[], timed = false) {
  if (of.length === 0) return <span class="mute">Nothing was written.</span>;
  const open = new Set<string>();
  return of.map((p, i) => {
    if (p.stream === "attempt") open.clear();
    return <span key={i} class={p.stream === "attempt" ? "split" : p.stream}>{timed && p.stream !== "attempt" ? stamped(p, open) : p.text}</span>;
  });
}

/** Pieces shows a log that is complete. */
export const Pieces = ({ of }: { of: Piece[] }) => <pre class="log" tabIndex={0} role="region" aria-label="Log">{shown(of)}</pre>;

const mostPieces = 5000;

/** Log shows what an execution writes, as it writes it. ended is called once the execution is done. */
export function Log({ id, ended }: { id: string; ended?: () => void }) {
  const [pieces, setPieces] = useState<Piece[]>([]);
  const [error, setError] = useState<Error>();
  const [state, setState] = useState("");
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    const over = new AbortController();
    setPieces([]);
    setError(undefined);
    setState("The log is followed.");
    const add = (p: Piece) => setPieces((old) => [...old.slice(-mostPieces), p]);
    followLogs(id, { log: (stream, text, time) => add({ stream, text, time }), attempt: (n) => add({ stream: "attempt", text: `attempt ${n}` }) }, over.signal).then(
      () => { setState("The execution is done."); ended?.(); },
      (e: Error) => { if (!over.signal.aborted) setError(e); },
    );
    return () => over.abort();
  }, [id]);
  useEffect(() => {
    const e = box.current;
    if (e && e.scrollHeight - e.scrollTop - e.clientHeight < 80) e.scrollTop = e.scrollHeight;
  }, [pieces]);
  return (
    <>
      <Problem error={error} />
      {pieces.length > 0 && <Button kind="quiet" aria-pressed={times.value} class="logtimes" onClick={() => { times.value = !times.value; }}>Times</Button>}
      <pre ref={box} class="log" role="log" tabIndex={0} aria-label="Log">
        {shown(pieces, times.value)}
      </pre>
      <span class="hidden" role="status">{state}</span>
    </>
  );
}
