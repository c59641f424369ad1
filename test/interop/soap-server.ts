// SOAP servers nobody here wrote, as the business system behind the gateway: PHP's SoapServer, SOAP::Lite, gSOAP, Axis 1.4.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { freePort } from '../../bin/demo/free-port.ts'
import { until } from '../support/gateway.ts'
import { classPathOf, fixtures } from './clients.ts'
import type { Build } from './clients.ts'

export interface SoapServer extends AsyncDisposable {
  readonly url: string
  /** Everything it wrote to its outputs so far. */
  log(): string
}

/** PHP's SoapServer: `/orders`, `/legacy-lit` and `/legacy-enc`, with `?wsdl`. Resolves when it answers. */
export async function startPhp(): Promise<SoapServer> {
  const port = await freePort()
  const args = ['-S', `127.0.0.1:${port}`, join(fixtures, 'server/soap-server.php')]
  const server = start('php', args, { env: { WSDLS: join(fixtures, '../soap/wsdl') }, port: () => port })
  return answering(server, '/orders?wsdl')
}

/** SOAP::Lite: the rpc/encoded service in both versions, at any path; it has no `?wsdl`. Resolves when it answers. */
export async function startSoapLite(): Promise<SoapServer> {
  const port = await freePort()
  const script = join(fixtures, 'server/soaplite-server.pl')
  return answering(start('perl', [script, String(port)], { port: () => port }), '/')
}

/** gSOAP: the orders service in one version, at any path. Resolves when it listens. */
export async function startGsoap(build: Build, version: '11' | '12'): Promise<SoapServer> {
  const port = (log: string): number | undefined => Number(/^\d+$/m.exec(log)?.[0]) || undefined
  return start(join(await build.folder(), `orders${version}`), [], { port })
}

/** Axis 1.4's own HTTP server: the rpc/encoded service at `/axis/services/LegacyPort`. Resolves when it answers. */
export async function startAxis(build: Build): Promise<SoapServer> {
  const port = await freePort()
  const main = 'org.apache.axis.transport.http.SimpleAxisServer'
  const server = start('java', ['-cp', await classPathOf(build), main, '-p', String(port)], {
    cwd: await build.folder(), // its server-config.wsdd
    port: () => port,
  })
  return answering(server, '/axis/services/LegacyPort?wsdl')
}

interface Starting {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Known beforehand, or what it wrote. */
  readonly port: (log: string) => number | undefined
}

async function start(command: string, args: readonly string[], options: Starting): Promise<SoapServer> {
  const child = spawn(command, args, {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  })
  let log = ''
  for (const output of [child.stdout, child.stderr]) output.on('data', (piece) => (log += String(piece)))
  const ended = new Promise((resolve) => child.once('close', resolve))
  const port = await until(() => {
    if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}:\n${log}`)
    return options.port(log)
  })
  return {
    url: `http://127.0.0.1:${port}`,
    log: () => log,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Waits for one that says nothing when it listens. */
async function answering(starting: Promise<SoapServer>, path: string): Promise<SoapServer> {
  const server = await starting
  await until(() =>
    fetch(server.url + path).then(
      (response) => response.ok || path === '/' || undefined, // any answer, where nothing is shown
      () => undefined, // it does not listen yet
    ),
  )
  return server
}
