import { expect, test } from 'vitest'
import { MOVING_SCRIPTS, SCRIPTS } from '../../../../../core/store/redis/scripts.ts'

test.each(Object.entries({ ...SCRIPTS, ...MOVING_SCRIPTS }))(
  'the script %s makes no function that it does not call: the server would make it anew at every call',
  (_, { text }) => {
    const made = [...text.matchAll(/^local function (\w+)/gmu)].map(([, name]) => name ?? '')
    expect(made).toContain('fields')
    for (const name of made)
      expect(text.split(new RegExp(`\\b${name}\\b`, 'u')).length, name).toBeGreaterThan(2)
  },
)

test('what is left out of one script is there in the one that needs it', () => {
  const makes = (text: string): boolean => text.includes('local function orphan(')
  expect(makes(SCRIPTS.take.text)).toBe(true)
  expect(makes(SCRIPTS.accept.text)).toBe(false)
})

test('whether a user may do what the scripts do is tried with every command of theirs', () => {
  const { rights, ...others } = SCRIPTS
  const tried = new Set([...rights.text.matchAll(/try\('(\w+)'/gu)].map(([, name]) => name))
  const used = Object.values(others).flatMap(({ text }) =>
    [...text.matchAll(/(?:R\(|\{ )'([A-Z]{3,})'/gu)].map(([, name]) => name),
  )
  // Those that every script begins with.
  const begun = ['TIME', 'HDEL']
  expect(new Set(used)).toEqual(new Set([...tried, ...begun]))
})
