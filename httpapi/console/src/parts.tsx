// The parts of pages that are loaded later.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import text from "text:./pages.css";
import { adopt } from "./adopt";
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
