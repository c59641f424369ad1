// What one connection has received: how much of it at most, and what becomes of it when one message is not taken.
import { expect, test } from 'vitest'

import { Arrivals } from '../../../../adapters/mqtt/arrivals.ts'
import type { Arrived, ArrivalsOptions } from '../../../../adapters/mqtt/arrivals.ts'
import { testScope } from 'dragoman/testing'

const { log } = testScope({})
const message = (bytes = 1): Arrived => ({
  topic: 't',
  payload: new Uint8Array(bytes),
  qos: 1,
  retain: false,
})
const arrivalsOf = (take: ArrivalsOptions['take'], onRefused = () => undefined): Arrivals =>
  new Arrivals({ take, after: Promise.resolve(), log, onRefused })

async function isPending(promise: Promise<void>): Promise<boolean> {
  return Promise.race([
    promise.then(() => false),
    new Promise<true>((resolve) => setTimeout(resolve, 20, true)),
  ])
}

test.each([
  ['256 messages', 256, 1],
  ['4 MB', 4, 1024 * 1024],
])('no more is read while %s are not acknowledged', async (_, count, bytes) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const acknowledged: number[] = []
  const arrivals = arrivalsOf(() => promise)
  for (let n = 1; n < count; n += 1)
    expect(await isPending(arrivals.add(message(bytes), () => void acknowledged.push(n)))).toBe(false)
  const reading = arrivals.add(message(bytes), () => void acknowledged.push(count))
  expect(await isPending(reading)).toBe(true)
  resolve()
  await reading
  await expect.poll(() => acknowledged.length).toBe(count)
})

test('behind a message that is not taken nothing is begun, and nothing acknowledged; what came before it still is', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const acknowledged: number[] = []
  let begun = 0
  let refusals = 0
  const take: ArrivalsOptions['take'] = async (_, { goOn }) => {
    begun += 1
    if (begun === 2) throw new Error('the disk is full')
    goOn()
    await promise
  }
  const arrivals = arrivalsOf(take, () => void (refusals += 1))
  for (const n of [1, 2, 3]) await arrivals.add(message(), () => void acknowledged.push(n))
  await expect.poll(() => refusals).toBe(1)
  resolve()
  await arrivals.stop()
  expect([begun, acknowledged]).toEqual([2, [1]])
})

test('what a connection that has ended had not begun is not begun; the next one waits for what is being taken', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let begun = 0
  const old = arrivalsOf(async () => {
    begun += 1
    await promise
  })
  for (let n = 0; n < 3; n += 1) await old.add(message(), () => undefined)
  await expect.poll(() => begun).toBe(1)
  const ended = old.end()
  expect(await isPending(ended)).toBe(true)
  resolve()
  await ended
  expect(begun).toBe(1)
})
