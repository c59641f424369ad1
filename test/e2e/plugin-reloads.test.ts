// DESIGN §9: a plugin is live a second after it was saved, and a bad one changes nothing, under load. `DRAGOMAN_RELOADS=100 DRAGOMAN_RATE=500` is the full size.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory, until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { openPluginHouse, startStream } from '../support/plugin-load.ts'
import type { PluginHouse, PluginHouseOptions } from '../support/plugin-load.ts'
import { badPlugins, unhurried, versioned } from '../support/plugin-sources.ts'
import { metric } from '../support/rest.ts'
import { stopwatch } from '../support/processor.ts'

const RELOADS = Number(process.env['DRAGOMAN_RELOADS'] ?? 8)
const RATE = Number(process.env['DRAGOMAN_RATE'] ?? 50)
const FULL = RELOADS >= 100

async function open(options: PluginHouseOptions = {}): Promise<PluginHouse> {
  const directory = await temporaryDirectory()
  onTestFinished(async () => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  await mkdir(join(directory, 'plugins'))
  return openPluginHouse(directory, options)
}

test(`${RELOADS} reloads at ${RATE} calls a second: none fails, none is of two versions, the old worker ends`, async () => {
  const warm = FULL ? 20 : 3
  await using house = await open()
  const stream = startStream(house.gateway.base, RATE)
  onTestFinished(async () => void (await stream.stop()))
  for (let version = 1; version <= warm; version++) await house.save(version)
  const live: number[] = []
  for (let version = warm + 1; version <= warm + RELOADS; version++) live.push(await house.save(version))
  const watch = stopwatch(house.gateway.pid)
  await until(async () => ((await house.workers()) === 2 ? true : undefined))
  const gone = watch()
  const { calls, failed, mixed } = await stream.stop()
  live.sort((a, b) => a - b)
  const p95 = live[Math.ceil(live.length * 0.95) - 1] ?? Infinity
  process.stdout.write(
    `${RELOADS} reloads, ${calls} calls: ${failed.length} failed, ${mixed} mixed; live p50 ${live[live.length >> 1]?.toFixed()} ms, p95 ${p95.toFixed()} ms; old worker gone after ${gone.toFixed()} ms\n`,
  )
  expect(failed).toEqual([])
  expect(mixed).toBe(0)
  expect(calls).toBeGreaterThan(0)
  expect(gone).toBeLessThan(5000)
  if (FULL) expect(p95).toBeLessThan(1000)
}, 600_000)

test(`${RELOADS} reloads leave nothing in memory: what is held after them is at most a tenth more`, async () => {
  await using house = await open({ isMeasured: true })
  const stream = startStream(house.gateway.base, RATE / 10)
  onTestFinished(async () => void (await stream.stop()))
  const warm = FULL ? 20 : 5
  for (let version = 1; version <= warm; version++) await house.save(version)
  const before = await house.memory()
  for (let version = warm + 1; version <= warm + RELOADS; version++) await house.save(version)
  const after = await house.memory()
  process.stdout.write(`${RELOADS} reloads: ${before.toFixed()} MB before, ${after.toFixed()} MB after\n`)
  expect(after).toBeLessThan(before * 1.1)
}, 600_000)

test('twenty bad plugins under load: the version before goes on each time, and a person is told what to do', async () => {
  await using house = await open()
  await house.save(1)
  const stream = startStream(house.gateway.base, RATE)
  onTestFinished(async () => void (await stream.stop()))
  const bad = badPlugins(versioned('shop', 2))
  expect(bad.length).toBeGreaterThanOrEqual(20)
  for (const [what, text, told] of bad) {
    await house.write(text)
    const row = await until(async () => {
      const now = await house.row('shop')
      return told.test(now?.failure?.message ?? '') ? now : undefined
    }, 60_000).catch(async (error: unknown) => {
      throw new Error(`${what}: ${JSON.stringify(await house.row('shop'))}`, { cause: error })
    })
    expect(row, what).toMatchObject({ state: 'running', adapter: 'shop', restarts: 0 })
  }
  const { failed, mixed } = await stream.stop()
  expect(failed).toEqual([])
  expect(mixed).toBe(0)
  expect(await house.save(3)).toBeLessThan(20_000)
  expect(await house.row('shop')).toMatchObject({ state: 'running', failure: null })
}, 600_000)

test('a new version of a channel: a handler at work for 6 s answers, one that waits for news is told of the end at once, a stream is cut so that its reader sees it', async () => {
  const yaml = 'channels: { web: { adapter: unhurried } }\n'
  await using house = await openHouse({ yaml, plugins: { 'unhurried.ts': unhurried(1) } })
  const version = async (): Promise<string> => (await fetch(`${house.base}/version`)).text()
  const stream = await fetch(`${house.base}/stream`)
  const shapes = async (): Promise<readonly number[]> =>
    Promise.all(
      [1, 2].map((each) => metric(house.base, `dragoman_plugin_shape{component="web",v${each}="x"}`)),
    )
  expect(await shapes()).toEqual([1, 0])
  const slow = fetch(`${house.base}/slow`)
  const news = fetch(`${house.base}/news`)
  await until(async () => ((await (await fetch(`${house.base}/begun`)).text()) === 'true' ? true : undefined))
  await house.drop('unhurried.ts', unhurried(2))
  await house.reload(yaml)
  expect(await version()).toBe('2')
  expect(await shapes()).toEqual([0, 2])
  expect(await (await Promise.race([news, slow])).text()).toBe('no news 1')
  const answer = await slow
  expect([answer.status, await answer.text()]).toEqual([200, 'slow 1'])
  await expect(stream.text()).rejects.toThrow('terminated')
  expect(house.log()).not.toMatch(/"level":"error"|a figure is left out/u)
}, 60_000)
