/**
 * Markdown as a tree of plain values, for a view that makes text nodes of them. Markup in the text stays text, and links lead
 * to http, https or mail only: nothing that somebody wrote can become anything else than words.
 */

export type Inline =
  | { is: 'text'; text: string }
  | { is: 'code'; text: string }
  | { is: 'strong'; inner: Inline[] }
  | { is: 'em'; inner: Inline[] }
  | { is: 'del'; inner: Inline[] }
  | { is: 'link'; href: string; inner: Inline[] }

export type Block =
  | { is: 'heading'; level: number; inner: Inline[] }
  | { is: 'paragraph'; inner: Inline[] }
  | { is: 'code'; text: string }
  | { is: 'list'; ordered: boolean; items: Block[][] }
  | { is: 'quote'; blocks: Block[] }
  | { is: 'table'; head: Inline[][]; rows: Inline[][][] }
  | { is: 'rule' }

const DEEPEST = 6

export function markdown(text: string): Block[] {
  return blocks(text.replace(/\r\n?/g, '\n').split('\n'), 0)
}

function blocks(lines: string[], depth: number): Block[] {
  const found: Block[] = []
  let at = 0
  while (at < lines.length) {
    const line = lines[at]!
    const fence = /^\s{0,3}(```+|~~~+)/.exec(line)
    const heading = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line)
    if (!line.trim()) at++
    else if (fence) {
      const end = lines.findIndex((other, nth) => nth > at && other.trim().startsWith(fence[1]!))
      const last = end < 0 ? lines.length : end
      found.push({ is: 'code', text: lines.slice(at + 1, last).join('\n') })
      at = last + 1
    } else if (heading) {
      found.push({ is: 'heading', level: heading[1]!.length, inner: inline(heading[2]!) })
      at++
    } else if (/^\s{0,3}([-*_])(\s*\1){2,}\s*$/.test(line)) {
      found.push({ is: 'rule' })
      at++
    } else if (/^\s{0,3}>/.test(line) && depth < DEEPEST) {
      const end = until(lines, at, (other) => !/^\s{0,3}>/.test(other))
      found.push({ is: 'quote', blocks: blocks(lines.slice(at, end).map((other) => other.replace(/^\s{0,3}>\s?/, '')), depth + 1) })
      at = end
    } else if (item(line) && depth < DEEPEST) {
      const ordered = /\d/.test(item(line)!.mark)
      const items: string[][] = []
      const indent = item(line)!.indent
      for (; at < lines.length; at++) {
        const next = item(lines[at]!)
        if (next && next.indent <= indent + 1 && /\d/.test(next.mark) === ordered) items.push([next.rest])
        else if (lines[at]!.trim() && !/^\s{2,}/.test(lines[at]!)) break
        else items.at(-1)!.push(lines[at]!.replace(/^\s{1,4}/, ''))
      }
      found.push({ is: 'list', ordered, items: items.map((own) => blocks(own, depth + 1)) })
    } else if (line.includes('|') && /^\s*\|?[\s:]*-+[-\s|:]*$/.test(lines[at + 1] ?? '')) {
      const end = until(lines, at + 2, (other) => !other.includes('|'))
      found.push({ is: 'table', head: cells(line), rows: lines.slice(at + 2, end).map(cells) })
      at = end
    } else {
      const end = until(lines, at + 1, (other) => !other.trim() || /^\s{0,3}(#{1,6}\s|```|~~~|>)/.test(other) || item(other) !== null)
      found.push({ is: 'paragraph', inner: inline(lines.slice(at, end).join('\n')) })
      at = end
    }
  }
  return found
}

const until = (lines: string[], from: number, ends: (line: string) => boolean): number => {
  const end = lines.findIndex((line, nth) => nth >= from && ends(line))
  return end < 0 ? lines.length : end
}

function item(line: string): { indent: number; mark: string; rest: string } | null {
  const found = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/.exec(line)
  return found && found[1]!.length < 12 ? { indent: found[1]!.length, mark: found[2]!, rest: found[3]! } : null
}

const cells = (line: string): Inline[][] =>
  line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => inline(cell.trim()))

const INLINE =
  /(`+)(.+?)\1|\*\*(.+?)\*\*|__(.+?)__|~~(.+?)~~|\*([^*\s][^*]*)\*|(?<!\w)_([^_\s][^_]*)_(?!\w)|!?\[([^\]]*)\]\(\s*<?((?:[^()\s>]|\([^()\s]*\))*)>?[^)]*\)|(https?:\/\/[^\s<>()]+[^\s<>().,;:!?'"])/s

function inline(text: string, depth = 0): Inline[] {
  const found: Inline[] = []
  let rest = text
  while (rest) {
    const match = depth < DEEPEST ? INLINE.exec(rest) : null
    if (!match) {
      found.push({ is: 'text', text: rest })
      break
    }
    if (match.index > 0) found.push({ is: 'text', text: rest.slice(0, match.index) })
    const [whole, , code, strong, strong2, struck, em, em2, label, href, bare] = match
    if (code !== undefined) found.push({ is: 'code', text: code.trim() })
    else if (strong ?? strong2) found.push({ is: 'strong', inner: inline((strong ?? strong2)!, depth + 1) })
    else if (struck) found.push({ is: 'del', inner: inline(struck, depth + 1) })
    else if (em ?? em2) found.push({ is: 'em', inner: inline((em ?? em2)!, depth + 1) })
    else if (label !== undefined) {
      const inner = inline(label || href!, depth + 1)
      if (isSafe(href!)) found.push({ is: 'link', href: href!, inner })
      else found.push(...inner)
    } else if (bare) found.push({ is: 'link', href: bare, inner: [{ is: 'text', text: bare }] })
    rest = rest.slice(match.index + whole.length)
  }
  return found
}

export const isSafe = (href: string): boolean => /^(https?:\/\/|mailto:)/i.test(href)

/** What stands between `<ConductoMarkdown>` and its end in a log; several are several. */
export function markdownIn(text: string): string[] {
  return [...text.matchAll(/<ConductoMarkdown>([\s\S]*?)<\/ConductoMarkdown>/g)].map((found) => found[1]!.replace(/^\n/, ''))
}
