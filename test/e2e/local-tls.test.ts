// Commands on the gateway's own machine, where its certificate is for the name its callers use.
import { execFile } from 'node:child_process'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { makeCertificate } from '../support/certificate.ts'
import { startGateway, until } from '../support/gateway.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const yaml = `
http: { tls: { cert: ./cert.pem, key: ./key.pem }, publicUrl: "https://desk.example.com" }
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "http://127.0.0.1:9/" } }
routes: [{ agent: helper }]
`

test(
  'with a certificate for another name commands and the probe reach it; another certificate in its place is refused',
  { timeout: 120_000 },
  async () => {
    using own = makeCertificate('desk.example.com')
    using next = makeCertificate('desk.example.com')
    const files = { 'cert.pem': await readFile(own.cert, 'utf8'), 'key.pem': await readFile(own.key, 'utf8') }
    await using gateway = await startGateway({ yaml, files })
    const data = join(gateway.directory, 'data')
    const where = ['--config', join(gateway.directory, 'gateway.yaml'), '--data', data]
    const run = async (...words: readonly string[]): Promise<string> => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        join(ROOT, words[0] ?? ''),
        ...words.slice(1),
      ])
      return stdout
    }
    const asked = (command: string): Promise<string> => run('bin/dragoman.ts', command, ...where)
    const refused = (command: string): Promise<string> =>
      asked(command).then(
        () => 'was not refused',
        (error: unknown) =>
          error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error),
      )
    expect(await asked('breaker')).toContain('helper')
    await run('config/deploy/probe.ts', '/healthz', data)

    // Renewed: the file that is there now is the one to show.
    await copyFile(next.key, join(gateway.directory, 'key.pem'))
    await copyFile(next.cert, join(gateway.directory, 'cert.pem'))
    await until(() => (gateway.log().includes('the certificate was renewed') ? true : undefined), 30_000)
    expect(await until(() => asked('breaker').catch(() => undefined), 30_000)).toContain('helper')

    const imposter = createServer({ cert: files['cert.pem'], key: files['key.pem'] }, () => {
      throw new Error('it was sent something')
    }).listen(0, '127.0.0.1')
    await once(imposter, 'listening')
    const { port } = imposter.address() as AddressInfo // it listens on TCP
    await writeFile(
      join(data, 'gateway.url'),
      `https://127.0.0.1:${port}\n${join(gateway.directory, 'cert.pem')}\n`,
    )
    expect(await refused('dead')).toContain('is not known by the certificate in')
    imposter.close()
  },
)
