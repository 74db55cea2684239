import { Component } from "preact";
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

/** Part is a piece of a log that is followed. It does not change: more text makes another one. */
interface Part extends Piece {
  key: number;
  begins: boolean; // it is at the start of a line
}

const times = stored("faaspot.console.times", false);

/** PartView is rendered again only if its part changes. */
class PartView extends Component<{ of: Part; timed: boolean }> {
  shouldComponentUpdate(next: { of: Part; timed: boolean }) {
    return next.of !== this.props.of || next.timed !== this.props.timed;
  }

  render() {
    const { of: p, timed } = this.props;
    if (p.stream === "attempt") return <span class="split">{p.text}</span>;
    if (!timed) return <span class={p.stream}>{p.text}</span>;
    const time = <time dateTime={p.time && timeOf(p.time).toISOString()}>{p.time ? clock(p.time) : "–"}</time>;
    return <span class={p.stream}>{p.text.split(/(?<=\n)/).map((line, i) => <>{(i > 0 || p.begins) && time}{line}</>)}</span>;
  }
}

const nothing = <span class="mute">Nothing was written.</span>;

/** Pieces shows a log that is complete. */
export const Pieces = ({ of }: { of: Piece[] }) => (
  <pre class="log" tabIndex={0} role="region" aria-label="Log">
    {of.length === 0 ? nothing : of.map((p, i) => <span key={i} class={p.stream}>{p.text}</span>)}
  </pre>
);

const mostParts = 7000; // 5,000 for changes of the stream, and the 2,048 times of a full log
const longPart = 16384; // characters from which a part is not continued

/** parts collects the pieces of a log. Consecutive pieces of one stream and one time are one part. */
function parts() {
  let all: Part[] = [];
  const open = new Set<string>(); // streams whose last line is not complete
  return {
    add(p: Piece) {
      const last = all.at(-1);
      if (p.stream !== "attempt" && last?.stream === p.stream && last.time === p.time && last.text.length < longPart) {
        all[all.length - 1] = { ...last, text: last.text + p.text };
      } else {
        if (all.length >= 2 * mostParts) all = all.slice(-mostParts);
        all.push({ ...p, key: (last?.key ?? 0) + 1, begins: !open.has(p.stream) });
      }
      if (p.stream === "attempt") open.clear();
      else if (p.text.endsWith("\n")) open.delete(p.stream);
      else open.add(p.stream);
    },
    latest: () => all.slice(-mostParts),
  };
}

/** Log shows what an execution writes, as it writes it. ended is called once the execution is done. */
export function Log({ id, ended }: { id: string; ended?: () => void }) {
  const [shown, setShown] = useState<Part[]>([]);
  const [error, setError] = useState<Error>();
  const [state, setState] = useState("");
  const box = useRef<HTMLPreElement>(null);
  const timed = times.value;
  useEffect(() => setShown([]), [id]);
  useEffect(() => {
    const over = new AbortController();
    setError(undefined);
    setState("The log is followed.");
    const all = parts();
    let frame = 0;
    const add = (p: Piece) => {
      all.add(p);
      frame ||= requestAnimationFrame(() => { frame = 0; setShown(all.latest()); });
    };
    followLogs(id, timed, { log: (stream, text, time) => add({ stream, text, time }), attempt: (n) => add({ stream: "attempt", text: `attempt ${n}` }) }, over.signal).then(
      () => { if (!over.signal.aborted) { setState("The execution is done."); ended?.(); } },
      (e: Error) => { if (!over.signal.aborted) setError(e); },
    );
    return () => { over.abort(); cancelAnimationFrame(frame); };
  }, [id, timed]);
  useEffect(() => {
    const e = box.current;
    if (e && e.scrollHeight - e.scrollTop - e.clientHeight < 80) e.scrollTop = e.scrollHeight;
  }, [shown]);
  return (
    <>
      <Problem error={error} />
      {shown.length > 0 && <Button kind="quiet" aria-pressed={timed} class="logtimes" onClick={() => { times.value = !timed; }}>Times</Button>}
      <pre ref={box} class="log" role="log" tabIndex={0} aria-label="Log">
        {shown.length === 0 ? nothing : shown.map((p) => <PartView key={p.key} of={p} timed={timed} />)}
      </pre>
      <span class="hidden" role="status">{state}</span>
    </>
  );
}
