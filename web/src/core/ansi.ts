/** Colours of terminals as pieces of text with class names. What is no colour and no link is dropped: a page shows text only. */

export interface Piece {
  text: string
  /** Class names, separated by blanks. */
  look: string
  /** A colour beyond the sixteen, `r,g,b`. */
  color: string
  href: string
}

interface Look {
  fg: string
  bg: string
  bold: boolean
  dim: boolean
  italic: boolean
  underline: boolean
  strike: boolean
  inverse: boolean
  href: string
}

const NOTHING: Look = { fg: '', bg: '', bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false, href: '' }

/** Escape sequences: colours, links, and all others, which are dropped. Control characters but the tab go as well. */
const ESCAPES = /\x1b\[([0-9;:]*)m|\x1b\]8;[^;\x07\x1b]*;([^\x07\x1b]*)(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P_^][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0a-\x1f\x7f-\x9f]/g

/** Reads a line that begins in a look; `carry` holds the escape sequences that led to it. */
export function parse(text: string, carry = ''): Piece[] {
  const look = { ...NOTHING }
  if (carry) read(carry, look, () => {})
  const pieces: Piece[] = []
  read(text, look, (part) => {
    if (part) pieces.push(piece(part, look))
  })
  return pieces
}

/** What is carried to the next line; empty where all was put back. */
export function carryOn(text: string, carry: string): string {
  let carried = carry
  for (const found of text.matchAll(/\x1b\[([0-9;:]*)m/g)) {
    carried = /^[0;]*$/.test(found[1]!) ? '' : (carried + found[0]).slice(-400)
  }
  return carried
}

export const plain = (text: string): string => text.replace(ESCAPES, '')

function read(text: string, look: Look, emit: (part: string) => void): void {
  let at = 0
  for (const found of text.matchAll(ESCAPES)) {
    emit(text.slice(at, found.index))
    at = found.index + found[0].length
    if (found[1] !== undefined) set(found[1], look)
    else if (found[2] !== undefined) look.href = /^https?:\/\//i.test(found[2]) ? found[2] : ''
  }
  emit(text.slice(at))
}

function set(parameters: string, look: Look): void {
  const codes = parameters.split(/[;:]/).map(Number)
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at]!
    if (code === 0) Object.assign(look, NOTHING, { href: look.href })
    else if (code === 1) look.bold = true
    else if (code === 2) look.dim = true
    else if (code === 3) look.italic = true
    else if (code === 4) look.underline = true
    else if (code === 7) look.inverse = true
    else if (code === 9) look.strike = true
    else if (code === 22) look.bold = look.dim = false
    else if (code === 23) look.italic = false
    else if (code === 24) look.underline = false
    else if (code === 27) look.inverse = false
    else if (code === 29) look.strike = false
    else if (code >= 30 && code <= 37) look.fg = String(code - 30)
    else if (code >= 90 && code <= 97) look.fg = String(code - 82)
    else if (code >= 40 && code <= 47) look.bg = String(code - 40)
    else if (code >= 100 && code <= 107) look.bg = String(code - 92)
    else if (code === 39) look.fg = ''
    else if (code === 49) look.bg = ''
    else if (code === 38 || code === 48) {
      const [color, used] = extended(codes, at + 1)
      at += used
      if (color !== '') look[code === 38 ? 'fg' : 'bg'] = color
    }
  }
}

function extended(codes: number[], at: number): [string, number] {
  if (codes[at] === 5) {
    const number = codes[at + 1] ?? 0
    if (number < 16) return [String(number), 2]
    if (number >= 232) return [Array(3).fill(Math.min(255, 8 + (number - 232) * 10)).join(','), 2]
    const level = (part: number): number => (part === 0 ? 0 : 55 + part * 40)
    const cube = number - 16
    return [[Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map(level).join(','), 2]
  }
  if (codes[at] === 2) {
    const parts = codes.slice(at + 1, at + 4).map((part) => Math.min(255, Math.max(0, part || 0)))
    return [parts.join(','), 4]
  }
  return ['', 1]
}

function piece(text: string, look: Look): Piece {
  const [fg, bg] = look.inverse ? [look.bg || 'n', look.fg || 'n'] : [look.fg, look.bg]
  const names: string[] = []
  let color = ''
  if (fg.includes(',')) color = fg
  else if (fg && fg !== 'n') names.push(`f${fg}`)
  // A background decides the colour of its text: what a terminal shows need not be readable here.
  if (look.inverse) names.push('inv')
  else if (bg) names.push(bg.includes(',') ? 'bx' : `b${bg}`)
  if (bg || look.inverse) color = ''
  if (look.bold) names.push('bold')
  if (look.dim) names.push('dim')
  if (look.italic) names.push('ital')
  if (look.underline) names.push('under')
  if (look.strike) names.push('strike')
  return { text, look: names.join(' '), color, href: look.href }
}

/** Moves a colour towards black or white until it can be read on a log's background. */
export function readable(color: string, isDark: boolean): string {
  let parts = color.split(',').map(Number)
  const background = isDark ? 0.0095 : 0.955
  for (let step = 0; step < 20 && contrast(luminance(parts), background) < 4.6; step++) {
    parts = parts.map((part) => Math.round(part + ((isDark ? 255 : 0) - part) * 0.15))
  }
  return `rgb(${parts.join(' ')})`
}

function luminance(parts: number[]): number {
  const [red, green, blue] = parts.map((part) => {
    const share = part / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
}

const contrast = (one: number, other: number): number => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
