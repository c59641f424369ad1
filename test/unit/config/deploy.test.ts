// What config/deploy holds cannot be run everywhere: its files are read, and held to what they have to say.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, matchesGlob, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { loadWithoutPlugins } from '../../../bin/config-file.ts'
import { parseSize } from '../../../config/units.ts'
import { contentRoomOf } from '../../../core/store/redis/health.ts'
import { expire, makeCertificate } from '../../support/certificate.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const DEPLOY = join(ROOT, 'config/deploy')
const read = (file: string): string => readFileSync(join(DEPLOY, file), 'utf8')

interface Instruction {
  readonly name: string
  readonly rest: string
}

/** A Dockerfile's instructions by stage; what no builder knows is refused. */
function stages(text: string): readonly (readonly Instruction[])[] {
  const known =
    /^(?<name>FROM|WORKDIR|COPY|RUN|ENV|USER|VOLUME|EXPOSE|HEALTHCHECK|STOPSIGNAL|ENTRYPOINT|CMD) (?<rest>\S.*)$/u
  const found: Instruction[][] = []
  for (const line of text.replaceAll('\\\n', ' ').split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const { name, rest } = known.exec(line)?.groups ?? {}
    if (name === undefined || rest === undefined) throw new Error(`no instruction: ${line}`)
    if (name === 'FROM') found.push([])
    found.at(-1)?.push({ name, rest })
  }
  return found
}

const all = (stage: readonly Instruction[] | undefined, name: string): readonly string[] =>
  (stage ?? []).filter((one) => one.name === name).map(({ rest }) => rest)

test('the Dockerfile has two stages of one pinned Node 24; what runs has no development packages, is nobody special and says whether it is alive', () => {
  const [packages, runs, ...more] = stages(read('Dockerfile'))
  expect(more).toEqual([])
  expect(all(packages, 'FROM')).toEqual(['node:24-bookworm-slim AS packages'])
  expect(all(runs, 'FROM')).toEqual(['node:24-bookworm-slim'])
  expect(all(packages, 'RUN')).toEqual(['npm ci --omit=dev --ignore-scripts --no-audit --no-fund'])
  expect(all(runs, 'USER')).toEqual(['node'])
  expect(all(runs, 'RUN')).toEqual(['mkdir /data && chown node:node /data'])
  const [health = ''] = all(runs, 'HEALTHCHECK')
  for (const json of [
    /CMD (?<json>\[.*)$/u.exec(health)?.groups?.['json'] ?? '',
    ...all(runs, 'ENTRYPOINT'),
    ...all(runs, 'CMD'),
  ])
    expect(JSON.parse(json)).toBeInstanceOf(Array) // the form without a shell: signals reach the gateway
  expect(health).toContain('/healthz')
})

test('everything the Dockerfile copies is in the repository, let through by its ignore file, and is all a gateway is made of', () => {
  const copied = stages(read('Dockerfile'))
    .flatMap((stage) => all(stage, 'COPY'))
    .filter((rest) => !rest.startsWith('--from='))
    .flatMap((rest) => rest.split(' ').slice(0, -1))
  for (const path of copied) expect(existsSync(join(ROOT, path)), path).toBe(true)
  const allowed = read('Dockerfile.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  expect(new Set(allowed)).toEqual(new Set(copied))
  for (const folder of ['bin', 'core', 'adapters', 'config', 'plugins']) expect(copied).toContain(folder)
})

test('what the ignore file takes out again is no file of a gateway: a pattern also takes out what lies below what it matches', () => {
  const again = read('Dockerfile.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && line !== '*' && !/^[#!]/u.test(line))
  expect(again).not.toHaveLength(0)
  const files = globSync('{bin,core,adapters,config,plugins}/**/*.{css,html,js,json,lua,ts,wsdl,yaml}', {
    cwd: ROOT,
    exclude: ['**/node_modules'],
  })
  expect(files).toContain('adapters/data/json.ts')
  const above = (file: string): readonly string[] =>
    file.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'))
  const lost = files.filter((file) =>
    above(file).some((path) => again.some((each) => matchesGlob(path, each))),
  )
  expect(lost).toEqual([])
})

test('compose.yaml: Redis loses nothing it acknowledged and evicts nothing, data outlives its containers, the gateway has time to end', () => {
  const { services, volumes } = parse(read('compose.yaml'), { strict: true, uniqueKeys: true }) as {
    services: Record<'redis' | 'gateway', Record<string, unknown>>
    volumes: Record<string, unknown>
  }
  const settings = services.redis['command'] as readonly string[]
  const setting = (name: string): unknown => settings[settings.indexOf(`--${name}`) + 1]
  expect(settings.every((word) => typeof word === 'string')).toBe(true)
  expect(setting('appendonly')).toBe('yes')
  expect(setting('appendfsync')).toBe('always')
  expect(setting('no-appendfsync-on-rewrite')).toBe('no')
  expect(setting('maxmemory-policy')).toBe('noeviction')
  for (const service of Object.values(services))
    for (const mount of service['volumes'] as readonly string[]) {
      const [from = ''] = mount.split(':')
      if (from.startsWith('.')) expect(existsSync(join(DEPLOY, from)), mount).toBe(true)
      else expect(volumes).toHaveProperty(from)
    }
  expect(services.gateway['stop_grace_period']).toBe('30s')
  const { context, dockerfile } = services.gateway['build'] as Record<'context' | 'dockerfile', string>
  expect(existsSync(join(DEPLOY, context, dockerfile))).toBe(true)
})

async function configBeside(): ReturnType<typeof loadWithoutPlugins> {
  process.env['SHOP_KEY'] = 'sixteen-characters-of-it'
  try {
    return await loadWithoutPlugins(join(DEPLOY, 'gateway.yaml'), {})
  } finally {
    delete process.env['SHOP_KEY']
  }
}

test('the config beside it is one a gateway takes', async () => {
  const { http, store, identity } = await configBeside()
  expect(http).toMatchObject({ host: '0.0.0.0', port: 8080 })
  expect(store).toMatchObject({ url: 'redis://redis:6379', durability: 'strict' })
  expect(identity).toBeDefined()
})

test('what its retention keeps fits into the memory that compose.yaml gives Redis', async () => {
  const memory = /--maxmemory\s+- (\d+[a-z]+)/u.exec(read('compose.yaml'))?.[1] ?? ''
  const { store } = await configBeside()
  expect(parseSize(memory)).toBeGreaterThan(0)
  expect(store.retention.maxBytes).toBeLessThanOrEqual(contentRoomOf(parseSize(memory) ?? 0))
})

test('dragoman.service starts the gateway itself, has it load its config again, and gives it the time to end', async () => {
  const unit = read('dragoman.service')
  const said = (key: string): string => new RegExp(`^${key}=(.*)$`, 'mu').exec(unit)?.[1] ?? ''
  expect(said('ExecStart')).toMatch(/^\/usr\/bin\/node \/opt\/dragoman\/bin\/dragoman\.ts start /u)
  expect(said('ExecStart')).toContain(`--data /var/lib/${said('StateDirectory')}`)
  expect([said('ExecReload'), said('KillMode')]).toEqual(['/bin/kill -HUP $MAINPID', 'mixed'])
  expect(Number(said('TimeoutStopSec'))).toBeGreaterThan(12)
  // What the config of this folder names must be able to come from somewhere; without it the unit starts too.
  expect(said('EnvironmentFile')).toMatch(/^-\/etc\/dragoman\//u)
  expect(said('SuccessExitStatus')).toBe('143')
  // What it stores is for its user alone, and a Redis that comes up late does not keep it down.
  expect([said('StateDirectoryMode'), said('UMask')]).toEqual(['0700', '0077'])
  expect([said('Restart'), said('RestartSec'), said('StartLimitIntervalSec')]).toEqual([
    'on-failure',
    '2s',
    '0',
  ])

  const folder = await mkdtemp(join(tmpdir(), 'service-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'gateway.yaml'), 'http: { port: 0 }\nchannels: { web: { adapter: rest } }\n')
  const [node = '', ...words] = said('ExecStart')
    .replace('/usr/bin/node', process.execPath)
    .replace('/opt/dragoman', ROOT)
    .replace('/etc/dragoman', folder)
    .replace('/var/lib/dragoman', join(folder, 'data'))
    .split(' ')
  const child = spawn(node, words, { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', (piece) => (log += String(piece)))
  await once(child.stdout, 'data')
  child.kill('SIGHUP')
  await expect.poll(() => log, { timeout: 30_000 }).toContain('a new generation runs')
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
}, 60_000)

test('the probe shows the token that lies in the data folder, or the one of the environment that the config names', async () => {
  const data = await mkdtemp(join(tmpdir(), 'probe-'))
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(request.url === '/healthz' ? 200 : 503).end()
  }).listen(0, '127.0.0.1')
  onTestFinished(async () => {
    server.close()
    await rm(data, { recursive: true })
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  await writeFile(join(data, 'gateway.url'), `http://127.0.0.1:${port}\n`)
  const probe = async (path: string, env: Readonly<Record<string, string>> = {}): Promise<unknown> => {
    const child = spawn(process.execPath, [join(DEPLOY, 'probe.ts'), path, data], { env, stdio: 'ignore' })
    const [status] = (await once(child, 'exit')) as readonly unknown[] // the exit status is first
    return status
  }
  expect(await probe('/healthz', { ADMIN_TOKEN: 'of-the-config' })).toBe(0)
  expect(await probe('/healthz')).toBe(1) // it knows none
  await writeFile(join(data, 'admin.token'), 'left-behind\n')
  expect(await probe('/healthz')).toBe(0)
  expect(await probe('/readyz')).toBe(1)
  expect(seen).toEqual(['Bearer of-the-config', 'Bearer left-behind', 'Bearer left-behind'])
})

test('the probe knows the gateway by the first certificate of its file, also when its time is over: one that only follows there is another', async () => {
  const data = await mkdtemp(join(tmpdir(), 'probe-'))
  onTestFinished(() => rm(data, { recursive: true }))
  const own = makeCertificate('desk.example.com')
  expire(own)
  const certificates = [own, makeCertificate('authority.example.com')]
  const chain = join(data, 'chain.pem')
  await writeFile(chain, certificates.map(({ cert }) => readFileSync(cert, 'utf8')).join(''))
  await writeFile(join(data, 'admin.token'), 'left-behind\n')
  const statuses: unknown[] = []
  let asked = 0
  for (const { cert, key } of certificates) {
    const files = { cert: readFileSync(cert), key: readFileSync(key) }
    const server = createSecureServer(files, (_request, response) => {
      asked += 1
      response.end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // it listens on TCP
    await writeFile(join(data, 'gateway.url'), `https://127.0.0.1:${port}\n${chain}\n`)
    const child = spawn(process.execPath, [join(DEPLOY, 'probe.ts'), '/healthz', data], { stdio: 'ignore' })
    statuses.push(...(await once(child, 'exit')).slice(0, 1))
    server.closeAllConnections()
    server.close()
  }
  for (const certificate of certificates) certificate[Symbol.dispose]()
  expect(statuses).toEqual([0, 1])
  expect(asked).toBe(1)
})
