// DESIGN §9: what ran before can run again, though its files have changed; what a change would do can be seen before.
import { execFile } from 'node:child_process'
import { renameSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { look, startStream } from '../support/plugin-load.ts'
import { versioned } from '../support/plugin-sources.ts'

const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')
const SECRET = 'only-in-the-environment'
const env = { SHOP_TOKEN: SECRET }
const yaml = `channels: { web: { adapter: rest }, app: { adapter: graphql, schema: ./shop.graphql } }
backends: { shop: { adapter: shop, tag: "\${SHOP_TOKEN}" } }
routes: [{ backend: shop }]
`

/** It imports types/t.xsd. */
const wsdl = (note: string): string => `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t" name="S">
<documentation>${note}</documentation>
<types><xs:schema targetNamespace="urn:w"><xs:import namespace="urn:t" schemaLocation="types/t.xsd"/></xs:schema></types>
<message name="In"><part name="p" element="t:Get"/></message>
<portType name="P"><operation name="Get"><input message="t:In"/></operation></portType>
<binding name="B" type="t:P"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
<operation name="Get"><soap:operation soapAction="Get"/><input><soap:body use="literal"/></input></operation></binding>
<service name="S"><port name="Q" binding="t:B"><soap:address location="http://crm.invalid/"/></port></service>
</definitions>`
const xsd = (
  member: string,
): string => `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t">
<xs:element name="Get"><xs:complexType><xs:sequence><xs:element name="${member}" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>`

async function writeContract(directory: string, member: string): Promise<void> {
  await mkdir(join(directory, 'types'), { recursive: true })
  await replace(directory, { 'types/t.xsd': xsd(member), 'crm.wsdl': wsdl(member) })
}

/** One change: none of them is ever half written, and nobody sees the first without the last. */
async function replace(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, `${name}.new`), text)
  for (const name of Object.keys(files)) renameSync(join(directory, `${name}.new`), join(directory, name))
}

/** What the contract that the channel `crm` shows calls its member. */
async function contract({ base }: GatewayProcess): Promise<string | undefined> {
  const text = await (await fetch(`${base}/crm?xsd=t.xsd`)).text()
  return /name="(first|second)"/u.exec(text)?.[1]
}

async function folder(): Promise<string> {
  const directory = await temporaryDirectory()
  onTestFinished(async () => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  await mkdir(join(directory, 'plugins'))
  await save(directory, 1)
  await writeFile(join(directory, 'shop.graphql'), 'type Query { first: String }')
  return directory
}

function save(directory: string, version: number): Promise<void> {
  return writeFile(join(directory, 'plugins', 'shop.ts'), versioned('shop', version))
}

interface Ran {
  readonly status: number
  readonly out: string
  readonly error: string
}
function run(directory: string, ...args: readonly string[]): Promise<Ran> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [BIN, ...args],
      { cwd: directory, env: { ...process.env, ...env } },
      (error, out, said) =>
        done({ status: typeof error?.code === 'number' ? error.code : 0, out, error: said }),
    )
  })
}

async function admin<T>({ base, directory }: GatewayProcess, path: string, body?: object): Promise<T> {
  const token = (await readFile(join(directory, 'data', 'admin.token'), 'utf8')).trim()
  const response = await fetch(`${base}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return (await response.json()) as T // each test says what it asks for
}

interface Kept {
  readonly generations: readonly {
    readonly generation: number
    readonly last: number
    readonly isRunning: boolean
    readonly changes: readonly string[]
  }[]
  readonly rolledBackTo: number | null
}
const kept = (gateway: GatewayProcess): Promise<Kept> => admin<Kept>(gateway, '/admin/v1/generations')

async function live(gateway: GatewayProcess, version: number): Promise<void> {
  await until(async () => ((await look(gateway.base)).version === version ? true : undefined), 30_000)
}

/** Of the schema that the channel `app` serves. */
async function field({ base }: GatewayProcess): Promise<string | undefined> {
  const response = await fetch(`${base}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ __schema { queryType { fields { name } } } }' }),
  })
  const answer = (await response.json()) as {
    readonly data?: { readonly __schema: { readonly queryType: { readonly fields: { name: string }[] } } }
  } // as the query asks
  return answer.data?.__schema.queryType.fields[0]?.name
}

test('rollback under load: plugin, config and the files it names are those of before, no call fails; it holds over a restart until a file changes', async () => {
  const directory = await folder()
  await writeContract(directory, 'first')
  const crm = 'crm: { adapter: soap, path: /crm, wsdl: ./crm.wsdl, operations: { Get: { kind: event } } }'
  const house = { yaml: yaml.replace('channels: {', `channels: { ${crm},`), directory, env }
  await using gateway = await startGateway(house)
  expect(await contract(gateway)).toBe('first')
  await writeContract(directory, 'second')
  await until(async () => ((await contract(gateway)) === 'second' ? true : undefined), 30_000)
  await save(directory, 2)
  await live(gateway, 2)
  await replace(directory, { 'shop.graphql': 'type Query { second: String }' })
  await until(async () => ((await field(gateway)) === 'second' ? true : undefined), 30_000)
  const { generations } = await until(async () => {
    const now = await kept(gateway) // what runs is kept a moment later
    return now.generations.length === 4 ? now : undefined
  })
  expect(generations.map(({ changes }) => changes)).toEqual([
    [],
    ['crm.wsdl changed', 't.xsd changed'],
    ['plugin shop changed'],
    ['shop.graphql changed'],
  ])

  const stream = startStream(gateway.base, 50)
  const back = await run(directory, 'rollback', '1')
  expect([back.error, back.status]).toEqual(['', 0])
  expect(back.out).toMatch(/^Generation 1 runs again, as generation 5\.\n/)
  await live(gateway, 1)
  expect([await field(gateway), await contract(gateway)]).toEqual(['first', 'first'])
  await save(directory, 2) // touched, not changed
  expect(await stream.stop()).toMatchObject({ failed: [], mixed: 0 })

  expect(await admin(gateway, '/admin/v1/status')).toMatchObject({
    generation: 5,
    lastReload: { generation: 5, rolledBackTo: 1 },
  })
  const { events } = await admin<{ events: readonly { type: string; data: object }[] }>(
    gateway,
    '/admin/v1/events',
  )
  expect(events.filter(({ type }) => type === 'reload').map(({ data }) => data)).toEqual([
    { generation: 2 },
    { generation: 3 },
    { generation: 4 },
    { generation: 5, rolledBackTo: 1 },
  ])
  expect(await (await fetch(`${gateway.base}/metrics`)).text()).toMatch(/^dragoman_generation 5$/m)
  const said = /generation 1 runs again, as generation 5, until a file changes/
  await until(async () => (said.test(gateway.log()) ? true : undefined)) // a log comes by its own pipe
  for (const file of await readdir(join(directory, 'data', 'generations'), { recursive: true })) {
    const text = await readFile(join(directory, 'data', 'generations', file), 'utf8').catch(() => '') // a folder
    expect(text, file).not.toContain(SECRET)
  }
  await gateway.stop()

  await using next = await startGateway(house)
  expect(await look(next.base)).toMatchObject({ version: 1 })
  expect([await field(next), await contract(next)]).toEqual(['first', 'first'])
  expect(await kept(next)).toMatchObject({ rolledBackTo: 1 })
  expect((await kept(next)).generations.find(({ isRunning }) => isRunning)).toMatchObject({
    generation: 1,
    last: 6,
  })
  await admin(next, '/admin/v1/plugins/restart', { name: 'shop' }) // a fresh worker, of the same version
  await live(next, 1)
  expect(await kept(next)).toMatchObject({ rolledBackTo: 1 })
  await save(directory, 3)
  await live(next, 3)
  expect([await field(next), await contract(next)]).toEqual(['second', 'second'])
  await until(async () => ((await kept(next)).rolledBackTo === null ? true : undefined))

  const listed = await run(directory, 'rollback', '--list')
  expect(listed.out).toMatch(/^GENERATION +STATE +SINCE +VERSION +CHANGES\n/)
  expect(listed.out).toMatch(
    /^8 +running +\S+ +[0-9a-f]{12} +crm\.wsdl changed, shop\.graphql changed, t\.xsd changed, plugin shop changed$/m,
  )
  expect((await run(directory, 'rollback', '99')).error).toContain(
    'generation 99 is not kept: kept are 1, 2, 3, 4',
  )
  expect((await run(directory, 'rollback', 'x')).error).toContain('a generation is a whole number')
  expect((await run(directory, 'rollback', '3', '--json')).out).toBe('{"generation":9,"rolledBackTo":3}\n')
  await live(next, 2)
  expect((await run(directory, 'rollback', '--release')).out).toContain(
    'Generation 10 runs: what the files say',
  )
  await live(next, 3)
}, 180_000)

test('a generation that cannot run again changes nothing: what is missing is told, the running one goes on', async () => {
  const directory = await folder()
  const helper = join(directory, 'plugins', 'node_modules', 'odd')
  await mkdir(helper, { recursive: true })
  await writeFile(join(helper, 'package.json'), '{"name":"odd","type":"module","exports":"./index.js"}')
  await writeFile(join(helper, 'index.js'), 'export default 1')
  await writeFile(join(directory, 'plugins', 'shop.ts'), `import 'odd'\n${versioned('shop', 1)}`)
  await using gateway = await startGateway({ yaml, directory, env })
  await save(directory, 2)
  await live(gateway, 2)
  await rm(helper, { recursive: true })
  const stream = startStream(gateway.base, 50)
  const { status, error } = await run(directory, 'rollback')
  expect(status).toBe(1)
  expect(error).toMatch(/generation 1 does not run again: plugin shop: shop\.ts:1: it imports "odd"/)
  expect(await look(gateway.base)).toMatchObject({ version: 2 })
  expect(await stream.stop()).toMatchObject({ failed: [], mixed: 0 })
  expect(await kept(gateway)).toMatchObject({
    rolledBackTo: null,
    generations: [{ generation: 1 }, { isRunning: true }],
  })
  expect(await admin(gateway, '/admin/v1/plugins')).toMatchObject([{ state: 'running', failure: null }])
  expect(await admin(gateway, '/admin/v1/status')).toMatchObject({
    generation: 2,
    lastReload: { error: expect.stringContaining('odd') },
  })
  const before = await (await fetch(`${gateway.base}/metrics`)).text()
  await replace(directory, {
    'gateway.yaml': 'channels: { web: { adapter: rset } }\nroutes: [{ agent: nobody }]\n',
  })
  await until(async () => {
    const { lastReload } = await admin<{ lastReload: { error?: string } }>(gateway, '/admin/v1/status')
    return lastReload.error?.includes('rset') === true ? true : undefined
  })
  // Who asks for it is told the same.
  const released = await run(directory, 'rollback', '--release')
  expect(released.error).toMatch(/^\S+gateway\.yaml:1:\d+: .*rset.*\n\S+gateway\.yaml:2:\d+: .*nobody.*\n$/)
  expect(released).toEqual({ ...(await run(directory, 'check')), out: '' })
  expect(await admin(gateway, '/admin/v1/reload', {})).toMatchObject({
    status: 422,
    detail: released.error.trimEnd(),
  })
  const { events } = await admin<{ events: readonly { type: string; data: object }[] }>(
    gateway,
    '/admin/v1/events',
  )
  expect(events.filter(({ type }) => type === 'reload').map(({ data }) => data)).toEqual([
    { generation: 2 },
    { refused: expect.stringContaining('odd') },
    { refused: expect.stringContaining('rset') },
    { refused: expect.stringContaining('rset') },
    { refused: expect.stringContaining('rset') },
  ])
  const figures = /^dragoman_(?:generation|last_reload_success_timestamp_seconds) [\d.e+]+$/gm
  expect(before.match(figures)).toHaveLength(2)
  expect((await (await fetch(`${gateway.base}/metrics`)).text()).match(figures)).toEqual(
    before.match(figures),
  )
}, 120_000)

test('plan: without a gateway everything starts; with one, what changes and why; its problems and statuses are those of check', async () => {
  const directory = await folder()
  await writeFile(join(directory, 'gateway.yaml'), yaml)
  const alone = await run(directory, 'plan')
  expect([alone.error, alone.status]).toEqual(['', 0])
  expect(alone.out).toMatch(/^No gateway runs: everything starts\.\n/)
  expect(alone.out).toContain('3 to start, 0 to replace, 0 to stop, 0 to keep.')
  await using gateway = await startGateway({ yaml, directory, env })
  const same = await run(directory, 'plan', '--exit-code')
  expect(same).toMatchObject({ status: 0, error: '' })
  expect(same.out).toMatch(/^Against generation 1, which runs:\n[^]*Nothing would change\.\n$/)

  await mkdir(join(directory, 'next'))
  await writeFile(join(directory, 'next', 'shop.ts'), versioned('shop', 2))
  const changed = `${yaml.replace(/, app: .*? } }/, ' }').replace('[{', '[{ timeout: 3s,')}agents: { bot: { adapter: webhook, url: http://127.0.0.1:9 } }\nplugins: ./next\n`
  await writeFile(join(directory, 'next.yaml'), changed)
  const next = await run(directory, 'plan', '--config', 'next.yaml', '--exit-code')
  expect([next.error, next.status]).toEqual(['', 2])
  const lines = next.out.replaceAll(/ +/g, ' ').split('\n')
  expect(lines).toContain('start agent bot webhook')
  expect(lines).toContain('replace backend shop its plugin has changed')
  expect(lines).toContain('stop channel app graphql')
  expect(lines).toContain('keep channel web rest')
  expect(lines).toContain('change routes')
  expect(next.out).toMatch(/^plugin +shop +[0-9a-f]{12} -> [0-9a-f]{12}$/m)
  expect(next.out).toContain('1 to start, 1 to replace, 1 to stop, 1 to keep.')
  expect(await look(gateway.base)).toMatchObject({ version: 1 })

  await writeFile(join(directory, 'next.yaml'), changed.replace('webhook', 'webhok'))
  const bad = await run(directory, 'plan', '--config', 'next.yaml')
  expect(bad.status).toBe(1)
  expect(bad.error).toBe((await run(directory, 'check', '--config', 'next.yaml')).error)
  expect(bad.error).toMatch(/next\.yaml:4:\d+: agents\.bot\.adapter: .*did you mean "webhook"/)
  await writeFile(join(directory, 'next.yaml'), changed)
  await writeFile(join(directory, 'next', 'shop.ts'), 'enum A {}')
  const broken = await run(directory, 'plan', '--config', 'next.yaml')
  expect(broken.status).toBe(1)
  expect(broken.error).toBe((await run(directory, 'check', '--config', 'next.yaml')).error)
}, 120_000)
