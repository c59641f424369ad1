// SEMANTICS 4, 19: of several operators at one dead letter the first has it, and what each is told is what becomes of it.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import type { Store } from '../../core/store/store.ts'
import { until } from '../support/gateway.ts'
import { settlingUnless } from '../support/cut-store.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { ADMIN_TOKEN, Instances } from '../support/instances.ts'
import type { Instance } from '../support/instances.ts'
import { echo, handAgent, handBackend } from '../support/parts.ts'
import { post, readLog, say, texts } from '../support/rest.ts'
import { startShop } from '../support/shop.ts'

const yaml = `
channels: { web: { adapter: rest } }
backends:
  bank:
    adapter: bank
    timeout: 1s
    breaker: { minimumCalls: 1000 }
    operations: { Wire: { onFailure: queue, queueKey: account } }
agents: { helper: { adapter: bot } }
lanes: { attempts: 1 }
routes: [{ when: "kind = 'request'", backend: bank }, { agent: helper }]
`

interface Told {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}
type Act = (house: House, id: string) => Promise<Told>

const admin =
  (path: string, more: object = {}): Act =>
  (house, id) =>
    post(
      `${house.base}/admin/v1/dead-letters/${path}`,
      { ...(path !== 'replay-all' && { id }), ...more },
      { headers: { authorization: 'Bearer test-admin-token' } },
    )
const replay = admin('replay')
const edit = admin('replay', { edit: { data: { n: 'edited', account: '1' } } })
const drop = admin('drop', { reason: 'cancelled' })
const all = admin('replay-all', { all: true })

/** A halted write and another behind it. */
async function halted(around?: (store: Store) => Store) {
  const backend = handBackend('bank', { Wire: { safe: false } }, async () => {
    throw new GatewayError('BACKEND_FAILED', 'cut in the middle')
  })
  const bot = handAgent('bot', echo)
  const adapters = [backend.adapter, bot.adapter]
  const house = await openHouse({ yaml, adapters, ...(around !== undefined && { around }) })
  const write = (n: string) => post(`${house.base}/v1/requests/Wire`, { n, account: '1' })
  await write('first')
  await write('behind')
  const [letter] = await house.dead()
  if (letter?.halts !== true) throw new Error('the write has not halted its key')
  backend.calls.length = 0
  backend.call = async ({ params }) => ({ data: params })
  /** What went out once nothing is open any more. */
  const sent = () =>
    until(async () => {
      const open = await house.store.find({ by: 'open', limit: 5 })
      return open.length === 0 ? backend.calls.map(({ params }) => (params as { n: string }).n) : undefined // as written above
    })
  return { house, id: letter.id, sent }
}

/** Who was told that it is done; the others were told that there is no such letter. */
function winnersOf(told: readonly Told[]): number[] {
  for (const { status } of told) expect([200, 404]).toContain(status)
  return told.flatMap(({ status, body }, at) => (status === 200 && body['replayed'] !== 0 ? [at] : []))
}

for (const [name, ...acts] of [
  ['replayed and dropped', replay, drop],
  ['dropped and replayed', drop, replay],
  ['replayed as it is and edited', replay, edit],
  ['edited and replayed as it is', edit, replay],
  ['edited and dropped', edit, drop],
  ['dropped, edited and replayed twice', drop, edit, replay, replay],
  ['replayed with all others and dropped', all, drop],
  ['edited and replayed with all others', edit, all],
] as const)
  test(`a halted write at the same moment ${name}: one has it, and what he was told is what goes out`, async () => {
    const { house, id, sent } = await halted()
    await using _ = house
    const told = await Promise.all(acts.map((act) => act(house, id)))
    const winners = winnersOf(told)
    expect(winners).toHaveLength(1)
    const winner = acts[winners[0] ?? 0]
    const expected =
      winner === drop ? ['behind'] : winner === edit ? ['behind', 'edited'] : ['first', 'behind']
    expect(await sent()).toEqual(expected)
    expect(await house.dead()).toEqual([])
  })

test('a message at the same moment dropped and replayed goes out only if nobody was told that it is dropped', async () => {
  const bot = handAgent('bot', async () => {
    throw new GatewayError('AGENT_FAILED', 'out of order')
  })
  const backend = handBackend('bank', { Wire: { safe: false } }, async () => ({}))
  await using house = await openHouse({ yaml, adapters: [bot.adapter, backend.adapter] })
  for (const acts of [
    [drop, replay],
    [replay, drop],
  ]) {
    bot.answer = async () => {
      throw new GatewayError('AGENT_FAILED', 'out of order')
    }
    await say(house.base, 'hello')
    const [letter] = await until(async () => ((await house.dead()).length === 1 ? house.dead() : undefined))
    bot.answer = echo
    const before = texts(await readLog(house.base, 'web:ann')).length
    const told = await Promise.all(acts.map((act) => act(house, letter?.id ?? '')))
    const [winner] = winnersOf(told)
    expect(winnersOf(told)).toHaveLength(1)
    await until(async () =>
      (await house.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
    )
    const said = texts(await readLog(house.base, 'web:ann')).slice(before)
    expect(said).toEqual(acts[winner ?? 0] === drop ? [] : ['inbound: hello', 'outbound: echo hello'])
  }
})

test('an edit cut off in the middle is not called dropped, nor is the write made as it was', async () => {
  let isCut = false
  const { house, id, sent } = await halted((store) => settlingUnless(() => isCut, store))
  await using _ = house
  isCut = true
  expect((await edit(house, id)).status).toBe(503)
  isCut = false
  expect((await replay(house, id)).status).toBe(422)
  expect(await house.dead()).toHaveLength(1)
  expect(await drop(house, id)).toMatchObject({
    status: 404,
    body: { detail: expect.stringContaining('was replayed before') },
  })
  expect(await house.dead()).toEqual([])
  expect(await sent()).toEqual(['behind', 'edited'])
})

test('a letter another instance is at is not touched, and is there when that one is gone', async () => {
  const { house, id, sent } = await halted()
  await using _ = house
  const other = { name: `dead/${id}`, owner: 'another instance', ttlMs: 60_000 }
  await house.store.lease(other)
  for (const act of [drop, edit])
    expect(await act(house, id)).toMatchObject({
      status: 503,
      body: { detail: expect.stringContaining('somebody else') },
    })
  expect(await house.dead()).toHaveLength(1)
  await house.store.lease({ ...other, release: true })
  expect((await replay(house, id)).status).toBe(200)
  expect(await sent()).toEqual(['first', 'behind'])
})

const shared = (redis: string, shop: string): string => `
channels: { web: { adapter: rest } }
backends:
  bank:
    adapter: rest
    url: ${shop}
    breaker: { minimumCalls: 1000 }
    operations: { Wire: { method: POST, path: "/wire/{n}", safe: false, onFailure: queue, queueKey: n } }
routes: [{ backend: bank }]
store: { url: "${redis}" }
admin: { token: ${ADMIN_TOKEN} }
`

test(
  'of two operators at two instances one has the halted write, and nothing of the other’s goes out',
  { timeout: 120_000 },
  async () => {
    await using shop = await startShop()
    await using instances = await Instances.start(2, (redis) => shared(redis, shop.url))
    await instances.shared(2)
    const [here, there] = await instances.list()
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
    const ask = (instance: Instance | undefined, path: string, body: object): Promise<Told> =>
      post(`${instance?.gateway.base}/admin/v1/dead-letters/${path}`, body, { headers })
    const expected: string[] = []
    for (let n = 0; n < 6; n++) {
      shop.answer = async () => 500
      await post(`${here?.gateway.base}/v1/requests/Wire`, { n: `w${n}` })
      const id = await until(async () => {
        const response = await fetch(`${there?.gateway.base}/admin/v1/dead-letters`, { headers })
        const { letters } = (await response.json()) as { letters: { id: string }[] } // our own admin API
        return letters[0]?.id
      })
      expected.push(`/wire/w${n}`)
      shop.answer = async () => 200
      const isEdited = n % 2 === 0
      const other = isEdited ? { id, edit: { data: { n: `edited${n}` } } } : { id }
      const told = await Promise.all([
        ask(here, 'replay', { id }),
        ask(there, isEdited ? 'replay' : 'drop', other),
      ])
      const [winner, ...more] = winnersOf(told)
      expect(more).toEqual([])
      if (winner === 0) expected.push(`/wire/w${n}`)
      else if (isEdited) expected.push(`/wire/edited${n}`)
      await until(async () => {
        const response = await fetch(`${here?.gateway.base}/admin/v1/ledger`, { headers })
        const { waiting, deadLetters } = (await response.json()) as { waiting: number; deadLetters: number } // our own admin API
        return waiting === 0 && deadLetters === 0 ? true : undefined
      })
      expect(shop.asked.map(({ path }) => path)).toEqual(expected)
    }
  },
)
