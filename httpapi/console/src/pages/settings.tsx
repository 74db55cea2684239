import { useState } from "preact/hooks";
import { type FnChange, type FnDetail, may } from "../api";
import { changeFunction, deleteFunction, patchContext } from "../calls";
import { confirmed } from "../parts";
import { go } from "../router";
import { Button, Field, Panel, Problem } from "../ui";

/** Context sets and removes single values of the context, which are never shown. */
function Context({ fn, reload }: { fn: FnDetail; reload: () => void }) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const [error, setError] = useState<Error>();
  const patch = async (values: Record<string, unknown>) => {
    setError(undefined);
    await patchContext(fn.name, values).then(reload, setError);
  };
  const set = async (e: Event) => {
    e.preventDefault();
    await patch({ [name]: value });
  };
  return (
    <Panel title="Context">
      <Problem error={error} />
      <p class="mute">The settings and secrets that runs get as <code>context</code>. No page and no response has its values.</p>
      <ul class="keys">
        {fn.context_keys.map((key) => (
          <li key={key}>
            <code>{key}</code>
            {may("deploy") && <Button kind="quiet" aria-label={`Remove ${key}`} onClick={() => confirmed(`Remove ${key} from the context?`) && patch({ [key]: null })}>Remove</Button>}
          </li>
        ))}
        {fn.context_keys.length === 0 && <li class="mute">It is empty.</li>}
      </ul>
      {may("deploy") && (
        <form class="filters" onSubmit={set}>
          <input required aria-label="Name of a value" placeholder="name" autocomplete="off" spellcheck={false} value={name} onInput={(e) => setName(e.currentTarget.value)} />
          <input required type="password" aria-label="Value" placeholder="value" autocomplete="new-password" value={value} onInput={(e) => setValue(e.currentTarget.value)} />
          <button class="button" type="submit">Set value</button>
        </form>
      )}
    </Panel>
  );
}

export function Settings({ fn, reload }: { fn: FnDetail; reload: () => void }) {
  const [timeout, setTimeout] = useState(String(fn.timeout));
  const [memory, setMemory] = useState(String(fn.memory));
  const [retries, setRetries] = useState(String(fn.retries));
  const [allow, setAllow] = useState(fn.allow.join("\n"));
  const [keep, setKeep] = useState(fn.keep_args);
  const [context, setContext] = useState("");
  const [error, setError] = useState<Error>();
  const [said, setSaid] = useState("");
  const change: FnChange = {};
  if (Number(timeout) !== fn.timeout) change.timeout = Number(timeout);
  if (Number(memory) !== fn.memory) change.memory = Number(memory);
  if (Number(retries) !== fn.retries) change.retries = Number(retries);
  if (keep !== fn.keep_args) change.keep_args = keep;
  const rules = allow.split("\n").map((r) => r.trim()).filter(Boolean);
  if (rules.join("\n") !== fn.allow.join("\n")) change.allow = rules;
  if (context) change.context = context;
  const save = async () => {
    setError(undefined);
    try {
      await changeFunction(fn.name, change);
      setContext("");
      setSaid("Saved.");
      reload();
    } catch (e) {
      setError(e as Error);
    }
  };
  const remove = async () => {
    if (!confirmed(`Delete the function ${fn.name}?`)) return;
    await deleteFunction(fn.name).then(() => go(["functions"]), setError);
  };
  const deploys = may("deploy");
  return (
    <>
      <Panel title="Settings" actions={deploys && <><span class="mute" role="status">{said}</span><Button kind="danger" onClick={remove}>Delete</Button><Button kind="main" disabled={Object.keys(change).length === 0} onClick={save}>Save</Button></>}>
        <Problem error={error} />
        <fieldset class="plain columns" disabled={!deploys}>
          <div>
            <Field label="Timeout, seconds"><input type="number" min="0.1" step="any" value={timeout} onInput={(e) => setTimeout(e.currentTarget.value)} /></Field>
            <Field label="Memory, MB"><input type="number" min="64" value={memory} onInput={(e) => setMemory(e.currentTarget.value)} /></Field>
            <Field label="Retries after a failure, in the background"><input type="number" min="0" max="10" value={retries} onInput={(e) => setRetries(e.currentTarget.value)} /></Field>
            <label class="check"><input type="checkbox" checked={keep} onChange={(e) => setKeep(e.currentTarget.checked)} /> Keep the args of runs, to show them and to run them again</label>
          </div>
          <div>
            <Field label="What runs may reach" hint="One HOST:PORT a line. Empty: nothing."><textarea spellcheck={false} value={allow} onInput={(e) => setAllow(e.currentTarget.value)} /></Field>
            <Field label="New context" hint="Replaces all of it.">
              <textarea spellcheck={false} autocomplete="off" placeholder={'key = "value"'} value={context} onInput={(e) => setContext(e.currentTarget.value)} />
            </Field>
          </div>
        </fieldset>
      </Panel>
      <Context fn={fn} reload={reload} />
    </>
  );
}
