// Access to the server, and what the first view requests. Pages know no path of the API.
import { signal } from "@preact/signals";

/** Failure is an error that the server reports, in any of its dialects. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly hint = "",
    readonly line = 0,
    readonly traceback = "",
  ) {
    super(message);
  }
}

export interface Session {
  tenant: string | null;
  user: string;
  scope: string | null; // in the tenant
  operator: boolean;
  functions: string[];
  version: string;
  expires: string;
}

export interface RunError {
  message: string;
  error_code: string;
  hint?: string;
  server_traceback?: string;
  line?: number;
  error_type?: string;
}

export interface Execution {
  uuid: string;
  name: string;
  kind: string;
  version: number;
  status: "Pending" | "Started" | "Success" | "Failed" | "Cancelled";
  output: unknown;
  output_size: number | null;
  output_omitted?: boolean;
  args?: Record<string, unknown>;
  args_size?: number;
  rerun_of?: string;
  error: RunError | null;
  created: string;
  started: string | null;
  finished: string | null;
  duration_ms: number | null;
  attempts: number;
  retries: number;
  cancel_requested: boolean;
  trace_id: string;
  user_id: string | null;
  egress?: { network?: string; host: string; port?: number; connections: number; bytes_sent: number; bytes_received: number; duration_ms: number }[];
}

export interface Fn {
  name: string;
  rid: string;
  version: number;
  created: string;
  updated: string;
  paused: boolean; // no background run begins
}

export interface FnDetail extends Fn {
  code: string;
  timeout: number;
  memory: number;
  retries: number;
  allow: string[];
  keep_args: boolean;
  context_keys: string[];
  bundle?: { sha256: string; bytes: number };
}

export interface FnChange {
  code?: string;
  context?: string;
  timeout?: number;
  memory?: number;
  retries?: number;
  allow?: string[];
  keep_args?: boolean;
}

export interface Trial {
  status: "Success" | "Failed" | "Cancelled";
  output: unknown;
  error: RunError | null;
  deploy_ms: number;
  duration_ms: number;
  truncated: boolean;
  entries: { stream: "stdout" | "stderr"; text: string }[];
}

export interface Version {
  version: number;
  current: boolean;
  created: string;
  user_id: string | null;
  timeout: number;
  memory: number;
  retries: number;
  code_bytes: number;
  bundle?: { sha256: string; bytes: number };
}

export interface VersionDiff {
  from: number;
  to: number;
  code: string;
  settings: { name: string; from: unknown; to: unknown }[];
  context: { name: string; change: string }[];
}

/** RunStats counts runs. failed includes those that timed out. */
export interface RunStats {
  count: number;
  success: number;
  failed: number;
  cancelled: number;
  p50_ms: number | null;
  p90_ms: number | null;
  p99_ms: number | null;
}

export interface Stats {
  from: string;
  complete_since: string;
  step_seconds: number | null;
  total: RunStats;
  steps: (RunStats & { at: string })[];
  functions: (RunStats & { function: string })[];
  other_functions: number;
  queue: { queued: number; oldest_ms: number; running: number };
  memory: { used: number; limit: number };
}

export interface Operation {
  uuid: string;
  kind: "rerun" | "cancel";
  state: "running" | "done" | "cancelled" | "failed";
  matched: number;
  done: number;
  failed: number;
  skipped: number;
  error: string | null;
  created: string;
  trace_id: string;
}

export interface Trigger {
  id: string;
  type: "http" | "http-async" | "cron";
  enabled: boolean;
  configuration: { path?: string; schedule?: string; timezone?: string; missed?: string; callbackUrl?: string; tasks?: unknown[] };
}

export interface Job {
  metadata: { name: string; displayName?: string; labels?: Record<string, string>; createdAt: string; updatedAt: string };
  spec: {
    enabled: boolean;
    function: string;
    runtime: { memory?: number; timeout?: number; maxRetries: number; maxConcurrentTasks?: number };
    triggers: Trigger[];
    revision: { active: string };
  };
  status: string;
}

export interface JobExecution {
  metadata: { id: string; uuid: string; job: string; createdAt: string; startedAt?: string; completedAt?: string; trigger?: string; revision?: string; traceId?: string };
  spec: { parallelism: number; taskCount: number };
  stats: { cancelled: number; failure: number; retried: number; running: number; success: number; total: number };
  status: string;
}

export interface Task {
  metadata: { name: string; createdAt: string; startedAt?: string; completedAt?: string };
  conditions: { type: string; executionReason?: string; message: string }[];
  status: string;
  execution: string;
}

export interface DeadLetter {
  id: string;
  job: string;
  execution: string;
  url: string;
  created: string;
  attempts: number;
  last_attempt: string;
  last_status: number | null;
  last_error: string;
  body_size: number;
  body?: unknown;
}

export interface Token {
  id: string;
  name: string;
  tenant: string | null;
  scope: string;
  functions: string[];
  created: string;
  created_by: string;
  expires: string | null;
  last_used: string | null;
  previous_expires: string | null;
  username: string | null;
  token?: string;
}

/** Limits are those of a tenant, by their names. */
export type Limits = Record<string, number | string[] | null>;

export interface Tenant {
  name: string;
  state: "active" | "deleting";
  created: string | null;
  limits: Limits;
  own_worker: boolean;
}

/** Usage is what a tenant has in progress and stored, and the limits that apply. */
export interface Usage {
  tenant: string;
  limits: Limits;
  [name: string]: number | string | Limits;
}

export interface AuditEntry {
  id: string;
  time: string;
  operation: string;
  outcome: string;
  name: string | null;
  thing: string | null;
  by: { user: string; token: string | null; tenant: string | null };
  remote: string | null;
}

export interface Memory {
  budget: number;
  used: number;
  resident: number;
  holders: { name: string; bytes: number }[];
}

export interface Disk {
  free: number;
  total: number;
  floor: number;
  accepting: boolean;
  problem: string | null;
}

export interface Worker {
  pid: number | null;
  tenant: string | null;
  function: string | null;
  since: string | null;
  restarts: number;
  runs: number;
  memory: number;
}

const storedKey = "faaspot.console.key";

/** session is who is logged in: undefined until that is known, null if nobody is. */
export const session = signal<Session | null | undefined>(undefined);

interface Options {
  body?: unknown;
  query?: Record<string, string | number | boolean | undefined>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** open sends a request, and returns its response, of a success. */
export async function open(method: string, path: string, o: Options = {}): Promise<Response> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(o.query ?? {})) {
    if (value !== undefined && value !== "" && value !== false) query.set(name, String(value));
  }
  const headers: Record<string, string> = { ...o.headers };
  if (!headers.Authorization) headers["X-Faaspot-Console"] = localStorage.getItem(storedKey) ?? "";
  if (o.body !== undefined) headers["Content-Type"] = "application/json";
  const target = query.size > 0 ? `${path}?${query}` : path;
  let response: Response;
  try {
    response = await fetch(target, {
      method,
      headers,
      body: o.body === undefined ? undefined : JSON.stringify(o.body),
      credentials: "same-origin",
      redirect: "error",
      cache: "no-store",
      signal: o.signal,
    });
  } catch (e) {
    if (o.signal?.aborted) throw e;
    throw new Failure("the server cannot be reached", 0, "unreachable", "check that it runs, and try again");
  }
  if (response.ok) return response;
  const failure = await failureOf(response);
  if (response.status === 401 && !headers.Authorization) session.value = null;
  throw failure;
}

async function failureOf(response: Response): Promise<Failure> {
  const text = await response.text();
  try {
    const e = JSON.parse(text);
    return new Failure(e.message ?? e.errorDescription ?? text, response.status, e.error_code ?? e.error ?? e.errorName ?? "", e.hint, e.line, e.server_traceback);
  } catch {
    return new Failure(`the server answers with status ${response.status}`, response.status, "");
  }
}

/** Exact is a number that a double cannot hold, as it was written. */
export class Exact {
  constructor(readonly text: string) {}
  toJSON = () => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(this.text);
}

/** parse reads JSON. Whole numbers beyond 2^53 keep their digits where the browser can tell them. */
export function parse(text: string): unknown {
  const revive = (_: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && context?.source ? new Exact(context.source) : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

export async function get<T>(path: string, query?: Options["query"], signal?: AbortSignal, headers?: Record<string, string>): Promise<T> {
  const response = await open("GET", path, { query, signal, headers });
  return parse(await response.text()) as T;
}

export async function send<T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
  const response = await open(method, path, { body, headers });
  return parse(await response.text()) as T;
}

/** at returns a path with its parts encoded. */
export const at = (strings: TemplateStringsArray, ...parts: string[]) => strings.reduce((path, text, i) => path + encodeURIComponent(parts[i - 1]) + text);

// Sessions.

/** begin finds out who is logged in. It redeems the ticket of an address such as /console/#ticket=... */
export async function begin(): Promise<void> {
  const ticket = /^#ticket=([\w-]+)$/.exec(location.hash)?.[1];
  if (ticket) {
    history.replaceState(null, "", location.pathname);
    dispatchEvent(new HashChangeEvent("hashchange"));
  }
  let left: unknown = null;
  try {
    session.value = await get<Session>("/console/session");
  } catch (e) {
    session.value = null;
    left = e;
  }
  // Somebody else may have made the address, to see what is entered in a session of theirs.
  if (ticket && (!session.value || confirm(`End the session of ${session.value.user}, and log in by the address that was opened?`))) {
    try {
      await login(`Ticket ${ticket}`);
      return;
    } catch (e) {
      session.value = null;
      throw e;
    }
  }
  if (left && !(left instanceof Failure && left.status === 401)) throw left;
}

/** login begins a session with a credential, such as "Token T". */
export async function login(credential: string): Promise<void> {
  const begun = await send<{ key: string }>("POST", "/console/session", undefined, { Authorization: credential });
  localStorage.setItem(storedKey, begun.key);
  session.value = await get<Session>("/console/session");
}

export async function logout(): Promise<void> {
  try {
    await send("DELETE", "/console/session");
  } finally {
    localStorage.removeItem(storedKey);
    sessionStorage.clear(); // drafts and args
    session.value = null;
  }
}

/** may reports whether the session has a scope of its tenant. */
export function may(scope: "read" | "invoke" | "deploy" | "admin"): boolean {
  const all = ["", "read", "invoke", "deploy", "admin"];
  return all.indexOf(session.value?.scope ?? "") >= all.indexOf(scope);
}

/** unlimited reports whether the session reads everything of its tenant, and not the executions of some functions. */
export const unlimited = (): boolean => may("read") && !session.value?.functions.length;

// Functions.

export const functions = (signal?: AbortSignal) => get<Fn[]>("/v1/functions/", undefined, signal);

// Executions.

export interface Filter {
  function?: string;
  status?: string;
  trace_id?: string;
  created_after?: string;
  created_before?: string;
  where?: string;
}

export interface Page<T> {
  items: T[];
  next: string; // cursor of the next page; empty: this is the last one
}

/** executions returns a page of executions, the newest first, completed or not. */
export async function executions(f: Filter, limit: number, cursor = "", signal?: AbortSignal): Promise<Page<Execution>> {
  const response = await open("GET", "/v1/executions/", { query: { ...f, include_completed: f.status ? undefined : "true", limit, cursor }, signal });
  const link = /<([^>]*)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1] ?? "";
  return { items: parse(await response.text()) as Execution[], next: new URLSearchParams(link.split("?")[1]).get("cursor") ?? "" };
}

/** stats counts the runs that ended since so many hours, by steps of so many seconds; 0: without steps. */
export const stats = (hours: number, step: number, fn: string, signal?: AbortSignal) =>
  get<Stats>("/v1/stats/", { since: `${hours}h`, step: step || undefined, function: fn }, signal);

// Jobs.

export const paged = { "Blaxel-Version": "2026-04-28" };

export interface Listing<T> {
  data: T[];
  meta: { hasMore: boolean; nextCursor: string; total: number };
}

/** jobs returns the newest jobs, at most 200. */
export const jobs = async (signal?: AbortSignal) => (await get<Listing<Job>>("/v0/jobs", { limit: 200 }, signal, paged)).data;
// Dead letters.

export const deadLetters = (limit: number, signal?: AbortSignal) => get<DeadLetter[]>("/v1/dlq/", { limit }, signal);

// Tokens, tenants and the server.

export const memory = (signal?: AbortSignal) => get<Memory>("/v1/server/memory", undefined, signal);
