/** What the server is asked, and the shapes of its answers. Every error is one class with words that people can read. */

export interface Counts {
  pending: number
  queued: number
  running: number
  done: number
  error: number
  killed: number
}

export interface Summary {
  id: string
  title: string
  state: string
  ending: string | null
  cause: string | null
  counts: Counts
  repository: string
  trigger: string
  section: string
  sha: string
  sender: string
  trust: string
  created_at: string
  finished_at: string | null
}

export interface Head extends Summary {
  executor: string
  isolated: boolean
  hold?: string
  asleep: boolean
  waits_for?: string
}

export interface TreeView {
  seq: number
  now: number
  pipeline: Head
  index: number[]
  parent: number[]
  kind: string
  name: string[]
  state: string
  flags: number[]
  attempts: number[]
  began: number[]
  ended: number[]
  counts: number[]
}

export type RowView = [number, string, number, number, number, number, number[] | null]

export interface ChangeView {
  prev: number
  seq: number
  now: number
  pipeline: Head
  rows: RowView[]
}

export interface Attempt {
  number: number
  worker: string
  asked_by: string
  state: string
  outcome: string | null
  exit_code: number | null
  kill_reason: string | null
  cpu: number
  mem: number
  leased_at: string
  started_at: string | null
  finished_at: string | null
  log_bytes: number | null
}

export interface NodeView {
  index: number
  path: string
  name: string
  type: string
  state: string
  skipped_by?: string
  waits_for: string | null
  cause: string | null
  command: string | null
  image: string | null
  resources?: { cpu: number; mem: number; gpu?: number; docker?: boolean }
  container_group?: string
  isolation?: string
  remark: string | null
  suppress_errors?: boolean
  max_concurrent?: number
  callbacks?: string[]
  doc: string | null
  counts: Counts
  env?: { name: string; value: string; from: string }[]
  attempts: Attempt[]
}

export interface LogLine {
  s: 'o' | 'e' | 'n'
  t: number
  x: string
  cut?: number
}

export interface LogLines {
  attempt: number
  total: number
  length: number
  is_over: boolean
  from: number
  style: string
  lines: LogLine[]
}

export interface LogFound {
  attempt: number
  total: number
  lines: number[]
  searched: number
}

export interface Delivery {
  seq: number
  guid: string
  event: string
  repository: string | null
  state: string
  verdict: string | null
  diagnostics: string
  pipelines: string[]
  deliveries: number
  received_at: string
}

export interface Me {
  name: string | null
  may_operate: boolean
  version: string
}

export interface Receipt {
  seq: number
  repeated: boolean
  reruns: number
  stops: number
}

/** Why something was not answered as hoped; `status` is 0 where the server could not be reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    words: string,
    readonly requestId: string | null = null,
  ) {
    super(words)
  }
}

const BASE = '/api/v1'

async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  let answer: Response
  try {
    answer = await fetch(BASE + path, { ...init, headers: { accept: 'application/json', 'x-conducto-app': '1', ...init.headers } })
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new Problem(0, 'The server cannot be reached.')
  }
  if (answer.ok) return (await answer.json()) as T
  const problem = (await answer.json().catch(() => ({}))) as { detail?: string; title?: string }
  const words = problem.detail ?? problem.title ?? `The server answered ${answer.status}.`
  throw new Problem(answer.status, words, answer.headers.get('x-request-id'))
}

/** Each part on its own: a name may hold everything but a slash. */
export const encodePath = (path: string): string => path.split('/').filter(Boolean).map(encodeURIComponent).join('/')

const nodeAddress = (id: string, path: string, verb: string): string => {
  const inner = encodePath(path)
  return `/pipelines/${encodeURIComponent(id)}/nodes/${inner ? `${inner}/` : ''}${verb}`
}

const query = (values: Record<string, string | number | boolean | null | undefined>): string => {
  const found = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== '') found.set(name, String(value))
  }
  const text = found.toString()
  return text ? `?${text}` : ''
}

const key = (): HeadersInit => {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return { 'idempotency-key': Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('') }
}

export type PipelineVerb = 'start' | 'cancel' | 'sleep' | 'wake'
export type NodeVerb = 'reset' | 'rerun-failed' | 'skip' | 'unskip' | 'kill'

export interface Edit {
  command?: string
  env?: Record<string, string | null>
  cpu?: number
  mem?: number
  image?: string
  rerun: boolean
}

export const api = {
  me: () => ask<Me>('/me'),
  pipelines: (filter: { text?: string; repository?: string; state?: string; before?: string; limit?: number }, signal?: AbortSignal) =>
    ask<Summary[]>(`/pipelines${query(filter)}`, { signal: signal ?? null }),
  node: (id: string, path: string, signal?: AbortSignal) =>
    ask<NodeView>(nodeAddress(id, path, 'view'), { signal: signal ?? null }),
  lines: (
    id: string,
    path: string,
    window: { attempt: number; from?: number; count: number; beyond?: number },
    signal?: AbortSignal,
  ) => ask<LogLines>(nodeAddress(id, path, 'lines') + query(window), { signal: signal ?? null }),
  search: (
    id: string,
    path: string,
    words: { attempt: number; text?: string; regex?: boolean; case?: boolean },
    signal?: AbortSignal,
  ) => ask<LogFound>(nodeAddress(id, path, 'search') + query(words), { signal: signal ?? null }),
  logAddress: (id: string, path: string, attempt: number) => BASE + nodeAddress(id, path, 'log') + query({ attempt }),
  onPipeline: (id: string, verb: PipelineVerb) =>
    ask<Receipt>(`/pipelines/${encodeURIComponent(id)}/${verb}`, { method: 'POST', headers: key() }),
  onNode: (id: string, path: string, verb: NodeVerb) =>
    ask<Receipt>(nodeAddress(id, path, verb), { method: 'POST', headers: key() }),
  edit: (id: string, path: string, edit: Edit) =>
    ask<Receipt>(nodeAddress(id, path, 'edit'), {
      method: 'POST',
      headers: { ...key(), 'content-type': 'application/json' },
      body: JSON.stringify(edit),
    }),
  deliveries: (before?: number) => ask<Delivery[]>(`/deliveries${query({ before, limit: 50 })}`),
  delivery: (guid: string) => ask<Delivery>(`/deliveries/${encodeURIComponent(guid)}`),
  replay: (guid: string) => ask<Delivery>(`/deliveries/${encodeURIComponent(guid)}/replay`, { method: 'POST', headers: key() }),
  liveTree: (id: string, after: number | null) => `${BASE}/pipelines/${encodeURIComponent(id)}/live${query({ after })}`,
  liveList: () => `${BASE}/live`,
}
