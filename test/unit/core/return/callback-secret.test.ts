// What callbacks and status addresses are signed with, over several instances and a store that loses it.
import { expect, test } from 'vitest'
import type { Json, Log } from '../../../../core/api.ts'
import { GatewayError } from '../../../../core/api.ts'
import { loadCallbackSecret } from '../../../../core/return/callback-secret.ts'
import { Hints } from '../../../../core/store/hints.ts'
import type { Store } from '../../../../core/store/store.ts'
import { until } from '../../../support/gateway.ts'

const warned: string[] = []
const log: Log = { debug() {}, info() {}, warn: (text) => void warned.push(text), error() {} }

/** The values of a store that forgets them, and refuses to be asked. */
function remembering() {
  const hints = new Hints()
  const kept = new Map<string, { readonly value: Json; readonly version: number }>()
  let isAway = false
  const store: Pick<Store, 'value' | 'watch'> = {
    watch: (names) => hints.watch(names),
    async value({ key, expect: wanted, put, announce }) {
      if (isAway) throw new GatewayError('STORE_UNAVAILABLE', 'away')
      const is = kept.get(key)
      if (put === undefined) return { status: 'ok', ...is }
      if (wanted !== undefined && wanted !== (is?.version ?? 'absent')) return { status: 'conflict', ...is }
      const next = { value: put, version: (is?.version ?? 0) + 1 }
      kept.set(key, next)
      if (announce === true) hints.hint(`value:${key}`)
      return { status: 'ok', ...next }
    },
  }
  return {
    store,
    forget: () => kept.clear(),
    look: () => void hints.hintAll(),
    away: (is: boolean) => (isAway = is),
    count: () => kept.size,
  }
}

test('all who load it sign alike, and take nothing that was signed for another text', async () => {
  const { store } = remembering()
  const [a, b] = [await loadCallbackSecret(store, log), await loadCallbackSecret(store, log)]
  expect(b.isSigned('m1.t', a.sign('m1.t'))).toBe(true)
  expect(b.isSigned('m2.t', a.sign('m1.t'))).toBe(false)
  expect(b.isSigned('m1.t', '')).toBe(false)
})

test('a store that came back empty is given the secret again: who begins then takes what was given out before', async () => {
  const { store, forget, look, away, count } = remembering()
  const a = await loadCallbackSecret(store, log)
  const given = a.sign('m1.t')
  forget()
  away(true)
  look()
  await until(() => warned[0])
  away(false)
  await until(() => count() || undefined)
  const later = await loadCallbackSecret(store, log)
  expect(later.isSigned('m1.t', given)).toBe(true)
  expect(warned).toHaveLength(1)
})

test('where another instance was first there, its secret is signed with, and what was given out before goes on to count', async () => {
  const { store, forget, look } = remembering()
  const a = await loadCallbackSecret(store, log)
  const given = a.sign('m1.t')
  forget()
  const other = await loadCallbackSecret(store, log)
  look()
  await until(() => other.isSigned('m2.t', a.sign('m2.t')) || undefined)
  expect(a.isSigned('m1.t', given)).toBe(true)
  expect(a.isSigned('m3.t', other.sign('m3.t'))).toBe(true)
  // Whoever is asked, and when the first is gone.
  await until(() => other.isSigned('m1.t', given) || undefined)
  const third = await loadCallbackSecret(store, log)
  expect(third.isSigned('m1.t', given)).toBe(true)
  expect(third.isSigned('m2.t', given)).toBe(false)
})

test('over several losses each of the last eight secrets counts for every instance, and for one that begins then', async () => {
  const { store, forget, look } = remembering()
  const a = await loadCallbackSecret(store, log)
  const given = [a.sign('m1.t')]
  for (let loss = 1; loss <= 10; loss++) {
    forget()
    const first = await loadCallbackSecret(store, log)
    given.push(first.sign('m1.t'))
    look()
    await until(
      () => (first.isSigned('m1.t', a.sign('m1.t')) && a.isSigned('m1.t', first.sign('m1.t'))) || undefined,
    )
    await until(() => first.isSigned('m1.t', given[Math.max(0, loss - 8)] ?? '') || undefined)
  }
  const later = await loadCallbackSecret(store, log)
  for (const signer of [a, later])
    expect(given.map((one) => signer.isSigned('m1.t', one))).toEqual(given.map((_, at) => at >= 2))
})
