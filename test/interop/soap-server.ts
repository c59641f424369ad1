// PHP's SoapServer as the business system behind the gateway.
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { until } from '../support/gateway.ts'
import { fixtures } from './clients.ts'

export interface SoapServer extends AsyncDisposable {
  readonly url: string
  /** Everything it wrote to its error output so far. */
  log(): string
}

/** Starts it and resolves when it answers. */
export async function startSoapServer(): Promise<SoapServer> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn('php', ['-S', `127.0.0.1:${port}`, join(fixtures, 'server/soap-server.php')], {
    env: { ...process.env, WSDLS: join(fixtures, '../soap/wsdl') },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (piece) => (log += String(piece)))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`php ended with ${child.exitCode}:\n${log}`)
    return fetch(`${url}/orders?wsdl`).then(
      (response) => response.ok || undefined,
      () => undefined, // it does not listen yet
    )
  })
  return {
    url,
    log: () => log,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** PHP does not say which port it took, so it is told a free one. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  await new Promise((resolve) => server.close(resolve))
  return port
}
