// The parts that pages are made of.
import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { Failure } from "./api";
import { span, timeOf } from "./format";
import { paused } from "./live";

type Children = { children?: ComponentChildren };

export function Page({ title, sub, actions, children }: Children & { title: ComponentChildren; sub?: ComponentChildren; actions?: ComponentChildren }) {
  return (
    <>
      <header class="head">
        <div>
          <h1>{title}</h1>
          {sub && <p class="mute">{sub}</p>}
        </div>
        <div class="actions">{actions}</div>
      </header>
      {children}
    </>
  );
}

export function Panel({ title, actions, children, flush }: Children & { title?: ComponentChildren; actions?: ComponentChildren; flush?: boolean }) {
  return (
    <section class={flush ? "panel flush" : "panel"}>
      {title && (
        <div class="bar">
          <h2>{title}</h2>
          <div class="actions">{actions}</div>
        </div>
      )}
      {children}
    </section>
  );
}

export interface Column<T> {
  name: ComponentChildren;
  cell: (row: T) => ComponentChildren;
  class?: string; // num, wide or narrow
}

export function Table<T>({ label, rows, columns, id, empty, more }: {
  label: string;
  rows: T[];
  columns: Column<T>[];
  id: (row: T) => string;
  empty: ComponentChildren;
  more?: () => void;
}) {
  if (rows.length === 0) return <div class="empty">{empty}</div>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map((c, i) => (
              <th key={i} scope="col" class={c.class}>{c.name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)}>
              {columns.map((c, i) => (
                <td key={i} class={c.class}>{c.cell(row)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more && <Button class="more" onClick={more}>Load more</Button>}
    </div>
  );
}

const kinds: Record<string, string> = {
  success: "ok", succeeded: "ok", done: "ok", active: "ok",
  failed: "bad", timeout: "bad", refused: "bad",
  started: "run", running: "run", cancelling: "run",
  pending: "wait", queued: "wait", reconciling: "wait", unknown: "wait",
};

/** kindOf returns the class of the colour of a state. */
export const kindOf = (status: string): string => kinds[status.toLowerCase()] ?? "off";

export const Status = ({ of }: { of: string }) => <span class={`status ${kindOf(of)}`}>{of}</span>;

type ButtonProps = Omit<JSX.IntrinsicElements["button"], "onClick"> & { onClick?: () => unknown; kind?: "main" | "danger" | "quiet" };

/** Button is disabled while what its click starts is under way. */
export function Button({ onClick, kind, disabled, children, class: extra, ...rest }: ButtonProps) {
  const [busy, setBusy] = useState(false);
  const click = async () => {
    setBusy(true);
    try {
      await onClick?.();
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" {...rest} class={`button ${kind ?? ""} ${extra ?? ""}`} disabled={disabled || busy} aria-busy={busy} onClick={click}>
      {children}
    </button>
  );
}

const tick = signal(0); // of what shows how long ago something was
setInterval(() => paused.value || tick.value++, 10_000);

/** Time shows how long ago something was, with the exact time as its title. */
export function Time({ at }: { at: string | null | undefined }) {
  void tick.value;
  if (!at) return <>–</>;
  const t = timeOf(at);
  const ago = Date.now() - t.getTime();
  return (
    <time dateTime={t.toISOString()} title={t.toLocaleString()}>
      {ago < -1500 ? `in ${span(-ago)}` : ago < 5000 ? "now" : `${span(ago)} ago`}
    </time>
  );
}

export function Problem({ error }: { error: Error | undefined }) {
  if (!error) return null;
  const f = error instanceof Failure ? error : undefined;
  return (
    <div class="problem" role="alert">
      <strong>{error.message}</strong>
      {f?.hint && <p>{f.hint}</p>}
      {f?.traceback && <pre>{f.traceback}</pre>}
    </div>
  );
}

export function Field({ label, hint, children }: Children & { label: string; hint?: string }) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
      {hint && <small class="mute">{hint}</small>}
    </label>
  );
}
