/** The six states, by the letters with which they travel. Groups get theirs from the server: nothing here derives any. */

export const LETTERS = 'PQRDEK'
export const WORDS = ['pending', 'queued', 'running', 'done', 'error', 'killed'] as const
export type Word = (typeof WORDS)[number]
/** 0 to 5, in the order of the letters. */
export type State = number

export const PENDING = 0
export const QUEUED = 1
export const RUNNING = 2
export const DONE = 3
export const ERROR = 4
export const KILLED = 5

export const ofLetter = (letter: string): State => Math.max(0, LETTERS.indexOf(letter))
export const ofWord = (word: string): State => Math.max(0, WORDS.indexOf(word as Word))
export const isFailure = (state: State): boolean => state === ERROR || state === KILLED
