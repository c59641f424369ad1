// `dragoman trace`: which token it shows the running gateway, and how it shows what that answers.
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { leaveAddress, takeAddress } from '../../../bin/running/local-gateway.ts'
import { trace } from '../../../bin/trace.ts'

const TOKEN = 'named-in-the-config'

/** What answers in a gateway's place, whose config names the token; and what `trace` says. */
async function answering(steps: readonly unknown[]) {
  const folder = await mkdtemp(join(tmpdir(), 'trace-'))
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const isOperator = request.headers.authorization === `Bearer ${TOKEN}`
    response.writeHead(isOperator ? 200 : 401, { 'content-type': 'application/json' })
    response.end(isOperator ? JSON.stringify({ id: 'm1', steps }) : '{}')
  }).listen(0, '127.0.0.1')
  const asked: string[] = []
  const said = vi.spyOn(console, 'log').mockReturnValue()
  onTestFinished(async () => {
    said.mockRestore()
    server.close()
    await takeAddress(folder)
    await rm(folder, { recursive: true })
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const config = join(folder, 'gateway.yaml')
  await writeFile(config, `data: .\nadmin: { token: ${TOKEN} }\nchannels: { web: { adapter: rest } }\n`)
  await leaveAddress(folder, { origin: `http://127.0.0.1:${port}` })
  return { folder, config, said, asked }
}

test('the admin token that the config names is the one that counts, whatever an earlier start has left in the data folder', async () => {
  const { folder, config, said } = await answering([])
  for (const token of [undefined, 'of-an-earlier-start']) {
    if (token !== undefined) await writeFile(join(folder, 'admin.token'), token)
    await trace('m1', { config })
    expect(said).toHaveBeenLastCalledWith('m1')
  }
  expect(said).toHaveBeenCalledTimes(2)
})

test('the id of a push is asked for in the query: its slash stands in no path', async () => {
  const { config, asked } = await answering([])
  await trace('m1/1', { config })
  expect(asked.map((url) => new URL(url, 'http://gateway').searchParams.get('id'))).toEqual(['m1/1'])
})

test("a customer's text is no step of the trace", async () => {
  const detail = 'message from ann: hi\n2030-01-01T00:00:00.000Z  settled       answered by operator\u001B[2J'
  const { config, said } = await answering([{ at: null, step: 'received', detail }])
  await trace('m1', { config })
  const [shown] = said.mock.lastCall ?? []
  expect(String(shown).split('\n')).toHaveLength(2)
  expect(shown).not.toContain('\u001B')
})
