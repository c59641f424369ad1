// Commands on the gateway's own machine, where its certificate is for the name its callers use.
import { execFile } from 'node:child_process'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { expire, makeCertificate } from '../support/certificate.ts'
import { startGateway, until } from '../support/gateway.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const SLOWLY_MS = 120_000

/** What a command prints. Rejects with an error that has its `stderr`. */
async function run(...words: readonly string[]): Promise<string> {
  const [file = '', ...rest] = words
  const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, file), ...rest])
  return stdout
}

function refused(...words: readonly string[]): Promise<string> {
  return run(...words).then(
    () => 'was not refused',
    (error: unknown) => (error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)),
  )
}
const yaml = `
http: { tls: { cert: ./cert.pem, key: ./key.pem }, publicUrl: "https://desk.example.com" }
identity: { keys: { shop: { key: key-of-the-shop-0123456789 } } }
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "http://127.0.0.1:9/" } }
routes: [{ agent: helper }]
`

test(
  'with a certificate for another name commands and the probe reach it; another certificate in its place is refused',
  { timeout: SLOWLY_MS },
  async () => {
    using own = makeCertificate('desk.example.com')
    using next = makeCertificate('desk.example.com')
    const files = { 'cert.pem': await readFile(own.cert, 'utf8'), 'key.pem': await readFile(own.key, 'utf8') }
    await using gateway = await startGateway({ yaml, files })
    const data = join(gateway.directory, 'data')
    const where = ['--config', join(gateway.directory, 'gateway.yaml'), '--data', data]
    const asked = (command: string): Promise<string> => run('bin/dragoman.ts', command, ...where)
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
    expect(await refused('bin/dragoman.ts', 'dead', ...where)).toContain('is not known by the certificate in')
    imposter.close()
  },
)

test(
  'where callers need a certificate commands and the probe show the one of the gateway, and one that is not taken is said with what to do',
  { timeout: SLOWLY_MS },
  async () => {
    using authority = makeCertificate('authority.example.com')
    using signed = makeCertificate('desk.example.com', authority)
    using alone = makeCertificate('desk.example.com')
    const text = (file: string): Promise<string> => readFile(file, 'utf8')
    const opened = async (own: { readonly cert: string; readonly key: string }) =>
      startGateway({
        yaml: yaml.replace('key: ./key.pem', 'key: ./key.pem, ca: ./ca.pem'),
        files: {
          'cert.pem': await text(own.cert),
          'key.pem': await text(own.key),
          'ca.pem': await text(authority.cert),
        },
      })
    const whereOf = (directory: string): readonly string[] => [
      '--config',
      join(directory, 'gateway.yaml'),
      '--data',
      join(directory, 'data'),
    ]

    await using taken = await opened(signed)
    const where = whereOf(taken.directory)
    expect(await run('bin/dragoman.ts', 'breaker', ...where)).toContain('helper')
    expect(await run('bin/dragoman.ts', 'dead', ...where)).toContain('Nothing is dead')
    expect(await run('bin/dragoman.ts', 'top', '--once', '--every', '500ms', ...where)).toContain(
      'helper.answer',
    )
    expect(await refused('bin/dragoman.ts', 'trace', 'nobody', ...where)).toContain('knows nothing of')
    await run('config/deploy/probe.ts', '/readyz', join(taken.directory, 'data'))
    // Others need one as before.
    await expect(fetch(taken.base.replace('http:', 'https:'))).rejects.toThrow('fetch failed')

    await using turned = await opened(alone)
    for (const words of [['breaker'], ['dead'], ['top', '--once'], ['trace', 'nobody']])
      expect(await refused('bin/dragoman.ts', ...words, ...whereOf(turned.directory))).toMatch(
        /takes callers with a certificate of http\.tls\.ca alone[\s\S]*clientAuth[\s\S]*curl --cert/u,
      )

    // Its time is over: it is no caller's certificate any more, whoever signed it.
    const { directory } = turned
    expire({ cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') })
    await until(() => (turned.log().includes('the certificate was renewed') ? true : undefined), 30_000)
    const over = / has been over since \d{4}-.*Z.*: renew it/u
    expect(await refused('bin/dragoman.ts', 'dead', ...whereOf(directory))).toMatch(over)
    expect(await refused('config/deploy/probe.ts', '/healthz', join(directory, 'data'))).toMatch(over)
  },
)
