/** Addresses of pages, and which one is shown. The part after # is a range of log lines. */
import { encodePath } from './api'

export type Route =
  | { page: 'pipelines'; query: URLSearchParams }
  | { page: 'pipeline'; id: string; path: string | null; query: URLSearchParams }
  | { page: 'deliveries' }
  | { page: 'delivery'; guid: string }
  | { page: 'nowhere' }

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export function parse(url: URL): Route {
  const parts = url.pathname.split('/').filter(Boolean).slice(1).map(decode)
  const [first, second, third, ...rest] = parts
  if (first === undefined) return { page: 'pipelines', query: url.searchParams }
  if (first === 'deliveries' && parts.length === 1) return { page: 'deliveries' }
  if (first === 'deliveries' && second && parts.length === 2) return { page: 'delivery', guid: second }
  if (first === 'p' && second && third === undefined) return { page: 'pipeline', id: second, path: null, query: url.searchParams }
  if (first === 'p' && second && third === 'n') {
    return { page: 'pipeline', id: second, path: `/${rest.join('/')}`, query: url.searchParams }
  }
  return { page: 'nowhere' }
}

/** The node and the attempt of a path: what ends in `/a/3` is an attempt, unless a node is called that. */
export function attemptOf(path: string, isNode: (path: string) => boolean): { path: string; attempt: number | null } {
  const found = /^(.*)\/a\/(\d{1,9})$/.exec(path)
  if (!found || isNode(path)) return { path, attempt: null }
  return { path: found[1] || '/', attempt: Number(found[2]) }
}

export const pipelineAddress = (id: string): string => `/app/p/${encodeURIComponent(id)}`

export function nodeAddress(id: string, path: string, attempt: number | null = null): string {
  const inner = encodePath(path)
  const end = attempt === null ? '' : `${inner ? '/' : ''}a/${attempt}`
  return `${pipelineAddress(id)}/n/${inner}${end}`
}

/** Lines of a log, both included. */
export interface Range {
  first: number
  last: number
}

export function parseRange(hash: string): Range | null {
  const found = /^#L(\d{1,15})(?:-L?(\d{1,15}))?$/.exec(hash)
  if (!found) return null
  const one = Number(found[1])
  const other = Number(found[2] ?? found[1])
  if (one < 1 || other < 1) return null
  return { first: Math.min(one, other), last: Math.max(one, other) }
}

export const showRange = (range: Range | null): string =>
  range === null ? '' : range.first === range.last ? `#L${range.first}` : `#L${range.first}-L${range.last}`
