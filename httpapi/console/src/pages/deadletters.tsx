import { useState } from "preact/hooks";
import { deadLetters, type DeadLetter, may } from "../api";
import { deadLetter, purge, redrive, redriveAll } from "../calls";
import { bytes, count, plural } from "../format";
import { useLive } from "../live";
import { go, href } from "../router";
import { Command, confirmed, Facts } from "../parts";
import { Button, Page, Panel, Problem, Table, Time } from "../ui";
import { Value } from "../value";

const most = 500;

function One({ id }: { id: string }) {
  const { data: d, error, loading } = useLive((signal) => deadLetter(id, signal), [id]);
  const [failed, setFailed] = useState<Error>();
  if (!d) return loading ? <p class="empty">Loading…</p> : <Problem error={error} />;
  const after = (done: Promise<unknown>) => done.then(() => go(["deadletters"]), setFailed);
  return (
    <Page title="Dead letter" sub={<span class="mono">{id}</span>} actions={may("deploy") && (
      <>
        <Button kind="danger" onClick={() => confirmed("Delete this dead letter?") && after(purge(id))}>Delete</Button>
        <Button kind="main" onClick={() => after(redrive(id))}>Send again</Button>
      </>
    )}>
      <Problem error={failed} />
      <Panel title="Why">
        <div class="problem"><strong>{d.last_error || `The receiver answered ${d.last_status}.`}</strong></div>
        <Facts of={[
          ["URL", d.url],
          ["Job", <a href={href(["jobs", d.job])}>{d.job}</a>],
          ["Execution", <a class="mono" href={href(["jobs", d.job, d.execution])}>{d.execution}</a>],
          ["Attempts", d.attempts],
          ["Latest attempt", <Time at={d.last_attempt} />],
          ["Latest status", d.last_status ?? "no answer"],
        ]} />
      </Panel>
      <Panel title={`Body, ${bytes(d.body_size)}`}><Value of={d.body} /></Panel>
      <Command line={`fas dlq show ${id}`} />
    </Page>
  );
}

function All() {
  const { data, error, loading, reload } = useLive((signal) => deadLetters(most, signal), [], 5000);
  const [failed, setFailed] = useState<Error>();
  const [said, setSaid] = useState("");
  const all = async () => {
    if (!confirmed("Send all dead letters again?")) return;
    await redriveAll().then((r) => { setSaid(`${plural(r.count, "callback")} will be sent again.`); reload(); }, setFailed);
  };
  return (
    <Page title="Dead letters" sub="Callbacks that could not be delivered" actions={<><span class="mute" role="status">{said}</span>{may("deploy") && !!data?.length && <Button onClick={all}>Send all again</Button>}</>}>
      <Problem error={failed ?? error} />
      <Panel flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table<DeadLetter> label="Dead letters" rows={data ?? []} id={(d) => d.id} empty="Every callback was delivered." columns={[
            { name: "Letter", cell: (d) => <a class="mono" href={href(["deadletters", d.id])}>{d.id.slice(0, 8)}</a> },
            { name: "Job", cell: (d) => <a href={href(["jobs", d.job])}>{d.job}</a> },
            { name: "URL", cell: (d) => d.url },
            { name: "Attempts", class: "num", cell: (d) => count(d.attempts) },
            { name: "Latest", cell: (d) => <Time at={d.last_attempt} /> },
            { name: "Why", class: "wide", cell: (d) => <span class="mute" title={d.last_error}>{d.last_error || d.last_status}</span> },
          ]} />
        )}
      </Panel>
      <Command line="fas dlq list" />
    </Page>
  );
}

export const DeadLettersPage = ({ id }: { id?: string }) => (id ? <One id={id} /> : <All />);
