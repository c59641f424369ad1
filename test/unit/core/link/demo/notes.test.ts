import { expect, test } from 'vitest'
import { momentOf, noteOf } from '../../../../../core/link/demo/notes.ts'
import { msg } from '../client/fake-links.ts'

/** By this machine's clock, as the page goes by its reader's. */
const at = (...[year, month, day]: readonly [number, number, number]): string =>
  new Date(year, month - 1, day, 14, 2).toISOString()
const now = new Date(2026, 0, 31, 23, 59)

test.each([
  [at(2026, 1, 31), '02:02 PM', '14:02'],
  [at(2026, 1, 30), 'Jan 30, 02:02 PM', '1月30日 14:02'],
  [at(2025, 1, 31), 'Jan 31, 2025, 02:02 PM', '2025年1月31日 14:02'],
  ['a while ago', 'a while ago', 'a while ago'],
])('the moment of a message has its day where that is not today: %s', (moment, en, zh) => {
  expect([momentOf(moment, 'en', now), momentOf(moment, 'zh', now)]).toEqual([en, zh])
})

const noted = (more: Parameters<typeof msg>[2]): readonly string[] => {
  const { message } = msg(1, '', more)
  return [noteOf({ message }, 'en', now), noteOf({ message }, 'zh', now)]
}

test('an answer of a system that is down says that it is the last known one, and of when', () => {
  expect(noted({})).toEqual(['', ''])
  expect(noted({ stale: true, asOf: at(2026, 1, 30) })).toEqual([
    'last known, of Jan 30, 02:02 PM',
    '最后已知，1月30日 14:02',
  ])
  expect(noted({ stale: true })).toEqual(['last known', '最后已知'])
  expect(noted({ asOf: at(2026, 1, 30) })).toEqual(['', ''])
})

test('an answer with a part missing says so', () => {
  expect(noted({ partial: true })).toEqual(['a part is missing', '内容不完整'])
  expect(noted({ stale: true, partial: true })[0]).toBe('last known · a part is missing')
})

test('an own message says how far it has come, and why it was refused', () => {
  const message = { text: 'hi' }
  expect(noteOf({ message, mark: 'queued' }, 'en', now)).toBe('kept on this device')
  expect(noteOf({ message, mark: 'refused', code: 'TOO_OLD' }, 'zh', now)).toBe('被拒绝 (TOO_OLD)')
})
