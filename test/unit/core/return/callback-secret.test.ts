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

/** The one value of a store that forgets it, and refuses to be asked. */
function remembering() {
  const hints = new Hints()
  let kept: Json | undefined
  let isAway = false
  const store: Pick<Store, 'value' | 'watch'> = {
    watch: (names) => hints.watch(names),
    async value({ put }) {
      if (isAway) throw new GatewayError('STORE_UNAVAILABLE', 'away')
      if (kept !== undefined) return { status: 'conflict', value: kept, version: 1 }
      kept = put
      return { status: 'ok', ...(put !== undefined && { value: put }), version: 1 }
    },
  }
  return {
    store,
    forget: () => (kept = undefined),
    look: () => void hints.hintAll(),
    away: (is: boolean) => (isAway = is),
    kept: () => kept,
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
  const { store, forget, look, away, kept } = remembering()
  const a = await loadCallbackSecret(store, log)
  const given = a.sign('m1.t')
  forget()
  away(true)
  look()
  await until(() => warned[0])
  away(false)
  await until(() => kept())
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
})
