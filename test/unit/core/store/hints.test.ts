import { expect, test } from 'vitest'
import { Hints } from '../../../../core/store/hints.ts'

test('a hint that nobody waits for is kept, once by name, until it is asked for', async () => {
  const hints = new Hints()
  const names = hints.watch(['a', 'b'])[Symbol.asyncIterator]()
  for (const name of ['a', 'b', 'a', 'other']) hints.hint(name)
  expect([await names.next(), await names.next()]).toEqual([
    { done: false, value: 'a' },
    { done: false, value: 'b' },
  ])
})

test('who gave up waiting takes nothing away from who waits now (SEMANTICS 33)', async () => {
  const hints = new Hints()
  const watch = hints.watch(['a'])
  const givenUp = watch[Symbol.asyncIterator]().next()
  const waiting = watch[Symbol.asyncIterator]().next()
  hints.hint('a')
  expect(await waiting).toEqual({ done: false, value: 'a' })
  expect(await givenUp).toEqual({ done: false, value: 'a' })
})

test('a closed watch ends who waits and who asks later, and nothing is kept of it; the others of the name stay', async () => {
  const hints = new Hints()
  const [one, other] = [hints.watch(['a']), hints.watch(['a'])]
  const ending = one[Symbol.asyncIterator]().next()
  one.close()
  expect((await ending).done).toBe(true)
  expect((await one[Symbol.asyncIterator]().next()).done).toBe(true)
  hints.hint('a')
  for await (const name of other) {
    expect(name).toBe('a')
    break // which closes it
  }
  expect(hints.isIdle).toBe(true)
})
