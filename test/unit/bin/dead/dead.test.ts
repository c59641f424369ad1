// `dragoman dead` with several ids, where the gateway refuses one, breaks or hangs.
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Command, Option } from 'commander'
import { expect, onTestFinished, test, vi } from 'vitest'
import { addDead } from '../../../../bin/dead/dead.ts'
import { leaveAddress, takeAddress } from '../../../../bin/running/local-gateway.ts'

/** A gateway with the status that it answers by the id it is asked for, `all` without one; 0: it never answers, unnamed: 200. */
async function running(statuses: Readonly<Record<string, number>>) {
  const folder = await mkdtemp(join(tmpdir(), 'dead-'))
  const data = join(folder, 'data')
  await mkdir(data)
  const config = join(folder, 'gateway.yaml')
  await writeFile(config, 'admin: { token: the-token-of-the-start }\n')
  const asked: string[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { id = 'all' } = JSON.parse(await text(request)) as { id?: string } // the command sends it
    asked.push(id)
    const status = statuses[id] ?? 200
    const said = { id, as: `new-${id}`, conversation: 'web:ann', sequence: 1, detail: `no ${id}` }
    if (status !== 0) response.writeHead(status).end(JSON.stringify(said))
  }
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const origin = `http://127.0.0.1:${port}`
  await leaveAddress(data, { origin })
  const [said, failed] = [vi.spyOn(console, 'log').mockReturnValue(), vi.spyOn(console, 'error')]
  failed.mockReturnValue()
  onTestFinished(async () => {
    vi.restoreAllMocks()
    process.exitCode = undefined
    await takeAddress(data)
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true })
  })
  return {
    origin,
    dead: async (...given: readonly string[]) => {
      const program = new Command()
      addDead(program, { config: new Option('--config <file>'), data: new Option('--data <folder>') })
      await program.parseAsync(['dead', ...given, '--config', config], { from: 'user' })
      return {
        asked,
        said: said.mock.calls.flat(),
        failed: failed.mock.calls.flat(),
        status: process.exitCode,
      }
    },
  }
}

function hurried(): void {
  const timeout = AbortSignal.timeout.bind(AbortSignal)
  vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => timeout(100))
}

const IN_DOUBT = 'it may have been done: look with "dragoman dead list"'

test('a refusal that is about one id stands in no other’s way', async () => {
  const { dead } = await running({ a: 404, b: 409 })
  expect(await dead('drop', 'a', 'b', 'c')).toEqual({
    asked: ['a', 'b', 'c'],
    said: ['c dropped.'],
    failed: ['dragoman: a: the gateway answered 404: no a', 'dragoman: b: the gateway answered 409: no b'],
    status: 1,
  })
})

test.each(['drop', 'replay'])(
  '%s ends at a gateway that hangs: the others are not asked for',
  async (how) => {
    const { origin, dead } = await running({ b: 0 })
    hurried()
    const silent = `the gateway at ${origin} has not answered for 10 s`
    expect(await dead(how, 'a', 'b', 'c', 'd')).toEqual({
      asked: ['a', 'b'],
      said: [how === 'drop' ? 'a dropped.' : 'a goes again as new-a (web:ann #1).'],
      failed: [`dragoman: b: ${silent}; ${IN_DOUBT}; not tried: c, d`],
      status: 1,
    })
  },
)

test('a gateway that makes a mistake is not asked for the others', async () => {
  const { dead } = await running({ a: 500 })
  expect(await dead('replay', 'a', 'b')).toMatchObject({
    asked: ['a'],
    failed: ['dragoman: a: the gateway answered 500: no a; not tried: b'],
  })
})

test('of all that were to be done it is said too that they may have been, where the gateway hangs', async () => {
  const { origin, dead } = await running({ all: 0 })
  hurried()
  expect(await dead('drop', '--all')).toMatchObject({
    asked: ['all'],
    failed: [`dragoman: the gateway at ${origin} has not answered for 120 s; ${IN_DOUBT}`],
  })
})
