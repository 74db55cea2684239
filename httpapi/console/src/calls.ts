// Requests that only pages send that are loaded later.
import { timeOf } from "./format";
import { at, get, paged, send, type AuditEntry, type DeadLetter, type Disk, type Execution, type FnChange, type Filter, type Fn, type FnDetail, type Job, type JobExecution, type Listing, type Operation, type Task, type Token, type Limits, type Tenant, type Trial, type Usage, type Version, type VersionDiff, type Worker } from "./api";

// Functions.

export const getFunction = (name: string, signal?: AbortSignal) => get<FnDetail>(at`/v1/functions/${name}`, { encoding: "plain" }, signal);
export const putFunction = (name: string, f: FnChange) => send<string>("PUT", at`/v1/functions/${name}`, { ...f, encoding: "plain" });
export const changeFunction = (name: string, f: FnChange) => send<string>("PATCH", at`/v1/functions/${name}`, { ...f, encoding: "plain" });
export const deleteFunction = (name: string) => send<string>("DELETE", at`/v1/functions/${name}`);

/** submit starts a run in the background and returns its id. */
export const submit = (name: string, args: unknown) => send<string>("POST", at`/v1/functions/${name}/rpc/`, args);

/** tryCode runs code once, and stores nothing. */
export const tryCode = (name: string, code: string, args: unknown, limits: Pick<FnChange, "timeout" | "memory" | "allow">) =>
  send<Trial>("POST", "/v1/try", { name, code, args, ...limits, encoding: "plain" });

export const versions = (name: string, signal?: AbortSignal) => get<Version[]>(at`/v1/functions/${name}/versions`, undefined, signal);

/** diff compares a version with the current one, and the current one with the one before it. */
export const diff = (name: string, from: number | undefined, signal?: AbortSignal) => get<VersionDiff>(at`/v1/functions/${name}/diff`, { from }, signal);

/** patchContext sets values of the context of a function, and removes those that are null. */
export const patchContext = (name: string, values: Record<string, unknown>) => send<string>("PATCH", at`/v1/functions/${name}/context`, values);
export const rollback = (name: string, version: number) => send<string>("POST", at`/v1/functions/${name}/rollback`, { version });

/** setPaused lets no background run of a function begin, or lets them begin again. */
export const setPaused = (name: string, paused: boolean) => send<Fn>("POST", at`/v1/functions/${name}/` + (paused ? "pause" : "resume"));

// Executions.

export const execution = (id: string, signal?: AbortSignal) => get<Execution>(at`/v1/executions/${id}`, undefined, signal);
export const cancel = (id: string) => send<Execution & { changed: boolean; message: string }>("DELETE", at`/v1/executions/${id}`);

/** rerun runs the function of an execution again, with its args or others, and returns the new execution. */
export const rerun = (id: string, args?: unknown) => send<Execution>("POST", at`/v1/executions/${id}/rerun`, { args });

/** operate repeats or cancels all executions that a filter selects. */
export const operate = (kind: Operation["kind"], filter: Filter) => send<Operation>("POST", "/v1/operations", { kind, ...filter });
export const operations = (signal?: AbortSignal) => get<Operation[]>("/v1/operations", undefined, signal);
export const endOperation = (id: string) => send<Operation>("DELETE", at`/v1/operations/${id}`);

// Jobs.

export const getJob = (name: string, signal?: AbortSignal) => get<Job>(at`/v0/jobs/${name}`, undefined, signal);
export const jobExecutions = async (name: string, limit: number, signal?: AbortSignal) =>
  (await get<Listing<JobExecution>>(at`/v0/jobs/${name}/executions`, { limit }, signal, paged)).data;
export const jobExecution = (name: string, id: string, signal?: AbortSignal) => get<JobExecution>(at`/v0/jobs/${name}/executions/${id}`, undefined, signal);

/** jobExecutionsSince returns executions of a job since a time, the newest first. It reports whether these are all: it reads 300 at most. */
export async function jobExecutionsSince(name: string, from: number, signal?: AbortSignal): Promise<{ all: JobExecution[]; whole: boolean }> {
  const all: JobExecution[] = [];
  for (let cursor = "", page = 0; page < 3; page++) {
    const { data, meta } = await get<Listing<JobExecution>>(at`/v0/jobs/${name}/executions`, { limit: 100, cursor }, signal, paged);
    all.push(...data);
    if (!meta.hasMore || timeOf(data.at(-1)!.metadata.createdAt).getTime() < from) return { all, whole: true };
    cursor = meta.nextCursor;
  }
  return { all, whole: false };
}

/** changeJob reads a job and replaces it by what change makes of it. It fails if somebody else changes it meanwhile. */
export async function changeJob(name: string, change: (j: Job) => unknown): Promise<Job> {
  const j = await getJob(name);
  change(j);
  return send<Job>("PUT", at`/v0/jobs/${name}`, j);
}

export const startJob = (name: string, tasks: unknown) => send<{ executionId: string }>("POST", at`/v0/jobs/${name}/executions`, { tasks });
export const cancelJobExecution = (name: string, id: string) => send<JobExecution>("DELETE", at`/v0/jobs/${name}/executions/${id}`);

/** taskMap returns a letter for the state of each task, see docs/jobs.md. */
export const taskMap = async (name: string, id: string, signal?: AbortSignal) => (await get<{ tasks: string }>(at`/v0/jobs/${name}/executions/${id}/taskmap`, undefined, signal)).tasks;

/** rerunTasks runs the failed tasks again, as a new execution. */
export const rerunTasks = (name: string, id: string) => send<{ executionId: string }>("POST", at`/v0/jobs/${name}/executions/${id}/rerun`);

const taskPage = (name: string, id: string, query: Record<string, string | number>, signal?: AbortSignal) =>
  get<Listing<Task>>(at`/v0/jobs/${name}/executions/${id}/tasks`, query, signal, paged);

/** task returns the task with an index: it is the first one with its name, which is a part of those of later ones. */
export const task = async (name: string, id: string, index: number): Promise<Task | undefined> => (await taskPage(name, id, { q: `task-${index}`, limit: 1 })).data[0];

/** failedTasks returns the first tasks that failed, of so many pages of 200 tasks at most. */
export async function failedTasks(name: string, id: string, most: number, pages: number, signal: AbortSignal): Promise<Task[]> {
  const found: Task[] = [];
  let cursor = "";
  for (let i = 0; i < pages && found.length < most; i++) {
    const listing = await taskPage(name, id, { limit: 200, cursor }, signal);
    found.push(...listing.data.filter((t) => t.status === "failed"));
    if (!listing.meta.hasMore) break;
    cursor = listing.meta.nextCursor;
  }
  return found;
}

/** nextTicks returns the next times at which a schedule would start a job, from now on or from another time on. */
export const nextTicks = async (schedule: string, timezone: string, n: number, signal?: AbortSignal, from?: string) =>
  (await get<{ next: string[] }>("/v1/schedules/next", { schedule, timezone, n, from }, signal)).next;

// Dead letters.

export const deadLetter = (id: string, signal?: AbortSignal) => get<DeadLetter>(at`/v1/dlq/${id}`, undefined, signal);
export const redrive = (id: string) => send<{ count: number }>("POST", at`/v1/dlq/${id}/redrive`);
/** redriveAll sends all dead letters again, or those with ids. */
export const redriveAll = (ids?: string[]) => send<{ count: number }>("POST", "/v1/dlq/redrive", ids && { ids });
export const purgeAll = () => send<{ count: number }>("DELETE", "/v1/dlq/");
export const purge = (id: string) => send<{ count: number }>("DELETE", at`/v1/dlq/${id}`);

// Tokens and tenants.

const mostTokens = 1000; // of a tenant

export const tokens = (tenant?: string, signal?: AbortSignal) => get<Token[]>("/v1/tokens/", { tenant, limit: mostTokens }, signal);
export const createToken = (t: { name: string; scope: string; tenant?: string; functions?: string[]; expires_in?: number }) => send<Token>("POST", "/v1/tokens/", t);

/** rotateToken gives a token another secret. The old one is valid for so many seconds more. */
export const rotateToken = (id: string, overlap: number) => send<Token>("POST", at`/v1/tokens/${id}/rotate`, overlap ? { overlap } : {});
export const deleteToken = (id: string) => send<Token>("DELETE", at`/v1/tokens/${id}`);

/** audit returns the latest changes that match. */
export const audit = (limit: number, filter: { tenant?: string; token?: string; operation?: string }, signal?: AbortSignal) => get<AuditEntry[]>("/v1/audit/", { limit, ...filter }, signal);

/** tenants returns tenants in the order of their names, after one of them. */
export const tenants = (limit: number, after: string, signal?: AbortSignal) => get<Tenant[]>("/v1/tenants/", { limit, after }, signal);
export const getTenant = (name: string, signal?: AbortSignal) => get<Tenant>(at`/v1/tenants/${name}`, undefined, signal);
export const createTenant = (name: string) => send<Tenant>("POST", "/v1/tenants/", { name });
export const changeTenant = (name: string, change: { limits?: Limits; own_worker?: boolean }) => send<Tenant>("PATCH", at`/v1/tenants/${name}`, change);
export const deleteTenant = (name: string, force: boolean) => send<Tenant>("DELETE", `${at`/v1/tenants/${name}`}${force ? "?force=true" : ""}`);

/** usage returns the usage of a tenant, or that of the session. */
export const usage = (tenant?: string, signal?: AbortSignal) => get<Usage>(tenant ? at`/v1/tenants/${tenant}/usage` : "/v1/usage", undefined, signal);

// The server.

export const disk = (signal?: AbortSignal) => get<Disk>("/v1/server/disk", undefined, signal);
export const workers = (signal?: AbortSignal) => get<Worker[]>("/v1/server/workers", undefined, signal);
