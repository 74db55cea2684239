import { useState } from "preact/hooks";
import { deadLetters, type DeadLetter, may } from "../api";
import { deadLetter, purge, purgeAll, redrive, redriveAll } from "../calls";
import { bytes, count, plural } from "../format";
import { useLive } from "../live";
import { go, href, route, setQuery } from "../router";
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

/** hostOf returns the host of a URL, with its port. */
function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}

function All() {
  const { data, error, loading, reload } = useLive((signal) => deadLetters(most, signal), [], 5000);
  const [failed, setFailed] = useState<Error>();
  const [said, setSaid] = useState("");
  const host = route.value.query.get("host") ?? "";
  const rows = (data ?? []).filter((d) => !host || hostOf(d.url) === host);
  const hosts = [...new Set([host, ...(data ?? []).map((d) => hostOf(d.url))])].filter(Boolean).sort();
  const act = async (question: string, f: () => Promise<{ count: number }>, done: string) => {
    if (!confirmed(question)) return;
    setFailed(undefined);
    await f().then((r) => { setSaid(`${plural(r.count, "callback")} ${done}.`); reload(); }, setFailed);
  };
  const send = () => (host
    ? act(`Send ${plural(rows.length, "dead letter")} of ${host} again?`, () => redriveAll(rows.map((d) => d.id)), "will be sent again")
    : act("Send all dead letters again?", () => redriveAll(), "will be sent again"));
  const drop = () => act("Delete all dead letters? Their bodies are lost.", purgeAll, "deleted");
  return (
    <Page title="Dead letters" sub="Callbacks that could not be delivered" actions={<><span class="mute" role="status">{said}</span>{may("deploy") && rows.length > 0 && <>
      {!host && <Button kind="danger" onClick={drop}>Delete all</Button>}
      <Button onClick={send}>{host ? `Send those of ${host} again` : "Send all again"}</Button>
    </>}</>}>
      <Problem error={failed ?? error} />
      {hosts.length > 0 && (
        <div class="filters">
          <select aria-label="Host" value={host} onChange={(e) => setQuery({ host: e.currentTarget.value })}>
            <option value="">All hosts</option>
            {hosts.map((h) => <option key={h} value={h}>{h}</option>)}
          </select>
        </div>
      )}
      <Panel flush>
        {loading ? <p class="empty">Loading…</p> : (
          <Table<DeadLetter> label="Dead letters" rows={rows} id={(d) => d.id} empty={host ? "None is for this host." : "Every callback was delivered."} columns={[
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
