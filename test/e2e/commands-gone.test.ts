// What the commands say where their gateway is not there, does not answer, or another has its port.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startBot } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { say } from '../support/rest.ts'

const SLOWLY_MS = 120_000
const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')

interface Ended {
  readonly status: number | null
  readonly out: string
  readonly errors: string
}

async function run(gateway: GatewayProcess, ...words: readonly string[]): Promise<Ended> {
  const where = [
    '--config',
    join(gateway.directory, 'gateway.yaml'),
    '--data',
    join(gateway.directory, 'data'),
  ]
  const child = spawn(process.execPath, [BIN, ...words, ...where], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let errors = ''
  child.stdout.on('data', (piece) => (out += String(piece)))
  child.stderr.on('data', (piece) => (errors += String(piece)))
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, out, errors }
}

/** Whoever has the port, and what he was sent. */
async function stranger(port: number): Promise<readonly (string | undefined)[]> {
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.end('<html></html>')
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return seen
}

async function begun(): Promise<GatewayProcess & { readonly id: string }> {
  const bot = await startBot(async () => ({ body: { text: 'fine' } }))
  const gateway = await startGateway({
    yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ agent: helper }]
`,
  })
  onTestFinished(async () => {
    await gateway[Symbol.asyncDispose]()
    await bot[Symbol.asyncDispose]()
  })
  const { body } = await say(gateway.base, 'hello', { waitSeconds: 10 })
  return { ...gateway, id: body.id }
}

test(
  'after a kill -9 who has the port next is sent nothing: no gateway runs, and trace and dead read the file',
  { timeout: SLOWLY_MS },
  async () => {
    const gateway = await begun()
    expect((await run(gateway, 'breaker')).status).toBe(0)
    await gateway.kill()
    const seen = await stranger(gateway.port)
    const breaker = await run(gateway, 'breaker')
    expect(breaker).toMatchObject({
      status: 1,
      errors: expect.stringMatching(/^dragoman: no gateway runs .*\n$/u),
    })
    expect(await run(gateway, 'trace', gateway.id)).toMatchObject({
      status: 0,
      out: expect.stringContaining(gateway.id),
    })
    expect(await run(gateway, 'dead', 'list')).toMatchObject({ status: 0, out: 'Nothing is dead.\n' })
    expect(seen).toEqual([])
  },
)

test('an answer that no gateway gives is told in one line', { timeout: SLOWLY_MS }, async () => {
  const gateway = await begun()
  const server = createServer((_request, response) => response.end('<html></html>')).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  await writeFile(join(gateway.directory, 'data/gateway.url'), `http://127.0.0.1:${port}\n`)
  expect(await run(gateway, 'breaker')).toEqual({
    status: 1,
    out: '',
    errors: `dragoman: something else listens at http://127.0.0.1:${port}: its answer (200) is not one of the gateway's\n`,
  })
})

test(
  'a gateway that does not answer is waited for 10 s; top shows it and goes on',
  { timeout: SLOWLY_MS },
  async () => {
    const gateway = await begun()
    const where = [
      '--config',
      join(gateway.directory, 'gateway.yaml'),
      '--data',
      join(gateway.directory, 'data'),
    ]
    const top = spawn(process.execPath, [BIN, 'top', '--every', '200ms', ...where])
    onTestFinished(() => void top.kill('SIGKILL'))
    let screens = ''
    top.stdout.on('data', (piece) => (screens += String(piece)))
    await until(() => screens !== '' || undefined)
    process.kill(gateway.pid, 'SIGSTOP')
    const silent = `the gateway at ${gateway.base} has not answered for 10 s`
    expect(await run(gateway, 'breaker')).toEqual({ status: 1, out: '', errors: `dragoman: ${silent}\n` })
    await until(() => screens.includes(silent) || undefined)
    process.kill(gateway.pid, 'SIGCONT')
    const shown = screens.length
    await until(() => screens.slice(shown).includes('intake/s') || undefined)
    expect(top.exitCode).toBe(null)
  },
)
