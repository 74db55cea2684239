// What the editor proposes while a function is written: names that it knows, and what main gets.
import { type Completion, type CompletionContext, type CompletionResult, completeAnyWord, snippetCompletion } from "@codemirror/autocomplete";
import { type EditorState, StateField } from "@codemirror/state";
import { showTooltip, type Tooltip } from "@codemirror/view";

/** Hints are the names that the dicts of a function are known to have. */
export interface Hints {
  args: string[];
  context: string[];
}

const about: Record<keyof Hints, string> = {
  args: "dict: the arguments that the caller sends with this run",
  context: "dict: the settings and secrets of this function",
};

const main = "main(args, context)";

const keywords = ("and as assert async await break class continue def del elif else except finally for from global if import in is lambda not or pass raise return try while with yield " +
  "None True False").split(" ").map((label): Completion => ({ label, type: "keyword" }));

const builtins = ("abs all any bool bytes dict enumerate filter float format int isinstance len list map max min open print range repr reversed round set sorted str sum tuple type zip " +
  "Exception KeyError RuntimeError TimeoutError TypeError ValueError").split(" ").map((label): Completion => ({ label, type: "function" }));

const methods = ["get", "items", "keys", "values"].map((label): Completion => ({ label, type: "method" }));

const words: Completion[] = [
  ...(Object.keys(about) as (keyof Hints)[]).map((label): Completion => ({ label, type: "variable", detail: "dict", info: about[label], boost: 2 })),
  snippetCompletion("def main(args, context):\n    ${}", { label: "def main", detail: "(args, context)", info: `args is a ${about.args}; context is a ${about.context}`, boost: 3 }),
  ...keywords, ...builtins,
];

/** complete proposes keys inside of args["…"] and context["…"], the methods of both, and else words. */
export const complete = (hints: () => Hints) => async (c: CompletionContext): Promise<CompletionResult | null> => {
  const key = c.matchBefore(/\b(args|context)(\[|\.get\()\s*["'][^"'\n]*/);
  if (key) {
    const [, dict] = /^(args|context)/.exec(key.text)!;
    const known = hints()[dict as keyof Hints];
    return { from: key.from + key.text.search(/["'][^"']*$/) + 1, options: known.map((label) => ({ label, type: "property", detail: dict })), validFor: /^[^"'\n]*$/ };
  }
  const method = c.matchBefore(/\b(args|context)\.\w*/);
  if (method) return { from: method.from + method.text.indexOf(".") + 1, options: methods, validFor: /^\w*$/ };
  const word = c.matchBefore(/(def )?\w+/);
  if (!c.explicit && (!word || word.text.length < 2 || /^\d/.test(word.text))) return null;
  if (c.matchBefore(/(#|["'.])[^"'\n]*/)) return null; // a comment, a text, or an attribute
  const others = (await completeAnyWord(c))?.options ?? [];
  const known = new Set(words.map((w) => w.label));
  return { from: word?.from ?? c.pos, options: [...words, ...others.filter((o) => !known.has(o.label))], validFor: /^(def )?\w*$/ };
};

/** signatureAt returns what is called at the cursor, if its signature is known. */
function signatureAt(state: EditorState): Tooltip | null {
  const { head, empty } = state.selection.main;
  const line = state.doc.lineAt(head);
  const call = /\b(def main|(args|context)\.get)\([^()]*$/.exec(line.text.slice(0, head - line.from));
  if (!empty || !call) return null;
  const dict = call[2] as keyof Hints | undefined;
  const lines = dict ? [`${dict}.get(key, default=None)`, about[dict]] : [main, `args: ${about.args}`, `context: ${about.context}`];
  return {
    pos: line.from + call.index,
    above: true,
    create() {
      const dom = document.createElement("div");
      dom.className = "signature";
      dom.setAttribute("role", "status");
      dom.textContent = lines.join("\n");
      return { dom };
    },
  };
}

/** signatures shows a signature above what is called at the cursor. */
export const signatures = StateField.define<Tooltip | null>({
  create: () => null, // not before something was typed or clicked
  update(old, tr) {
    if (!tr.docChanged && !tr.selection) return old;
    const next = signatureAt(tr.state);
    return old && next && old.pos === next.pos ? old : next;
  },
  provide: (f) => showTooltip.from(f),
});
