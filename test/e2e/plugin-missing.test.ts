// A plugin that cannot run: a change that needs it is refused (DESIGN §10), what ran on it stays, and /readyz says which route is broken (§11).
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { PluginRow } from '../../core/plugins/plugins.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { versioned, wrongdoer } from '../support/plugin-sources.ts'
import { metric, post, say } from '../support/rest.ts'

const SLOWLY_MS = 30_000
const good = versioned('br', 1)
const broken = `enum Size { small }\n${good}`
const yaml = (agents: string, agent: string): string => `
channels: { web: { adapter: rest } }
agents: { old: { adapter: old }${agents} }
routes: [{ agent: ${agent} }]
`
const before = yaml('', 'old')
const after = yaml(', br: { adapter: br }', 'br')
const refusal = 'agent "br": its plugin cannot run, its calls would be refused'

interface Readiness {
  readonly status: number
  readonly reasons: readonly { readonly part: string; readonly reason: string }[]
}

async function readiness({ base }: Pick<House, 'base'>): Promise<Readiness> {
  const response = await fetch(`${base}/readyz`)
  const { reasons } = (await response.json()) as Pick<Readiness, 'reasons'> // our own page
  return { status: response.status, reasons }
}

async function answer({ base }: Pick<House, 'base'>): Promise<string | undefined> {
  const { body } = await say(base, 'hello', { waitSeconds: 10 })
  return body.reply?.parts?.[0]?.text
}

test('a reload that needs a plugin which cannot run is refused, by what check says; mended, it is taken over', async () => {
  await using house = await openHouse({ yaml: before, plugins: { 'old.ts': versioned('old', 'old') } })
  await house.drop('br.ts', broken)
  await expect(house.reload(after)).rejects.toThrow(refusal)
  expect(await answer(house)).toBe('old')
  expect((await readiness(house)).status).toBe(200)
  await house.drop('br.ts', good)
  const where = { directory: join(house.directory, 'plugins') }
  const isDue = (): Promise<boolean> => house.plugins.hasChanged(where)
  expect(await isDue()).toBe(true)
  await writeFile(join(house.directory, 'gateway.yaml'), after)
  const taken = house.gateway.reload()
  const dropped = await house.gateway.reload({ isDropIn: true, isDue }) // its turn comes when all is taken
  expect([await answer(house), dropped]).toEqual(['1', await taken])
})

test('what ran when its plugin was removed stays as it is and comes back; changed meanwhile, it is refused; gone back to, it is not', async () => {
  await using house = await openHouse({
    yaml: after,
    plugins: { 'old.ts': versioned('old', 'old'), 'br.ts': good },
  })
  expect(await readiness(house)).toEqual({ status: 200, reasons: [] })
  await house.drop('br.ts', undefined)
  await house.reload(after)
  expect(await readiness(house)).toEqual({
    status: 503,
    reasons: [{ part: 'route 1', reason: 'agent "br": the plugin br does not run: its file has gone' }],
  })
  const another = after.replaceAll('br: {', 'two: {').replace('agent: br', 'agent: two')
  await expect(house.reload(another)).rejects.toThrow('agent "two": its plugin cannot run')
  await expect(house.reload(after.replace('adapter: br', 'adapter: br, timeout: 3s'))).rejects.toThrow(
    refusal,
  )
  await house.reload(
    after.replace('{ agent: br }', `{ when: "kind = 'message'", agent: br }, { agent: old }`),
  )
  await writeFile(join(house.directory, 'gateway.yaml'), another)
  await house.gateway.reload({ rollbackTo: 1 })
  expect((await readiness(house)).reasons).toMatchObject([{ reason: expect.stringContaining('agent "two"') }])
  await house.drop('br.ts', good)
  await house.reload(after)
  expect(await readiness(house)).toEqual({ status: 200, reasons: [] })
  expect(await answer(house)).toBe('1')
})

test('a gateway starts beside a plugin that cannot run, and is not ready while a route leads there', async () => {
  await using house = await openHouse({
    yaml: after,
    plugins: { 'old.ts': versioned('old', 'old'), 'br.ts': broken },
  })
  expect(await readiness(house)).toEqual({
    status: 503,
    reasons: [
      {
        part: 'route 1',
        reason: expect.stringMatching(/^agent "br": the plugin br does not run: br\.ts:1: .*enum/u),
      },
    ],
  })
  await house.reload(before)
  expect((await readiness(house)).status).toBe(200)
})

const DEADLY = `
channels: { web: { adapter: rest } }
backends: { bad: { adapter: bad, retry: { attempts: 1 }, breaker: { minimumCalls: 1000 } } }
routes: [{ when: "kind = 'event'", reply: thanks }, { backend: bad }]
`

test('a plugin that is started again does not make it flap; one that is quarantined is said', async () => {
  await using house = await openHouse({ yaml: DEADLY, plugins: { 'bad.ts': wrongdoer('bad') } })
  const ask = async (operation: string): Promise<number> =>
    (await post(`${house.base}/v1/requests/${operation}`, {})).status
  const state = (): string | undefined => house.plugins.list()[0]?.state
  for (let death = 1; death <= 5; death++) {
    await until(async () => ((await ask('Fine')) === 200 ? true : undefined))
    expect(await ask('Exit')).toBe(502)
    if (death === 5) break
    expect([state(), (await readiness(house)).status]).toEqual(['restarting', 200])
  }
  await until(() => (state() === 'quarantined' ? true : undefined))
  expect(await readiness(house)).toEqual({
    status: 503,
    reasons: [
      {
        part: 'route 2',
        reason: expect.stringMatching(/^backend "bad": the plugin bad is quarantined: bad\.ts/u),
      },
    ],
  })
  await house.plugins.restart('bad')
  expect((await readiness(house)).status).toBe(200)
})

test('one that does not come back for a while is said, until it is back', async () => {
  const slow = wrongdoer('bad').replace('create: () => ({', 'create: () => ({ start: wait,')
  const wait = `import { existsSync } from 'node:fs'
const wait = async () => { if (existsSync(new URL('./away.md', import.meta.url))) throw new Error('it is away') }
`
  await using house = await openHouse({
    yaml: DEADLY,
    plugins: { 'bad.ts': wait + slow },
    limits: { downMs: 1500 },
  })
  await house.drop('away.md', '')
  await post(`${house.base}/v1/requests/Exit`, {})
  expect((await readiness(house)).status).toBe(200)
  const { reasons } = await until(async () => {
    const now = await readiness(house)
    return now.status === 503 ? now : undefined
  }, SLOWLY_MS)
  expect(reasons[0]?.reason).toMatch(/^backend "bad": the plugin bad is restarting: .*it is away/u)
  await house.drop('away.md', undefined)
  await until(async () => ((await readiness(house)).status === 200 ? true : undefined), SLOWLY_MS)
})

/** A channel whose requests carry a signature. */
const hook = `
import { defineAdapter } from 'dragoman'
import { z } from 'zod'
export default defineAdapter({ name: 'hook', apiVersion: 1, channel: {
  config: z.strictObject({ path: z.string() }),
  create: ({ path }) => ({
    async start(host) { host.serve(path, async () => ({ status: 200, body: 'signed' }), { signed: true }) },
    async [Symbol.asyncDispose]() {},
  }),
} })
`
/** A backend of a system that is there when the file `up` is, and that says how often it was looked for. */
const late = `
import { appendFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { defineAdapter } from 'dragoman'
import { z } from 'zod'
export default defineAdapter({ name: 'late', apiVersion: 1, backend: {
  config: z.strictObject({ directory: z.string() }),
  create: ({ directory }) => {
    const look = async () => {
      appendFileSync(join(directory, 'looks'), '.')
      if (!existsSync(join(directory, 'up'))) throw new Error('nobody answers')
    }
    return { operations: {}, start: look, probe: look, call: async () => ({ data: 1 }), async [Symbol.asyncDispose]() {} }
  },
} })
`
const locked = `identity: { keys: { erp: { key: 0123456789abcdef0123456789abcdef, channels: [web] } } }
channels: { web: { adapter: rest, access: open }, hook: { adapter: hook, path: /hook } }
backends: { late: { adapter: late, directory: DIRECTORY } }
`

test(
  'a running gateway says why it has refused a config or a plugin and which plugin has gone, and takes over by itself what is mended or back',
  { timeout: 90_000 },
  async () => {
    const directory = await temporaryDirectory()
    onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
    await mkdir(join(directory, 'plugins'))
    await writeFile(join(directory, 'plugins/old.ts'), versioned('old', 'old'))
    await writeFile(join(directory, 'plugins/hook.ts'), hook)
    await writeFile(join(directory, 'plugins/late.ts'), late)
    const fenced = (config: string): string =>
      config.replace(/^channels:.*\n/mu, locked.replace('DIRECTORY', directory))
    await using gateway = await startGateway({ yaml: fenced(before), directory })
    const token = (await readFile(join(directory, 'data/admin.token'), 'utf8')).trim()
    const lastReload = async (): Promise<string> => {
      const headers = { authorization: `Bearer ${token}` }
      return (await fetch(`${gateway.base}/admin/v1/status`, { headers })).text()
    }
    await writeFile(join(directory, 'plugins/br.ts'), broken)
    await until(
      () => (gateway.log().includes('plugin br was not loaded: br.ts:1') ? true : undefined),
      SLOWLY_MS,
    )
    await writeFile(join(directory, 'gateway.yaml'), fenced(after))
    await until(
      async () => ((await lastReload()).includes('br\\": its plugin cannot run') ? true : undefined),
      SLOWLY_MS,
    )
    expect(await answer(gateway)).toBe('old')
    await writeFile(join(directory, 'plugins/br.ts'), good)
    await until(async () => ((await answer(gateway)) === '1' ? true : undefined), SLOWLY_MS)

    // What goes while it is used is told of, and who calls it is asked to come again, whether or not he would sign.
    const called = async (): Promise<number> => (await fetch(`${gateway.base}/hook`)).status
    const state = (is: string): Promise<number> =>
      metric(gateway.base, `dragoman_plugin_state{plugin="hook",state="${is}"}`)
    expect([await called(), await state('running')]).toEqual([200, 1])
    await rm(join(directory, 'plugins/hook.ts'))
    await until(async () => ((await called()) === 200 ? undefined : true), SLOWLY_MS)
    expect([await called(), await state('running'), await state('failed')]).toEqual([503, 0, 1])
    const told = 'plugin hook has gone; channel \\"hook\\" is refused until it is back: put its file back'
    await until(() => (gateway.log().includes(told) ? true : undefined))
    await writeFile(join(directory, 'plugins/hook.ts'), hook)
    await until(async () => ((await called()) === 200 ? true : undefined), SLOWLY_MS)
    expect(await state('failed')).toBe(0)

    // What needs something that is away is tried again, at the start and when a version is saved; that is said once.
    const looks = async (): Promise<number> => (await readFile(join(directory, 'looks'), 'utf8')).length
    const lines = (what: string): number => gateway.log().split(what).length - 1
    const tries = async (what: string): Promise<void> => {
      await until(() => (lines(what) > 0 ? true : undefined), SLOWLY_MS)
      const said = async (): Promise<readonly number[]> => [
        lines(what),
        lines('the change was not taken over'),
        await metric(gateway.base, 'dragoman_generation'),
      ]
      const [looked, once] = [await looks(), await said()]
      await until(async () => ((await looks()) > looked ? true : undefined), SLOWLY_MS)
      expect(await said()).toEqual(once)
    }
    const hash = async (): Promise<string | null | undefined> => {
      const headers = { authorization: `Bearer ${token}` }
      const response = await fetch(`${gateway.base}/admin/v1/plugins`, { headers })
      const rows = (await response.json()) as readonly PluginRow[] // our own page
      return rows.find(({ name }) => name === 'late')?.hash
    }
    await tries('nobody answers (it is tried again by itself, and by `dragoman plugins restart late`)')
    await writeFile(join(directory, 'up'), '')
    const first = await until(async () => (await hash()) ?? undefined, SLOWLY_MS)
    await rm(join(directory, 'up'))
    await writeFile(join(directory, 'plugins/late.ts'), `${late}// another`)
    await tries('plugin late was not taken over, the old one goes on: ')
    expect(await hash()).toBe(first)
    await writeFile(join(directory, 'up'), '')
    await until(async () => ((await hash()) === first ? undefined : true), SLOWLY_MS)
  },
)
