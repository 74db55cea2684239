import { memory, session, unlimited } from "../api";
import { disk, usage, workers } from "../calls";
import { bytes, count } from "../format";
import { useLive } from "../live";
import { Command, Facts } from "../parts";
import { Page, Panel, Problem, Table, Time } from "../ui";
import { UsageTable } from "./limits";

async function load(signal: AbortSignal) {
  const [m, d, w] = await Promise.all([memory(signal), disk(signal), workers(signal)]);
  return { m, d, w };
}

/** Own shows what the tenant of the session uses of its limits. */
function Own() {
  const { data, error } = useLive((signal) => usage(undefined, signal), [], 5000);
  return (
    <Panel title={data ? `Usage of ${data.tenant}` : "Usage"} flush>
      <Problem error={error} />
      {data && <UsageTable of={data} />}
    </Panel>
  );
}

export function ServerPage() {
  const s = session.value!;
  const { data, error } = useLive(async (signal) => (s.operator ? load(signal) : undefined), [s.operator], 3000);
  return (
    <Page title="Server" sub={s.version}>
      <Problem error={error} />
      {!s.operator && <p class="empty">Memory, disk and workers need a token with the scope operator.</p>}
      {data && (
        <>
          <div class="columns">
            <Panel title={`Memory, ${bytes(data.m.used)} of ${bytes(data.m.budget)}`} flush>
              <Table label="Memory" rows={data.m.holders.filter((h) => h.bytes > 0).sort((a, b) => b.bytes - a.bytes)} id={(h) => h.name} empty="Nothing holds memory." columns={[
                { name: "Holder", class: "wide", cell: (h) => h.name },
                { name: "Memory", class: "num", cell: (h) => bytes(h.bytes) },
              ]} />
            </Panel>
            <Panel title="Disk">
              {data.d.problem && <div class="problem"><strong>{data.d.problem}</strong></div>}
              <Facts of={[
                ["Free", bytes(data.d.free)],
                ["Of", bytes(data.d.total)],
                ["Needed for new work", bytes(data.d.floor)],
                ["Accepts new work", data.d.accepting ? "yes" : <span class="bad">no</span>],
                ["Resident memory", data.m.resident ? bytes(data.m.resident) : "unknown"],
              ]} />
            </Panel>
          </div>
          <Panel title="Workers" flush>
            <Table label="Workers" rows={data.w} id={(w) => `${w.pid} ${w.tenant} ${w.function}`} empty="Functions run in the process of the server." columns={[
              { name: "Process", cell: (w) => w.pid ?? "starting" },
              { name: "Tenant", cell: (w) => w.tenant ?? "shared" },
              { name: "Runs", class: "num", cell: (w) => count(w.runs) },
              { name: "Memory", class: "num", cell: (w) => bytes(w.memory) },
              { name: "Restarts", class: "num", cell: (w) => count(w.restarts) },
              { name: "Since", class: "wide", cell: (w) => <Time at={w.since} /> },
            ]} />
          </Panel>
        </>
      )}
      {unlimited() && <Own />}
      <Command line={s.operator ? "fas workers list" : "fas tenants usage"} />
    </Page>
  );
}
