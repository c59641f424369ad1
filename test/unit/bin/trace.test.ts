// `dragoman trace`: which token it shows the running gateway.
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { leaveAddress, takeAddress } from '../../../bin/local-gateway.ts'
import { trace } from '../../../bin/trace.ts'

test('the admin token that the config names is the one that counts, whatever an earlier start has left in the data folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trace-'))
  const server = createServer((request, response) => {
    const isOperator = request.headers.authorization === 'Bearer named-in-the-config'
    response.writeHead(isOperator ? 200 : 401, { 'content-type': 'application/json' })
    response.end(isOperator ? '{"id":"m1","steps":[]}' : '{}')
  }).listen(0, '127.0.0.1')
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
  await writeFile(
    config,
    'data: .\nadmin: { token: named-in-the-config }\nchannels: { web: { adapter: rest } }\n',
  )
  await leaveAddress(folder, { origin: `http://127.0.0.1:${port}` })
  for (const token of [undefined, 'of-an-earlier-start']) {
    if (token !== undefined) await writeFile(join(folder, 'admin.token'), token)
    await trace('m1', { config })
    expect(said).toHaveBeenLastCalledWith('m1')
  }
  expect(said).toHaveBeenCalledTimes(2)
})
