// Calls the job functions of the vendor's client one after the other. Prints ok at the
// end, or fails at the first difference.
import assert from "node:assert/strict";
import http from "node:http";

const blaxel = await import(process.argv[2]);

const must = { throwOnError: true };
const data = async (call) => (await call).data;
const status = async (call) => {
  const { error, response } = await call;
  assert.equal(typeof error.error, "string");
  assert.equal(error.code, response.status);
  assert.equal(typeof error.message, "string");
  return response.status;
};

const spec = {
  enabled: true,
  function: "work",
  runtime: { memory: 128, timeout: 60, maxRetries: 1, envs: [{ name: "KEY", value: "s3cret", secret: true }, { name: "OPEN", value: "o" }] },
};
const created = await data(blaxel.createJob({ body: { metadata: { name: "daily", displayName: "Daily", labels: { team: "a" } }, spec }, ...must }));
assert.equal(created.metadata.name, "daily");
assert.equal(created.metadata.workspace, process.env.BL_WORKSPACE);
assert.equal(created.status, "DEPLOYED");
assert.deepEqual(created.spec.runtime.envs.map((env) => env.value), ["***", "o"]);
assert.ok(!Number.isNaN(Date.parse(created.metadata.createdAt)));
assert.equal(await status(blaxel.createJob({ body: { metadata: { name: "daily" }, spec } })), 409);
assert.equal(await status(blaxel.getJob({ path: { jobId: "none" } })), 404);
assert.equal(await status(blaxel.updateJob({ path: { jobId: "none" }, body: { metadata: { name: "none" }, spec } })), 404);

// What was read can be written back, secrets and all.
const read = await data(blaxel.getJob({ path: { jobId: "daily" }, ...must }));
read.spec.runtime.timeout = 30;
const updated = await data(blaxel.updateJob({ path: { jobId: "daily" }, body: read, ...must }));
assert.equal(updated.spec.revision.active, "2");
const revisions = await data(blaxel.listJobRevisions({ path: { jobId: "daily" }, ...must }));
assert.deepEqual(revisions.map((r) => [r.id, r.active, r.previousActive]), [["2", true, false], ["1", false, true]]);
const back = await data(blaxel.updateJob({ path: { jobId: "daily" }, body: { metadata: { name: "daily" }, spec: { revision: { active: "1" } } }, ...must }));
assert.equal(back.spec.runtime.timeout, 60);
assert.equal(back.spec.revision.active, "3");

// Executions.
const job = blaxel.blJob("daily");
const id = await job.run([{ n: 1 }, { n: 2 }, { env: "KEY" }], { env: { EXTRA: "x" }, memory: 64 });
const done = await job.waitForExecution(id, { interval: 20 });
assert.equal(done.status, "succeeded");
assert.deepEqual(done.stats, { cancelled: 0, failure: 0, retried: 0, running: 0, success: 3, total: 3 });
assert.equal(done.metadata.id, id);
assert.equal(done.spec.envOverride, '{"EXTRA":"***"}');
assert.equal(done.spec.memoryOverride, 64);
assert.deepEqual(done.tasks.map((task) => task.metadata.name), ["task-0", "task-1", "task-2"]);
assert.deepEqual(done.tasks.map((task) => task.status), ["succeeded", "succeeded", "succeeded"]);
assert.equal(done.tasks[0].spec.timeout, "1m");
assert.ok(!JSON.stringify(done).includes("s3cret"));
assert.equal(await job.getExecutionStatus(id), "succeeded");

const failing = await job.run([{ fail: true }, {}], { executionId: "chosen" });
assert.equal(failing, "chosen");
const failed = await job.waitForExecution("chosen", { interval: 20 });
assert.equal(failed.status, "failed");
assert.deepEqual(failed.stats, { cancelled: 0, failure: 1, retried: 1, running: 0, success: 1, total: 2 });
const story = failed.tasks[0].conditions;
assert.deepEqual(story.map((c) => c.type), ["Scheduled", "Started", "Retried", "Completed"]);
assert.equal(story.at(-1).executionReason, "function_error");
assert.match(story.at(-1).message, /ValueError/);
await assert.rejects(job.run([]), (e) => e.code === 400);
await assert.rejects(job.run([{}], { memory: 256 }), (e) => e.code === 400);
await assert.rejects(job.getExecution("none"), (e) => e.code === 404);

// A request that may not queue is refused while another has all the memory there
// is; then what runs is cancelled.
const large = await data(blaxel.createJob({ body: { metadata: { name: "large" }, spec: { function: "work", runtime: { memory: 1024, timeout: 300 } } }, ...must }));
const busy = blaxel.blJob(large.metadata.name);
const running = await busy.run([{ busy: 3 }, { busy: 300 }, { busy: 300 }], { allowQueue: false });
while ((await busy.getExecution(running)).stats.running === 0);
await assert.rejects(busy.run([{}], { allowQueue: false }), (e) => e.code === 429);
await busy.cancelExecution(running);
assert.equal(await busy.getExecutionStatus(running), "cancelling");
const stopped = await busy.waitForExecution(running, { interval: 20 });
assert.equal(stopped.status, "cancelled");
assert.deepEqual(stopped.stats, { cancelled: 2, failure: 0, retried: 0, running: 0, success: 1, total: 3 });
assert.equal((await busy.listExecutions()).data.length, 1);

// Pages.
for (let i = 0; i < 5; i++) await job.run([{ n: i }], { executionId: `page-${i}` });
const page = await job.listExecutions({ limit: 3, sort: "name:asc" });
assert.equal(page.data.length, 3);
assert.ok(page.hasMore && page.nextCursor);
assert.equal(page.meta.total, 7);
const all = await page.autoPagingToArray({ limit: 100 });
assert.equal(new Set(all.map((x) => x.metadata.id)).size, 7);
const some = await job.listExecutions({ limit: 2, q: "PAGE" });
assert.equal((await some.autoPagingToArray({ limit: 100 })).length, 5);
assert.equal(await status(blaxel.listJobExecutions({ path: { jobId: "daily" }, query: { cursor: page.nextCursor, limit: 3 } })), 400);
const legacy = await data(blaxel.listJobExecutions({ path: { jobId: "daily" }, query: { limit: 4, offset: 4 }, ...must }));
assert.equal(legacy.data.length, 4); // this client requests pages; the server ignores offset
const jobs = await data(blaxel.listJobs({ query: { sort: "name:desc", limit: 1 }, ...must }));
assert.deepEqual([jobs.data[0].metadata.name, jobs.meta.hasMore, jobs.meta.total], ["large", true, 2]);
const tasks = await data(blaxel.listJobExecutionTasks({ path: { jobId: "daily", executionId: id }, query: { limit: 2 }, ...must }));
assert.deepEqual(tasks.data.map((task) => task.metadata.name), ["task-0", "task-1"]);
const rest = await data(blaxel.listJobExecutionTasks({ path: { jobId: "daily", executionId: id }, query: { limit: 2, cursor: tasks.meta.nextCursor }, ...must }));
assert.deepEqual(rest.data.map((task) => task.metadata.name), ["task-2"]);
assert.deepEqual(rest.meta, { hasMore: false, nextCursor: "", total: 3 });

// The callback about the end of an execution has a signature that the vendor's client accepts.
const receiver = http.createServer();
const called = new Promise((resolve) => {
  receiver.on("request", (request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      response.end();
      resolve({ headers: request.headers, body: Buffer.concat(parts).toString() });
    });
  });
});
await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
const secret = "whsec";
const callbackUrl = `http://127.0.0.1:${receiver.address().port}/ended`;
const hooked = { metadata: { name: "hooked" }, spec: { function: "work", triggers: [{ type: "http-async", configuration: { path: "/go", callbackUrl, callbackSecret: secret } }] } };
const hookedJob = await data(blaxel.createJob({ body: hooked, ...must }));
assert.equal(hookedJob.spec.triggers[0].configuration.callbackSecret, "***");
const accepted = await fetch(`${process.env.BL_API_URL}/jobs/hooked/triggers/go`, {
  method: "POST", headers: { Authorization: `Bearer ${process.env.BL_API_KEY}` }, body: JSON.stringify({ tasks: [{ n: 1 }, { fail: true }] }),
});
assert.equal(accepted.status, 200);
const { executionId } = await accepted.json();
const call = await called;
receiver.close();
assert.ok(blaxel.verifyWebhookFromRequest(call, secret));
assert.ok(!blaxel.verifyWebhookFromRequest(call, "another"));
assert.ok(!blaxel.verifyWebhookFromRequest({ ...call, body: `${call.body} ` }, secret));
const ended = JSON.parse(call.body);
assert.deepEqual([ended.metadata.id, ended.status, ended.stats.success, ended.stats.failure], [executionId, "failed", 1, 1]);
assert.deepEqual(ended.results.map((r) => r.status), ["succeeded", "failed"]);
assert.ok(!call.body.includes(secret));

const deleted = await data(blaxel.deleteJob({ path: { jobId: "large" }, ...must }));
assert.equal(deleted.metadata.name, "large");
assert.equal(await status(blaxel.getJob({ path: { jobId: "large" } })), 404);

console.log("ok");
