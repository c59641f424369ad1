// The breaker on a whole gateway (DESIGN §7, §16): over restarts and generations, by hand, and told to operators.
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineAdapter, GatewayError } from '../../core/api.ts'
import { startGateway, until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { handBackend } from '../support/parts.ts'
import { metric, post } from '../support/rest.ts'

const yaml = (more = ''): string => `
channels: { web: { adapter: rest } }
backends:
  erp:
    adapter: erp
    timeout: 2s
    retry: { attempts: 1 }
    breaker: { minimumCalls: 4, openFor: 1m${more} }
routes: [{ backend: erp }]
`
const token = { authorization: 'Bearer test-admin-token' }

function erp() {
  const backend = handBackend('erp', { Look: { safe: true }, Other: { safe: true } }, async () => ({
    data: 'ok',
  }))
  const fail = (): void => {
    backend.call = async () => {
      throw new GatewayError('BACKEND_FAILED', 'connection refused', { notExecuted: true })
    }
  }
  const mend = (): void => {
    backend.call = async () => ({ data: 'ok' })
  }
  return { backend, fail, mend }
}
const ask = (house: Pick<House, 'base'>, operation = 'Look') =>
  post<{ code?: string; detail?: string }>(`${house.base}/v1/requests/${operation}`, {})
const admin = async (house: House, path: string, body?: unknown): Promise<unknown> => {
  const method = body === undefined ? 'GET' : 'POST'
  const init = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await fetch(`${house.base}/admin/v1/${path}`, {
    method,
    headers: { ...token, 'content-type': 'application/json' },
    ...init,
  })
  return response.json()
}

test('each change is an event, a metric and a log line', async () => {
  const { backend, fail } = erp()
  fail()
  await using house = await openHouse({ yaml: yaml(), adapters: [backend.adapter] })
  for (let n = 0; n < 4; n++) await ask(house)
  const refused = await ask(house)
  expect([refused.status, refused.body.code]).toEqual([503, 'BREAKER_OPEN'])
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50)
  const reason = '4 of 4 calls failed, the last: connection refused'
  const data = { owner: 'erp', operation: 'Look', state: 'OPEN', reason }
  const told = await admin(house, 'events')
  expect(told).toMatchObject({ events: [{ type: 'breaker', data }], missed: false })
  const { next } = told as { readonly next: number }
  expect(await admin(house, `events?after=${next}`)).toEqual({ events: [], next, missed: false })
  const series = 'dragoman_breaker_state{backend="erp",operation="Look",state="open"}'
  expect(await metric(house.base, series)).toBe(1)
  expect(house.log()).toContain('breaker OPEN')
  expect(await admin(house, 'breakers')).toContainEqual(
    expect.objectContaining({ name: 'erp.Look', state: 'OPEN', reason }),
  )
})

test('an open breaker is open after a restart, with what is left of its time, and after a reload', async () => {
  const { backend, fail, mend } = erp()
  fail()
  const first = await openHouse({ yaml: yaml(), adapters: [backend.adapter] })
  for (let n = 0; n < 4; n++) await ask(first)
  const before = (await admin(first, 'breakers')) as { openedAt: string }[]
  await first.reload(yaml(', errorRate: 60'))
  expect((await ask(first)).status).toBe(503)
  await until(async () => {
    const { value } = await first.store.value({ key: 'core/breakers' })
    return value === undefined ? undefined : true
  })
  await first.crash()
  mend()
  await using house = await openHouse({
    yaml: yaml(),
    adapters: [backend.adapter],
    directory: first.directory,
  })
  // Before anybody has called.
  const open = 'dragoman_breaker_state{backend="erp",operation="Look",state="open"}'
  expect(await metric(house.base, open)).toBe(1)
  expect(await admin(house, 'breakers')).toMatchObject([{ name: 'erp.Look', state: 'OPEN' }])
  const calls = backend.calls.length
  expect((await ask(house)).status).toBe(503)
  expect(backend.calls).toHaveLength(calls)
  const after = (await admin(house, 'breakers')) as { openedAt: string; retryAfterMs: number }[]
  expect(after[0]?.openedAt).toBe(before[0]?.openedAt)
  expect(after[0]?.retryAfterMs).toBeLessThan(60_000)
  expect((await ask(house, 'Other')).status).toBe(200)
})

test('a system that is taken out of the config leaves no alarm behind', async () => {
  const { backend, fail } = erp()
  fail()
  await using house = await openHouse({ yaml: yaml(), adapters: [backend.adapter] })
  for (let n = 0; n < 4; n++) await ask(house)
  const series = 'dragoman_breaker_state{backend="erp",operation="Look",state="open"}'
  expect(await metric(house.base, series)).toBe(1)
  await house.reload('channels: { web: { adapter: rest } }\n')
  expect(await (await fetch(`${house.base}/metrics`)).text()).not.toContain(
    'backend="erp",operation="Look",state',
  )
})

test('what a replaced system still does is told to nobody: an OFF stands, and no alarm comes back', async () => {
  const { backend, mend } = erp()
  const text = (timeout: string, name = 'erp'): string =>
    yaml()
      .replace('timeout: 2s', `timeout: ${timeout}`)
      .replace('  erp:', `  ${name}:`)
      .replace('backend: erp', `backend: ${name}`)
  await using house = await openHouse({ yaml: text('400ms'), adapters: [backend.adapter] })
  const openOldOne = async (next: string, then = async (): Promise<void> => undefined): Promise<void> => {
    backend.call = () => new Promise(() => undefined)
    const begun = backend.calls.length
    const slow = Promise.all(Array.from({ length: 4 }, () => ask(house)))
    await until(() => (backend.calls.length === begun + 4 ? true : undefined))
    await house.reload(next)
    await then()
    expect((await slow).map(({ status }) => status)).toEqual([504, 504, 504, 504])
    mend()
  }
  const stored = async (): Promise<unknown> => (await house.store.value({ key: 'core/breakers' })).value
  const figures = async (): Promise<readonly string[]> =>
    (await (await fetch(`${house.base}/metrics`)).text()).match(/dragoman_breaker_state\{.*\} 1$/gmu) ?? []
  const off = { name: 'erp.Look', reason: 'maintenance', forMs: 3_600_000 }

  await openOldOne(text('500ms'), async () => void (await admin(house, 'breakers/off', off)))
  expect(await admin(house, 'breakers')).toMatchObject([{ name: 'erp.Look', state: 'OFF' }])
  expect(await figures()).toEqual(['dragoman_breaker_state{backend="erp",operation="Look",state="off"} 1'])
  expect(await stored()).toMatchObject({ 'erp.Look': { state: 'OFF' } })

  await admin(house, 'breakers/on', { name: 'erp.Look' })
  await openOldOne(text('450ms'))
  expect((await ask(house)).status).toBe(200)
  expect(await figures()).not.toContainEqual(expect.stringContaining('open'))

  await openOldOne(text('2s', 'shop'))
  expect(await figures()).toEqual([])
  expect(await stored()).toEqual({ made: expect.any(String) })
  expect(await admin(house, 'events')).not.toMatchObject({
    events: expect.arrayContaining([
      expect.objectContaining({ data: expect.objectContaining({ state: 'OPEN' }) }),
    ]),
  })
})

test('OFF by hand: refused with its reason, for operations nobody has called too, over a restart, until ON', async () => {
  const { backend } = erp()
  const first = await openHouse({ yaml: yaml(), adapters: [backend.adapter] })
  const off = { name: 'erp', reason: 'maintenance until noon', forMs: 3_600_000 }
  const names = ['erp.*', 'erp.Look', 'erp.Other']
  expect(await admin(first, 'breakers/off', off)).toMatchObject({ names })
  const isOff = ['erp.Look', 'erp.Other'].map((name) => ({ name, state: 'OFF', reason: off.reason }))
  expect(await admin(first, 'breakers')).toMatchObject(isOff)
  const refused = await ask(first)
  expect(refused.body.detail).toContain('erp.Look is out of service (maintenance until noon)')
  await first.crash()
  await using house = await openHouse({
    yaml: yaml(),
    adapters: [backend.adapter],
    directory: first.directory,
  })
  expect(await admin(house, 'breakers')).toMatchObject(isOff)
  expect((await ask(house, 'Other')).status).toBe(503)
  expect(backend.calls).toEqual([])
  expect(await admin(house, 'breakers/on', { name: 'erp' })).toMatchObject({ names })
  expect((await ask(house, 'Other')).status).toBe(200)
  expect((await ask(house, 'Look')).status).toBe(200)
})

test('OFF by hand: what was said last of an operation counts, after a restart and a reload too', async () => {
  const { backend } = erp()
  const hour = 3_600_000
  const text = yaml().replace('adapter: erp', 'adapter: erp\n    operations: { Other: { timeout: 1s } }')
  const first = await openHouse({ yaml: text, adapters: [backend.adapter] })
  await admin(first, 'breakers/off', { name: 'erp', reason: 'maintenance', forMs: hour })
  await admin(first, 'breakers/off', { name: 'erp.Other', reason: 'longer', forMs: 5 * hour })
  await admin(first, 'breakers/on', { name: 'erp.Look' })
  const isSo = async (house: House): Promise<void> => {
    expect((await ask(house, 'Look')).status).toBe(200)
    const refused = await ask(house, 'Other')
    expect([refused.status, refused.body.detail]).toMatchObject([503, expect.stringContaining('longer')])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(4 * 3600)
  }
  await isSo(first)
  await first.reload(text.replace('1s', '3s'))
  await isSo(first)
  await first.crash()
  await using house = await openHouse({
    yaml: text,
    adapters: [backend.adapter],
    directory: first.directory,
  })
  await isSo(house)
})

test('OFF and ON by hand count also where they are said while a reload starts what takes their place', async () => {
  const { backend, fail, mend } = erp()
  let starting = async (): Promise<void> => undefined
  const bot = defineAdapter({
    name: 'bot',
    apiVersion: 1,
    agent: {
      config: z.strictObject({}),
      create: () => ({
        answer: async () => undefined,
        start: () => starting(),
        async [Symbol.asyncDispose]() {},
      }),
    },
  })
  const text = (timeout: string): string =>
    `${yaml().replace('timeout: 2s', `timeout: ${timeout}`)}agents: { bot: { adapter: bot, timeout: ${timeout} } }\n`
  await using house = await openHouse({ yaml: text('2s'), adapters: [backend.adapter, bot] })
  await admin(house, 'breakers/off', { name: 'erp', reason: 'maintenance' })
  starting = async () => {
    await admin(house, 'breakers/on', { name: 'erp' })
    fail()
    for (let n = 0; n < 4; n++) await ask(house, 'Other')
    mend()
    await admin(house, 'breakers/off', { name: 'bot', reason: 'it talks nonsense' })
  }
  await house.reload(text('3s'))
  expect((await ask(house)).status).toBe(200)
  expect(await admin(house, 'breakers')).toMatchObject([
    { name: 'erp.Look', state: 'ACTIVE' },
    { name: 'erp.Other', state: 'OPEN', reason: '4 of 4 calls failed, the last: connection refused' },
    { name: 'bot.answer', state: 'OFF', reason: 'it talks nonsense' },
  ])
})

test('OFF by hand is shown after a restart before anybody calls, also of a system that a plugin calls', async () => {
  const plugins = {
    'crm.ts': `import { defineAdapter } from 'dragoman'
import { z } from 'zod'
export default defineAdapter({
  name: 'crm',
  apiVersion: 1,
  backend: {
    config: z.strictObject({}),
    create: () => ({
      operations: { Find: { safe: true } },
      call: async () => ({ data: 'ok' }),
      async [Symbol.asyncDispose]() {},
    }),
  },
})
`,
  }
  const text =
    'channels: { web: { adapter: rest } }\nbackends: { crm: { adapter: crm } }\nroutes: [{ backend: crm }]\n'
  const first = await openHouse({ yaml: text, plugins })
  await admin(first, 'breakers/off', { name: 'crm', reason: 'maintenance', forMs: 7_200_000 })
  await first.stop()
  await using house = await openHouse({ yaml: text, plugins, directory: first.directory })
  expect(await admin(house, 'breakers')).toMatchObject([
    { name: 'crm.Find', state: 'OFF', reason: 'maintenance' },
  ])
  const off = 'dragoman_breaker_state{backend="crm",operation="Find",state="off"}'
  expect(await metric(house.base, off)).toBe(1)
})

test.each([
  ['off', { name: 'erp.Look' }, /reason/u],
  ['off', { name: 'erp.Look', reason: ' ' }, /say why/u],
  ['off', { name: 'erp.Look', reason: 'x', forMs: 8 * 86_400_000 }, /^forMs: at most 7d/u],
  ['off', { name: 'erp.Look', reason: 'x', forMs: 999 }, /^forMs: at least 1s/u],
  ['off', { name: 'nobody', reason: 'x' }, /no backend or agent is named/u],
  ['on', { name: 'erp.Nothing' }, /has no operation "Nothing"/u],
  ['on', [], /the body/u],
])('%s %j is refused in words', async (which, body, why) => {
  await using house = await openHouse({ yaml: yaml(), adapters: [erp().backend.adapter] })
  expect(await admin(house, `breakers/${which}`, body)).toMatchObject({ detail: expect.stringMatching(why) })
})

test('half-open, 300 callers are one probe; the others are refused at once', async () => {
  const { backend, fail } = erp()
  fail()
  const quick = yaml().replace('openFor: 1m', 'openFor: 300ms').replace('timeout: 2s', 'timeout: 40s')
  await using house = await openHouse({ yaml: quick, adapters: [backend.adapter] })
  for (let n = 0; n < 4; n++) await ask(house)
  const calls = backend.calls.length
  await until(() => (house.log().includes('breaker HALF-OPEN') ? true : undefined))
  const held = Promise.withResolvers<{ data: string }>()
  backend.call = () => held.promise
  let refused = 0
  const all = Promise.all(
    Array.from({ length: 300 }, async () => {
      const { status } = await ask(house)
      if (status === 503) refused += 1
      return status
    }),
  )
  await until(() => (refused === 299 ? true : undefined))
  expect(backend.calls.length - calls).toBe(1)
  held.resolve({ data: 'ok' })
  expect((await all).filter((status) => status === 200)).toHaveLength(1)
})

test('dragoman breaker: list, off with a reason, on; dragoman top shows it', async () => {
  await using gateway = await startGateway({
    yaml: `
channels: { web: { adapter: rest } }
backends: { orders: { adapter: rest, url: http://127.0.0.1:9, operations: { Look: { method: GET } } } }
routes: [{ backend: orders }]
`,
  })
  const run = async (...args: readonly string[]): Promise<string> => {
    const bin = resolve(import.meta.dirname, '../../bin/dragoman.ts')
    const where = [
      '--config',
      join(gateway.directory, 'gateway.yaml'),
      '--data',
      join(gateway.directory, 'data'),
    ]
    return (await promisify(execFile)(process.execPath, [bin, ...args, ...where])).stdout
  }
  const off = ['breaker', 'off', 'orders.Look', '--reason', 'maintenance']
  expect(await run(...off, '--for', '30m')).toBe('OFF for 30m: orders.Look\n')
  expect((await ask(gateway)).body.detail).toContain('out of service (maintenance)')
  const [listed, screen, counters] = await Promise.all([
    run('breaker'),
    run('top', '--once', '--every', '100ms'),
    run('top', '--json'),
  ])
  expect(listed).toMatch(/orders\.Look +OFF +20\S+ +maintenance/u)
  expect(screen).toMatch(/orders\.Look +OFF 1\d\d\ds .*maintenance/u)
  expect(JSON.parse(counters)).toMatchObject({
    operations: [{ name: 'orders.Look', calls: { BREAKER_OPEN: 1 }, breaker: { state: 'OFF' } }],
    waiting: 0,
    deadLetters: 0,
  })
  expect(await run('breaker', 'on', 'orders.Look')).toBe('ACTIVE: orders.Look\n')
  await expect(run(...off, '--for', 'soon')).rejects.toThrow(/no duration/u)
})

test('DESIGN §14: labels come from config: names behind `*` share one figure, the worst of theirs', async () => {
  let isDown = true
  const backend = handBackend('erp', { '*': { safe: true } }, async () => {
    if (isDown) throw new GatewayError('BACKEND_FAILED', 'connection refused', { notExecuted: true })
    return { data: 'ok' }
  })
  const cached = (more = ''): string =>
    yaml(more).replace(
      'attempts: 1 }',
      "attempts: 2, first: 1ms }\n    operations: { '*': { cache: { fresh: 1m, stale: 1h } } }",
    )
  await using house = await openHouse({ yaml: cached(), adapters: [backend.adapter] })
  const figure = (state: string): Promise<number | undefined> =>
    metric(house.base, `dragoman_breaker_state{backend="erp",operation="*",state="${state}"}`)
  for (const name of ['evil', 'other']) for (let n = 0; n < 5; n++) await ask(house, name)
  expect(await figure('open')).toBe(1)
  await admin(house, 'breakers/on', { name: 'erp.other' })
  expect([await figure('open'), await figure('active')]).toEqual([1, 0])
  isDown = false
  await ask(house, 'other')
  const text = await (await fetch(`${house.base}/metrics`)).text()
  expect(text).toContain('dragoman_retries_total{backend="erp",operation="*",result="made"}')
  expect(text).toContain('dragoman_cache_answers_total{backend="erp",operation="*",from="call"}')
  expect(text).not.toMatch(/operation="(?:evil|other)"/u)
  // Log and admin say which.
  expect(house.log()).toContain('"operation":"evil"')
  expect(await admin(house, 'breakers')).toContainEqual(
    expect.objectContaining({ name: 'erp.evil', state: 'OPEN' }),
  )
  // Nobody may ever ask again for what somebody made up once.
  await house.reload(cached(', errorRate: 60'))
  expect([await figure('open'), await figure('active')]).toEqual([0, 1])
})
