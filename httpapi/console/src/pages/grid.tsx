import { useEffect, useRef, useState } from "preact/hooks";
import { plural } from "../format";
import { onTheme } from "../theme";

const cell = 12; // pixels of a square with the space around it

/** states are what the letters of a task map mean, with their colours. */
const states: Record<string, [kind: string, text: string]> = {
  ".": ["wait", "has not begun"], w: ["wait", "waits for another attempt"], r: ["run", "runs"], x: ["run", "is being stopped"],
  s: ["ok", "succeeded"], f: ["bad", "failed"], t: ["bad", "timed out"], c: ["off", "was cancelled"], "-": ["off", "is not stored any more"],
};

/** Grid shows each letter of a task map as a square. open is called with the index of the one that is clicked. */
export function Grid({ of, open }: { of: string; open: (index: number) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [theme, setTheme] = useState(0); // counts its changes
  const columns = Math.max(1, Math.floor(width / cell));
  useEffect(() => {
    const seen = new ResizeObserver(([e]) => setWidth(e.contentRect.width));
    if (canvas.current) seen.observe(canvas.current.parentElement!);
    const end = onTheme(() => setTheme((n) => n + 1));
    return () => {
      seen.disconnect();
      end();
    };
  }, []);
  useEffect(() => {
    const c = canvas.current!;
    if (width === 0) return;
    const scale = devicePixelRatio;
    const rows = Math.ceil(of.length / columns);
    c.width = width * scale;
    c.height = rows * cell * scale;
    c.style.height = `${rows * cell}px`;
    const g = c.getContext("2d")!;
    g.scale(scale, scale);
    const style = getComputedStyle(c);
    const colors = new Map<string, string>();
    for (const kind of ["ok", "bad", "run", "wait", "off"]) {
      c.className = `grid ${kind}`;
      colors.set(kind, style.color);
    }
    c.className = "grid";
    for (let i = 0; i < of.length; i++) {
      const kind = states[of[i]]?.[0] ?? "off";
      g.fillStyle = colors.get(kind)!;
      g.globalAlpha = kind === "wait" ? 0.35 : 1;
      g.fillRect((i % columns) * cell, Math.floor(i / columns) * cell, cell - 2, cell - 2);
    }
  }, [of, width, theme]);
  const at = (e: MouseEvent): number => {
    const box = canvas.current!.getBoundingClientRect();
    const column = Math.floor((e.clientX - box.left) / cell);
    const index = Math.floor((e.clientY - box.top) / cell) * columns + column;
    return column < columns && index < of.length ? index : -1;
  };
  const name = (e: MouseEvent) => {
    const i = at(e);
    canvas.current!.title = i < 0 ? "" : `task-${i} ${states[of[i]]?.[1] ?? ""}`;
  };
  const click = (e: MouseEvent) => {
    const i = at(e);
    if (i >= 0) open(i);
  };
  return <canvas ref={canvas} class="grid" role="img" aria-label={`${plural(of.length, "task")}, one square each. Failed tasks are in the table of failures.`} onMouseMove={name} onClick={click} />;
}
