import { useEffect, useRef, useState } from "preact/hooks";
import { followLogs } from "../logs";
import { Problem } from "../ui";

interface Piece {
  stream: "stdout" | "stderr" | "attempt";
  text: string;
}

const shown = (of: Piece[]) => (of.length === 0 ? <span class="mute">Nothing was written.</span> : of.map((p, i) => <span key={i} class={p.stream === "attempt" ? "split" : p.stream}>{p.text}</span>));

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
    followLogs(id, { log: (stream, text) => add({ stream, text }), attempt: (n) => add({ stream: "attempt", text: `attempt ${n}` }) }, over.signal).then(
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
      <pre ref={box} class="log" role="log" tabIndex={0} aria-label="Log">
        {shown(pieces)}
      </pre>
      <span class="hidden" role="status">{state}</span>
    </>
  );
}
