import { expect, test } from 'vitest'
import { Restless } from '../../../../core/plugins/restless.ts'
import type { Snapshot } from '../../../../core/plugins/snapshot.ts'

const version = (data: number, code = 'code'): Snapshot => ({
  name: 'fold',
  file: '/plugins/fold/index.ts',
  root: '/plugins',
  hash: `${code} ${data}`,
  sources: new Map([['file:///plugins/fold/index.ts', code]]),
  others: new Map([['/plugins/fold/seen.txt', String(data)]]),
  own: 'file:///plugins/fold/',
})

/** After how many versions, one each so many milliseconds, the plugin's data counts no more. */
function restsAfter(everyMs: number, most = 100): number | undefined {
  const restless = new Restless()
  for (let count = 1; count <= most; count++) {
    const left = restless.note(version(count - 1), version(count), count * everyMs)
    if (left.length > 0) {
      expect([left, restless.has('fold')]).toStrictEqual([['/plugins/fold/seen.txt'], true])
      return count
    }
  }
  return undefined
}

test.each([
  [200, 6],
  [3500, 6],
  [5000, 20],
  [14_000, 20],
  [20_000, undefined],
])('a plugin that writes beside its code every %i ms rests after %s versions', (everyMs, versions) => {
  expect(restsAfter(everyMs)).toBe(versions)
})

test('one version that is tried again and again, as its system is away, counts once', () => {
  const restless = new Restless()
  for (let count = 1; count <= 30; count++) restless.note(version(0), version(1), count * 1000)
  expect(restless.has('fold')).toBe(false)
})

test('another code begins anew', () => {
  const restless = new Restless()
  for (let count = 1; count <= 6; count++) restless.note(version(count - 1), version(count), count)
  expect(restless.has('fold')).toBe(true)
  restless.note(version(6), version(6, 'other'), 7)
  expect(restless.has('fold')).toBe(false)
})
