// Calls what all versions of the vendor's client have, and asserts what the vendor's own integration
// tests of it assert, in our words. Prints ok at the end, or fails at the first difference.
import assert from "node:assert/strict";

const blaxel = await import(process.argv[2]);
const must = { throwOnError: true };
const data = async (call) => (await call).data;
const name = "versions";

await data(blaxel.createJob({ body: { metadata: { name }, spec: { function: "work", runtime: { memory: 256, timeout: 60, envs: [{ name: "BASE", value: "b" }] } } }, ...must }));
assert.equal((await data(blaxel.getJob({ path: { jobId: name }, ...must }))).metadata.name, name);
const listed = await data(blaxel.listJobs(must));
assert.ok((listed.data ?? listed).some((job) => job.metadata.name === name));

const job = blaxel.blJob(name);
const path = (id) => ({ path: { jobId: name, executionId: id }, ...must });
const started = await job.run([{ name: "Richard" }, { name: "John" }]);
const id = started.startsWith("{") ? JSON.parse(started).executionId : started; // the answer as it is, up to 0.2.42
assert.ok(id);

// Every member that the vendor's document has, by GET and in the list.
const members = (value, names) => {
  for (const member of names) assert.ok(member in value, `no ${member} in ${JSON.stringify(value)}`);
};
let done;
do {
  done = await data(blaxel.getJobExecution(path(id)));
} while (!done.metadata.completedAt);
const executions = await data(blaxel.listJobExecutions({ path: { jobId: name }, ...must }));
const inList = (executions.data ?? executions).find((x) => x.metadata.id === id);
for (const x of [done, inList]) {
  assert.equal(x.status, "succeeded");
  members(x.metadata, ["cluster", "completedAt", "createdAt", "expiredAt", "id", "job", "startedAt", "updatedAt", "workspace"]);
  members(x.spec, ["parallelism", "tasks", "timeout"]);
  members(x.stats, ["cancelled", "failure", "retried", "running", "success", "total"]);
  assert.ok(Number.isInteger(x.spec.timeout));
  for (const task of [...x.tasks, ...x.spec.tasks]) {
    members(task, ["conditions", "metadata", "spec", "status"]);
    members(task.metadata, ["completedAt", "createdAt", "name", "scheduledAt", "startedAt", "updatedAt"]);
    members(task.spec, ["maxRetries", "timeout"]);
    for (const condition of task.conditions) members(condition, ["message", "reason", "severity", "state", "type"]);
  }
  assert.deepEqual(x.tasks.map((task) => task.status), ["succeeded", "succeeded"]);
  assert.deepEqual(x.spec.tasks.map((task) => task.status), ["unspecified", "unspecified"]);
}
if (!job.waitForExecution) {
  console.log("ok");
  process.exit(0);
}

const wait = { maxWait: 60000, interval: 50 };
for (const options of [{}, { env: { TEST_MODE: "true" } }, { memory: 128 }, { memory: 128, env: { TEST_MODE: "true", LOG_LEVEL: "debug" } }]) {
  const id = await job.createExecution({ tasks: [{ name: "Richard" }, { env: "TEST_MODE" }], ...options });
  assert.equal(typeof id, "string");
  assert.equal(typeof (await job.getExecutionStatus(id)), "string");
  const x = await job.waitForExecution(id, wait);
  assert.equal(x.status, "succeeded");
  assert.equal(x.spec.memoryOverride, options.memory);
  assert.equal(x.spec.envOverride === undefined, options.env === undefined);
}
const all = await job.listExecutions();
assert.equal((all.data ?? all).length, 5);
if (!all.data) assert.ok(Array.isArray(all)); // a page from 2026-04-28 on
assert.equal(typeof (await job.run([{ name: "Richard" }, { name: "John" }])), "string");

// Every end ends the wait.
const failed = await job.createExecution({ tasks: [{ fail: true }] });
assert.equal((await job.waitForExecution(failed, wait)).status, "failed");
const cancelled = await job.createExecution({ tasks: [{ seconds: 1 }, { seconds: 1 }, { seconds: 1 }, { seconds: 1 }, { seconds: 1 }, { seconds: 1 }] });
await job.cancelExecution(cancelled);
const gone = await job.waitForExecution(cancelled, wait);
assert.equal(gone.status, "cancelled");
assert.equal(gone.metadata.deletedAt, gone.metadata.completedAt);
await data(blaxel.createJob({ body: { metadata: { name: "brief" }, spec: { function: "work", runtime: { timeout: 1 } } }, ...must }));
const late = await blaxel.blJob("brief").createExecution({ tasks: [{ seconds: 30 }] });
const over = await blaxel.blJob("brief").waitForExecution(late, wait);
assert.equal(over.status, "failed");
assert.equal(over.statusReason, "timeout");
assert.equal(over.tasks[0].conditions.at(-1).executionReason, "timeout");

await data(blaxel.deleteJob({ path: { jobId: name }, ...must }));
await assert.rejects(job.getExecution(id));
console.log("ok");
