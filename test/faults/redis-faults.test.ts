// Redis in every kind of trouble, under load: nothing acknowledged is lost or seen twice, the gateway lives, is quick to refuse and to be back.
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { faultProxy } from '../support/fault-proxy.ts'
import { RedisServer } from '../support/redis-server.ts'
import { isFull, seeded, slownessFrom } from './random.ts'
import { LIES, startLiar } from './redis/liar.ts'
import { startRedisWorld } from './redis/load.ts'
import type { RedisWorld, Sample } from './redis/load.ts'
import { pause } from './world.ts'

const KILLS = isFull ? 20 : 2
const PAUSED_MS = isFull ? 30_000 : 2500
const CUT_MS = isFull ? 60_000 : 2000
const SLOW_MS = isFull ? 20_000 : 1500
const FULL_MS = isFull ? 10_000 : 800
const LIE_MS = isFull ? 10_000 : 400

/** A command's time, and what the rest of a message's way takes on a machine of its own. */
const REFUSED_MS = 1500
const BACK_MS = 5000
const LATE_MS = 50
/** Of the messages, where the machine is twice as slow. */
const LATE_PART = 0.02
/** Of the memory when it was warm, and beside it: what is on its way, or read of an answer that has no end, is bounded. */
const [MEMORY, MEMORY_BYTES] = [1.2, 128 * 1024 * 1024]

interface Trouble {
  readonly name: string
  /** While it lasts; whatever it began is over when it resolves. */
  readonly run: () => Promise<void>
  /** Messages are acknowledged all the time. */
  readonly isServed?: boolean
  readonly rounds?: number
}

test(
  'killed, paused, cut off, slow, full and answering nonsense: nothing acknowledged lost, nothing twice, back within 5 s',
  { timeout: 900_000 },
  async () => {
    const random = seeded('redis')
    await using redis = await RedisServer.start()
    await using liar = await startLiar(redis.port, random)
    await using proxy = await faultProxy({ target: liar.port, seed: Math.floor(random() * 2 ** 31) })
    const url = `redis://127.0.0.1:${proxy.port}`
    await using world = await startRedisWorld(`{ url: "${url}", durability: strict }`, random)
    await until(() => (world.acknowledged() > 150 ? true : undefined), 60_000)
    const begun = (await world.lateness()).at(-1)

    const troubles: readonly Trouble[] = [
      {
        name: 'killed',
        rounds: KILLS,
        async run() {
          await redis.end('SIGKILL')
          await pause(random() * 500)
          await redis.begin()
        },
      },
      {
        name: 'paused',
        async run() {
          process.kill(redis.pid, 'SIGSTOP')
          await pause(PAUSED_MS)
          process.kill(redis.pid, 'SIGCONT')
        },
      },
      {
        name: 'cut off',
        async run() {
          proxy.blackout(CUT_MS)
          await pause(CUT_MS)
        },
      },
      {
        name: 'slow',
        isServed: true,
        async run() {
          proxy.set({ delay: 300 })
          await pause(SLOW_MS)
          proxy.set({})
        },
      },
      {
        name: 'in its reserve',
        async run() {
          const set = Date.now()
          redis.cli('CONFIG', 'SET', 'maxmemory', String(Math.ceil(usedMemory(redis) * 1.05)))
          await pause(FULL_MS)
          // The gateway looks once a second.
          await until(
            () => (world.messages.some((one) => one.at > set && !isServedBy(one)) ? true : undefined),
            10_000,
          )
          redis.cli('CONFIG', 'SET', 'maxmemory', '0')
        },
      },
      {
        name: 'out of memory',
        async run() {
          redis.cli('CONFIG', 'SET', 'maxmemory', '1')
          await pause(FULL_MS)
          redis.cli('CONFIG', 'SET', 'maxmemory', '0')
        },
      },
      {
        name: 'answering nonsense',
        async run() {
          for (const lie of LIES) {
            const told = liar.told
            liar.lie(lie)
            await pause(LIE_MS)
            await until(() => (liar.told > told ? true : undefined), 30_000)
          }
          liar.lie(undefined)
        },
      },
    ]
    const wanted = process.env['REDIS_FAULT']
    for (const trouble of troubles.filter(({ name }) => wanted === undefined || name === wanted))
      for (let round = 0; round < (trouble.rounds ?? 1); round++) await suffer(world, trouble)

    await world.rest()
    const all = (await world.lateness()).filter(({ at }) => at > (begun?.at ?? 0))
    await world.nothingLost()
    const [before, after] = [begun?.rss ?? 0, all.at(-1)?.rss ?? Infinity]
    const late = percentile(
      all.flatMap((one) => one.late),
      0.99,
    )
    const waited =
      ((all.at(-1)?.waited ?? 0) - (begun?.waited ?? 0)) / ((all.at(-1)?.at ?? 0) - (begun?.at ?? 0))
    console.log(
      `${world.said.length} messages; memory ${megabytes(before)} MB before, ${megabytes(after)} MB after; event loop p99 ${late} ms, and for ${(waited * 100).toFixed(0)} % of the time there was no processor for it`,
    )
    expect(after).toBeLessThan(before * MEMORY + MEMORY_BYTES)
    expect(late).toBeLessThan(LATE_MS)
    // What needs no store has not noticed anything.
    for (const calls of [world.looks, world.asks]) {
      expect(calls.length).toBeGreaterThan(20)
      expect(calls.filter(({ status }) => status !== 200)).toEqual([])
    }
  },
)

async function suffer(world: RedisWorld, { name, run, isServed = false }: Trouble): Promise<void> {
  const slowSince = slownessFrom(world.gateway.pid)
  const begun = Date.now()
  await run()
  const over = Date.now()
  const back = await until(() => {
    world.checkCustomers()
    return world.messages.find((one) => one.at > over && isServedBy(one))
  }, 60_000)
  await until(
    () =>
      world.messages.filter((one) => one.at > back.at && isServedBy(one)).length > 20 ? true : undefined,
    60_000,
  )
  const during = (samples: readonly Sample[]): readonly Sample[] =>
    samples.filter(({ at }) => at > begun && at <= back.at)
  const messages = during(world.messages)
  const refused = messages.filter((one) => !isServedBy(one))
  const late = (await world.lateness())
    .filter(({ at }) => at > begun && at <= back.at + 1000)
    .flatMap((one) => one.late)
  const [p99, slowest, cached] = [percentile(late, 0.99), most(refused), most(during(world.looks))]
  console.log(
    `${name}: ${messages.length - refused.length} acknowledged, ${refused.length} refused after at most ${slowest} ms, back after ${Math.round(back.at - over)} ms; event loop p99 ${p99} ms, most ${Math.max(0, ...late)} ms; from the cache at most ${cached} ms`,
  )
  const slow = slowSince()
  expect(refused.filter(({ status }) => status !== 429 && status !== 503)).toEqual([])
  // A command has a second: with others at the processor some need longer.
  if (isServed)
    expect(refused.length, name).toBeLessThanOrEqual(Math.floor(messages.length * LATE_PART * (slow - 1)))
  else expect(refused.length, name).toBeGreaterThan(0)
  expect(slowest, name).toBeLessThan(REFUSED_MS * slow)
  expect(back.at - over, name).toBeLessThan(BACK_MS * slow)
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1_048_576)
}

function isServedBy({ status }: Sample): boolean {
  return status === 200 || status === 202
}

function most(samples: readonly Sample[]): number {
  return Math.round(Math.max(0, ...samples.map(({ ms }) => ms)))
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length * share)] ?? 0
}

function usedMemory(redis: RedisServer): number {
  return Number(/used_memory:(\d+)/.exec(redis.cli('INFO', 'memory'))?.[1])
}
