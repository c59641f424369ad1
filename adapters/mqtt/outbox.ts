// The outbox of a bridge: durable, in order, published from its first entry again after every failure. At least once, with an id.
import { setTimeout as pause } from 'node:timers/promises'

import { GatewayError } from 'dragoman'
import type { Json, Log, Metrics, State } from 'dragoman'

import { isObject, parseJsonText } from '../data/json.ts'
import { ClosedBehind } from './client.ts'
import { Suspicion } from './suspicion.ts'

export interface Entry {
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1
}

export interface Outbox {
  /** Resolves when it is durable. Throws `OVERLOADED` where 10,000 wait, `TOO_LARGE`, `STORE_UNAVAILABLE`. */
  append(entry: Entry): Promise<void>
  /**
   * Publishes what is there and what comes, until the signal ends. `publish` rejects where it is not sure of the PUBACK. What the broker
   * closes the connection for (the cause `ClosedBehind`), at last also alone, is set aside: an error in the log, `mqtt_undeliverable`. Two are,
   * until there is a PUBACK again: a broker that takes nothing at all empties no outbox.
   */
  run(publish: (entry: Entry) => Promise<void>, signal: AbortSignal): Promise<void>
  /** The broker is connected again: no need to wait for the next try. */
  wake(): void
}

export interface OutboxOptions {
  readonly state: State
  readonly log: Log
  readonly metrics: Metrics
  /** Called before each try to publish an entry, for all that go together at once; none of them is sent before it resolves, or where it rejects. */
  readonly before?: (entry: Entry) => Promise<void>
  /** A number whose entry has not come by then is given up: who took it has ended, or begins anew. */
  readonly holeMs?: number
}

const KEY = 'outbox'
const MAX_WAITING = 10_000
/** What the small store takes, as JSON: each quote of a payload is two bytes there. */
const MAX_ENTRY_BYTES = 65_536
/** Under way at once: they are sent in order, and a failure sends again from the first that failed. */
const WINDOW = 32
const RETRY_MS = 1000
/** What another instance has put in is seen this late. */
const LOOK_MS = 2000
const HOLE_MS = 5000
const HOLE_LOOK_MS = 50
/** A writer that stood still finds his number given up, not free. */
const GIVEN_UP_MS = 3_600_000

/** The entries `first` up to, not including, `next`. */
interface Pointers {
  readonly first: number
  readonly next: number
}

/** A number without an entry: it may still come; or it never will, and nobody waits for it. */
type Hole = 'missing' | 'given up'

export function createOutbox({ state, log, metrics, before, holeMs = HOLE_MS }: OutboxOptions): Outbox {
  let appending: Promise<unknown> = Promise.resolve()
  let wakeUp: () => void = () => undefined
  const suspicion = new Suspicion(WINDOW)

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

  /** First the number, which is nobody else's then, on whichever instance; then the entry, unless the number was given up meanwhile. */
  async function add(entry: Entry): Promise<void> {
    for (;;) {
      const { next: number } = await change(({ first, next }) => {
        if (next - first >= MAX_WAITING)
          throw new GatewayError('OVERLOADED', `${MAX_WAITING} messages wait for the other broker`)
        return { first, next: next + 1 }
      })
      if (await state.compareAndSet(keyOf(number), undefined, { ...entry })) return
    }
  }

  async function batch({ first, next }: Pointers, most: number): Promise<readonly (Entry | Hole)[]> {
    const numbers = Array.from({ length: Math.min(most, next - first) }, (_, index) => first + index)
    return Promise.all(
      numbers.map(async (number) => {
        const stored = await state.get(keyOf(number))
        return stored === undefined ? 'missing' : (entryOf(stored.value) ?? 'given up')
      }),
    )
  }

  /** How many from the front are done: nothing behind a failure counts. And why the next is not. */
  async function publishAll(
    entries: readonly (Entry | Hole)[],
    publish: (entry: Entry) => Promise<void>,
  ): Promise<{ readonly done: number; readonly failure?: GatewayError }> {
    const results = await Promise.allSettled(
      entries.map(async (entry) => (typeof entry === 'string' ? undefined : publish(entry))),
    )
    for (const [done, result] of results.entries())
      if (result.status === 'rejected') return { done, failure: GatewayError.from(result.reason) }
    return { done: results.length }
  }

  /** The other broker does not take this one, whatever goes with it. */
  async function setAside(number: number, entry: Entry | Hole | undefined): Promise<void> {
    if (entry === undefined || typeof entry === 'string') return
    metrics.count('mqtt_undeliverable')
    log.error('the other broker closes the connection whenever this message is sent; it is given up', {
      topic: entry.topic,
      bytes: Buffer.byteLength(entry.payload),
      id: idOf(entry.payload),
    })
    await forget(number, [entry])
    suspicion.gaveUp()
  }

  async function suspect(number: number, entry: Entry | Hole | undefined): Promise<void> {
    const verdict = suspicion.closedBehind(number)
    if (verdict === 'itself') await setAside(number, entry)
    if (verdict === 'everything')
      log.error(
        'the other broker closes the connection whatever is published, without one PUBACK; nothing more is given up, and the outbox waits',
        { topic: typeof entry === 'object' ? entry.topic : undefined },
      )
  }

  /** Never back: a bridge that stood still, while another one went on, would leave numbers without entries to be waited for. */
  async function forget(from: number, done: readonly (Entry | Hole)[]): Promise<void> {
    await change(({ first, next }) => ({ first: Math.max(first, from + done.length), next }))
    for (const [index, entry] of done.entries())
      if (entry !== 'given up') await state.put(keyOf(from + index), null, { ttlMs: 1 })
  }

  /** Its writer finds something there, and takes another number. */
  async function giveUp(number: number): Promise<void> {
    await state.compareAndSet(keyOf(number), undefined, null, { ttlMs: GIVEN_UP_MS })
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
      const bytes = Buffer.byteLength(JSON.stringify(entry))
      if (bytes > MAX_ENTRY_BYTES)
        throw new GatewayError(
          'TOO_LARGE',
          `a message for the other broker takes ${bytes} bytes in the outbox: ${MAX_ENTRY_BYTES} are the most`,
        )
      const added = appending.then(() => add(entry))
      appending = added.catch(() => undefined)
      await added
      wakeUp()
    },
    async run(publish, signal) {
      // Whoever goes on with it says what waits there.
      using _ = { [Symbol.dispose]: () => metrics.gauge('mqtt_outbox', 0) }
      let hole = { number: 0, since: 0 }
      while (!signal.aborted) {
        try {
          const { pointers } = await read()
          metrics.gauge('mqtt_outbox', pointers.next - pointers.first)
          if (pointers.first === pointers.next) {
            await idle(LOOK_MS, signal)
            continue
          }
          const found = await batch(pointers, suspicion.most)
          const gap = found.indexOf('missing')
          const entries = gap === -1 ? found : found.slice(0, gap)
          await Promise.all(entries.map(async (entry) => typeof entry === 'object' && before?.(entry)))
          const { done, failure } = await publishAll(entries, publish)
          if (done > 0) await forget(pointers.first, entries.slice(0, done))
          else if (gap === 0) {
            if (hole.number !== pointers.first) hole = { number: pointers.first, since: performance.now() }
            if (performance.now() - hole.since < holeMs) await idle(HOLE_LOOK_MS, signal)
            else await giveUp(hole.number)
          }
          suspicion.acknowledged(done, entries.slice(0, done).filter(wantsPuback).length)
          if (failure === undefined) continue
          if (failure.cause instanceof ClosedBehind) await suspect(pointers.first + done, entries[done])
          await idle(RETRY_MS, signal)
        } catch (error) {
          log.warn('the outbox waits for the store', { reason: GatewayError.from(error).message })
          await idle(RETRY_MS, signal)
        }
      }
    },
    wake: () => wakeUp(),
  }
}

function wantsPuback(entry: Entry | Hole): boolean {
  return typeof entry === 'object' && entry.qos === 1
}

function keyOf(number: number): string {
  return `${KEY}/${number}`
}

/** Of the CloudEvent that it is, as the log of the conversation and the receiver know it. */
function idOf(payload: string): Json | undefined {
  try {
    const event = parseJsonText(payload)
    return isObject(event) ? event['id'] : undefined
  } catch {
    return undefined // it is text
  }
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
