/** Keys: one table for what they do and for what the overlay says about them. */

export interface Key {
  keys: string
  words: string
  group: string
}

export const KEYS: Key[] = [
  { group: 'Everywhere', keys: '?', words: 'these keys' },
  { group: 'Everywhere', keys: 'g h', words: 'list of pipelines' },
  { group: 'Everywhere', keys: 'Esc', words: 'close, or back to the tree' },
  { group: 'List', keys: 'j / k', words: 'next / previous pipeline' },
  { group: 'List', keys: 'Enter', words: 'open it' },
  { group: 'List', keys: '/', words: 'filter' },
  { group: 'Pipeline', keys: '↓ ↑  or  j k', words: 'next / previous node' },
  { group: 'Pipeline', keys: '→ ←  or  l h', words: 'open or first child / close or parent' },
  { group: 'Pipeline', keys: 'e / E', words: 'next / previous failure' },
  { group: 'Pipeline', keys: 'g then p q r d k', words: 'next node in that state' },
  { group: 'Pipeline', keys: '/', words: 'filter the tree' },
  { group: 'Pipeline', keys: '*', words: 'open all below' },
  { group: 'Pipeline', keys: 'r', words: 'reset: run it again' },
  { group: 'Pipeline', keys: 's', words: 'skip, or take that back' },
  { group: 'Pipeline', keys: 'x', words: 'kill' },
  { group: 'Pipeline', keys: 'm', words: 'edit and run again' },
  { group: 'Pipeline', keys: '[ / ]', words: 'older / newer attempt' },
  { group: 'Pipeline', keys: 'u', words: 'back to the list' },
  { group: 'Log', keys: 'f', words: 'search in the log' },
  { group: 'Log', keys: 'n / N', words: 'next / previous hit' },
  { group: 'Log', keys: 'g g / G', words: 'first line / last line, and follow' },
  { group: 'Log', keys: 'c', words: 'copy the address of the chosen lines' },
]

/** Says whether somebody is writing: then letters are letters. */
export function isWriting(event: KeyboardEvent): boolean {
  const target = event.target
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
}
