/**
 * A pipeline's tree as the page holds it: columns, in the order in which it is drawn, so that a subtree is an interval. Takes
 * snapshots and changes from the server and answers what is where; derives no state.
 */
import type { ChangeView, Head, TreeView } from './api'
import { ERROR, isFailure, LETTERS, ofLetter, RUNNING, type State } from './states'

export const SKIPPED = 1
export const SUPPRESSES = 2

/** How rows are chosen. */
export interface Filter {
  text: string
  /** Only leaves in this state; -1 for all. */
  state: State
}

export const NO_FILTER: Filter = { text: '', state: -1 }

/** More rows are not opened by themselves. */
const MOST_OPENED = 200

export class Tree {
  seq: number
  /** Server's time minus ours, in milliseconds. */
  offset: number
  head: Head
  readonly size: number
  readonly index: number[]
  readonly parent: number[]
  readonly name: string[]
  readonly kind: string
  readonly depth: Uint8Array
  /** How many nodes a subtree has, its root included. */
  readonly span: Uint32Array
  readonly state: Uint8Array
  readonly flags: Uint8Array
  readonly attempts: Uint32Array
  readonly began: Float64Array
  readonly ended: Float64Array
  /** Six for each node. */
  readonly counts: Uint32Array
  private readonly place = new Map<number, number>()

  constructor(view: TreeView, clock: number) {
    const size = view.index.length
    this.size = size
    this.seq = view.seq
    this.offset = view.now - clock
    this.head = view.pipeline
    this.index = view.index
    this.parent = view.parent
    this.name = view.name
    this.kind = view.kind
    this.depth = new Uint8Array(size)
    this.span = new Uint32Array(size).fill(1)
    this.state = new Uint8Array(size)
    this.flags = Uint8Array.from(view.flags)
    this.attempts = Uint32Array.from(view.attempts)
    this.began = Float64Array.from(view.began)
    this.ended = Float64Array.from(view.ended)
    this.counts = new Uint32Array(size * 6)
    let groups = 0
    for (let at = 0; at < size; at++) {
      this.place.set(view.index[at]!, at)
      this.state[at] = ofLetter(view.state[at]!)
      const parent = view.parent[at]!
      if (parent >= 0) this.depth[at] = this.depth[parent]! + 1
      if (this.isLeaf(at)) this.counts[at * 6 + this.state[at]!] = 1
      else for (let nth = 0; nth < 6; nth++) this.counts[at * 6 + nth] = view.counts[groups++] ?? 0
    }
    for (let at = size - 1; at > 0; at--) this.span[view.parent[at]!]! += this.span[at]!
  }

  /** Takes what has changed. False where something is missing in between: then all has to be fetched anew. */
  apply(change: ChangeView, clock: number): boolean {
    if (change.prev !== this.seq) return false
    for (const [index, letter, flags, attempts, began, ended, counts] of change.rows) {
      const at = this.place.get(index)
      if (at === undefined) return false
      this.state[at] = ofLetter(letter)
      this.flags[at] = flags
      this.attempts[at] = attempts
      this.began[at] = began
      this.ended[at] = ended
      if (counts) this.counts.set(counts, at * 6)
      else {
        this.counts.fill(0, at * 6, at * 6 + 6)
        this.counts[at * 6 + this.state[at]!] = 1
      }
    }
    this.seq = change.seq
    this.offset = change.now - clock
    this.head = change.pipeline
    return true
  }

  isLeaf(at: number): boolean {
    return this.kind[at] === 'X'
  }

  count(at: number, state: State): number {
    return this.counts[at * 6 + state]!
  }

  failures(at: number): number {
    return this.count(at, 4) + this.count(at, 5)
  }

  leaves(at: number): number {
    let sum = 0
    for (let nth = 0; nth < 6; nth++) sum += this.counts[at * 6 + nth]!
    return sum
  }

  /** Where a node of this number stands; -1 where there is none. */
  placeOf(index: number): number {
    return this.place.get(index) ?? -1
  }

  path(at: number): string {
    const names: string[] = []
    for (let up = at; up > 0; up = this.parent[up]!) names.push(this.name[up]!)
    return `/${names.reverse().join('/')}`
  }

  /** Where the node of a path stands; -1 where there is none. */
  find(path: string): number {
    let at = 0
    for (const part of path.split('/').filter(Boolean)) {
      const found = this.children(at).find((child) => this.name[child] === part)
      if (found === undefined) return -1
      at = found
    }
    return at
  }

  children(at: number): number[] {
    const found: number[] = []
    const end = at + this.span[at]!
    for (let child = at + 1; child < end; child += this.span[child]!) found.push(child)
    return found
  }

  /** The rows that are drawn: what is open, or what a filter leaves, with all that is above it. */
  rows(open: ReadonlySet<number>, filter: Filter): Int32Array {
    if (filter.text || filter.state >= 0) return this.filtered(filter)
    const rows = new Int32Array(this.size)
    let count = 0
    for (let at = 0; at < this.size; ) {
      rows[count++] = at
      at += this.isLeaf(at) || open.has(this.index[at]!) ? 1 : this.span[at]!
    }
    return rows.subarray(0, count)
  }

  private filtered(filter: Filter): Int32Array {
    const shown = new Uint8Array(this.size)
    const wanted = filter.text.toLowerCase()
    // A filter with a slash is one for paths; else names are enough.
    const text = (at: number): string => (wanted.includes('/') ? this.path(at) : this.name[at]!).toLowerCase()
    for (let at = this.size - 1; at >= 0; at--) {
      const fits = (filter.state < 0 || (this.isLeaf(at) && this.state[at] === filter.state)) && (!wanted || text(at).includes(wanted))
      if (fits) shown[at] = 1
      if (shown[at] && at > 0) shown[this.parent[at]!] = 1
    }
    const rows: number[] = []
    for (let at = 0; at < this.size; at++) if (shown[at]) rows.push(at)
    return Int32Array.from(rows)
  }

  /** The next leaf in a state, after (or before) a place, around the end; -1 where there is none. With ERROR, killed ones too. */
  next(from: number, step: 1 | -1, state: State): number {
    for (let nth = 1; nth <= this.size; nth++) {
      const at = (((from + step * nth) % this.size) + this.size) % this.size
      if (!this.isLeaf(at)) continue
      if (this.state[at] === state || (state === ERROR && isFailure(this.state[at]!))) return at
    }
    return -1
  }

  /** Opens everything above a place. True if that was not so before. */
  reveal(at: number, open: Set<number>): boolean {
    let changed = false
    for (let up = this.parent[at]!; up >= 0; up = this.parent[up]!) {
      if (open.has(this.index[up]!)) continue
      open.add(this.index[up]!)
      changed = true
    }
    return changed
  }

  /** What is open at first: the root, what leads to failures, and to what runs while that is little. */
  firstOpen(): Set<number> {
    const open = new Set([this.index[0]!])
    const openFor = (fits: (at: number) => boolean): void => {
      let rows = 0
      for (let at = 0; at < this.size && rows < MOST_OPENED; at++) {
        if (this.isLeaf(at) || !fits(at) || (at > 0 && !open.has(this.index[this.parent[at]!]!))) continue
        if (!open.has(this.index[at]!)) rows += this.children(at).length
        open.add(this.index[at]!)
      }
    }
    openFor((at) => this.failures(at) > 0)
    openFor((at) => this.count(at, RUNNING) > 0)
    if (this.size <= 60) openFor(() => true)
    return open
  }

  /** Milliseconds that a node's last attempt took or has taken so far; -1 where there is none. */
  took(at: number, clock: number): number {
    const began = this.began[at]!
    if (began < 0) return -1
    const ended = this.ended[at]!
    return Math.max(0, (ended < 0 ? clock + this.offset : ended) - began)
  }

  letter(at: number): string {
    return LETTERS[this.state[at]!]!
  }
}
