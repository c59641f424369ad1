// DESIGN §6: the gateway itself in trouble: a slow and a failing disk, frozen, with a clock that jumps, without files, without memory.
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryDirectory, until } from '../support/gateway.ts'
import { post } from '../support/rest.ts'
import { isFull, seeded, slownessFrom } from './random.ts'
import { between, pause, percentile, startWorld } from './world.ts'
import type { World } from './world.ts'

const FAULT_MS = isFull ? 30_000 : 1500
const WARM_MS = 1500
const RECOVERED_MS = 5000
const NOISE_KB = 24_000
const NOISE_MS = isFull ? 10 : 100
/** A gateway that gets no processor for so much of the time says nothing about itself by its latencies. */
const MOST_STARVED = 0.2

let folder = ''
beforeAll(async () => {
  folder = await temporaryDirectory()
})
afterAll(() => rm(folder, { recursive: true }))

interface Fault {
  readonly name: string
  readonly begin: (world: World) => Promise<void> | void
  readonly end: (world: World) => Promise<void> | void
  /** What it must not touch: reads that nothing stores. */
  readonly sparesReads?: boolean
}

/** Calm, fault, calm; then what is promised of every fault is looked at. */
async function suffer(world: World, { name, begin, end, sparesReads }: Fault): Promise<void> {
  await using load = world.load()
  await pause(WARM_MS)
  const memory = await world.memory()
  const calm = percentile(between(world.asks, performance.now() - WARM_MS, Infinity), 0.5)
  const broken = performance.now()
  const waited = await world.waitedForCpu()
  await begin(world)
  await pause(FAULT_MS)
  const starved = ((await world.waitedForCpu()) - waited) / (performance.now() - broken)
  await end(world)
  const mended = performance.now()
  const slowSince = slownessFrom(world.gateway.pid)
  const soundFor = (): number | undefined => {
    const all = [...between(world.asks, mended, Infinity), ...between(world.looks, mended, Infinity)]
    const recent = all.filter(({ at, ms }) => at + ms > performance.now() - 400)
    return recent.length > 10 && recent.every(({ status }) => status === 200)
      ? performance.now() - mended
      : undefined
  }
  const recovered = await until(async () => {
    if (soundFor() === undefined) return undefined
    const { status } = await post(`${world.gateway.base}/v1/messages`, {
      sender: { id: 'probe' },
      text: 'there?',
    })
    return status === 202 ? performance.now() - mended : undefined
  }, 60_000)
  const slow = slowSince()
  const most = memory * 1.2 + NOISE_KB
  const after = await until(async () => {
    const now = await world.memory()
    return now <= most || performance.now() > mended + 10_000 ? now : undefined
  }, 60_000)
  await load[Symbol.asyncDispose]()
  const during = percentile(between(world.asks, broken, mended), 0.5)
  const failed = between(world.asks, broken, mended).filter(({ status }) => status !== 200).length
  console.log(
    `${name}: well again after ${recovered.toFixed(0)} ms (machine × ${slow.toFixed(1)}), reads p50 ${calm.toFixed(1)} → ${during.toFixed(1)} ms ` +
      `(no processor for ${(starved * 100).toFixed(0)} %), ` +
      `${failed} of them failed, memory ${memory} → ${after} kB`,
  )
  expect(recovered, name).toBeLessThanOrEqual(RECOVERED_MS * slow)
  expect(after, `${name}: memory`).toBeLessThanOrEqual(most)
  if (sparesReads !== true) return
  expect(failed, name).toBe(0)
  if (starved < MOST_STARVED)
    expect(during, `${name}: reads`).toBeLessThanOrEqual(Math.max(calm * 1.1, calm + NOISE_MS))
}

test(
  'a store that is slow, then one whose fsync fails: what is not stored waits for neither',
  { timeout: 180_000 },
  async () => {
    const random = seeded('disk faults')
    const library = join(folder, 'fsync.so')
    const orders = join(folder, 'orders')
    execFileSync('cc', ['-shared', '-fPIC', '-o', library, resolve(import.meta.dirname, 'fsync.c'), '-ldl'])
    await writeFile(orders, '0')
    await using world = await startWorld(random, { env: { LD_PRELOAD: library, FSYNC_ORDERS: orders } })
    const orderTo = (text: string) => () => writeFile(orders, text)
    const end = orderTo('0')
    await suffer(world, { name: 'slow fsync', begin: orderTo('300'), end, sparesReads: true })
    await suffer(world, { name: 'failing fsync', begin: orderTo('-1'), end, sparesReads: true })
    // It was felt: nobody was told that something is stored which is not.
    await until(() => /store/u.test(world.gateway.log()) || undefined)
    await world.nothingLost()
  },
)

test(
  'frozen (SIGSTOP), and killed while frozen: nothing lost, nothing twice',
  { timeout: 180_000 },
  async () => {
    await using world = await startWorld(seeded('freezing'))
    await suffer(world, {
      name: 'SIGSTOP',
      begin: ({ gateway }) => void process.kill(gateway.pid, 'SIGSTOP'),
      end: ({ gateway }) => void process.kill(gateway.pid, 'SIGCONT'),
    })
    await suffer(world, {
      name: 'SIGSTOP, SIGKILL',
      begin: ({ gateway }) => void process.kill(gateway.pid, 'SIGSTOP'),
      async end() {
        await world.gateway.kill()
        await world.restart()
      },
    })
    await world.nothingLost()
  },
)

test(
  'a wall clock that jumps an hour on, two back and three years on: nobody notices',
  { timeout: 180_000 },
  async () => {
    const clock = join(folder, 'clock')
    await writeFile(clock, '+0')
    await using world = await startWorld(seeded('clock jumps'), {
      env: {
        LD_PRELOAD: `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`,
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_CACHE_DURATION: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    })
    const date = async (): Promise<number> =>
      Date.parse((await fetch(`${world.gateway.base}/healthz`)).headers.get('date') ?? '')
    for (const [jump, ms] of [
      ['+3600', 3_600_000],
      ['-3600', -3_600_000],
      ['+3y', 3 * 365 * 86_400_000],
    ] as const) {
      await suffer(world, {
        name: `clock ${jump}`,
        async begin() {
          await writeFile(clock, jump)
          await until(async () => (Math.abs((await date()) - Date.now() - ms) < 60_000 ? true : undefined))
        },
        end: () => writeFile(clock, '+0'),
        sparesReads: true,
      })
    }
    await world.nothingLost()
  },
)

test(
  'no more files to open: who comes is refused or waits, and the process lives',
  { timeout: 180_000 },
  async () => {
    await using world = await startWorld(seeded('open files'))
    const sockets: Socket[] = []
    const limit = (files: number): void => {
      execFileSync('prlimit', ['--pid', String(world.gateway.pid), `--nofile=${files}:`])
    }
    await suffer(world, {
      name: 'open files',
      begin({ gateway }) {
        limit(readdirSync(`/proc/${gateway.pid}/fd`).length + 5)
        for (let count = 0; count < 200; count++)
          sockets.push(connect(gateway.port, '127.0.0.1').on('error', () => undefined))
      },
      end() {
        for (const socket of sockets) socket.destroy()
        limit(20_000)
      },
    })
    expect(sockets).toHaveLength(200)
    await world.nothingLost()
  },
)

test(
  'a heap under pressure: refused or slow, not lost; and who takes the memory gets none of it for long',
  { timeout: 180_000 },
  async () => {
    await using world = await startWorld(seeded('heap pressure'), {
      env: { NODE_OPTIONS: '--max-old-space-size=128' },
    })
    const GREEDY = 8
    const big = 'x'.repeat(900_000)
    const pressure = { isOn: true }
    let pressing: readonly Promise<void>[] = []
    const statuses = new Map<number, number>()
    const greedy = async (customer: string): Promise<void> => {
      while (pressure.isOn) {
        try {
          const { status } = await post(`${world.gateway.base}/v1/messages`, {
            sender: { id: customer },
            text: big,
          })
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
        } catch {
          statuses.set(0, (statuses.get(0) ?? 0) + 1)
        }
      }
    }
    const press: Fault = {
      name: 'heap pressure',
      begin() {
        pressure.isOn = true
        pressing = Array.from({ length: GREEDY }, (_, at) => greedy(`greedy${at}`))
      },
      async end() {
        pressure.isOn = false
        await Promise.all(pressing)
      },
    }
    // The heap has found its size after the first time: from then on it must not grow.
    await press.begin(world)
    await pause(FAULT_MS)
    await press.end(world)
    await suffer(world, press)
    console.log('answers to the greedy:', Object.fromEntries(statuses))
    expect(statuses.get(202) ?? 0).toBeGreaterThan(0)
    await world.nothingLost()
  },
)
