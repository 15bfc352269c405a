/**
 * The line to the server: reconnects by itself, and says how fresh what is shown is. A hidden tab lets its connection go and
 * comes back with the number of the last message: browsers allow few connections to one server, over all tabs.
 */

export type Freshness = 'connecting' | 'live' | 'late' | 'away'

export interface Line {
  /** Address to connect to; asked anew for each connection, so that it can name the last message. */
  address: () => string
  events: Record<string, (data: string) => void>
  changed: (freshness: Freshness, retryAt: number | null) => void
  /** The server refuses for good; the page asks why. */
  refused: () => void
}

/** Without a word for so long, what is shown may be old: the server speaks every five seconds. */
const SILENCE = 11_000
const LONGEST_PAUSE = 15_000

/** Returns how to end it, and how to connect at once. */
export function connect(line: Line): { close: () => void; now: () => void; again: () => void } {
  let source: EventSource | null = null
  let silence: ReturnType<typeof setTimeout> | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let pause = 500
  let isClosed = false
  let failures = 0

  const hear = (): void => {
    pause = 500
    failures = 0
    line.changed('live', null)
    clearTimeout(silence)
    silence = setTimeout(() => {
      line.changed('late', null)
      drop()
      later()
    }, SILENCE)
  }
  const drop = (): void => {
    clearTimeout(silence)
    source?.close()
    source = null
  }
  const later = (): void => {
    clearTimeout(retry)
    if (isClosed || document.hidden) return
    const wait = pause * (0.5 + Math.random() / 2)
    pause = Math.min(pause * 2, LONGEST_PAUSE)
    line.changed('away', Date.now() + wait)
    retry = setTimeout(open, wait)
  }
  const open = (): void => {
    if (isClosed) return
    clearTimeout(retry)
    drop()
    const own = new EventSource(line.address())
    source = own
    own.addEventListener('beat', hear)
    for (const [name, take] of Object.entries(line.events)) {
      own.addEventListener(name, (event) => {
        if (source !== own) return
        hear()
        take((event as MessageEvent<string>).data)
      })
    }
    own.onerror = () => {
      if (source !== own) return
      drop()
      failures += 1
      // A refusal looks like a failure here; the page finds out which it is.
      if (failures === 1 || failures % 4 === 0) line.refused()
      later()
    }
  }
  const seen = (): void => {
    if (document.hidden) {
      drop()
      clearTimeout(retry)
    } else if (source === null) open()
  }
  document.addEventListener('visibilitychange', seen)
  window.addEventListener('online', open)
  line.changed('connecting', null)
  if (!document.hidden) open()
  return {
    now: open,
    again: () => {
      drop()
      open()
    },
    close: () => {
      isClosed = true
      drop()
      clearTimeout(retry)
      document.removeEventListener('visibilitychange', seen)
      window.removeEventListener('online', open)
    },
  }
}
