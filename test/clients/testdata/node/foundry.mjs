// Searches executions through the transport that Palantir publishes, which its generated packages
// for the endpoints call with a method, a path and where the arguments go. Prints ok at the end.
import assert from "node:assert/strict";
import { createSharedClientContext } from "@osdk/shared.client.impl";
import { foundryPlatformFetch } from "@osdk/shared.net.platformapi";

const { SERVER, TOKEN } = process.env;
const context = createSharedClientContext(SERVER, async () => TOKEN, "test/1");
const list = (rid, body, query = { preview: true }) => foundryPlatformFetch(context, [1, "/v2/observability/resources/{0}/listExecutions", 3], rid, body, query);
const fetched = async (path, init) => (await fetch(SERVER + path, { headers: { Authorization: `Bearer ${TOKEN}` }, ...init })).json();

const { rid } = await fetched("/v1/functions/work");
for (const args of [{}, {}, { fail: true }]) await fetched("/v1/sync/functions/work/rpc/", { method: "POST", body: JSON.stringify(args), headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" } });

const { data, nextPageToken } = await list(rid, {});
assert.equal(data.length, 3);
assert.equal(nextPageToken, undefined);
for (const x of data) {
  assert.equal(x.resourceRid, rid);
  assert.match(x.startTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.ok(Number.isInteger(x.duration.value));
}
assert.deepEqual(data.map((x) => x.status), ["FAILED", "SUCCEEDED", "SUCCEEDED"]);
const ids = [];
for (let pageToken; ; ) {
  const page = await list(rid, { pageSize: 1, pageToken });
  ids.push(...page.data.map((x) => x.foundryTraceId));
  if (!(pageToken = page.nextPageToken)) break;
}
assert.deepEqual(ids, data.map((x) => x.foundryTraceId));

const count = async (body) => (await list(rid, body)).data.length;
assert.equal(await count({ where: { type: "eq", field: "status", value: "SUCCEEDED" } }), 2);
assert.equal(await count({ startTime: new Date(Date.now() - 3600e3).toISOString(), endTime: new Date(Date.now() + 3600e3).toISOString() }), 3);
assert.equal(await count({ startTime: data[1].startTime }), 2);

// The form of earlier releases.
assert.equal(await count({ filter: { type: "result", status: "FAILED" } }), 1);
assert.equal(await count({ filter: { type: "duration", minDuration: { value: 1, unit: "HOURS" } } }), 0);
const [older] = (await list(rid, { filter: { type: "traceId", traceId: data[0].foundryTraceId } })).data;
assert.equal(older.traceId, data[0].foundryTraceId);
assert.equal(older.traceLocator, `${older.traceOwningRid}/${older.traceId}`);

const fails = async (call, want) => {
  const error = await call.then(() => assert.fail("no error"), (e) => e);
  for (const [member, value] of Object.entries(want)) assert.deepEqual(error[member], value, `${member}: ${error.message}`);
  assert.match(error.errorInstanceId, /^[0-9a-f-]{36}$/);
  assert.equal(typeof error.errorDescription, "string");
  assert.ok(error.errorDescription.length > 10);
};
await fails(list(rid, {}, {}), { errorName: "ApiFeaturePreviewUsageOnly", errorCode: "INVALID_ARGUMENT", statusCode: 400 });
await fails(list(rid, { where: { type: "gte", field: "status", value: 1 } }), { errorName: "InvalidExecutionFilter", errorCode: "INVALID_ARGUMENT", statusCode: 400 });
const none = "ri.function-registry.main.function.c26f11c8-cdb3-4f44-9f5d-9816ea1c82da";
await fails(list(none, {}), { errorName: "ResourceNotFound", errorCode: "NOT_FOUND", statusCode: 404, parameters: { resourceRid: none } });
console.log("ok");
