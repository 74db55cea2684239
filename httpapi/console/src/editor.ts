// Loaded when code is first shown. The editor is in a shadow root: there its styles are adopted style sheets,
// which the content security policy permits.
import { acceptCompletion, autocompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { python } from "@codemirror/legacy-modes/mode/python";
import { EditorState, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, WidgetType } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { complete, type Hints, signatures } from "./hints";

const theme = EditorView.theme({
  "&": { height: "100%", fontSize: "13px", backgroundColor: "var(--panel)", color: "var(--text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--panel)", color: "var(--mute)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--main) 6%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--main) 22%, transparent)" },
  ".cm-matchingBracket": { backgroundColor: "color-mix(in srgb, var(--main) 18%, transparent)" },
  ".cm-tooltip": { backgroundColor: "var(--panel)", border: "1px solid var(--line)", borderRadius: "7px", boxShadow: "0 4px 16px #0003", color: "var(--text)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "15em" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--main-bg)", color: "var(--main)" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-completionDetail": { color: "var(--mute)", fontStyle: "normal" },
  ".cm-tooltip.cm-completionInfo, .signature": { padding: "5px 10px", font: "12px/1.5 var(--mono)", whiteSpace: "pre-wrap" },
  ".failed": { backgroundColor: "color-mix(in srgb, var(--bad) 12%, transparent)" },
  ".why": { color: "var(--bad)", padding: "0 6px 2px 10px", whiteSpace: "pre-wrap", fontFamily: "var(--mono)", backgroundColor: "color-mix(in srgb, var(--bad) 12%, transparent)" },
});

const colors = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--main)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--ok)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--run)" },
  { tag: tags.comment, color: "var(--mute)", fontStyle: "italic" },
  { tag: tags.definition(tags.variableName), fontWeight: "600" },
]);

/** Why is a message below the line that failed. */
class Why extends WidgetType {
  constructor(readonly message: string) {
    super();
  }
  override eq(other: Why): boolean {
    return other.message === this.message;
  }
  toDOM(): HTMLElement {
    const e = document.createElement("div");
    e.className = "why";
    e.textContent = this.message;
    return e;
  }
}

interface Mark {
  at: number; // the beginning of the line
  message: string;
}

const setMark = StateEffect.define<Mark | null>();

/** marks is the line that failed, until the text changes. */
const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(old, tr) {
    for (const e of tr.effects) {
      if (!e.is(setMark)) continue;
      if (!e.value) return Decoration.none;
      const { at, message } = e.value;
      const why = Decoration.widget({ widget: new Why(message), block: true, side: 1 });
      return Decoration.set([Decoration.line({ class: "failed" }).range(at), why.range(tr.state.doc.lineAt(at).to)]);
    }
    return tr.docChanged ? Decoration.none : old;
  },
  provide: (f) => EditorView.decorations.from(f),
});

export interface Editor {
  text(): string;
  set(text: string): void;
  mark(line: number, message: string): void; // line 0: none
  destroy(): void;
}

/** edit puts an editor into an element. keys are called for their keys, such as Mod-Enter. hints returns the names to propose. */
export function edit(host: HTMLElement, text: string, readOnly: boolean, changed: () => void, keys: Record<string, () => void>, hints: () => Hints): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(), highlightActiveLineGutter(), highlightActiveLine(), history(), drawSelection(), indentOnInput(), bracketMatching(),
        indentUnit.of("    "), StreamLanguage.define(python), syntaxHighlighting(colors), theme, marks,
        readOnly ? [] : [autocompletion({ override: [complete(hints)], icons: false, defaultKeymap: false }), signatures],
        EditorState.readOnly.of(readOnly),
        EditorView.contentAttributes.of({ "aria-label": "Code", tabindex: "0" }),
        // A browser that replaces coloured text itself gives the new one a style, which the policy refuses.
        EditorView.domEventHandlers({
          beforeinput(e, view) {
            if (e.inputType !== "insertText" || e.data === null || view.state.selection.main.empty) return false;
            view.dispatch(view.state.replaceSelection(e.data), { userEvent: "input.type" });
            e.preventDefault();
            return true;
          },
        }),
        EditorView.updateListener.of((u) => u.docChanged && changed()),
        keymap.of([
          ...Object.entries(keys).map(([key, run]) => ({ key, preventDefault: true, run: () => { run(); return true; } })),
          ...completionKeymap, { key: "Tab", run: acceptCompletion }, ...defaultKeymap, ...historyKeymap, indentWithTab,
        ]),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    set: (next) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } }),
    mark(line, message) {
      if (line < 1 || line > view.state.doc.lines) {
        view.dispatch({ effects: setMark.of(null) });
        return;
      }
      const at = view.state.doc.line(line).from;
      view.dispatch({ effects: [setMark.of({ at, message }), EditorView.scrollIntoView(at, { y: "center" })] });
    },
    destroy: () => view.destroy(),
  };
}
