import { execFileSync } from 'node:child_process'

import { expect, test } from 'vitest'

import { charsetOf } from '../../../../plugins/_examples/copybook/charset.ts'
import type { CharsetName } from '../../../../plugins/_examples/copybook/charset.ts'

const all = Uint8Array.from({ length: 256 }, (_none, byte) => byte)

test.each([
  ['cp037', 'IBM037'],
  ['cp273', 'IBM273'],
  ['cp500', 'IBM500'],
  ['cp1047', 'IBM1047'],
  ['cp1140', 'IBM1140'],
  ['cp1141', 'IBM1141'],
  ['cp1148', 'CP1148'],
] as const)('%s is what iconv calls %s, all 256 bytes, both ways', (name, iconv) => {
  const theirs = execFileSync('iconv', ['-f', iconv, '-t', 'UTF-8'], { input: all }).toString('utf8')
  const ours = charsetOf(name)
  expect(ours.decode(all)).toBe(theirs)
  expect(ours.encode(theirs)).toEqual(all)
})

test.each<[CharsetName, string]>([
  ['cp037', '€'],
  ['iso-8859-1', '€'],
  ['gb18030', '\ud800'],
  ['utf-8', '\ud800'],
])('%s has no %j and says so: nothing becomes a question mark', (name, character) => {
  expect(() => charsetOf(name).encode(`a${character}`)).toThrow(RangeError)
})

test('text of several bytes a character goes both ways, and bytes that are none are refused', () => {
  const charset = charsetOf('gb18030')
  expect(charset.decode(charset.encode('王小明 €'))).toBe('王小明 €')
  expect(() => charset.decode(Uint8Array.of(0x41, 0xff))).toThrow(/no gb18030/)
  expect(() => charsetOf('utf-8').decode(Uint8Array.of(0xc3))).toThrow(/no utf-8/)
})
