// `dragoman migrate` as an operator uses it: a gateway on a folder, the move, the same gateway on Redis, and back.
import { spawnSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { openSqliteStore } from '../../core/store/sqlite.ts'
import { accept } from '../conformance/store/world.ts'
import { startBot, textOf } from '../support/bot.ts'
import { startGateway, temporaryDirectory } from '../support/gateway.ts'
import { RedisSentinel, SENTINEL_PASSWORD } from '../support/redis-sentinel.ts'
import { RedisServer } from '../support/redis-server.ts'
import { readLog, say, texts } from '../support/rest.ts'

const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')
const yaml = (bot: string, store = ''): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot}", timeout: 30s } }
routes: [{ agent: helper }]
${store}
`

function dragoman(...words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...words], {
    encoding: 'utf8',
    timeout: 100_000,
  })
  return { status, stdout, stderr }
}

test(
  '"store" is the Redis of the config, here a master that Sentinels with a password know',
  { timeout: 60_000 },
  async () => {
    await using redis = await RedisServer.start()
    await using sentinel = await RedisSentinel.start(redis)
    const directory = await temporaryDirectory()
    try {
      const file = join(directory, 'gateway.yaml')
      const url = `redis+sentinel://127.0.0.1:${sentinel.port}/main`
      const store = `store: { url: "${url}", durability: strict, sentinel: { password: ${SENTINEL_PASSWORD} } }`
      await writeFile(file, yaml('http://127.0.0.1:1/', store))
      const data = join(directory, 'data')
      {
        await using folder = await openSqliteStore({ directory: data })
        await folder.accept(accept('a'))
      }
      redis.set({ appendfsync: 'everysec' })
      expect(dragoman('migrate', '--config', file, '--from', data, '--to', 'store')).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('durability is "strict" and Redis gives less'),
      })
      redis.set({ appendfsync: 'always' })
      const moved = dragoman('migrate', '--config', file, '--from', data, '--to', 'store')
      expect(moved).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining(`to ${url}.`) })
      const back = join(directory, 'back')
      redis.set({ appendfsync: 'everysec' }) // of no account where it is only read
      expect(dragoman('migrate', '--config', file, '--from', url, '--to', back)).toMatchObject({ status: 0 })
      await writeFile(file, yaml('http://127.0.0.1:1/'))
      expect(dragoman('migrate', '--config', file, '--from', 'store', '--to', back)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('names no store.url'),
      })
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  },
)

test(
  'a gateway goes on where its store has gone: the same answers to duplicates, the same log; the folder it left refuses it in words',
  { timeout: 180_000 },
  async () => {
    await using redis = await RedisServer.start()
    await using bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
    const embedded = { yaml: yaml(bot.url) }
    const shared = { yaml: yaml(bot.url, `store: { url: "${redis.url}" }`) }
    await using first = await startGateway(embedded)
    const { directory } = first
    const data = join(directory, 'data')
    const said = await say(first.base, 'one', { key: 'k1', waitSeconds: 10 })
    expect(said).toMatchObject({ status: 200, body: { reply: { parts: [{ text: 'echo one' }] } } })

    const early = dragoman('migrate', '--from', data, '--to', redis.url)
    expect(early).toMatchObject({ status: 1, stderr: expect.stringContaining('in use by another process') })
    await first.kill()

    const moved = dragoman('migrate', '--from', data, '--to', redis.url)
    expect(moved).toMatchObject({ status: 0, stderr: '' })
    // No terminal: plain lines, and never a password or a bar.
    expect(moved.stdout).toMatch(/^check: (?<all>\d+) of about \k<all> rows, 100 %$/mu)
    expect(moved.stdout).toMatch(/^message +2 +[0-9a-f]{32}$/mu)
    await expect(startGateway({ ...embedded, directory })).rejects.toThrow(
      /was moved to redis:.*--use-moved-store/u,
    )

    {
      await using second = await startGateway(shared)
      const again = await say(second.base, 'one', { key: 'k1', waitSeconds: 10 })
      expect(again).toMatchObject({ status: 200, body: { duplicate: true, id: said.body.id, sequence: 1 } })
      const next = await say(second.base, 'two', { key: 'k2', waitSeconds: 10 })
      expect(next).toMatchObject({
        status: 200,
        body: { sequence: 3, reply: { parts: [{ text: 'echo two' }] } },
      })
      expect(await second.stop()).toBe(0)
    }

    const other = await temporaryDirectory()
    try {
      expect(dragoman('migrate', '--from', redis.url, '--to', join(other, 'data'))).toMatchObject({
        status: 0,
        stderr: '',
      })
      const again = dragoman('migrate', '--from', redis.url, '--to', join(other, 'elsewhere'))
      expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining('was moved to') })
      await using third = await startGateway({ ...embedded, directory: other })
      const all = ['inbound: one', 'outbound: echo one', 'inbound: two', 'outbound: echo two']
      expect(texts(await readLog(third.base, 'web:ann'))).toEqual(all)
      // Nothing was lost, so no cursor is void.
      expect(third.log()).not.toContain('restored or moved')
    } finally {
      await rm(other, { recursive: true, force: true })
    }
  },
)

test('what is no move is refused in words', () => {
  for (const [from, to] of [
    ['./a', './b'],
    ['redis://127.0.0.1:1', 'redis://127.0.0.1:2'],
  ] as const)
    expect(dragoman('migrate', '--from', from, '--to', to)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('one of --from and --to is a folder'),
    })
  expect(dragoman('migrate', '--from', '/nowhere/at/all', '--to', 'redis://127.0.0.1:1')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('there is no store in "/nowhere/at/all"'),
  })
})
