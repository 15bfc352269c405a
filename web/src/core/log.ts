/** An attempt's log as a page holds it: a window of lines by number, fetched in blocks, and how it grows. Draws nothing. */
import { carryOn, parse, type Piece } from './ansi'
import { api, Problem, type LogLine, type LogLines } from './api'

const BLOCK = 256
/** So many lines are kept. */
const KEPT = 50_000
/** Between two questions about a log that grows. */
const PACE = 120

export interface Kept {
  line: LogLine
  /** Escape sequences of what was set before it. */
  carry: string
  pieces: Piece[] | null
}

export class Log {
  total = 0
  isOver = false
  isKnown = false
  problem = ''
  private length = 0
  private readonly kept = new Map<number, Kept>()
  private readonly pending = new Set<number>()
  private readonly stop = new AbortController()

  constructor(
    private readonly id: string,
    private readonly path: string,
    readonly attempt: number,
    private readonly changed: () => void,
  ) {}

  /** Asks how long it is, and then for more for as long as it grows. */
  async run(): Promise<void> {
    let pause = 0
    while (!this.stop.signal.aborted && !this.isOver) {
      try {
        const window = { attempt: this.attempt, from: blockStart(this.total || 1), count: BLOCK * 4 }
        const page = await api.lines(this.id, this.path, this.isKnown ? { ...window, beyond: this.length } : window, this.stop.signal)
        this.problem = ''
        this.take(page)
        this.isKnown = true
        pause = PACE
      } catch (error) {
        if (this.stop.signal.aborted) return
        this.problem = error instanceof Error ? error.message : String(error)
        if (error instanceof Problem && [401, 403, 404, 410].includes(error.status)) this.isOver = this.isKnown = true
        pause = Math.min(10_000, Math.max(500, pause * 2))
      }
      this.changed()
      if (!this.isOver) await new Promise((resume) => setTimeout(resume, document.hidden ? 2_000 : pause))
    }
  }

  close(): void {
    this.stop.abort()
  }

  line(number: number): Kept | undefined {
    return this.kept.get(number)
  }

  pieces(number: number): Piece[] | undefined {
    const kept = this.kept.get(number)
    if (!kept) return undefined
    kept.pieces ??= parse(kept.line.x, kept.carry)
    return kept.pieces
  }

  /** Fetches what is missing of some lines. */
  want(first: number, last: number): void {
    for (let number = Math.max(1, first); number <= Math.min(last, this.total); number++) {
      if (this.kept.has(number)) continue
      // A block may come in parts where its lines are long.
      const start = this.kept.has(number - 1) ? number : blockStart(number)
      if (!this.pending.has(start)) void this.fetch(start, number)
      number = blockStart(number) + BLOCK - 1
    }
  }

  private async fetch(start: number, around: number): Promise<void> {
    this.pending.add(start)
    try {
      this.take(await api.lines(this.id, this.path, { attempt: this.attempt, from: start, count: BLOCK }, this.stop.signal), around)
      this.problem = ''
    } catch (error) {
      if (this.stop.signal.aborted) return
      this.problem = error instanceof Error ? error.message : String(error)
      await new Promise((resume) => setTimeout(resume, 1_000))
    }
    this.pending.delete(start)
    this.changed()
  }

  private take(page: LogLines, around = page.total): void {
    // An answer that was overtaken by a later one knows less.
    if (page.total >= this.total) {
      this.total = page.total
      this.length = Math.max(this.length, page.length)
    }
    this.isOver ||= page.is_over && page.length >= this.length
    let carry = page.style
    page.lines.forEach((line, at) => {
      const number = page.from + at
      const known = this.kept.get(number)
      if (!known || known.line.x !== line.x) this.kept.set(number, { line, carry, pieces: null })
      carry = carryOn(line.x, carry)
    })
    if (this.kept.size > KEPT) {
      for (const number of this.kept.keys()) {
        if (this.kept.size <= KEPT * 0.8) break
        if (Math.abs(number - around) > KEPT / 4) this.kept.delete(number)
      }
    }
  }
}

export const blockStart = (number: number): number => Math.floor((number - 1) / BLOCK) * BLOCK + 1

/**
 * Where lines stand in a scrolling box. Browsers draw no box higher than some tens of millions of pixels, so a longer log is
 * mapped onto one of this height.
 */
export const TALLEST = 8_000_000

export function geometry(total: number, row: number, view: number): { height: number; scale: number } {
  const whole = total * row
  if (whole <= TALLEST) return { height: whole, scale: 1 }
  // The last line must be reachable: what can be scrolled is mapped onto what there is to scroll through.
  return { height: TALLEST, scale: (whole - view) / (TALLEST - view) }
}
