// The outbox of a bridge: durable, in order, published from its first entry again after every failure. At least once, with an id.
import { setTimeout as pause } from 'node:timers/promises'

import { GatewayError } from 'dragoman'
import type { Json, Log, State } from 'dragoman'

import { isObject } from '../data/json.ts'

export interface Entry {
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1
}

export interface Outbox {
  /** Resolves when it is durable. Throws `OVERLOADED` where 10,000 wait, `TOO_LARGE`, `STORE_UNAVAILABLE`. */
  append(entry: Entry): Promise<void>
  /** Publishes what is there and what comes, until the signal ends. `publish` rejects where it is not sure of the PUBACK. */
  run(publish: (entry: Entry) => Promise<void>, signal: AbortSignal): Promise<void>
  /** The broker is connected again: no need to wait for the next try. */
  wake(): void
}

export interface OutboxOptions {
  readonly state: State
  readonly log: Log
}

const KEY = 'outbox'
const MAX_WAITING = 10_000
/** Of the 64 kB that the small store takes. */
const MAX_PAYLOAD_BYTES = 60_000
/** Under way at once: they are sent in order, and a failure sends again from the first that failed. */
const WINDOW = 32
const RETRY_MS = 1000
/** What another instance has put in is seen this late. */
const LOOK_MS = 2000

/** The entries `first` up to, not including, `next`. */
interface Pointers {
  readonly first: number
  readonly next: number
}

export function createOutbox({ state, log }: OutboxOptions): Outbox {
  let appending: Promise<unknown> = Promise.resolve()
  let wakeUp: () => void = () => undefined

  async function read(): Promise<{ readonly pointers: Pointers; readonly version: number | undefined }> {
    const stored = await state.get(KEY)
    return { pointers: pointersOf(stored?.value), version: stored?.version }
  }

  async function change(to: (pointers: Pointers) => Pointers): Promise<Pointers> {
    for (;;) {
      const { pointers, version } = await read()
      const changed = to(pointers)
      if (await state.compareAndSet(KEY, version, { ...changed })) return pointers
    }
  }

  async function add(entry: Entry): Promise<void> {
    for (;;) {
      const { pointers, version } = await read()
      const { first, next } = pointers
      if (next - first >= MAX_WAITING)
        throw new GatewayError('OVERLOADED', `${MAX_WAITING} messages wait for the other broker`)
      // First the entry, then the pointer that makes it one: a crash between leaves nothing behind that anybody reads.
      await state.put(keyOf(next), { ...entry })
      if (await state.compareAndSet(KEY, version, { first, next: next + 1 })) return
    }
  }

  async function batch({ first, next }: Pointers): Promise<readonly (Entry | undefined)[]> {
    const numbers = Array.from({ length: Math.min(WINDOW, next - first) }, (_, index) => first + index)
    return Promise.all(numbers.map(async (number) => entryOf((await state.get(keyOf(number)))?.value)))
  }

  /** How many from the front are done: nothing behind a failure counts. */
  async function publishAll(
    entries: readonly (Entry | undefined)[],
    publish: (entry: Entry) => Promise<void>,
  ): Promise<number> {
    const results = await Promise.allSettled(
      entries.map(async (entry) => (entry === undefined ? undefined : publish(entry))),
    )
    const failed = results.findIndex(({ status }) => status === 'rejected')
    return failed === -1 ? results.length : failed
  }

  async function forget(from: number, count: number): Promise<void> {
    await change(({ next }) => ({ first: from + count, next }))
    for (let number = from; number < from + count; number += 1)
      await state.put(keyOf(number), null, { ttlMs: 1 })
  }

  async function idle(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    wakeUp = () => woken.abort()
    await pause(ms, undefined, { signal: AbortSignal.any([signal, woken.signal]), ref: false }).catch(
      () => undefined,
    )
  }

  return {
    async append(entry) {
      if (Buffer.byteLength(entry.payload) > MAX_PAYLOAD_BYTES)
        throw new GatewayError(
          'TOO_LARGE',
          `a message for the other broker has more than ${MAX_PAYLOAD_BYTES} bytes`,
        )
      const added = appending.then(() => add(entry))
      appending = added.catch(() => undefined)
      await added
      wakeUp()
    },
    async run(publish, signal) {
      while (!signal.aborted) {
        try {
          const { pointers } = await read()
          if (pointers.first === pointers.next) {
            await idle(LOOK_MS, signal)
            continue
          }
          const entries = await batch(pointers)
          const done = await publishAll(entries, publish)
          if (done > 0) await forget(pointers.first, done)
          if (done < entries.length) await idle(RETRY_MS, signal)
        } catch (error) {
          log.warn('the outbox waits for the store', { reason: GatewayError.from(error).message })
          await idle(RETRY_MS, signal)
        }
      }
    },
    wake: () => wakeUp(),
  }
}

function keyOf(number: number): string {
  return `${KEY}/${number}`
}

function pointersOf(value: Json | undefined): Pointers {
  if (!isObject(value)) return { first: 1, next: 1 }
  const { first, next } = value
  return typeof first === 'number' && typeof next === 'number' ? { first, next } : { first: 1, next: 1 }
}

function entryOf(value: Json | undefined): Entry | undefined {
  if (!isObject(value)) return undefined
  const { topic, payload, qos } = value
  if (typeof topic !== 'string' || typeof payload !== 'string' || (qos !== 0 && qos !== 1)) return undefined
  return { topic, payload, qos }
}
