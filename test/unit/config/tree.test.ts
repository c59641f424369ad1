// YAML as data with places: strict, bounded, nothing guessed.
import { expect, test } from 'vitest'
import { parseTree } from '../../../config/tree.ts'
import { load, problemsOf } from './fakes.ts'

test('syntax errors are reported all, with line and column', async () => {
  expect(await problemsOf('http: { port: 1\nlog: [\n')).toEqual([
    '2:1: not valid YAML: flow map in block collection must be sufficiently indented and end with a } (is it closed in the lines above?)',
    '3:1: not valid YAML: flow sequence in block collection must be sufficiently indented and end with a ] (is it closed in the lines above?)',
  ])
})

test('a syntax error that people make often comes with what to do about it', async () => {
  const found = async (text: string): Promise<string> => (await problemsOf(text)).join('\n')
  expect(await found('log:\n\tlevel: info\n')).toContain(
    '2:1: not valid YAML: tabs are not allowed as indentation (indent with spaces)',
  )
  expect(await found("routes:\n  - when: kind = 'x': y\n")).toContain(
    'or put a value that holds ": " into quotes',
  )
  expect(await found('log: { level: info }\n  http: {}\n')).toContain('indent it like the line above')
  expect(await found('log: { level: @x }\n')).toContain('(put it into quotes)')
})

test('one document without tags and directives of its own', async () => {
  expect(await problemsOf('a: 1\n---\nb: 2\n---\nc: 3\n')).toEqual([
    '2:1: one document only: remove what stands behind "---" at line 2',
  ])
  expect(await problemsOf('a: 1\n...\nb: 2\n')).toEqual([
    '3:1: one document only: remove what begins at line 3',
  ])
  expect(await problemsOf('log: !secret x\n')).toEqual(['1:6: not valid YAML: unresolved tag: !secret'])
  expect((await problemsOf('%FOO\n---\nlog: {}\n'))[0]).toMatch(/^1:1: not valid YAML: unknown directive/)
})

test('an empty file, a comment and empty sections say nothing and get every default', async () => {
  for (const text of [
    '',
    '\n',
    '# nothing\n',
    '---\n',
    'http:\nchannels:\nroutes:\nlog:\nidentity:\n',
    '\uFEFF',
  ]) {
    const config = await load(text)
    expect(config.http.port, JSON.stringify(text)).toBe(8080)
    expect(config.identity).toBeUndefined()
    expect(config.routes).toEqual([])
  }
})

test('a file that is no map, no UTF-8 or too long is refused', async () => {
  expect(await problemsOf('hunter2')).toEqual([
    '1:1: the file must hold a map of keys: http, channels, backends, agents, routes …',
  ])
  expect(await problemsOf('- a\n')).toHaveLength(1)
  expect(await problemsOf(Uint8Array.of(0x61, 0x3a, 0x20, 0xff))).toEqual(['1:1: the file is not UTF-8'])
  expect(await problemsOf('#'.repeat(2 ** 20 + 1))).toEqual([
    '1:1: the file has 1048577 characters: 1048576 are the limit',
  ])
})

test('a key that stands twice is reported with both places, also in lists and as a number', async () => {
  expect(await problemsOf('log: { level: info }\nhttp: { port: 1, port: 2 }\nlog: {}\n')).toEqual([
    '2:18: http.port: the key stands twice, first in line 2: put what belongs to it in one place',
    '3:1: log: the key stands twice, first in line 1: put what belongs to it in one place',
  ])
  const tree = parseTree('f', 'a: [{ 1: x, "1": y }]', {})
  expect(tree.problems).toMatchObject([{ line: 1, column: 13, path: 'a[0].1' }])
})

test('the keys constructor and toString are data, __proto__ cannot be used', async () => {
  const text = 'channels: { constructor: { adapter: rest }, toString: { adapter: rest } }\n'
  const { channels } = await load(text)
  expect(Object.keys(channels)).toEqual(['constructor', 'toString'])
  expect(channels['hasOwnProperty']).toBeUndefined()
  expect(
    await problemsOf('channels:\n  w: { adapter: rest, operations: { __proto__: {} } }\n__proto__: {}\n'),
  ).toEqual([
    '2:37: channels.w.operations.__proto__: this name cannot be used',
    '3:1: __proto__: this name cannot be used',
  ])
})

test('an alias stands for what its anchor names, the problem is told at the anchor', async () => {
  const text = `
backends:
  a: { adapter: soap, wsdl: x, breaker: &b { openFor: 1s } }
  c: { adapter: soap, wsdl: x, breaker: *b }
`
  const { backends } = await load(text)
  expect(backends['c']?.breaker).toEqual(backends['a']?.breaker)
  expect(await problemsOf(text.replace('1s', 'soon'))).toEqual([
    expect.stringMatching(/^3:55: backends\.a\.breaker\.openFor: "soon"/),
    expect.stringMatching(/^3:55: backends\.c\.breaker\.openFor: "soon"/),
  ])
  expect(await problemsOf('log: *nobody\n')).toEqual(['1:6: nothing before it is named &nobody'])
})

test('the last anchor of a name before an alias counts, not one inside an expanded alias', () => {
  const tree = parseTree('f', 'a: &x { y: &z 1 }\nb: &z 2\nc: *x\nd: *z\n', {})
  expect(tree.root).toMatchObject({ a: { y: 1 }, b: 2, c: { y: 1 }, d: 2 })
})

test('anchors that multiply, alias themselves or nest without end are refused at once', async () => {
  const laughs = ['a: &a [x, x, x, x, x, x, x, x, x]']
  for (const [before, name] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh'].map((pair) => pair.split('')))
    laughs.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(', ')}]`)
  expect(await problemsOf(laughs.join('\n'))).toEqual([
    expect.stringMatching(/^\d+:\d+: more than 50000 values, aliases counted as what they stand for$/),
  ])
  expect(await problemsOf('a: &a [*a]\n')).toEqual(['1:8: nested more than 64 levels deep by an alias'])
  expect(await problemsOf('a: &a [*a, *a, *a]\n')).toEqual([
    '1:8: nested more than 64 levels deep by an alias',
  ])
  expect(await problemsOf(`a: ${'['.repeat(100)}${']'.repeat(100)}`)).toEqual([
    '1:68: nested more than 64 levels deep',
  ])
  for (const bomb of ['['.repeat(20_000), '{a: '.repeat(5000), '- '.repeat(20_000), '? '.repeat(20_000)])
    expect((await problemsOf(bomb)).length, bomb.slice(0, 8)).toBe(1)
})

test('a number that would lose digits is refused instead (DESIGN §3: types are never guessed)', async () => {
  expect(
    await problemsOf('admin: { token: 007 }\nchannels:\n  w: { adapter: rest, id: 12345678901234567890 }\n'),
  ).toEqual([
    expect.stringMatching(/^1:17: admin\.token: 007 would become 7: write it in quotes if it is a text$/),
    expect.stringMatching(/^3:23: channels\.w: unknown key "id"$/),
    '3:27: channels.w.id: 12345678901234567890 is too large for an exact number: write it in quotes',
  ])
  expect(parseTree('f', 'a: "007"\nb: 0\nc: 0.5\nd: -0.25\ne: 0x1f', {}).problems).toEqual([])
})

test('the position of a character is known in plain and simply quoted texts, else that of the text', () => {
  const text = 'a: kind = \nb: "x y"\nc: "x\\ty"\nd: \'x\'\'y\'\ne: |\n  x y\nf: x${Y:-}z\n'
  const tree = parseTree('f', text, {})
  const at = (key: string, offset: number) => {
    const found = tree.place([key])
    return found?.at?.(offset) ?? found?.value
  }
  expect(at('a', 5)).toEqual({ line: 1, column: 9 })
  expect(at('b', 2)).toEqual({ line: 2, column: 7 })
  expect(at('b', 99)).toEqual({ line: 2, column: 7 })
  expect(at('c', 2)).toEqual({ line: 3, column: 4 })
  expect(at('d', 2)).toEqual({ line: 4, column: 4 })
  expect(at('e', 2)).toEqual({ line: 5, column: 4 })
  expect(at('f', 1)).toEqual({ line: 7, column: 4 })
})

test('lines may end as on Windows, and columns count UTF-16 units', async () => {
  expect(await problemsOf('log:\r\n  level: info\r\n"王小明😀": 1\r\nx: "😀" \r\n')).toEqual([
    '3:1: unknown key "王小明😀"',
    '4:1: unknown key "x"',
  ])
  expect(await problemsOf('log: { "😀": 1, x: 1 }\n')).toEqual([
    '1:8: log: unknown key "😀"',
    '1:17: log: unknown key "x"',
  ])
})

test('lines are counted also behind an error in a flow mapping, where the parser’s own count misses one', async () => {
  expect(await problemsOf('a: { b: { c: d } $\n  - { e: "x", f: y }\n')).toContain(
    '2:5: not valid YAML: unexpected flow-map-start at node end',
  )
})
