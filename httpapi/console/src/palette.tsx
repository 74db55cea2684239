import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { functions, jobs } from "./api";
import { href } from "./router";
import { paletteOpen, views } from "./views";

interface Target {
  name: string;
  kind: string;
  to: string;
}

const isID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/i;

/** targets returns what a text may name, best first. */
function targets(all: Target[], text: string): Target[] {
  const words = text.trim().toLowerCase();
  if (isID.test(words)) return [{ name: words, kind: "Execution", to: href(["executions", words]) }];
  const found = all.filter((t) => t.name.toLowerCase().includes(words));
  found.sort((a, b) => Number(b.name.toLowerCase().startsWith(words)) - Number(a.name.toLowerCase().startsWith(words)));
  return found.slice(0, 50);
}

/** Palette finds pages, functions, jobs and executions by what is typed. */
export default function Palette() {
  const element = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [all, setAll] = useState<Target[]>(() => views().map(([path, name]) => ({ name, kind: "Page", to: `#/${path}` })));
  useLayoutEffect(() => element.current?.showModal(), []);
  useEffect(() => {
    const add = (kind: string, names: string[]) => setAll((old) => [...old, ...names.map((name) => ({ name, kind, to: href([`${kind.toLowerCase()}s`, name]) }))]);
    functions().then((fs) => add("Function", fs.map((f) => f.name)), () => {});
    jobs().then((js) => add("Job", js.map((j) => j.metadata.name)), () => {});
  }, []);
  const found = targets(all, text);
  const choose = (t: Target | undefined) => {
    if (!t) return;
    location.hash = t.to;
    element.current?.close();
  };
  const keys = (e: KeyboardEvent) => {
    if (e.key === "Enter") choose(found[at]);
    else if (e.key === "ArrowDown") setAt(Math.min(at + 1, found.length - 1));
    else if (e.key === "ArrowUp") setAt(Math.max(at - 1, 0));
    else return;
    e.preventDefault();
  };
  return (
    <dialog ref={element} class="palette" aria-label="Search" onClose={() => (paletteOpen.value = false)} onClick={(e) => e.target === element.current && element.current?.close()}>
      <input type="text" role="combobox" aria-label="A function, a job, a page or the id of an execution" aria-expanded="true" aria-controls="found" aria-activedescendant={found[at] && `found-${at}`} autocomplete="off" spellcheck={false}
        placeholder="A function, a job, a page, or an id" value={text} onInput={(e) => { setText(e.currentTarget.value); setAt(0); }} onKeyDown={keys} />
      <ul id="found" role="listbox" aria-label="Found">
        {found.map((t, i) => (
          <li key={t.to} id={`found-${i}`} role="option" aria-selected={i === at} onClick={() => choose(t)} onMouseMove={() => setAt(i)}>
            <span>{t.name}</span><span class="mute">{t.kind}</span>
          </li>
        ))}
        {found.length === 0 && <li role="option" aria-selected="false" aria-disabled="true" class="mute">Nothing has this name.</li>}
      </ul>
    </dialog>
  );
}
