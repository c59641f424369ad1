// Durations and sizes.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../config/units.ts'

test('durations and sizes have the units of DESIGN §16 "Config"', () => {
  expect(['300ms', '2s', '5m', '24h', '7d'].map(parseDuration)).toEqual([
    300, 2000, 300_000, 86_400_000, 604_800_000,
  ])
  expect(['512b', '64kb', '1mb', '1gb'].map(parseSize)).toEqual([512, 65_536, 1_048_576, 1_073_741_824])
})

test('what has no unit, a fraction, a sign, a space or another case is no quantity', () => {
  for (const text of ['', '5', 's', '1.5s', '-1s', '+1s', '1 s', '1S', '1s ', '1e3s', '٣s', '1w'])
    expect(parseDuration(text), text).toBeUndefined()
  for (const text of ['', '5', 'kb', '1.5kb', '-1kb', '1 kb', '1KB', '1k', '1tb'])
    expect(parseSize(text), text).toBeUndefined()
})

test('a quantity beyond exact integers is none', () => {
  expect(parseDuration('999999999d')).toBeUndefined()
  expect(parseSize('999999999gb')).toBeUndefined()
})

test('writing a quantity and reading it again yields the same', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999_999 }), (quantity) => {
      expect(parseDuration(formatDuration(quantity))).toBe(quantity)
      expect(parseSize(formatSize(quantity))).toBe(quantity)
    }),
  )
  expect([formatDuration(5_400_000), formatSize(65_536), formatDuration(0)]).toEqual(['90m', '64kb', '0ms'])
})
