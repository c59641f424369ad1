// DESIGN §6, §9: whatever a plugin does, the call fails clearly, others do not notice, and its worker is replaced.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { PluginRow } from '../../core/plugins/plugins.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { glutton, versioned, wrongdoer } from '../support/plugin-sources.ts'
import { post } from '../support/rest.ts'

const limits = { silenceMs: 6000, suspectMs: 1500, beatMs: 200, memoryMb: 100, messageBytes: 1024 * 1024 }
const yaml = `
channels: { web: { adapter: rest } }
backends:
  bad:
    adapter: bad
    timeout: 10s
    retry: { attempts: 1 }
    breaker: { minimumCalls: 1000 }
    operations: { Loop: { timeout: 1s }, Never: { timeout: 1s }, Late: { timeout: 1s } }
  good: { adapter: good }
routes:
  - { when: "type = 'Look'", backend: good }
  - { backend: bad }
`
let house: House

beforeAll(async () => {
  house = await openHouse({
    yaml,
    limits,
    plugins: { 'bad.ts': wrongdoer('bad'), 'good.ts': versioned('good', 1) },
  })
})
afterAll(async () => house[Symbol.asyncDispose]())

const ask = (operation: string, of: House = house): ReturnType<typeof post> =>
  post(`${of.base}/v1/requests/${operation}`, {})

function row(of: House = house): PluginRow {
  const found = of.plugins.list().find(({ name }) => name === 'bad')
  if (found === undefined) throw new Error('there is no plugin "bad"')
  return found
}

test.each([
  // What takes the worker along.
  ['Loop', 504, 1, /not reacted for .*loop without end/],
  ['Exit', 502, 1, /^bad\.ts:8: it calls process\.exit\(3\): throw an error instead/],
  ['Memory', 5, 1, /more than 100 MB of memory|not reacted/],
  ['Buffers', 5, 1, /buffers take 2\d\d MB, more than 100|not reacted/],
  ['Rejection', 502, 1, /^bad\.ts:11: nobody caught "forgotten"/],
  ['Uncaught', 502, 1, /^bad\.ts:12: nobody caught "later"/],
  // What does not.
  ['Null', 502, 0, /it throws null: throw an Error/],
  ['Text', 502, 0, /it throws "boom": throw an Error/],
  ['Trap', 502, 0, /cannot be read/],
  ['Bug', 502, 0, /^bad\.ts:16: backend "bad" failed: Cannot read properties of undefined/],
  ['Huge', 502, 0, /larger than 1 MB/],
  ['Cycle', 502, 0, /contains itself/],
  ['Function', 502, 0, /is a function, which is not plain data: call it/],
  ['Never', 504, 0, undefined],
  ['Late', 504, 0, undefined],
])('%s: the caller gets %i, the others notice nothing', async (operation, status, deaths, failure) => {
  const before = row()
  const over = new AbortController()
  const others = (async () => {
    const statuses = new Set<number>()
    do statuses.add((await ask('Look')).status)
    while (!over.signal.aborted)
    return [...statuses]
  })()
  onTestFinished(async () => {
    over.abort()
    await others
  })
  onTestFinished(async () => void (await house.plugins.restart('bad'))) // forgets the deaths: this is about each of them alone
  const answer = await ask(operation)
  expect(status === 5 ? Math.floor(answer.status / 100) : answer.status).toBe(status) // 5: it depends on who is faster
  expect(JSON.stringify(answer.body)).not.toMatch(/bad\.ts|node:internal|\/tmp\//)
  if (deaths > 0) await until(() => (row().restarts > before.restarts ? true : undefined))
  const again = await until(async () => {
    const fine = await ask('Fine')
    return fine.status === 200 ? fine : undefined
  })
  over.abort()
  expect(again.body).toBe('fine')
  expect(await others).toEqual([200])
  expect(row().restarts - before.restarts).toBe(deaths)
  if (failure !== undefined) expect(row().failure?.message).toMatch(failure)
})

test('a plugin that needs more memory than it has harms itself alone, also where one call of a built-in takes it all', async () => {
  const directory = await temporaryDirectory()
  onTestFinished(async () => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  await mkdir(join(directory, 'plugins'))
  await writeFile(join(directory, 'plugins', 'glutton.ts'), glutton)
  await using gateway = await startGateway({
    yaml: `
channels: { web: { adapter: rest } }
backends: { o: { adapter: glutton, timeout: 20s, retry: { attempts: 1 }, breaker: { minimumCalls: 1000 } } }
routes: [{ backend: o }]
`,
    directory,
  })
  const eat = async (meal: string): Promise<unknown> =>
    (await post(`${gateway.base}/v1/requests/${meal}`, {}, { waitSeconds: 20 })).body
  // Much garbage, and little that is kept: no reason to end it.
  expect(await eat('Crumbs')).toEqual({ kept: 700_000 })
  for (const meal of ['Map', 'Points', 'Parsed', 'Split']) {
    expect(await eat(meal)).not.toHaveProperty('kept')
    await until(async () => ('kept' in Object(await eat('Nothing')) ? true : undefined), 60_000)
  }
  expect(gateway.log()).toContain(
    'plugin glutton died: glutton.ts: it needs more than 256 MB of memory: keep less, or work in pieces',
  )
}, 300_000)

test('prototype pollution stays in the worker, and its answer is data', async () => {
  const { status, body } = await ask('Pollute')
  expect([status, body]).toEqual([200, JSON.parse('{"__proto__":{"a":1}}')])
  expect(Object.hasOwn(Object.prototype, 'code')).toBe(false)
  expect((await ask('Look')).status).toBe(200)
})

test('after five deaths in a minute it is quarantined, until an operator or its file says otherwise', async () => {
  await using own = await openHouse({
    yaml,
    limits,
    plugins: { 'bad.ts': wrongdoer('bad'), 'good.ts': versioned('good', 1) },
  })
  const pauses: number[] = []
  for (let death = 1; death <= 5; death++) {
    await until(async () => ((await ask('Fine', own)).status === 200 ? true : undefined))
    const died = performance.now()
    expect((await ask('Exit', own)).status).toBe(502)
    await until(() => (row(own).state === (death < 5 ? 'running' : 'quarantined') ? true : undefined))
    pauses.push(performance.now() - died)
  }
  expect(pauses[3]).toBeGreaterThan(800) // 100, 200, 400, 800 ms
  const refused = await ask('Fine', own)
  expect([refused.status, refused.body]).toMatchObject([503, { code: 'BREAKER_OPEN' }])
  expect((await ask('Look', own)).status).toBe(200)
  expect(own.log()).toContain(
    'quarantined after 5 deaths in 60 s: mend its file, or run `dragoman plugins restart bad`',
  )

  await own.plugins.restart('bad')
  expect((await ask('Fine', own)).status).toBe(200)

  for (let death = 1; death <= 5; death++) {
    await until(async () => ((await ask('Fine', own)).status === 200 ? true : undefined))
    await ask('Exit', own)
    await until(() => (row(own).state === (death < 5 ? 'running' : 'quarantined') ? true : undefined))
  }
  await own.drop('bad.ts', `${wrongdoer('bad')}// mended`)
  await own.reload(yaml)
  expect((await ask('Fine', own)).status).toBe(200)
})

test('a worker that dies is replaced as well where a file of the same name with another ending was saved beside it', async () => {
  await using own = await openHouse({
    yaml,
    limits,
    plugins: { 'bad.ts': wrongdoer('bad'), 'good.ts': versioned('good', 1) },
  })
  await own.drop('bad.js', wrongdoer('bad').replace("data: 'fine'", "data: 'of the js'"))
  await own.reload(yaml)
  expect((await ask('Fine', own)).body).toBe('fine')
  expect(own.log()).toContain('plugin bad.js was not loaded: bad.js: it and bad.ts are one plugin by name')
  await own.drop('bad.js', undefined)
  await own.reload(yaml)
  expect((await ask('Exit', own)).status).toBe(502)
  await until(async () => ((await ask('Fine', own)).body === 'fine' ? true : undefined))
  expect(row(own)).toMatchObject({ state: 'running', restarts: 1 })
})

test('SEMANTICS 22: an unsafe call in flight at the death is OUTCOME_UNKNOWN, a safe one is made again', async () => {
  await using own = await openHouse({
    yaml: yaml
      .replace('retry: { attempts: 1 }', 'retry: { attempts: 4, first: 300ms }')
      .replace('Never: { timeout: 1s }', 'Never: { timeout: 1s, safe: false }'),
    limits,
    plugins: { 'bad.ts': wrongdoer('bad'), 'good.ts': versioned('good', 1) },
  })
  const unsafe = post(`${own.base}/v1/requests/Never`, {}, { key: 'k1' })
  await until(() => (row(own).calls > 0 ? true : undefined))
  const exit = ask('Exit', own) // safe: each try ends the next worker, until there is none left to try
  expect(await unsafe).toMatchObject({ status: 409, body: { code: 'OUTCOME_UNKNOWN' } })
  expect((await exit).status).toBeGreaterThanOrEqual(502)
  expect(await post(`${own.base}/v1/requests/Never`, {}, { key: 'k1' })).toMatchObject({ status: 409 })
})

test('what a plugin needs is away when it starts again: tried until it is back, never quarantined', async () => {
  let isUp = true
  const system = createServer((_request, response) => response.writeHead(isUp ? 200 : 503).end())
  await new Promise<void>((resolve) => system.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    system.closeAllConnections()
    system.close()
  })
  const { port } = system.address() as AddressInfo // it listens on TCP
  const needy = wrongdoer('bad')
    .replace('z.strictObject({})', 'z.strictObject({ url: z.url() })')
    .replace(
      'create: () => ({',
      'create: ({ url }, scope) => ({ start: async () => { if (!(await scope.fetch(url)).ok) throw new Error("it is away") },',
    )
  await using own = await openHouse({
    yaml: yaml.replace('adapter: bad\n', `adapter: bad\n    url: "http://127.0.0.1:${port}"\n`),
    limits,
    plugins: { 'bad.ts': needy, 'good.ts': versioned('good', 1) },
  })
  expect((await ask('Fine', own)).status).toBe(200)
  isUp = false
  await ask('Exit', own)
  await until(() => (row(own).restarts > 5 ? true : undefined), 60_000)
  expect(row(own)).toMatchObject({
    state: 'restarting',
    failure: { message: expect.stringContaining('it is away') },
  })
  expect((await ask('Look', own)).status).toBe(200)
  isUp = true
  await until(async () => ((await ask('Fine', own)).status === 200 ? true : undefined), 30_000)
  expect(row(own).state).toBe('running')
})

const leaky = `
import { defineAdapter, GatewayError } from 'dragoman'
import { z } from 'zod'

const config = z.strictObject({ password: z.string(), dies: z.boolean().optional() })
const wrong = ({ password }) => new GatewayError('BACKEND_FAILED', 'login with ' + password + ' refused', { detail: { tried: [password, 1] } })
const end = { async [Symbol.asyncDispose]() {} }
export default defineAdapter({
  name: 'leaky',
  apiVersion: 1,
  backend: {
    config,
    create(given) {
      if (given.dies) throw wrong(given)
      return { operations: { '*': { safe: true } }, async call({ operation }) { throw operation === 'Crash' ? new Error('boom ' + given.password) : wrong(given) }, ...end }
    },
  },
  agent: { config, create: (given) => ({ async answer() { throw new GatewayError('DECODE_FAILED', 'no login with ' + given.password) }, ...end }) },
})
`

test('what a plugin says of its failures shows no secret of the config to callers, operators or the store (DESIGN §10)', async () => {
  const SECRET = 'backend"s-9-password'
  const with_ = `adapter: leaky, password: '${SECRET}'`
  const leakyYaml = (more = ''): string => `
channels: { web: { adapter: rest } }
backends: { b: { ${with_}, retry: { attempts: 1 }, breaker: { minimumCalls: 2 }${more} } }
agents: { a: { ${with_} } }
lanes: { attempts: 1 }
routes:
  - { when: "kind = 'request'", backend: b }
  - { agent: a }
`
  const directory = await temporaryDirectory()
  onTestFinished(async () => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  await mkdir(join(directory, 'plugins'))
  await writeFile(join(directory, 'plugins', 'leaky.ts'), leaky)
  await using gateway = await startGateway({ yaml: leakyYaml(), directory })
  const token = (await readFile(join(directory, 'data/admin.token'), 'utf8')).trim()
  const admin = async (path: string, method = 'GET'): Promise<string> => {
    const headers = { authorization: `Bearer ${token}` }
    return (await fetch(`${gateway.base}/admin/v1/${path}`, { method, headers })).text()
  }
  const shown: string[] = []
  for (const operation of ['Crash', 'Login', 'Login']) {
    const { body } = await post(`${gateway.base}/v1/requests/${operation}`, {})
    shown.push(JSON.stringify(body))
  }
  expect(JSON.parse(shown[1] ?? '')).toMatchObject({ detail: 'login with *** refused', tried: ['***', 1] })
  await post(`${gateway.base}/v1/messages`, { sender: { id: 'ann' }, text: 'hello' })
  const dead = await until(async () => {
    const letters = await admin('dead-letters')
    return letters.includes('no login with ***') ? letters : undefined
  })
  const rows = await admin('plugins')
  expect(rows).toContain('boom ***')
  await writeFile(join(directory, 'gateway.yaml'), leakyYaml(', dies: true'))
  const reloaded = await until(async () => {
    const answer = await admin('reload', 'POST')
    return answer.includes('did not start') ? answer : undefined
  })
  const pages = await Promise.all(
    ['breakers', 'events', 'plugins', 'cluster', 'status'].map((page) => admin(page)),
  )
  shown.push(dead, rows, reloaded, ...pages)
  expect(pages[0]).toContain('the last: login with *** refused')
  expect(pages[2]).toContain('did not start: login with ***')
  expect(pages[4]).toContain('login with *** refused')
  for (const text of [...shown, gateway.log()]) expect(text).not.toMatch(/backend.{0,2}s-9-password/u)
})
