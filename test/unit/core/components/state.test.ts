// A component's leases end with it, whatever it still asks for.
import { expect, test } from 'vitest'
import type { Json } from '../../../../core/api.ts'
import { createState } from '../../../../core/components/state.ts'
import type { StateOptions } from '../../../../core/components/state.ts'

const fence = { counter: 1, random: 'r' }

/** A store by hand with one lease; its answers wait for `answers`. */
function setUp() {
  let holder: string | undefined
  const state = { answers: Promise.resolve(), isBroken: false }
  const store: StateOptions['store'] = {
    async lease({ owner, release }) {
      if (state.isBroken && release === true) throw new Error('the store is gone')
      if (release === true) {
        if (holder === owner) holder = undefined
        return { status: 'released' }
      }
      const isHeld = holder === undefined || holder === owner
      if (isHeld) holder = owner
      await state.answers
      return isHeld ? { status: 'held', fence, remainingMs: 1 } : { status: 'busy', remainingMs: 1 }
    },
    value: () => Promise.reject(new Error('not asked here')),
  }
  const of = (owner: string) => createState({ store, prefix: 'channel/till/', owner })
  return { of, state, holder: () => holder }
}

test('a lease that is held when the component ends is let go', async () => {
  const { of, holder } = setUp()
  const before = of('before')
  expect(await before.lease('poll', 10_000)).toBeDefined()
  expect(await of('after').lease('poll', 10_000)).toBeUndefined()
  await before[Symbol.asyncDispose]()
  expect(holder()).toBeUndefined()
})

test('one that is asked for as it ends, or afterwards, is let go at once and is not had', async () => {
  const { of, state, holder } = setUp()
  const ending = of('ending')
  const answers = Promise.withResolvers<void>()
  state.answers = answers.promise
  const asked = ending.lease('poll', 10_000)
  await ending[Symbol.asyncDispose]()
  answers.resolve()
  expect(await asked).toBeUndefined()
  expect(holder()).toBeUndefined()
  expect(await ending.lease('poll', 10_000)).toBeUndefined()
  expect(holder()).toBeUndefined()
  expect(await of('after').lease('poll', 10_000)).toBeDefined()
})

test('a renewal under way as it ends does not keep the lease', async () => {
  const { of, state, holder } = setUp()
  const ending = of('ending')
  await ending.lease('poll', 10_000)
  const answers = Promise.withResolvers<void>()
  state.answers = answers.promise
  const renewed = ending.lease('poll', 10_000)
  await ending[Symbol.asyncDispose]()
  answers.resolve()
  expect(await renewed).toBeUndefined()
  expect(holder()).toBeUndefined()
})

test('that a store cannot be told is nobody’s failure: the lease ends by itself', async () => {
  const { of, state } = setUp()
  const ending = of('ending')
  await ending[Symbol.asyncDispose]()
  state.isBroken = true
  expect(await ending.lease('poll', 10_000)).toBeUndefined()
})

test('what a component gives as options of a put never names another component’s key', async () => {
  const { store } = setUpValues()
  const state = createState({ store: store.of, prefix: 'channel/till/', owner: 'one' })
  const more = { ttlMs: 5, key: 'channel/other/token', put: 'stolen', expect: 1 } // a plugin’s JavaScript may give more
  await state.put('token', 'mine', more)
  await state.compareAndSet('token', undefined, 'mine', more)
  expect(store.asked).toEqual([
    expect.objectContaining({ key: 'channel/till/token', put: 'mine', ttlMs: 5 }),
    expect.objectContaining({ key: 'channel/till/token', put: 'mine', ttlMs: 5, expect: 'absent' }),
  ])
})

function setUpValues() {
  const asked: unknown[] = []
  const of: StateOptions['store'] = {
    lease: () => Promise.reject(new Error('not asked here')),
    value(given) {
      asked.push(given)
      return Promise.resolve({ status: 'ok' })
    },
  }
  return { store: { of, asked } }
}

test('a value that is none, or that a store would empty, is refused with what to do', async () => {
  const state = setUp().of('till')
  const put = (value: unknown): Promise<void> => state.put('k', value as Json)
  await expect(put(undefined)).rejects.toThrow(
    new TypeError('a state value is undefined: write null where there is none'),
  )
  await expect(put({ at: new URL('http://a') })).rejects.toThrow(
    new TypeError('at is a URL: write String(…)'),
  )
  await expect(state.compareAndSet('k', undefined, { at: () => 1 } as unknown as Json)).rejects.toThrow(
    'at is a function, which is not plain data',
  )
})
