// Where Redis is: in a cluster, behind TLS with an ACL user and a database; and what its replicas must have.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../../../bin/demo/free-port.ts'
import { GatewayError } from '../../../../core/api.ts'
import { partitionLease } from '../../../../core/store/figures.ts'
import { openRedisStore } from '../../../../core/store/redis.ts'
import type { RedisOptions } from '../../../../core/store/redis.ts'
import type { Store } from '../../../../core/store/store.ts'
import { accept, answering, expectStatus, working } from '../../../conformance/store/world.ts'
import { makeCertificate } from '../../../support/certificate.ts'
import type { Certificate } from '../../../support/certificate.ts'
import { until } from '../../../support/gateway.ts'
import { RedisCluster } from '../../../support/redis-cluster.ts'
import { RedisServer } from '../../../support/redis-server.ts'

const said: string[] = []
const say = (text: string): number => said.push(text)
const log = { debug: say, info: say, warn: say, error: say, child: () => log }

let opened: Store[] = []
afterEach(async () => {
  for (const store of opened) await store[Symbol.asyncDispose]()
  opened = []
  said.length = 0
})

async function open(options: RedisOptions): Promise<Store> {
  const store = await openRedisStore({ log, ...options })
  opened.push(store)
  return store
}

const of = (user: number) => ({ home: `web/u${user}`, conversation: `web:u${user}` })

async function follow(master: RedisServer, settings: readonly string[] = []): Promise<RedisServer> {
  const before = master.cli('INFO', 'replication').split('state=online').length
  const replica = await RedisServer.start(['--replicaof', '127.0.0.1', String(master.port), ...settings])
  await until(
    () => (master.cli('INFO', 'replication').split('state=online').length > before ? true : undefined),
    30_000,
  )
  return replica
}

describe('TLS, an ACL user and a database', () => {
  const directory = mkdtempSync(join(tmpdir(), 'dragoman-pems-'))
  const file = (name: string): string => join(directory, name)
  afterAll(() => rmSync(directory, { recursive: true }))

  beforeAll(() => {
    const openssl = (...words: readonly string[]): unknown =>
      execFileSync('openssl', words, { stdio: 'ignore' })
    const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    openssl('req', '-x509', ...fresh, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=ca')
    const signed = ['-CA', file('ca.pem'), '-CAkey', file('ca.key')]
    const name = ['-addext', 'subjectAltName=IP:127.0.0.1']
    openssl(
      'req',
      '-x509',
      ...fresh,
      ...signed,
      ...name,
      '-keyout',
      file('key.pem'),
      '-out',
      file('cert.pem'),
      '-subj',
      '/CN=r',
    )
  })

  test('served to who has a certificate of the right authority, is the user, and may do no more than is needed', async () => {
    const port = await freePort()
    const own = ['--tls-cert-file', file('cert.pem'), '--tls-key-file', file('key.pem')]
    const theirs = ['--tls-ca-cert-file', file('ca.pem'), '--tls-auth-clients', 'yes']
    await using server = await RedisServer.start(['--tls-port', String(port), ...own, ...theirs])
    // The rights that config/README.md names, and no others.
    const rights =
      '~dragoman:* resetchannels &dragoman:* +@read +@write +@scripting +@connection +select +publish +subscribe +unsubscribe +info +time +wait +config|get'
    server.cli('ACL', 'SETUSER', 'gate', 'on', '>hunter22', ...rights.split(' '))
    const url = `rediss://gate:hunter22@127.0.0.1:${port}/5`
    const tls = { caFile: file('ca.pem'), certFile: file('cert.pem'), keyFile: file('key.pem') }
    const store = await open({ url, tls, durability: 'strict' })
    expect(await store.accept(accept('a', of(1)))).toMatchObject({ status: 'accepted', sequence: 1 })
    expect(await store.find({ by: 'ledger' })).toMatchObject([{ accepted: 1 }])
    await store.trim({ partition: store.partitionOf('web/u1'), olderThanMs: 0, maxBytes: 1, budgetMs: 5 })
    expect(server.cli('-n', '5', 'DBSIZE')).not.toBe('0')
    expect(server.cli('-n', '0', 'DBSIZE')).toBe('0')
    await expect(open({ url })).rejects.toMatchObject({ message: expect.stringContaining('certificate') })
    const { caFile } = tls
    await expect(open({ url, tls: { caFile } })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('client certificate'),
    })
    const plain = `rediss://gate:hunter22@127.0.0.1:${server.port}`
    await expect(open({ url: plain, tls })).rejects.toMatchObject({
      message: expect.stringContaining('does this port speak TLS?'),
    })
    const wrong = url.replace('hunter22', 'hunter23')
    await expect(open({ url: wrong, tls })).rejects.toMatchObject({
      message: expect.stringContaining('WRONGPASS'),
    })
    expect(said.join('\n')).not.toMatch(/hunter2/)
  })
})

test('certificates that were renewed are used by the next connection, and one that is away for a moment is as it was', async () => {
  using before = makeCertificate()
  using after = makeCertificate()
  const folder = await mkdtemp(join(tmpdir(), 'dragoman-renewed-'))
  await using _gone = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
  const caFile = join(folder, 'ca.pem')
  await copyFile(before.cert, caFile)
  const port = await freePort()
  const served = ({ cert, key }: Certificate): Promise<RedisServer> =>
    RedisServer.start([
      '--tls-port',
      String(port),
      '--tls-cert-file',
      cert,
      '--tls-key-file',
      key,
      '--tls-auth-clients',
      'no',
    ])
  const url = `rediss://localhost:${port}`
  const taken = (id: string): Promise<unknown> =>
    store.accept(accept(id, of(1))).then(({ status }) => status, String)
  const first = await served(before)
  const store = await open({ url, tls: { caFile } })
  expect(await taken('a')).toBe('accepted')
  await rm(caFile)
  first.cli('CLIENT', 'KILL', 'TYPE', 'normal')
  await expect.poll(() => taken('b'), { timeout: 20_000 }).toBe('accepted')
  await first[Symbol.asyncDispose]()
  await copyFile(after.cert, caFile)
  await using _second = await served(after)
  await expect.poll(() => taken('c'), { timeout: 20_000 }).toBe('accepted')
})

test('a database that is refused is not used, nor is another one in its place', async () => {
  await using server = await RedisServer.start()
  const at = `127.0.0.1:${server.port}`
  await expect(open({ url: `redis://${at}/99` })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('out of range'),
  })
  server.cli('ACL', 'SETUSER', 'narrow', 'on', '>hunter22', '~*', '&*', '+@all', '-select')
  const url = `redis://narrow:hunter22@${at}/5`
  await expect(open({ url })).rejects.toMatchObject({ message: expect.stringContaining('NOPERM') })
  // Nor after a reconnect.
  server.cli('ACL', 'SETUSER', 'narrow', '+select')
  const store = await open({ url })
  server.cli('ACL', 'SETUSER', 'narrow', '-select')
  server.cli('CLIENT', 'KILL', 'USER', 'narrow')
  await expect
    .poll(() => store.accept(accept('a', of(1))).catch((error: unknown) => error), { timeout: 20_000 })
    .toMatchObject({
      message: expect.stringMatching(/^the store cannot be used/u),
      cause: { message: expect.stringContaining('NOPERM') },
    })
  expect(server.cli('-n', '0', 'DBSIZE')).toBe('0')
  server.cli('ACL', 'SETUSER', 'narrow', '+select')
  await soon(() => store.accept(accept('a', of(1))))
  expect(server.cli('-n', '0', 'DBSIZE')).toBe('0')
})

/** A replica that has just come may need a moment; what nobody knows is asked again with its id (SEMANTICS 15). */
function soon<T>(operation: () => Promise<T>): Promise<T> {
  return until(
    () =>
      operation().catch((error: unknown) => {
        if (GatewayError.from(error).code !== 'STORE_UNAVAILABLE') throw error
        return undefined
      }),
    20_000,
  )
}

describe('replicas', () => {
  test('a replica that does not acknowledge: 503 and unknown, then refused at once and unready, reads go on; back, the same id is one message', async () => {
    await using master = await RedisServer.start()
    await using replica = await follow(master)
    const store = await open({ url: master.url, durability: 'strict' })
    await soon(() => store.accept(accept('a', of(1))))
    process.kill(replica.pid, 'SIGSTOP')
    const unknown = await store.accept(accept('b', of(1))).catch((error: unknown) => error)
    expect(unknown).toMatchObject({ code: 'STORE_UNAVAILABLE', notExecuted: false })
    expect(unknown).toMatchObject({ message: expect.stringContaining('0 of 1 replicas acknowledged') })
    const refused = await store.accept(accept('c', of(1))).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'STORE_UNAVAILABLE', notExecuted: true })
    await expect
      .poll(() => store.health(), { timeout: 20_000 })
      .toMatchObject({
        writable: false,
        reason: expect.stringContaining('0 of 1 replicas acknowledge'),
      })
    expect(
      await store.read({ home: 'web/u1', log: { conversation: 'web:u1' }, after: 0, limit: 9 }),
    ).toMatchObject({ status: 'rows', top: 2 })
    expect(await store.lease({ name: partitionLease(1), owner: 'one', ttlMs: 1000 })).toMatchObject({
      status: 'held',
    })
    process.kill(replica.pid, 'SIGCONT')
    await expect.poll(() => store.health(), { timeout: 20_000 }).toEqual({ writable: true })
    expect(await store.accept(accept('b', of(1)))).toMatchObject({ status: 'accepted', sequence: 2 })
    expect(await store.accept(accept('c', of(1)))).toMatchObject({ status: 'accepted', sequence: 3 })
  })

  test('strict refuses replicas that need not acknowledge, and fewer than must; what stands still says so', async () => {
    await using master = await RedisServer.start()
    await using replica = await follow(master)
    const strict = { url: master.url, durability: 'strict' } as const
    await expect(open({ ...strict, replicas: 0 })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('a failover to its replica may cost what had not reached it yet'),
    })
    await expect(open({ ...strict, replicas: 2 })).rejects.toMatchObject({
      message: expect.stringContaining('2 replicas are to acknowledge each write and 1 follow'),
    })
    await open({ ...strict, replicas: 1 })
    said.length = 0
    await open({ url: master.url })
    expect(said.join('\n')).toContain('may cost what had not reached it yet')
    expect(replica.pid).toBeGreaterThan(0)
  })

  test('strict looks again: settings that got weaker refuse what would be written, and say so', async () => {
    await using master = await RedisServer.start()
    const store = await open({ url: master.url, durability: 'strict' })
    master.cli('CONFIG', 'SET', 'appendfsync', 'everysec')
    await expect
      .poll(() => store.health(), { timeout: 20_000 })
      .toMatchObject({
        writable: false,
        reason: expect.stringContaining('appendfsync everysec'),
      })
    await expect(store.accept(accept('a', of(1)))).rejects.toMatchObject({ notExecuted: true })
    master.set({ 'no-appendfsync-on-rewrite': 'yes', appendfsync: 'always' })
    await expect
      .poll(() => store.health(), { timeout: 20_000 })
      .toMatchObject({
        reason: expect.stringContaining('no-appendfsync-on-rewrite'),
      })
    master.cli('CONFIG', 'SET', 'no-appendfsync-on-rewrite', 'no')
    await expect.poll(() => store.health(), { timeout: 20_000 }).toEqual({ writable: true })
  })

  test('a server that hides CONFIG: said at the start, and refused under strict', async () => {
    await using server = await RedisServer.start(['--rename-command', 'CONFIG', ''])
    await open({ url: server.url })
    expect(said.join('\n')).toContain('what a power loss costs is not known')
    await expect(open({ url: server.url, durability: 'strict' })).rejects.toMatchObject({
      message: expect.stringContaining('CONFIG is not allowed here'),
    })
  })
})

describe('a cluster of three masters, each with a replica', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await RedisCluster.start({ replicas: true })
  }, 90_000)
  afterAll(() => cluster[Symbol.asyncDispose]())

  test('each customer’s keys are on one node, all nodes have some, and every operation finds its own', async () => {
    const store = await open({ url: cluster.url, durability: 'strict' })
    const watcher = await open({ url: cluster.url })
    const watch = watcher.watch(['reply:m7'])
    const hinted = watch[Symbol.asyncIterator]().next()
    for (let user = 0; user < 24; user++) {
      const name = partitionLease(store.partitionOf(of(user).home))
      const { fence } = expectStatus(await store.lease({ name, owner: 'one', ttlMs: 60_000 }), 'held')
      await soon(() => store.accept(working(`m${user}`, { ...of(user), fence })))
      await soon(() => store.settle(answering(`m${user}`, { ...of(user), fence })))
      expect(await store.read({ home: of(user).home, log: of(user), after: 0, limit: 9 })).toMatchObject({
        rows: [{ message: { id: `m${user}` } }, {}],
      })
    }
    expect(await store.find({ by: 'ledger' })).toMatchObject([{ accepted: 24, settled: 24 }])
    expect(await hinted).toMatchObject({ value: 'reply:m7' })
    watch.close()
    for (const node of cluster.masters) expect(Number(node.cli('DBSIZE'))).toBeGreaterThan(10)
  })

  test('a master without a replica: the others’ writes wait for their own all the same, and the start says both', async () => {
    const [frozen, gone] = cluster.replicas
    const [, lonely] = cluster.masters
    const isFollowed = (): boolean => lonely?.cli('INFO', 'replication').includes('state=online') === true
    await gone?.end('SIGKILL')
    await until(() => !isFollowed() || undefined)
    const store = await open({ url: cluster.url, durability: 'strict' })
    expect(said.join('\n')).toContain(
      'there is no replica to fail over to, at another master a failover to its replica costs nothing that was acknowledged (WAIT 1)',
    )
    process.kill(frozen?.pid ?? 0, 'SIGSTOP')
    const users = Array.from({ length: 30 }, (_, user) => user + 300)
    const ends = await Promise.allSettled(users.map((user) => store.accept(accept(`m${user}`, of(user)))))
    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []))
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThan(users.length)
    expect(new Set(refused).values().next().value).toContain('0 of 1 replicas acknowledged')
    process.kill(frozen?.pid ?? 0, 'SIGCONT')
    await gone?.begin()
    await until(() => isFollowed() || undefined, 30_000)
  })

  test(
    'one of its masters is killed: all is refused until its replica is promoted, and nothing acknowledged is lost (SEMANTICS 12)',
    { timeout: 90_000 },
    async () => {
      const store = await open({ url: cluster.url, durability: 'strict' })
      expect(said.join('\n')).toContain(
        'a failover to its replica costs nothing that was acknowledged (WAIT 1)',
      )
      await soon(() => store.accept(accept('m400', of(400))))
      const { incarnation } = store
      const users = Array.from({ length: 100 }, (_, user) => user + 100)
      const outcomes = users.map(async (user) => ({
        user,
        ...(await store.accept(accept(`m${user}`, of(user)))),
      }))
      const settled = Promise.allSettled(outcomes)
      await until(() => Promise.any(outcomes))
      await cluster.masters[2]?.end('SIGKILL')
      const acknowledged = (await settled).flatMap((one) =>
        one.status === 'fulfilled' ? [one.value.user] : [],
      )
      expect(acknowledged.length).toBeGreaterThan(0)
      await expect.poll(() => store.health().writable, { timeout: 20_000 }).toBe(false)
      await expect(store.accept(accept('x', of(1)))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      await expect.poll(() => store.health(), { timeout: 60_000 }).toEqual({ writable: true })
      expect(store.incarnation).not.toBe(incarnation)
      for (const user of acknowledged)
        expect(await store.read({ home: of(user).home, log: of(user), after: 0, limit: 9 })).toMatchObject({
          rows: [{ message: { id: `m${user}` } }],
        })
      expect(await store.accept(accept('x', of(1)))).toMatchObject({ status: 'accepted' })
    },
  )
})
