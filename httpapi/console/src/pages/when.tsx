import { useEffect, useState } from "preact/hooks";
import type { Job, Trigger } from "../api";
import { changeJob } from "../calls";
import { Dialog } from "../parts";
import { Button, Field, Panel, Problem } from "../ui";
import { Next } from "./next";

interface When {
  schedule: string;
  timezone: string;
}

/** useSettled returns a value once it has not changed for a moment. */
function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), 300);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/** Fields edit a schedule and its zone, and show its next times meanwhile. */
function Fields({ of, onChange }: { of: When; onChange: (of: When) => void }) {
  const { schedule, timezone } = useSettled(of);
  return (
    <>
      <div class="fields">
        <Field label="Schedule"><input required spellcheck={false} placeholder="30 3 * * MON-FRI" value={of.schedule} onInput={(e) => onChange({ ...of, schedule: e.currentTarget.value })} /></Field>
        <Field label="Zone"><input spellcheck={false} placeholder="UTC" value={of.timezone} onInput={(e) => onChange({ ...of, timezone: e.currentTarget.value })} /></Field>
      </div>
      <p class="ticks" role="status">{schedule.trim() && <Next schedule={schedule.trim()} timezone={timezone.trim()} n={5} />}</p>
    </>
  );
}

function Editor({ job, trigger, done, onClose }: { job: string; trigger: Trigger; done: () => void; onClose: () => void }) {
  const { schedule = "", timezone = "" } = trigger.configuration;
  const [when, setWhen] = useState({ schedule, timezone });
  const [failed, setFailed] = useState<Error>();
  const save = async (e: Event) => {
    e.preventDefault();
    setFailed(undefined);
    await changeJob(job, (j) => {
      for (const { id, configuration } of j.spec.triggers) {
        if (id === trigger.id) Object.assign(configuration, { schedule: when.schedule.trim(), timezone: when.timezone.trim() || undefined });
      }
    }).then(() => {
      onClose();
      done();
    }, setFailed);
  };
  return (
    <Dialog title={`${trigger.id} of ${job}`} onClose={onClose}>
      <form onSubmit={save}>
        <Problem error={failed} />
        <Fields of={when} onChange={setWhen} />
        <button class="button main" type="submit">Save</button>
      </form>
    </Dialog>
  );
}

/** Edit is a button that changes when a schedule of a job is due. */
export function Edit({ job, trigger, done }: { job: Job; trigger: Trigger; done: () => void }) {
  const [open, setOpen] = useState(false);
  const name = job.metadata.name;
  return (
    <>
      <Button aria-label={`Edit ${trigger.id} of ${name}`} onClick={() => setOpen(true)}>Edit</Button>
      {open && <Editor job={name} trigger={trigger} done={done} onClose={() => setOpen(false)} />}
    </>
  );
}

/** Preview shows the next times of a schedule that no job has. */
export function Preview() {
  const [when, setWhen] = useState({ schedule: "", timezone: "" });
  return <Panel title="When is a schedule?"><Fields of={when} onChange={setWhen} /></Panel>;
}
