import { useState } from "preact/hooks";
import { may, session } from "../api";
import { audit } from "../calls";
import { quote } from "../format";
import { useLive } from "../live";
import { Command } from "../parts";
import { Button, Page, Panel, Problem, Status, Table, Time } from "../ui";
import { Tokens } from "./tokens";

const step = 50; // entries of the audit log

/** Changes shows the latest changes, of a tenant or all that the session may see. */
export function Changes({ tenant }: { tenant?: string }) {
  const [token, setToken] = useState("");
  const [operation, setOperation] = useState("");
  const [limit, setLimit] = useState(step);
  const { data, error, loading } = useLive((signal) => audit(limit, { tenant, token, operation }, signal), [tenant, token, operation, limit], 10_000);
  return (
    <Panel title="Latest changes" flush actions={<>
      <input type="search" aria-label="Changes by the token" placeholder="Token" value={token} onChange={(e) => setToken(e.currentTarget.value.trim())} />
      <input type="search" aria-label="Changes of the kind" placeholder="Change, such as function.put" value={operation} onChange={(e) => setOperation(e.currentTarget.value.trim())} />
    </>}>
      <Problem error={error} />
      {loading ? <p class="empty">Loading…</p> : (
        <Table label="Latest changes" rows={data ?? []} id={(e) => e.id} empty={token || operation ? "No change matches." : "Nothing has changed yet."} columns={[
          { name: "When", cell: (e) => <Time at={e.time} /> },
          { name: "Change", cell: (e) => <code>{e.operation}</code> },
          { name: "Outcome", cell: (e) => <Status of={e.outcome} /> },
          { name: "Of", cell: (e) => e.name ?? e.thing ?? "–" },
          { name: "By", cell: (e) => e.by.user },
          { name: "From", class: "wide", cell: (e) => <span class="mute">{e.remote ?? "–"}</span> },
        ]} />
      )}
      {data?.length === limit && limit < 1000 && <Button class="more" onClick={() => setLimit(Math.min(1000, 4 * limit))}>Show more</Button>}
      <div class="note"><Command line={`fas audit list${token && ` --token ${quote(token)}`}${operation && ` --operation ${quote(operation)}`}`} /></div>
    </Panel>
  );
}

export function AccessPage() {
  if (!may("admin") && !session.value?.operator) return <Page title="Access"><p class="empty">This needs a token with the scope admin or operator.</p></Page>;
  return (
    <Page title="Access" sub="Who may do what, and who changed what">
      <Tokens />
      <Changes />
    </Page>
  );
}
