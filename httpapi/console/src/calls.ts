// Requests that only pages send that are loaded later.
import { at, get, paged, send, type AuditEntry, type DeadLetter, type Disk, type Execution, type FnChange, type Filter, type FnDetail, type Job, type JobExecution, type Listing, type Operation, type Task, type Token, type Trial, type Version, type VersionDiff, type Worker } from "./api";

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
export const rollback = (name: string, version: number) => send<string>("POST", at`/v1/functions/${name}/rollback`, { version });

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

/** nextTicks returns the next times at which a schedule would start a job. */
export const nextTicks = async (schedule: string, timezone: string, n: number, signal?: AbortSignal) =>
  (await get<{ next: string[] }>("/v1/schedules/next", { schedule, timezone, n }, signal)).next;

// Dead letters.

export const deadLetter = (id: string, signal?: AbortSignal) => get<DeadLetter>(at`/v1/dlq/${id}`, undefined, signal);
export const redrive = (id: string) => send<{ count: number }>("POST", at`/v1/dlq/${id}/redrive`);
export const redriveAll = () => send<{ count: number }>("POST", "/v1/dlq/redrive");
export const purge = (id: string) => send<{ count: number }>("DELETE", at`/v1/dlq/${id}`);

// Tokens and the server.

export const tokens = (signal?: AbortSignal) => get<Token[]>("/v1/tokens/", { limit: 200 }, signal);
export const createToken = (t: { name: string; scope: string; expires_in?: number }) => send<Token>("POST", "/v1/tokens/", t);
export const deleteToken = (id: string) => send<Token>("DELETE", at`/v1/tokens/${id}`);
export const audit = (signal?: AbortSignal) => get<AuditEntry[]>("/v1/audit/", { limit: 50 }, signal);
export const disk = (signal?: AbortSignal) => get<Disk>("/v1/server/disk", undefined, signal);
export const workers = (signal?: AbortSignal) => get<Worker[]>("/v1/server/workers", undefined, signal);
