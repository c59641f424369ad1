// The command line as a person uses it: one gateway, then every command against it.
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'

const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')

function run(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8' })
}

/** The same while this process answers as the bot. */
async function runBeside(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [BIN, ...args])
  return stdout
}

test('send, trace while it runs, trace from its file, and a clean end', async () => {
  const directory = await temporaryDirectory()
  await using bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
  const yaml = `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ agent: helper }]
`
  const config = join(directory, 'gateway.yaml')
  const data = join(directory, 'data')
  let id = ''
  {
    await using gateway = await startGateway({ yaml, directory })
    const sent = JSON.parse(await runBeside('send', 'hello', '--url', gateway.base)) as { id: string }
    expect(sent).toMatchObject({ duplicate: false, reply: { parts: [{ text: 'echo hello' }] } })
    id = sent.id
    const running = await runBeside('trace', id, '--config', config, '--data', data)
    expect(running).toMatch(/accepted .*hello/u)
    expect(running).toMatch(/attempt 1 +agent helper/u)
    expect(running).toMatch(/settled +answered/u)
    expect(await gateway.stop()).toBe(0)
  }
  const read = run('trace', id, '--config', config, '--data', data)
  expect(read.stderr).toBe('')
  expect(read.stdout).toMatch(/reply .*echo hello/u)
  const unknown = run('trace', '01900000-0000-7000-8000-000000000000', '--config', config, '--data', data)
  expect(unknown.status).toBe(1)
  expect(unknown.stderr).toMatch(/knows nothing of 01900000/u)
})

test('send without a gateway says what to do', () => {
  const sent = run('send', 'hello', '--url', 'http://127.0.0.1:1')
  expect(sent.status).toBe(1)
  expect(sent.stderr).toContain('no gateway answered at http://127.0.0.1:1')
  expect(sent.stderr).not.toMatch(/^\s+at /mu)
})

test('check names every problem with its place; a good file is ok', async () => {
  const directory = await temporaryDirectory()
  const bad = join(directory, 'bad.yaml')
  await writeFile(
    bad,
    'channels: { web: { adapter: rset } }\nagents: { bot: { adapter: mine } }\nroutes:\n  - { agent: crm }\n',
  )
  await mkdir(join(directory, 'plugins'))
  await writeFile(join(directory, 'plugins', 'shop.ts'), 'enum Size { small }')
  const orders = `import { z } from 'zod'
export default { name: 'orders', apiVersion: 1, agent: { config: z.object({}), create() {} } }`
  await writeFile(join(directory, 'plugins', 'mine.ts'), orders)
  const checked = run('check', '--config', bad)
  expect(checked.status).toBe(1)
  expect(checked.stderr).toMatch(/^plugin shop: shop\.ts:1: .*union of texts/mu)
  expect(checked.stderr).toMatch(/bad\.yaml:1:\d+: .*rset.*did you mean "rest"/u)
  expect(checked.stderr).toMatch(
    /bad\.yaml:2:\d+: agents\.bot\.adapter: no adapter is named "mine": .* names itself "orders"/u,
  )
  expect(checked.stderr).toMatch(/bad\.yaml:4:\d+: .*"crm"/u)
  const good = run('check', '--config', resolve(import.meta.dirname, '../../config/gateway.yaml'))
  expect(good).toMatchObject({ status: 0, stderr: '' })
  expect(good.stdout).toMatch(/gateway\.yaml: ok \(3 channels, 1 backend, 1 agent, 3 routes\)/u)
})

test('skills, which no agent asks for, are told in one line by check and by the start, and keep nobody from it', async () => {
  const yaml = `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "http://127.0.0.1:9/" } }
routes:
  - { when: "kind = 'message'", agent: helper }
  - { when: "kind = 'event'", agent: helper, skills: [parcels] }
  - { agent: helper, skills: [vip] }
`
  await using gateway = await startGateway({ yaml })
  const file = join(gateway.directory, 'gateway.yaml')
  const told = `${file}:6:46: route 2: skills: this has no effect, here and in any other route: no agent of this version asks for skills`
  const checked = run('check', file)
  expect(checked).toMatchObject({ status: 0, stderr: `${told} (a notice: a start takes it)\n` })
  expect(checked.stdout).toContain('ok (1 channel,')
  await until(() => (gateway.log().includes(told) ? true : undefined))
  expect(gateway.log().split(told)).toHaveLength(2)
})

test('an address that is none is said as such, whichever adapter it is for', async () => {
  const file = join(await temporaryDirectory(), 'gateway.yaml')
  const text = `backends:
  a: { adapter: rest, url: orders }
  b: { adapter: graphql, url: orders, operations: { A: { document: "{ a }" } } }
  c: { adapter: webservice, dialect: pox, url: orders, operations: { A: {} } }
  d: { adapter: soap, wsdl: "htp://erp/orders?wsdl", endpoint: "localhost:9000/orders" }
channels:
  e: { adapter: webservice, path: /e, schema: "erp:8080/orders.xsd" }
`
  await writeFile(file, text)
  const { status, stderr } = run('check', file)
  expect(status).toBe(1)
  expect(stderr.trim().split('\n')).toEqual([
    expect.stringMatching(/:2:\d+: backends\.a\.url: "orders": expected an address such as https:/u),
    expect.stringMatching(/:3:\d+: backends\.b\.url: "orders": expected an address such as https:/u),
    expect.stringMatching(/:4:\d+: backends\.c\.url: "orders": expected an address such as http:/u),
    expect.stringMatching(/:5:\d+: backends\.d\.wsdl: "htp:.*": expected a file, or an address that begins/u),
    expect.stringMatching(/:5:\d+: backends\.d\.endpoint: "local.*": expected an address such as http:/u),
    expect.stringMatching(
      /:7:\d+: channels\.e\.schema: "erp:.*": expected a file, or an address that begins/u,
    ),
  ])
})

test('who gets the words of a command wrong is sent to the help of that command', () => {
  for (const [words, help] of [
    [['strat'], '(Did you mean start?)\n(dragoman --help lists the commands)'],
    [['check', '--nope'], '(dragoman check --help explains it)'],
    [['trace'], '(dragoman trace --help explains it)'],
    [['dead', 'show'], '(dragoman dead show --help explains it)'],
    [['new', 'foo', 'x'], '(dragoman new --help explains it)'],
  ] as const) {
    const { status, stderr } = run(...words)
    expect(status).toBe(1)
    expect(stderr).toContain(help)
  }
})

test('a gateway.yml is found as a gateway.yaml is', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'gateway.yml'), 'channels: { web: { adapter: rest } }\n')
  const { stdout } = spawnSync(process.execPath, [BIN, 'check'], { encoding: 'utf8', cwd: directory })
  expect(stdout).toMatch(/gateway\.yml: ok \(1 channel,/u)
})

test('schema is a JSON Schema that knows the adapters', () => {
  const schema = JSON.parse(run('schema').stdout) as { $schema: string; properties: Record<string, unknown> }
  expect(schema.$schema).toContain('2020-12')
  expect(Object.keys(schema.properties)).toEqual(
    expect.arrayContaining(['http', 'channels', 'backends', 'agents', 'routes']),
  )
})

test('a second process on the same store is refused', async () => {
  const yaml = 'channels: { web: { adapter: rest } }\nroutes: []\n'
  await using first = await startGateway({ yaml })
  await expect(startGateway({ yaml, directory: first.directory })).rejects.toThrow(
    /in use by another process/u,
  )
})
