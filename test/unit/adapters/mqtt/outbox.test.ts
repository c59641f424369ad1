// The bridge's outbox: what two instances put in at once, and what is left of one that ended in the middle of it.
import { GatewayError } from 'dragoman'
import type { Json, Metrics, State } from 'dragoman'
import { testScope } from 'dragoman/testing'
import { expect, test } from 'vitest'

import { ClosedBehind } from '../../../../adapters/mqtt/client.ts'
import { createOutbox } from '../../../../adapters/mqtt/outbox.ts'
import type { Entry } from '../../../../adapters/mqtt/outbox.ts'
import { until } from '../../../support/gateway.ts'

const entry = (payload: string): Entry => ({ topic: 't', payload, qos: 1 })
const { log, metrics } = testScope({})

/** The small store as two instances see it: each answer takes a moment. */
function sharedState(): State & { readonly values: Map<string, { value: Json; version: number }> } {
  const values = new Map<string, { value: Json; version: number }>()
  let version = 0
  const moment = () => new Promise((resolve) => setImmediate(resolve))
  const set = (key: string, value: Json): void => void values.set(key, { value, version: ++version })
  return {
    values,
    async get(key) {
      await moment()
      return values.get(key)
    },
    async put(key, value) {
      await moment()
      set(key, value)
    },
    async compareAndSet(key, expected, value) {
      await moment()
      if (values.get(key)?.version !== expected) return false
      set(key, value)
      return true
    },
    lease: async () => undefined,
  }
}

/** What goes out until `count` have. */
async function published(state: State, count: number): Promise<readonly string[]> {
  const out: string[] = []
  const ending = new AbortController()
  const outbox = createOutbox({ state, log, metrics, holeMs: 100 })
  const running = outbox.run(async ({ payload }) => void out.push(payload), ending.signal)
  await until(() => out.length >= count || undefined)
  ending.abort()
  await running
  return out
}

test('what two instances put in at the same moment goes out, all of it and once', async () => {
  const state = sharedState()
  const names = (who: string): readonly string[] => Array.from({ length: 50 }, (_, n) => `${who}${n}`)
  await Promise.all(
    ['a', 'b'].flatMap((who) => {
      const outbox = createOutbox({ state, log, metrics })
      return names(who).map((name) => outbox.append(entry(name)))
    }),
  )
  const out = await published(state, 100)
  expect(out.toSorted()).toEqual([...names('a'), ...names('b')].toSorted())
  for (const who of ['a', 'b']) expect(out.filter((name) => name.startsWith(who))).toEqual(names(who))
})

test('who took a number and ended keeps nobody waiting; who only stood still loses nothing', async () => {
  const state = sharedState()
  await state.put('outbox', { first: 1, next: 2 }) // one that ended before its entry
  const { promise: still, resolve: goOn } = Promise.withResolvers<void>()
  let isStill = true
  const slow: State = {
    ...state,
    async compareAndSet(key, ...rest) {
      if (key === 'outbox/2') await still
      isStill &&= key !== 'outbox/2'
      return state.compareAndSet(key, ...rest)
    },
  }
  const appending = createOutbox({ state: slow, log, metrics }).append(entry('slow'))
  await until(() => JSON.stringify(state.values.get('outbox')?.value) === '{"first":1,"next":3}' || undefined)
  await createOutbox({ state, log, metrics }).append(entry('quick'))
  expect(await published(state, 1)).toEqual(['quick'])
  expect(isStill).toBe(true)
  goOn()
  await appending
  expect(await published(state, 1)).toEqual(['slow'])
})

test('what a failure left behind goes out again from the first that failed, in order', async () => {
  const state = sharedState()
  const outbox = createOutbox({ state, log, metrics })
  for (const name of ['a', 'b', 'c']) await outbox.append(entry(name))
  const tried: string[] = []
  const ending = new AbortController()
  const running = outbox.run(async ({ payload }) => {
    tried.push(payload)
    if (tried.length === 2) throw new Error('no PUBACK')
  }, ending.signal)
  await until(() => {
    outbox.wake()
    return tried.length >= 5 || undefined
  })
  ending.abort()
  await running
  expect(tried).toEqual(['a', 'b', 'c', 'b', 'c'])
})

test('a message that the store could not take is refused for good, in words: quotes count double', async () => {
  const state = sharedState()
  const outbox = createOutbox({ state, log, metrics })
  await expect(outbox.append(entry('"'.repeat(40_000)))).rejects.toMatchObject({ code: 'TOO_LARGE' })
  await outbox.append(entry('x'.repeat(65_000)))
  expect(await published(state, 1)).toEqual(['x'.repeat(65_000)])
})

test('a bridge that stood still while another one went on sets nothing back: nobody waits for what is long gone', async () => {
  const state = sharedState()
  for (const name of ['a', 'b', 'c']) await createOutbox({ state, log, metrics }).append(entry(name))
  const { promise: still, resolve: goOn } = Promise.withResolvers<void>()
  const late: string[] = []
  const ending = new AbortController()
  const running = createOutbox({ state, log, metrics }).run(async ({ payload }) => {
    late.push(payload)
    await still
    ending.abort()
  }, ending.signal)
  await until(() => late.length === 3 || undefined)
  expect(await published(state, 3)).toEqual(['a', 'b', 'c'])
  await createOutbox({ state, log, metrics }).append(entry('d'))
  expect(await published(state, 1)).toEqual(['d'])
  goOn()
  await running
  expect(state.values.get('outbox')?.value).toEqual({ first: 5, next: 5 })
})

const closedBehind = new GatewayError('BACKEND_FAILED', 'no PUBACK', { cause: new ClosedBehind() })

/** A broker that closes the connection at one message, before anything sent with it has its PUBACK. */
function closingAt(bad: string) {
  const taken: string[] = []
  let isClosed = false
  return {
    taken,
    publish: async ({ payload }: Entry): Promise<void> => {
      if (payload === bad) isClosed = true
      await new Promise((resolve) => setImmediate(resolve))
      setImmediate(() => (isClosed = false)) // it is connected again
      if (isClosed) throw closedBehind
      taken.push(payload)
    },
  }
}

test('what the broker closes the connection for is found among what is sent with it, set aside and told; the rest goes out in order', async () => {
  const state = sharedState()
  const errors: (object | undefined)[] = []
  const counted: string[] = []
  const gauges: number[] = []
  const told: Metrics = {
    count: (name) => void counted.push(name),
    gauge: (_name, value) => void gauges.push(value),
  }
  const noting = { ...log, error: (_text: string, fields?: object) => void errors.push(fields) }
  const outbox = createOutbox({ state, log: noting, metrics: told })
  const names = ['a', 'b', '{"id":"large"}', 'c', 'd']
  for (const name of names) await outbox.append(entry(name))
  const ending = new AbortController()
  const { taken, publish } = closingAt('{"id":"large"}')
  const running = outbox.run(publish, ending.signal)
  await until(() => {
    outbox.wake()
    return taken.length >= 4 && gauges.at(-1) === 0 ? true : undefined
  })
  ending.abort()
  await running
  expect(taken).toEqual(['a', 'b', 'c', 'd'])
  expect(errors).toEqual([{ topic: 't', bytes: 14, id: 'large' }])
  expect(counted).toEqual(['mqtt_undeliverable'])
  expect(gauges[0]).toBe(5)
})

test.each([
  ['the broker is away', new GatewayError('BACKEND_FAILED', 'not connected', { notExecuted: true })],
  ['nothing is heard of the broker', new GatewayError('BACKEND_FAILED', 'no PUBACK')],
])('while %s nothing is set aside, however often it is tried', async (_, failure) => {
  const state = sharedState()
  const outbox = createOutbox({ state, log, metrics })
  await outbox.append(entry('a'))
  let tries = 0
  const out: string[] = []
  const ending = new AbortController()
  const running = outbox.run(async ({ payload }) => {
    tries += 1
    if (tries <= 20) throw failure
    out.push(payload)
  }, ending.signal)
  await until(() => {
    outbox.wake()
    return out.length > 0 || undefined
  })
  ending.abort()
  await running
  expect([tries, out]).toEqual([21, ['a']])
})

test('a broker that closes the connection whatever is published empties no outbox: it waits, told once, until there is a PUBACK', async () => {
  const state = sharedState()
  const errors: string[] = []
  const gauges: number[] = []
  const told: Metrics = { count() {}, gauge: (_name, value) => void gauges.push(value) }
  const noting = { ...log, error: (text: string) => void errors.push(text) }
  const outbox = createOutbox({ state, log: noting, metrics: told })
  const names = Array.from({ length: 8 }, (_, n) => `m${n}`)
  for (const name of names) await outbox.append(entry(name))
  const ending = new AbortController()
  const taken: string[] = []
  let tries = 0
  const running = outbox.run(async ({ payload }) => {
    tries += 1
    if (tries <= 150) throw closedBehind
    taken.push(payload)
  }, ending.signal)
  await until(() => {
    outbox.wake()
    return gauges.at(-1) === 0 || undefined
  })
  ending.abort()
  await running
  expect(taken).toEqual(names.slice(2))
  expect(errors.map((text) => /given up$|outbox waits$/u.exec(text)?.[0])).toEqual([
    'given up',
    'given up',
    'outbox waits',
  ])
})

test('who no longer publishes the outbox says that nothing waits there: another instance says what does', async () => {
  const gauges: number[] = []
  const told: Metrics = { count() {}, gauge: (_name, value) => void gauges.push(value) }
  const outbox = createOutbox({ state: sharedState(), log, metrics: told })
  for (const name of ['a', 'b']) await outbox.append(entry(name))
  const ending = new AbortController()
  await outbox.run(async () => {
    ending.abort()
    throw new GatewayError('BACKEND_FAILED', 'not connected', { notExecuted: true })
  }, ending.signal)
  expect(gauges).toEqual([2, 0])
})
