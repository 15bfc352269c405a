import { describe, expect, it } from 'vitest'
import type { Head, TreeView } from './api'
import { ERROR, RUNNING } from './states'
import { NO_FILTER, Tree } from './tree'

const head = { state: 'running' } as Head

/** `/` (serial): `build`, `test` (parallel): `unit`, `lint`; `deploy`. */
function view(state = 'RDREEP'): TreeView {
  return {
    seq: 10, now: 5_000, pipeline: head,
    index: [0, 1, 2, 3, 4, 9], parent: [-1, 0, 0, 2, 2, 0], kind: 'SXPXXX', name: ['', 'build', 'test', 'unit', 'lint', 'deploy'],
    state, flags: [0, 0, 0, 0, 0, 0], attempts: [0, 1, 0, 1, 1, 0], began: [-1, 1_000, -1, 2_000, 2_000, -1], ended: [-1, 2_000, -1, 3_500, -1, -1],
    counts: [1, 0, 0, 1, 2, 0, 0, 0, 0, 0, 2, 0],
  }
}
const tree = (state?: string): Tree => new Tree(view(state), 4_000)
const names = (of: Tree, rows: Int32Array): string[] => [...rows].map((at) => of.path(at))

describe('a tree', () => {
  it('finds nodes by their paths and paths by their nodes', () => {
    const one = tree()
    for (let at = 0; at < one.size; at++) expect(one.find(one.path(at))).toBe(at)
    expect(one.find('/test/nothing')).toBe(-1)
    expect(one.find('/build/deep')).toBe(-1)
    expect(one.children(0).map((at) => one.name[at])).toEqual(['build', 'test', 'deploy'])
  })

  it('draws what is open, and of a filter what leads to it', () => {
    const one = tree()
    expect(names(one, one.rows(new Set(), NO_FILTER))).toEqual(['/'])
    expect(names(one, one.rows(new Set([0]), NO_FILTER))).toEqual(['/', '/build', '/test', '/deploy'])
    expect(names(one, one.rows(new Set(), { text: 'LINT', state: -1 }))).toEqual(['/', '/test', '/test/lint'])
    expect(names(one, one.rows(new Set(), { text: '', state: ERROR }))).toEqual(['/', '/test', '/test/unit', '/test/lint'])
    expect(names(one, one.rows(new Set(), { text: 'test/u', state: -1 }))).toEqual(['/', '/test', '/test/unit'])
    expect(one.rows(new Set(), { text: 'nothing', state: -1 }).length).toBe(0)
  })

  it('visits each failure once, both ways, and around the end', () => {
    const one = tree()
    const [unit, lint] = [one.find('/test/unit'), one.find('/test/lint')]
    expect([one.next(-1, 1, ERROR), one.next(unit, 1, ERROR), one.next(lint, 1, ERROR)]).toEqual([unit, lint, unit])
    expect([one.next(unit, -1, ERROR), one.next(lint, -1, ERROR)]).toEqual([lint, unit])
    expect(tree('RDRDDP').next(0, 1, ERROR)).toBe(-1)
    // Killed ones are failures too; a running group is no running node.
    expect(tree('RDRDKP').next(0, 1, ERROR)).toBe(lint)
    expect(tree('RDRDDP').next(0, 1, RUNNING)).toBe(-1)
  })

  it('takes changes in their order and refuses a gap', () => {
    const one = tree()
    const change = { prev: 10, seq: 12, now: 6_000, pipeline: head, rows: [[9, 'R', 1, 1, 5_500, -1, null], [0, 'R', 0, 0, -1, -1, [0, 0, 1, 1, 2, 0]]] as never }
    expect(one.apply(change, 5_000)).toBe(true)
    const deploy = one.find('/deploy')
    expect([one.seq, one.letter(deploy), one.count(deploy, RUNNING), one.count(0, RUNNING), one.flags[deploy]]).toEqual([12, 'R', 1, 1, 1])
    expect(one.took(deploy, 5_000)).toBe(500)
    expect(one.apply(change, 5_000)).toBe(false)
    expect(one.apply({ ...change, prev: 12, rows: [[77, 'R', 0, 0, -1, -1, null]] as never }, 5_000)).toBe(false)
  })

  it('opens what leads to failures, not everything', () => {
    const leaves = 3_000
    const big = view()
    big.index = [0, 1, 2]; big.parent = [-1, 0, 0]; big.kind = 'SPP'; big.name = ['', 'good', 'bad']; big.state = 'EDE'
    big.counts = [0, 0, 0, leaves - 1, 1, 0, 0, 0, 0, leaves, 0, 0, 0, 0, 0, 0, 1, 0]
    for (let nth = 0; nth < leaves; nth++) {
      big.index.push(3 + nth); big.parent.push(1); big.kind += 'X'; big.name.push(`n${nth}`); big.state += 'D'
    }
    // The order of drawing: `bad` and its leaf come after all below `good`.
    big.index.push(...big.index.splice(2, 1), 9_999); big.parent.push(...big.parent.splice(2, 1), 1 + leaves + 1); big.name.push(...big.name.splice(2, 1), 'x')
    big.kind = `SP${'X'.repeat(leaves)}PX`; big.state = `ED${'D'.repeat(leaves)}EE`
    big.parent = big.parent.map((parent, at) => (at === big.parent.length - 1 ? leaves + 2 : parent))
    for (const list of [big.flags, big.attempts]) { list.length = 0; list.push(...Array<number>(big.index.length).fill(0)) }
    for (const list of [big.began, big.ended]) { list.length = 0; list.push(...Array<number>(big.index.length).fill(-1)) }
    const one = new Tree(big, 0)
    expect(names(one, one.rows(one.firstOpen(), NO_FILTER))).toEqual(['/', '/good', '/bad', '/bad/x'])
  })
})
