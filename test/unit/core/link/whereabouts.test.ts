// Two instances and one device: who tells the other, and who is told, whatever is late, lost or repeated.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Json, Log } from '../../../../core/api.ts'
import { createWhereabouts } from '../../../../core/link/whereabouts.ts'
import type { Whereabouts } from '../../../../core/link/whereabouts.ts'
import { Hints } from '../../../../core/store/hints.ts'
import type { Store, ValueOp, ValueResult } from '../../../../core/store/store.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
/** Everything that can be done now is done. */
const over = () => new Promise((resolve) => setImmediate(resolve))

/** What two instances share; an instance's operations may be held back, or fail. */
class Shared {
  readonly #values = new Map<string, { value: Json; version: number }>()
  readonly hints = new Hints()
  #version = 0
  /** Puts of these wait for it. */
  readonly held = new Map<string, Promise<void>>()
  down = new Set<string>()

  of(instance: string): Pick<Store, 'value' | 'watch' | 'partitions'> {
    return {
      partitions: 256,
      watch: (names) => this.hints.watch(names),
      value: async (operation) => {
        if (this.down.has(instance)) throw new GatewayError('STORE_UNAVAILABLE', 'the store is away')
        if (operation.put !== undefined) await this.held.get(instance)
        return this.#value(operation)
      },
    }
  }

  get value(): Json | undefined {
    return [...this.#values.values()][0]?.value
  }

  expire(): void {
    this.#values.clear()
  }

  #value({ key, expect: wanted, put, announce }: ValueOp): ValueResult {
    const known = this.#values.get(key)
    if (wanted !== undefined && wanted !== (known?.version ?? 'absent'))
      return { status: 'conflict', ...known }
    if (put !== undefined) this.#values.set(key, { value: put, version: ++this.#version })
    if (announce === true) this.hints.hint(`value:${key}`)
    return { status: 'ok', ...this.#values.get(key) }
  }
}

let store: Shared
let here: Whereabouts
let there: Whereabouts
/** Where older links were ended. */
let moved: string[]

beforeEach(() => {
  store = new Shared()
  moved = []
  const open = (instance: string): Whereabouts =>
    createWhereabouts({
      store: store.of(instance),
      log: silent,
      instance,
      onMoved: (device) => void moved.push(`${instance} ${device}`),
    })
  here = open('here')
  there = open('there')
})
afterEach(() => store.hints.close())

test('a link that is confirmed on one instance ends the older ones on the other, and none of its own (SEMANTICS 38)', async () => {
  here.enter('phone')
  here.confirmed('phone')
  await over()
  there.enter('phone')
  await over()
  expect(moved).toEqual([])
  there.confirmed('phone')
  await over()
  expect(moved).toEqual(['here phone'])
  here.confirmed('phone')
  await over()
  expect(moved).toEqual(['here phone', 'there phone'])
})

test('what was written before and arrives late does not overwrite: who is late has been overtaken', async () => {
  const { promise: late, resolve: arrive } = Promise.withResolvers<void>()
  here.enter('phone')
  store.held.set('here', late)
  here.confirmed('phone')
  await over()
  there.enter('phone')
  there.confirmed('phone')
  await over()
  arrive()
  await over()
  expect(store.value).toBe('there')
  expect(new Set(moved)).toEqual(new Set(['here phone']))
})

test('of two that confirm at the same moment one is where the device is, and only the other is ended', async () => {
  here.enter('phone')
  there.enter('phone')
  await over()
  here.confirmed('phone')
  there.confirmed('phone')
  await over()
  expect(new Set(moved)).toEqual(new Set([store.value === 'here' ? 'there phone' : 'here phone']))
})

test('a hint without news ends nothing: not even where this instance could not write what it wanted (SEMANTICS 33)', async () => {
  here.enter('phone')
  here.confirmed('phone')
  await over()
  here.leave('phone')
  there.enter('phone')
  await over()
  await store.hints.hintAll()
  await over()
  store.down.add('there')
  there.confirmed('phone')
  await over()
  store.down.clear()
  await store.hints.hintAll()
  await over()
  expect([store.value, moved]).toEqual(['here', []])
})

test('what could not be read at first, or is over by now, is no news either and in nobody’s way', async () => {
  here.enter('phone')
  here.confirmed('phone')
  await over()
  store.down.add('there')
  there.enter('phone')
  await over()
  store.down.clear()
  await store.hints.hintAll()
  await over()
  expect(moved).toEqual([])
  store.expire()
  there.confirmed('phone')
  await over()
  expect([store.value, moved]).toEqual(['there', ['here phone']])
})

test('a store of one process tells nobody', async () => {
  const alone = { ...store.of('here'), partitions: 1 }
  const whereabouts = createWhereabouts({ store: alone, log: silent, instance: 'here', onMoved() {} })
  whereabouts.enter('phone')
  whereabouts.confirmed('phone')
  whereabouts.leave('phone')
  await over()
  expect(store.value).toBeUndefined()
})
