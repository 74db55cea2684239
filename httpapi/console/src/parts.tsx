// The parts of pages that are loaded later.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import text from "text:./pages.css";
import { adopt } from "./adopt";
import type { JobExecution } from "./api";
import { Button } from "./ui";

adopt(text);

export function Choices<T extends string>({ label, options, value, onChange }: { label: string; options: [T, string][]; value: T; onChange: (value: T) => void }) {
  return (
    <div class="choices" role="group" aria-label={label}>
      {options.map(([v, text]) => (
        <button type="button" key={v} aria-pressed={v === value} onClick={() => onChange(v)}>{text}</button>
      ))}
    </div>
  );
}

export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** spans are the hours that statistics are about. */
export const spans: [string, string][] = [["1", "1 h"], ["24", "24 h"], ["168", "7 d"]];

/** Dialog is modal. Escape closes it. */
export function Dialog({ title, onClose, children }: { children?: ComponentChildren; title: string; onClose: () => void }) {
  const element = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => element.current?.showModal(), []);
  return (
    <dialog ref={element} aria-label={title} onClose={onClose} onClick={(e) => e.target === element.current && element.current?.close()}>
      <div class="dialog">
        <h2>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

/** confirmed asks before something that cannot be undone. */
export const confirmed = (question: string): boolean => confirm(question);

/** Command shows the line of a shell that does what a view does, and copies it. */
export function Command({ line }: { line: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(line);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <div class="command">
      <code tabIndex={0}>{line}</code>
      <Button kind="quiet" onClick={copy}>{copied ? "Copied" : "Copy"}</Button>
    </div>
  );
}

/** Progress shows the states of the tasks of an execution, or the outcomes of runs, as parts of a bar. */
export function Progress({ of: s }: { of: JobExecution["stats"] }) {
  const part = (n: number, kind: string, from: number) => n > 0 && <i class={kind} style={{ left: `${(100 * from) / s.total}%`, width: `${(100 * n) / s.total}%` }} />;
  return (
    <span class="progress" role="img" aria-label={`${s.success} succeeded, ${s.failure} failed, ${s.cancelled} cancelled, ${s.running} running of ${s.total}`}>
      {part(s.success, "ok", 0)}
      {part(s.failure, "bad", s.success)}
      {part(s.cancelled, "off", s.success + s.failure)}
      {part(s.running, "run", s.success + s.failure + s.cancelled)}
    </span>
  );
}
