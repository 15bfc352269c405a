import { describe, expect, it } from 'vitest'
import { carryOn, parse, plain, readable } from './ansi'
import { blockStart, geometry, TALLEST } from './log'
import { markdown, markdownIn, isSafe } from './markdown'
import { attemptOf, nodeAddress, parse as route, parseRange, showRange } from './router'
import { span } from './time'

describe('colours of a terminal', () => {
  it('become pieces of text with classes', () => {
    const pieces = parse('a\x1b[1;31mb\x1b[0mc\x1b[38;5;196md\x1b[48;2;1;2;3me')
    expect(pieces.map(({ text, look, color }) => [text, look, color])).toEqual([
      ['a', '', ''], ['b', 'f1 bold', ''], ['c', '', ''], ['d', '', '255,0,0'], ['e', 'bx', ''],
    ])
  })
  it('go on from the line before', () => {
    const carry = carryOn('\x1b[32mgreen', '')
    expect(parse('still', carry)[0]?.look).toBe('f2')
    expect(carryOn('\x1b[0m', carry)).toBe('')
  })
  it('leave nothing of other sequences, and links lead to the web only', () => {
    expect(plain('\x1b]0;title\x07\x1b[2K\x1b[1Aok\x07\x00')).toBe('ok')
    expect(parse('\x1b]8;;https://x.example/\x1b\\here\x1b]8;;\x1b\\')[0]).toMatchObject({ text: 'here', href: 'https://x.example/' })
    expect(parse('\x1b]8;;javascript:alert(1)\x1b\\here')[0]?.href).toBe('')
    expect(parse('\x1b]8;;data:text/html,x\x07here')[0]?.href).toBe('')
  })
  it('can be read on either background', () => {
    expect(readable('0,0,0', true)).not.toBe('rgb(0 0 0)')
    expect(readable('255,255,255', false)).not.toBe('rgb(255 255 255)')
    expect(readable('255,255,255', true)).toBe('rgb(255 255 255)')
  })
})

describe('a log of any length', () => {
  it('fits into a box that a browser can draw, with its last line in reach', () => {
    expect(geometry(1_000, 18, 500)).toEqual({ height: 18_000, scale: 1 })
    const { height, scale } = geometry(2_000_000, 18, 500)
    expect(height).toBe(TALLEST)
    const lastTop = (TALLEST - 500) * scale
    expect(lastTop + 500).toBeCloseTo(2_000_000 * 18, 3)
  })
  it('comes in blocks', () => {
    expect([1, 256, 257].map(blockStart)).toEqual([1, 1, 257])
  })
})

describe('markdown', () => {
  it('keeps markup as text and drops what could act', () => {
    expect(markdown('<img src=x onerror=alert(1)> [x](javascript:alert(1)) ![y](data:text/html,z)')).toEqual([
      { is: 'paragraph', inner: [{ is: 'text', text: '<img src=x onerror=alert(1)> ' }, { is: 'text', text: 'x' }, { is: 'text', text: ' ' }, { is: 'text', text: 'y' }] },
    ])
    for (const href of ['javascript:x', 'data:x', 'vbscript:x', '//x', ' https://x', 'file:///x']) expect(isSafe(href), href).toBe(false)
    expect(isSafe('https://x')).toBe(true)
  })
  it('reads headings, lists, code, tables', () => {
    const found = markdown('# A *b*\n\n- one\n- two\n  - deep\n\n```sh\n# no heading\n```\n\n|a|b|\n|-|-|\n|1|2|\n')
    expect(found.map((block) => block.is)).toEqual(['heading', 'list', 'code', 'table'])
    expect(found[2]).toEqual({ is: 'code', text: '# no heading' })
    expect(found[1]).toMatchObject({ items: [[{ is: 'paragraph' }], [{ is: 'paragraph' }, { is: 'list' }]] })
  })
  it('ends for whatever is nested', () => {
    expect(markdown(`${'>'.repeat(500)} x`).length).toBeGreaterThan(0)
    expect(markdown(`${'- '.repeat(300)}x`).length).toBeGreaterThan(0)
  })
  it('is found in a log between its marks', () => {
    expect(markdownIn('a\n<ConductoMarkdown>\n# x</ConductoMarkdown>b<ConductoMarkdown>y</ConductoMarkdown>')).toEqual(['# x', 'y'])
  })
})

describe('addresses', () => {
  const at = (path: string) => route(new URL(path, 'https://ci.example'))
  it('lead to their pages and back', () => {
    expect(at('/app/')).toMatchObject({ page: 'pipelines' })
    expect(at('/app/p/abc-def')).toMatchObject({ page: 'pipeline', id: 'abc-def', path: null })
    expect(at(nodeAddress('abc-def', '/a b/ü%2f#?'))).toMatchObject({ path: '/a b/ü%2f#?' })
    expect(at(nodeAddress('abc-def', '/'))).toMatchObject({ path: '/' })
    expect(at('/app/p/abc-def/n/%E0%A4%A')).toMatchObject({ page: 'pipeline' })
    expect(at('/app/nothing')).toEqual({ page: 'nowhere' })
  })
  it('tell an attempt from a node that is called like one', () => {
    expect(attemptOf('/x/a/3', () => false)).toEqual({ path: '/x', attempt: 3 })
    expect(attemptOf('/x/a/3', (path) => path === '/x/a/3')).toEqual({ path: '/x/a/3', attempt: null })
    expect(attemptOf('/a/3', () => false)).toEqual({ path: '/', attempt: 3 })
    expect(at(nodeAddress('abc-def', '/x', 3))).toMatchObject({ path: '/x/a/3' })
  })
  it('name lines', () => {
    expect(parseRange('#L5-L3')).toEqual({ first: 3, last: 5 })
    expect(parseRange('#L7')).toEqual({ first: 7, last: 7 })
    for (const bad of ['', '#L', '#L0', '#M3', '#L1-Lx']) expect(parseRange(bad)).toBeNull()
    expect(showRange({ first: 3, last: 5 })).toBe('#L3-L5')
  })
})

it('says spans in words', () => {
  expect([0, 1_250, 59_000, 61_000, 3_700_000, 200_000_000].map(span)).toEqual(['0.0 s', '1.3 s', '59 s', '1 m 01 s', '1 h 01 m', '2 d 7 h'])
})
