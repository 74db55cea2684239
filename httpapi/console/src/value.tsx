import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Exact } from "./api";
import { Button } from "./ui";

/** Value shows JSON as a tree. */
export function Value({ of, name, depth = 0 }: { of: unknown; name?: string; depth?: number }) {
  const label = name !== undefined && <span class="key">{name}: </span>;
  if (of === null || typeof of !== "object" || of instanceof Exact) {
    const text = of instanceof Exact ? of.text : typeof of === "string" && depth > 0 ? JSON.stringify(of) : String(of);
    return <div class="leaf">{label}<span class={of === null ? "v null" : of instanceof Exact ? "v number" : `v ${typeof of}`}>{text}</span></div>;
  }
  const entries = Object.entries(of);
  const brief = Array.isArray(of) ? `[${entries.length}]` : `{${entries.length}}`;
  if (entries.length === 0) return <div class="leaf">{label}<span class="v">{Array.isArray(of) ? "[]" : "{}"}</span></div>;
  return <Branch label={label} brief={brief} entries={entries} depth={depth} />;
}

const shownEntries = 200;

function Branch({ label, brief, entries, depth }: { label: ComponentChildren; brief: string; entries: [string, unknown][]; depth: number }) {
  const [open, setOpen] = useState(depth < 2 && entries.length <= shownEntries);
  const [most, setMost] = useState(shownEntries);
  return (
    <details open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>{label}<span class="mute">{brief}</span></summary>
      {open && (
        <div class="branch">
          {entries.slice(0, most).map(([key, value]) => <Value key={key} name={key} of={value} depth={depth + 1} />)}
          {entries.length > most && <Button kind="quiet" onClick={() => setMost(most + shownEntries)}>{entries.length - most} more</Button>}
        </div>
      )}
    </details>
  );
}
