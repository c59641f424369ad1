// SEMANTICS 2, 12: what was open when a copy of the store was made may have been done since; a gateway on the copy makes nothing a second time.
import { copyFile, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { backUp } from '../../core/store/sqlite/backup.ts'
import { temporaryDirectory, until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handBackend } from '../support/parts.ts'
import { post, say } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: bot } }
backends:
  shop:
    adapter: shop
    breaker: { minimumCalls: 1000 }
    operations:
      Wire: { onFailure: queue, queueKey: n }
      Book: { onFailure: queue, queueKey: n }
routes:
  - { when: "kind = 'request'", backend: shop }
  - { agent: helper }
`
const down = async (): Promise<never> => {
  throw new GatewayError('BACKEND_FAILED', 'connection refused', { notExecuted: true })
}

async function world(directory?: string) {
  const operations = { Wire: { safe: false }, Book: { safe: false, idempotent: true } }
  const backend = handBackend('shop', operations, async () => ({ data: 'done' }))
  const bot = handAgent('bot', echo)
  const adapters = [backend.adapter, bot.adapter]
  const house = await openHouse({ yaml, adapters, ...(directory !== undefined && { directory }) })
  const made = (): readonly unknown[] =>
    backend.calls.map(({ params }) => (params as { n: string }).n).toSorted() // as the tests send it
  return { backend, bot, house, made }
}

const write = (base: string, operation: string, n: string) =>
  post(`${base}/v1/requests/${operation}`, { n }, { key: `${operation}${n}` })
async function replayAll(house: House): Promise<unknown> {
  const headers = { authorization: 'Bearer test-admin-token' }
  const unknown = { code: 'OUTCOME_UNKNOWN' }
  return (await post<unknown>(`${house.base}/admin/v1/dead-letters/replay-all`, unknown, { headers })).body
}

/** A folder for a gateway on a copy of this one's store, as it is now. */
async function copyOf(house: House): Promise<string> {
  const life = await temporaryDirectory()
  onTestFinished(() => rm(life, { recursive: true, force: true }))
  await mkdir(life, { recursive: true })
  backUp(join(house.directory, 'data'), join(life, 'data'))
  return life
}

test('writes that waited when the copy was made, and were made since, are an operator’s on the copy; what may be repeated is made again', async () => {
  const first = await world()
  const { base } = first.house
  first.backend.call = down
  for (const n of ['1', '2', '3']) expect((await write(base, 'Wire', n)).status).toBe(202)
  expect((await write(base, 'Book', '9')).status).toBe(202)
  const life = await copyOf(first.house)
  first.backend.calls.splice(0)
  first.backend.call = async () => ({ data: 'done' })
  await until(() => first.made().length === 4 || undefined)
  await first.house.stop()

  const { house, made } = await world(life)
  await using _ = house
  const dead = await until(async () => {
    const letters = await house.dead()
    return letters.length === 3 && made().length === 1 ? letters : undefined
  })
  expect(made()).toEqual(['9'])
  expect(dead.map(({ halts, failure }) => [halts, failure.code])).toEqual(
    ['1', '2', '3'].map(() => [true, 'OUTCOME_UNKNOWN']),
  )
  expect(await write(house.base, 'Wire', '1')).toMatchObject({
    status: 409,
    body: { code: 'OUTCOME_UNKNOWN' },
  })
  expect((await write(house.base, 'Wire', '4')).status).toBe(200)

  expect(await replayAll(house)).toMatchObject({ replayed: 3 })
  await until(() => made().length === 5 || undefined)
  expect(made()).toEqual(['1', '2', '3', '4', '9'])
})

test('a copy put over the file of a gateway that was killed, which was not told to the note beside it, is known as one', async () => {
  const first = await world()
  first.backend.call = down
  expect((await write(first.house.base, 'Wire', '1')).status).toBe(202)
  const life = await copyOf(first.house)
  first.backend.call = async () => ({ data: 'done' })
  await until(() => first.made().includes('1') || undefined)
  await first.house.crash()
  const { directory } = first.house
  for (const end of ['-wal', '-shm']) await rm(join(directory, 'data', `dragoman.db${end}`), { force: true })
  await copyFile(join(life, 'data', 'dragoman.db'), join(directory, 'data', 'dragoman.db'))

  const { house, made } = await world(directory)
  await using _ = house
  await until(async () => ((await house.dead()).length === 1 ? true : undefined))
  expect(made()).toEqual([])
})

test('SEMANTICS 19: a key that was halted in the copy stays halted as it was, and what stands behind it is looked into in its turn', async () => {
  const first = await world()
  const { base } = first.house
  first.backend.call = async () => {
    throw new GatewayError('BACKEND_FAILED', 'cut in the middle')
  }
  expect((await write(base, 'Wire', '1')).status).toBe(409)
  expect((await post(`${base}/v1/requests/Wire`, { n: '1' }, { key: 'behind' })).status).toBe(202)
  const [halted] = await first.house.dead()
  const life = await copyOf(first.house)
  await first.house.stop()

  const { house, made } = await world(life)
  await using _ = house
  expect(await house.dead()).toEqual([halted])
  expect(await replayAll(house)).toMatchObject({ replayed: 1 })
  const [behind] = await until(async () => {
    const letters = await house.dead()
    return letters[0] !== undefined && letters[0].id !== halted?.id ? letters : undefined
  })
  expect(behind).toMatchObject({ halts: true, failure: { code: 'OUTCOME_UNKNOWN' } })
  expect(made()).toEqual(['1'])
})

test('SEMANTICS 7: a bot is asked again with the same id', async () => {
  const first = await world()
  first.bot.answer = () => new Promise(() => undefined)
  for (const text of ['one', 'two'])
    expect((await say(first.house.base, text, { key: text })).status).toBe(202)
  await until(() => first.bot.asked.length === 1 || undefined)
  const life = await copyOf(first.house)
  await first.house.crash()

  const { house, bot } = await world(life)
  await using _ = house
  await until(() => bot.asked.length === 2 || undefined)
  expect(bot.asked[0]?.message.id).toBe(first.bot.asked[0]?.message.id)
  expect(await say(house.base, 'two', { key: 'two', waitSeconds: 10 })).toMatchObject({
    status: 200,
    body: { reply: { parts: [{ text: 'echo two' }] } },
  })
  expect(await house.dead()).toEqual([])
})

test('a gateway that is stopped and started on its own store makes what waited', async () => {
  const first = await world()
  first.backend.call = down
  expect((await write(first.house.base, 'Wire', '1')).status).toBe(202)
  await first.house.stop()
  for (let life = 1; life <= 2; life++) {
    const { house, made } = await world(first.house.directory)
    await using _ = house
    await until(() => (life === 2 || made().length === 1 ? true : undefined))
    expect(made()).toEqual(life === 1 ? ['1'] : [])
    expect(await house.dead()).toEqual([])
  }
})
